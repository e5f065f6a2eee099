"""What happened when: time series of a Multipath TCP connection, as columns for drawing."""
