"""The conformance kit: tests that every plugin must pass, one for each promise.

Write one test function, and pytest runs it once for each promise::

    from genzoo.testing import keeps_promises

    @keeps_promises("my-model", options={"n_components": 2})
    def test_my_model(promise):
        promise()

The names of this package are imported on first use: pytest loads `genzoo.testing.reporting` in every session, and that
must not import torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from genzoo.testing.check import check_promises as check_promises
    from genzoo.testing.check import promises as promises
    from genzoo.testing.keeping import keeps_promises as keeps_promises
    from genzoo.testing.promise import Outcome as Outcome
    from genzoo.testing.promise import Promise as Promise

_MODULE_OF = {
    "Outcome": "promise",
    "Promise": "promise",
    "check_promises": "check",
    "keeps_promises": "keeping",
    "promises": "check",
}

__all__ = sorted(_MODULE_OF)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'genzoo.testing' has no attribute {name!r}")
    return getattr(importlib.import_module(f"genzoo.testing.{_MODULE_OF[name]}"), name)


def __dir__() -> list[str]:
    return list(__all__)
