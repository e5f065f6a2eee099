"""Pages for people: runs, what was found in them, and why."""
