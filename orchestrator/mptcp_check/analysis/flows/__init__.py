"""Segments to TCP connections, subflows and Multipath TCP connections, by tokens and keys."""
