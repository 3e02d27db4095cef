"""Where weights that were made on this machine are kept."""

from __future__ import annotations

import os
from pathlib import Path

from genzoo.errors import GenzooError


def cached(name: str) -> Path:
    """The place of a file of that name in the user's cache: below GENZOO_CACHE, or where the system keeps caches.

    Raises:
        GenzooError: its folder cannot be made.
    """
    import pooch  # slow to import

    folder = Path(os.environ.get("GENZOO_CACHE") or pooch.os_cache("genzoo")).expanduser() / "features"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise GenzooError(f"{folder} could not be made: {error.strerror}. Name a folder in GENZOO_CACHE.") from error
    return folder / name
