"""Interpolation between training rows: a baseline with no density, which copies."""
