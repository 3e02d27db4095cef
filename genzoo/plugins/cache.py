"""The folder in which genzoo keeps what it found out about installed packages."""

from __future__ import annotations

import os
from pathlib import Path


def cache_home() -> Path:
    """Return `GENZOO_CACHE`, or `genzoo` in the user's folder for caches. It may not exist.

    Raises:
        RuntimeError: the user has no home folder.
    """
    home = os.environ.get("GENZOO_CACHE") or f"{os.environ.get('XDG_CACHE_HOME') or '~/.cache'}/genzoo"
    return Path(home).expanduser()
