"""Kinds of plugins, and promises of models, whose tests take long."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import pytest

_LONG = {"dataset", "diffusion", "direct", "gan", "image", "likelihood", "metric", "text", "vae"}


def long_in_full(kinds: Iterable[str]) -> list[Any]:
    """Return one parameter for each kind. Kinds whose checks take long are marked for `make full`."""
    return [pytest.param(kind, marks=[pytest.mark.full] * (kind in _LONG)) for kind in kinds]


def promises_in_full(kept: pytest.MarkDecorator, slow: Collection[str]) -> list[Any]:
    """Return the parameters of `keeps_promises`, the slow promises marked for `make full`."""
    return [
        pytest.param(*one.values, id=one.id, marks=[*one.marks, *[pytest.mark.full] * (one.id in slow)])
        for one in kept.args[1]
    ]
