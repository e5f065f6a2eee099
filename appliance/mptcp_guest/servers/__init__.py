"""Servers that nothing else is: programs of this package, each run as a process of its own.

They import nothing but the standard library and `mptcp_guest.servers`: an emulated machine starts
several of them in each run.
"""
