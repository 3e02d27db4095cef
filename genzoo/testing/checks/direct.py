"""Promises about direct fits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from genzoo.engine.direct import DirectEngine
from genzoo.engine.signals import Abandoned
from genzoo.models.base import Generator, Likelihood, Model
from genzoo.models.objective import Batch, DirectObjective
from genzoo.runtime.seeding import random_scope
from genzoo.testing.given import Given, copied
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


class _Blocks:
    """Events in blocks, which end after the first one if they are interrupted."""

    def __init__(self, batch: Batch, *, interrupted: bool = False) -> None:
        self._batch = batch
        self._interrupted = interrupted

    def __iter__(self) -> Iterator[Batch]:
        for first in range(0, len(self._batch), _BLOCK):
            if first and self._interrupted:
                raise Abandoned
            yield _rows(self._batch, torch.arange(first, min(first + _BLOCK, len(self._batch))))


def _fits(subject: Subject) -> Iterator[tuple[Case, DirectObjective]]:
    """Yield the principal cases with each direct objective.

    Raises:
        DoesNotApply: the model is trained otherwise.
    """
    objectives = [found for _, found in subject.built_objectives() if isinstance(found, DirectObjective)]
    if not objectives:
        raise DoesNotApply("it is not fitted directly")
    for objective in objectives:
        for case in subject.principal:
            yield case, objective


def _engine(case: Case, objective: DirectObjective, dtype: torch.dtype = torch.float32) -> DirectEngine:
    return DirectEngine(Model(case.parts()).to(dtype), objective, len(case.dataset))


def _fit(engine: DirectEngine, blocks: Iterable[Batch]) -> None:
    with random_scope(0, "promise"):
        engine.update(blocks, 1, 0.0)


def _fitted(case: Case, objective: DirectObjective, batch: Batch | None = None) -> Generator:
    given = case.batch() if batch is None else batch
    engine = _engine(case, objective, given.x.dtype)
    _fit(engine, _Blocks(given))
    return engine.trained


def _rows(batch: Batch, rows: Tensor) -> Batch:
    missing, condition = (None if part is None else part[rows] for part in (batch.missing, batch.condition))
    return Batch(batch.x[rows], missing, index=rows, condition=condition)


def _likelihood(generator: Generator, batch: Batch) -> float:
    assert isinstance(generator, Likelihood)
    given = Given(batch.x, batch.missing, batch.condition)
    return float(scoped(lambda: copied(given).ask(generator.log_prob)).mean())


PROMISES = (Promise.of(starts_again), Promise.of(exact_maximum))
