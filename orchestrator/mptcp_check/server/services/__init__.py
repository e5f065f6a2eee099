"""The application servers of a measurement server, and a folder and an account per session."""
