"""Datasets: one reader per file format, and one `Dataset` class for all of them."""
