"""The measurement server: sessions for many users at once, each with its own capture."""
