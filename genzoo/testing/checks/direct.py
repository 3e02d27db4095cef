"""Promises about direct fits."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from genzoo.engine.direct import DirectEngine
from genzoo.engine.signals import Abandoned
from genzoo.inference.data_units import ModelInput
from genzoo.models.base import Generator, Likelihood, Model
from genzoo.models.objective import Batch, DirectObjective
from genzoo.runtime.seeding import random_scope
from genzoo.testing.promise import DoesNotApply, Promise, expect
from genzoo.testing.subject import Case, Subject, scoped

_BLOCK = 32
_SUBSETS = 8
_ROUNDING = 1e-6
"""Difference of mean log-likelihoods, in nats, that may be rounding or the tolerance of a solver."""


def starts_again(subject: Subject) -> None:
    """A direct fit that is cut short and starts again gives the same weights, bit for bit, as an undisturbed one."""
    for case, objective in _fits(subject):
        whole = _fitted(case, objective)
        engine = _engine(case, objective)
        for interrupted in (True, False):
            try:
                _fit(engine, _Blocks(case.batch(), interrupted=interrupted))
            except Abandoned:
                continue
        again = engine.trained.state_dict()
        for name, value in whole.state_dict().items():
            same = torch.equal(value, again[name])
            expect(same, f"On {case.name}, {name!r} differs after a fit was cut short and started again.")


def exact_maximum(subject: Subject) -> None:
    """If a direct fit claims the maximum of the likelihood, fits of other events are no more likely on its own."""
    claimed = False
    for case, objective in _fits(subject):
        if not objective.exact_maximum or not isinstance(case.parts().generator, Likelihood):
            continue
        claimed = True
        batch = case.batch(dtype=torch.float64)
        best = _likelihood(_fitted(case, objective, batch), batch)
        for number in range(_SUBSETS):
            rows = torch.randperm(len(batch), generator=torch.Generator().manual_seed(number))[: len(batch) * 3 // 4]
            other = _likelihood(_fitted(case, objective, _rows(batch, rows.sort().values)), batch)
            expect(
                other <= best + _ROUNDING,
                f"On {case.name}, its fit claims the maximum of the likelihood, {best:.6f} nats per event. A fit of "
                f"three quarters of the events reaches {other:.6f} on all of them.",
            )
    if not claimed:
        raise DoesNotApply("no direct fit of it claims the maximum of a likelihood")


def block_size_does_not_matter(subject: Subject) -> None:
    """A direct fit gives the same weights, up to rounding, for blocks of any size."""
    for (case, objective), (_, other) in zip(_fits(subject), _fits(subject), strict=True):
        whole = _fitted(case, other, size=len(case.dataset)).state_dict()
        for name, value in _fitted(case, objective).state_dict().items():
            same = value.shape == whole[name].shape and torch.allclose(
                value.double(), whole[name].double(), rtol=1e-3, atol=1e-4, equal_nan=True
            )
            expect(same, f"On {case.name}, {name!r} depends on how the events are divided into blocks.")


def passes_are_counted(subject: Subject) -> None:
    """`fit` iterates over the blocks as often as its `passes` says, which the display of progress relies on."""
    stated = False
    for case, objective in _fits(subject):
        if objective.passes is None:
            continue
        stated = True
        blocks = _Blocks(case.batch())
        _fit(_engine(case, objective), blocks)
        expect(
            blocks.passes == objective.passes,
            f"On {case.name}, passes is {objective.passes}, and fit iterates over the blocks {blocks.passes} times.",
        )
    if not stated:
        raise DoesNotApply("no direct fit of it says how often it iterates over the blocks")


def weights_count_events(subject: Subject) -> None:
    """If a direct fit uses weights, an event of weight 2 counts as two events."""
    weighted = False
    for (case, objective), (_, other) in zip(_fits(subject), _fits(subject), strict=True):
        if not objective.weighted:
            continue
        weighted = True
        batch, half = case.batch(), len(case.dataset) // 2
        weight = torch.ones(len(batch))
        weight[:half] = 2.0
        counted = _fitted(case, objective, dataclasses.replace(batch, weight=weight)).state_dict()
        twice = _fitted(case, other, _rows(batch, torch.cat([torch.arange(half), torch.arange(len(batch))])))
        for name, value in twice.state_dict().items():
            if name in twice.grows:
                continue
            same = torch.allclose(value.double(), counted[name].double(), rtol=1e-3, atol=1e-4)
            expect(same, f"On {case.name}, {name!r} differs between events of weight 2 and events that occur twice.")
    if not weighted:
        raise DoesNotApply("no direct fit of it uses weights")


class _Blocks:
    """Events in blocks, which end after the first one if they are interrupted.

    Attributes:
        passes: how often something iterated over them.
    """

    def __init__(self, batch: Batch, *, interrupted: bool = False, size: int = _BLOCK) -> None:
        self._batch = batch
        self._interrupted = interrupted
        self._size = size
        self.passes = 0

    def __iter__(self) -> Iterator[Batch]:
        self.passes += 1
        for first in range(0, len(self._batch), self._size):
            if first and self._interrupted:
                raise Abandoned
            yield _rows(self._batch, torch.arange(first, min(first + self._size, len(self._batch))))


def _fits(subject: Subject) -> Iterator[tuple[Case, DirectObjective]]:
    """Yield the principal cases with each direct objective, which is built anew.

    Raises:
        DoesNotApply: the model is trained otherwise.
    """
    direct = False
    for case in subject.principal:
        for _, objective in subject.built_objectives():
            if isinstance(objective, DirectObjective):
                direct = True
                yield case, objective
    if not direct:
        raise DoesNotApply("it is not fitted directly")


def _engine(case: Case, objective: DirectObjective, dtype: torch.dtype = torch.float32) -> DirectEngine:
    return DirectEngine(Model(case.parts()).to(dtype), objective, len(case.dataset))


def _fit(engine: DirectEngine, blocks: Iterable[Batch]) -> None:
    with random_scope(0, "promise"):
        engine.update(blocks, 1, 0.0)


def _fitted(case: Case, objective: DirectObjective, batch: Batch | None = None, size: int = _BLOCK) -> Generator:
    given = case.batch() if batch is None else batch
    engine = _engine(case, objective, given.x.dtype)
    _fit(engine, _Blocks(given, size=size))
    return engine.trained


def _rows(batch: Batch, rows: Tensor) -> Batch:
    return dataclasses.replace(batch.take(rows), index=rows)


def _likelihood(generator: Generator, batch: Batch) -> float:
    assert isinstance(generator, Likelihood)
    given = ModelInput(batch.x, batch.missing, batch.condition)
    return float(scoped(lambda: given.ask(generator.log_prob)).mean())


PROMISES = tuple(
    Promise.of(check)
    for check in (starts_again, exact_maximum, block_size_does_not_matter, passes_are_counted, weights_count_events)
)
