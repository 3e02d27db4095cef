"""Promises about likelihoods in the units of the data: the whole has mass 1, and rounded values have no advantage."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch

from genzoo.data.dataset import Dataset
from genzoo.data.transforms.affine import AffineSpace
from genzoo.errors import GenzooError
from genzoo.inference.row_likelihoods import scored_as_density
from genzoo.inference.trained_model import TrainedModel
from genzoo.metrics.rounding import profit_from_rounding
from genzoo.plugins.discovery import CORE
from genzoo.plugins.manager import get_registry
from genzoo.plugins.registry import resolve
from genzoo.testing.promise import DoesNotApply, Promise, expect
from genzoo.testing.subject import Case, Subject
from genzoo.training.run_training import train_in_memory
from genzoo.training.setup import TrainingSetup, build_setup
from genzoo.typing import Array

_INTEGRATED = ("one-column", "number-and-code", "two-columns")
"""Toy datasets with one or two numbers."""

_NODES = {1: 2_000, 2: 200}
"""Nodes of the integral over each number, by how many of them there are."""

_REACH = 12.0
"""About how far the nodes reach in model space, in standard deviations."""

_LEAST, _ROUGH = 0.05, 0.02
"""How far from 1 an integral may be, and how far from the integral over half of the nodes. The density jumps at knots
of a transform, which the trapezoidal rule smooths."""

_ROUNDED = {"one-column": 0.5, "two-columns": 0.2}
"""Toy datasets that are rounded, and to which step."""


def transforms_keep_mass(subject: Subject) -> None:
    """With every transform of genzoo's, the density of the data integrates to 1, and probabilities sum to 1."""
    checked = 0
    for case, name in _transformed(subject):
        setup = _setup(case, {feature.name: name for feature in case.data.features if not feature.discrete})
        if setup is None:
            continue
        fitted = train_in_memory(setup)
        if "likelihood" not in fitted.capabilities:  # with these columns, it has only a bound
            continue
        total, coarse = _integrals(fitted, case.dataset)
        if not abs(total - coarse) <= _ROUGH:  # the density has details that fall between the nodes, or both overflow
            continue
        checked += 1
        expect(
            abs(total - 1) < _LEAST + 3 * abs(total - coarse),
            f"On {case.name} with the transform {name!r}, the density of the data integrates to {total:.5g}, not to 1.",
        )
    if not checked:
        raise DoesNotApply("it accepts no toy dataset with transforms whose density can be integrated")


def rounding_does_not_pay(subject: Subject) -> None:
    """On rounded data, the density of held-out rows is no higher at recorded values than around them."""
    checked = 0
    for name, step in _ROUNDED.items():
        if name not in subject.cases:
            continue
        rounded = subject.cases[name].dataset
        case = Case(subject, dataclasses.replace(rounded, events=np.round(rounded.events / step) * step))
        setup = _setup(case, {})
        fitted = None if setup is None else train_in_memory(setup)
        if setup is None or fitted is None or not scored_as_density(fitted):
            continue
        checked += 1
        found = profit_from_rounding(fitted, case.dataset, setup.split.test)
        expect(found is None, f"On {name} rounded to {step}, {found.reason if found else ''}.")
    if not checked:
        raise DoesNotApply("no density of it is scored on a toy dataset that can be rounded")


def _transformed(subject: Subject) -> Iterator[tuple[Case, str]]:
    """Yield small cases whose numbers lie between 0 and 1, and the name of each transform of genzoo's that bends.

    Transforms of plugins have promises of their own.
    """
    own = [entry.spec for entry in get_registry().transforms if entry.distribution == CORE]
    known = {spec.name: resolve(spec.builder, spec) for spec in own}
    for toy in _INTEGRATED:
        if toy in subject.cases:
            case = Case(subject, _between_0_and_1(subject.cases[toy].dataset))
            yield from ((case, name) for name, builder in known.items() if not isinstance(builder, AffineSpace))


def _between_0_and_1(dataset: Dataset) -> Dataset:
    events = np.array(dataset.events, np.float64)
    numbers = [place for place, feature in enumerate(dataset.spec.features) if not feature.discrete]
    low, high = events[:, numbers].min(axis=0), events[:, numbers].max(axis=0)
    events[:, numbers] = 0.1 + 0.8 * (events[:, numbers] - low) / (high - low)
    return dataclasses.replace(dataset, events=events)


def _setup(case: Case, transforms: dict[str, str]) -> TrainingSetup | None:
    """Prepare a brief training with transforms by column; `None` if the model or a transform raises an error."""
    config = case.subject.configuration(brief=True)
    data = config.data.model_copy(update={"source": case.name, "transforms": transforms})
    try:
        return build_setup(config.model_copy(update={"data": data}), case.dataset)
    except GenzooError:
        return None


def _integrals(fitted: TrainedModel, dataset: Dataset) -> tuple[float, float]:
    """Integrate a density in data units by the trapezoidal rule, over all nodes and over half of them."""
    axes = _axes(fitted, dataset)
    features = dataset.spec.features
    halves = [axis[:: 1 if feature.discrete else 2] for axis, feature in zip(axes, features, strict=True)]
    return _integral(fitted, axes), _integral(fitted, halves)


def _integral(fitted: TrainedModel, axes: Sequence[Array]) -> float:
    """Return the sum of the masses at the nodes.

    They are summed as logarithms: close to the bound of `log`, a density overflows, and its mass is tiny.
    """
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, len(axes))
    masses = fitted.log_prob(grid).reshape([len(axis) for axis in axes])
    for place, (axis, feature) in enumerate(zip(axes, fitted.data.features, strict=True)):
        if not feature.discrete:
            logs = np.log(_trapezoids(axis))
            masses = masses + logs.reshape([-1 if other == place else 1 for other in range(len(axes))])
    with np.errstate(over="ignore"):
        return float(np.exp(np.logaddexp.reduce(masses, axis=None)))


def _trapezoids(axis: Array) -> Array:
    """Return the weights of nodes by the trapezoidal rule: half of the distances to both neighbors."""
    halves = np.diff(axis) / 2
    return np.asarray(np.append(halves, 0.0) + np.append(0.0, halves))


def _axes(fitted: TrainedModel, dataset: Dataset) -> list[Array]:
    """Return the values that each number of an event is integrated over, in data units.

    Nodes are dense where the model is, so they are evenly spaced there, except that they reach far into tails.
    """
    transform = fitted.units.transform
    y = transform(torch.from_numpy(np.asarray(dataset.events, np.float64))).double()
    numbers = sum(not feature.discrete for feature in dataset.spec.features)
    t = torch.linspace(-1, 1, _NODES[numbers], dtype=torch.float64)[:, None]
    nodes = transform.inverse(y.mean(0) + y.std(0) * (_REACH / math.sinh(2.0)) * torch.sinh(2 * t)).double().numpy()
    axes = []
    for place, feature in enumerate(dataset.spec.features):
        values = nodes[np.isfinite(nodes[:, place]), place]
        axes.append(np.arange(len(feature.levels), dtype=np.float64) if feature.levels else np.unique(values))
    return axes


PROMISES = (
    Promise.of(transforms_keep_mass, "likelihood"),
    Promise.of(rounding_does_not_pay),
)
