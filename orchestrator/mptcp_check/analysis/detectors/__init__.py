"""One module per path behaviour; none knows another, `diagnose.py` holds the table."""
