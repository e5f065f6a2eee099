"""One connection in two captures: found, lined up, and compared byte by byte."""
