"""The folder in which downloaded files are kept."""

from __future__ import annotations

import os
from pathlib import Path

from genzoo.errors import GenzooError


def find_cache(name: str) -> Path:
    """Return a folder of the user's cache, in GENZOO_CACHE or the system's folder for caches. It may not exist."""
    import pooch  # slow to import

    return Path(os.environ.get("GENZOO_CACHE") or pooch.os_cache("genzoo")).expanduser() / name


def cache_folder(name: str) -> Path:
    """Return a folder of the user's cache as `find_cache` does; make it if it is missing.

    Raises:
        GenzooError: the folder cannot be created.
    """
    folder = find_cache(name)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise GenzooError(
            f"{folder} could not be created: {error.strerror}. Set GENZOO_CACHE to a folder that can be written."
        ) from error
    return folder
