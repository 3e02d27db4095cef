"""The seven hooks of a plugin. Each gets a callback `register`, and calls it once per spec."""

from __future__ import annotations

from collections.abc import Callable

import pluggy

from genzoo.spec.entries import (
    CallbackSpec,
    DatasetSpec,
    ExtractorSpec,
    MetricSpec,
    ModelSpec,
    ObjectiveSpec,
    TransformSpec,
)

GROUP = "genzoo"
"""Name of the pluggy project, and of the entry-point group."""


hookspec = pluggy.HookspecMarker(GROUP)


hookimpl = pluggy.HookimplMarker(GROUP)


@hookspec
def register_models(register: Callable[[ModelSpec], None]) -> None:
    """Register models."""


@hookspec
def register_objectives(register: Callable[[ObjectiveSpec], None]) -> None:
    """Register objectives that train models."""


@hookspec
def register_datasets(register: Callable[[DatasetSpec], None]) -> None:
    """Register datasets by name."""


@hookspec
def register_metrics(register: Callable[[MetricSpec], None]) -> None:
    """Register metrics by name."""


@hookspec
def register_extractors(register: Callable[[ExtractorSpec], None]) -> None:
    """Register extractors of the features that metrics compare."""


@hookspec
def register_transforms(register: Callable[[TransformSpec], None]) -> None:
    """Register transforms between data units and the space that models compute in."""


@hookspec
def register_callbacks(register: Callable[[CallbackSpec], None]) -> None:
    """Register callbacks of training steps."""
