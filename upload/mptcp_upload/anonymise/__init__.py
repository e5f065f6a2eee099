"""Replace what tells who and where, and keep what tells how the path behaved; PURE."""
