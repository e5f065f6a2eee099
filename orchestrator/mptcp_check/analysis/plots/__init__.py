"""Drawings of a connection's time series: SVG for papers, one HTML page to look around in."""
