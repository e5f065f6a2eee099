"""Clients of exchanges that no program of a distribution is."""
