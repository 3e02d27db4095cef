"""The tree that the tests are part of, for tests that copy it."""

from pathlib import Path

import genzoo

ROOT = Path(genzoo.__file__).parent.parent


def leave_out(folder: str, names: list[str]) -> set[str]:
    """What is no part of the tree: caches and environments."""
    return {name for name in names if name == "__pycache__" or (name == "runs" and Path(folder) == ROOT)} | {
        name for name in names if name.startswith(".") and name != ".gitignore"
    }
