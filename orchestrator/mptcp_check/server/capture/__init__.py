"""Captures per session: one reader of the kernel's ring, and a file for each session."""
