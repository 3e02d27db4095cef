"""The installed version of genzoo."""

from __future__ import annotations

import importlib.metadata


def version() -> str:
    """The installed version of genzoo."""
    return importlib.metadata.version("genzoo")
