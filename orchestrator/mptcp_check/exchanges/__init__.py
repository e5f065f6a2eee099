"""The applications of a check, one module each: what the client runs and what must arrive."""
