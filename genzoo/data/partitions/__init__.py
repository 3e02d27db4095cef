"""Data in many files, on this machine or behind URLs: finding the files, and reading them as one table."""
