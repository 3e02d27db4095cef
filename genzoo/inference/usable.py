"""Tell weights with which no answer makes sense from data that are unlike anything the model was trained on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
import torch

from genzoo.data.dataset import Conditioned, ModelEvents
from genzoo.errors import ArtifactError, DivergenceError
from genzoo.inference.data_units import DataUnits
from genzoo.inference.sampling import sample
from genzoo.models.base import Generator
from genzoo.spec.events import DataSpec
from genzoo.typing import Array

_LOWEST = float(np.finfo(np.float32).min)

_ORDINARY = 64
"""Number of ordinary events that a model is tried on."""


class Usable(Protocol):
    """What the check needs of a trained model; `TrainedModel` has it all."""

    @property
    def model(self) -> str: ...
    @property
    def generator(self) -> Generator: ...
    @property
    def data(self) -> DataSpec: ...
    @property
    def origin(self) -> str | None: ...
    @property
    def units(self) -> DataUnits: ...


def impossible(log_likelihood: Array) -> Array:
    """Return which log-likelihoods are NaN or infinite, `(N,)`. A model may clip minus infinity to the lowest float."""
    return ~(np.isfinite(log_likelihood) & (log_likelihood > _LOWEST))


def check_usable(fitted: Usable, bad: Array, name: str, bad_of: Callable[[ModelEvents], Array]) -> None:
    """Check that a model has usable answers for ordinary events, if it has none for any of the given ones.

    Arguments:
        bad: which events have an unusable answer, `(N,)` bool. Nothing is checked unless all have.
        name: what the answer is, for the message.
        bad_of: returns the same for other events, `(M, *event)`.

    Raises:
        DivergenceError: it has no usable answer for some ordinary event.
        ArtifactError: the same, for a model that was loaded from a file.
    """
    if len(bad) and bad.all():
        check_weights(fitted, bad, name, bad_of)


def check_weights(fitted: Usable, bad: Array, name: str, bad_of: Callable[[ModelEvents], Array]) -> None:
    """Check that a model has usable answers for ordinary events, so that unusable ones are the fault of the data.

    Arguments:
        bad, name, bad_of: as for `check_usable`.

    Raises:
        ArtifactError, DivergenceError: as `check_usable`.
    """
    ordinary = _ordinary_events(fitted)
    plain = ordinary.events if isinstance(ordinary, Conditioned) else ordinary
    if not np.isfinite(plain).all() or bad_of(ordinary).any():
        raise unusable(fitted, bad, name)  # else such events are far from training


def unusable(fitted: Usable, bad: Array, name: str) -> ArtifactError | DivergenceError:
    """Return the error for unusable answers.

    Arguments:
        bad: which events have one, `(N,)` bool.
        name: what the answer is.
    """
    problem = f"The {name} of {bad.sum()} of {len(bad)} rows is not a finite number"
    if fitted.origin is not None:
        return ArtifactError(f"{problem} with the weights in {fitted.origin}. The model cannot be used.")
    return DivergenceError(f"{problem}.")


@torch.no_grad()
def _ordinary_events(fitted: Usable) -> ModelEvents:
    """Return events with the mean of training in each numeric column, and one standard deviation to either side.

    The values of other columns are from samples of the model. Images are of one shade each.
    """
    units = fitted.units
    conditions = units.usual_conditions(_ORDINARY)
    y = units.transform(units.to_device(sample(units, _ORDINARY, 0, conditions=conditions)))
    numeric = torch.tensor([feature.kind in ("continuous", "count") for feature in units.inner.features])
    shape = units.inner.event_shape
    places = numeric.to(y.device).expand(shape)
    steps = (torch.arange(_ORDINARY, device=y.device) % 3 - 1).to(y.dtype)
    events = units.to_data(torch.where(places, steps.reshape(-1, *(1 for _ in shape)), y))
    return events if conditions is None else Conditioned(events, conditions)
