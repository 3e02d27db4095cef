"""The crash harness: it kills runs or fails their disk at every point, resumes them, and compares them bit for bit.

`make crash` runs all of it, `tests/training/test_crash.py` a part. Children are forked from a parent that has imported
and used everything before.
"""
