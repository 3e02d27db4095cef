"""Kinds of plugins whose own tests take long."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

_LONG = {"direct", "gan", "image", "likelihood", "text", "vae"}


def long_in_full(kinds: Iterable[str]) -> list[Any]:
    """Return one parameter for each kind. Kinds whose checks take long are marked for `make full`."""
    return [pytest.param(kind, marks=[pytest.mark.full] * (kind in _LONG)) for kind in kinds]
