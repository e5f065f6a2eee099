"""mptcp-check: does Multipath TCP work on this network, where does it fall back, and who did it."""

__version__ = "0.1.0"
