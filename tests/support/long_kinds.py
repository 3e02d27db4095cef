"""Kinds of plugins whose own tests take long."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

_LONG = {"gan", "likelihood", "vae"}


def long_in_full(kinds: Iterable[str]) -> list[Any]:
    """Return parameters of a test; those of kinds whose promises take long to check are left to `make full`."""
    return [pytest.param(kind, marks=[pytest.mark.full] * (kind in _LONG)) for kind in kinds]
