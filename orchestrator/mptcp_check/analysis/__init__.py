"""From packets to verdicts: pure functions from values to values, no input and no output."""
