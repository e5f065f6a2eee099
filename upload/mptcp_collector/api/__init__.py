"""The collector's interface over HTTP."""
