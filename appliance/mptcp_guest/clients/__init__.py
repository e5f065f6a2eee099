"""Clients that nothing else is: programs of this package, each run as a process of its own."""
