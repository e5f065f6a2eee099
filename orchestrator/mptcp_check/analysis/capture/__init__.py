"""Bytes of a capture file to columns of TCP segments, and back to a file."""
