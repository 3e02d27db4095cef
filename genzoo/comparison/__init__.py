"""Fit several models to one dataset, rank them, and check the result."""
