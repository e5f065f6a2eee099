"""The middlebox lab: behaviours are pure functions from a frame to frames; carriers are thin."""
