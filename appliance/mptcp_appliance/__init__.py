"""Declared images: pure planning, then build and verification."""
