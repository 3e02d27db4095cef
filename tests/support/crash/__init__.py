"""The crash harness: runs that are killed or refused at every point, resumed, and compared bit for bit.

`make crash` runs all of it, `tests/training/test_crash.py` a part. Children are forked from a parent
that has imported and used everything before.
"""
