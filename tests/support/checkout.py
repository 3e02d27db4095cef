"""The source tree of the tests, for tests that copy it."""

from pathlib import Path

import genzoo

ROOT = Path(genzoo.__file__).parent.parent


def leave_out(folder: str, names: list[str]) -> set[str]:
    """Return the names that do not belong to the source tree, such as caches and environments."""
    return {name for name in names if name == "__pycache__" or (name == "runs" and Path(folder) == ROOT)} | {
        name for name in names if name.startswith(".") and name != ".gitignore"
    }
