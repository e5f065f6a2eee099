"""A run as one self-describing directory, and later its way to a collector."""
