"""The promise about training rows in models and in samples."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from genzoo.testing.promise import DoesNotApply, Promise, expect
from genzoo.testing.subject import Case, Subject, scoped

_EQUAL = 1e-5
"""Largest distance of equal numbers, in deviations of the column. No two toy rows are so close."""

_KEPT, _COPIED = 0.1, 0.01
"""Share of the training rows that a model must not contain, and share of its samples that must not equal one."""


def keeps_no_rows(subject: Subject) -> None:
    """Unless its spec says `keeps_rows`, the model holds no training rows of numbers, and draws no copies of them."""
    if subject.entry.spec.keeps_rows:
        raise DoesNotApply("its spec says that it keeps training rows")
    cases = [case for case in subject.cases.values() if _is_of_numbers(case)]
    if not cases:
        raise DoesNotApply("it takes no tables of several columns of numbers")
    for case in cases:
        events = case.events()
        scale = events.std(0).clamp_min(1e-12)
        for name, tensor in case.wide.state_dict().items():
            for rows in _views(tensor, events.shape[1]):
                share = _share_in(events / scale, rows.double() / scale)
                expect(
                    share < _KEPT,
                    f"On {case.name}, {name!r} contains {share:.0%} of the rows. Set keeps_rows=True in its spec, so "
                    f"that people learn this before they share a trained model.",
                )
        drawn = scoped(lambda case=case: case.sample(len(case.dataset)))  # type: ignore[misc]
        share = _share_in(drawn / scale, events / scale)
        expect(
            share < _COPIED,
            f"On {case.name}, {share:.0%} of the samples equal a training row. Set keeps_rows=True in its spec.",
        )


def _is_of_numbers(case: Case) -> bool:
    features = case.data.features or ()
    numbers = len(features) > 1 and all(feature.kind == "continuous" for feature in features)
    return numbers and not case.data.missing and case.events().ndim == 2


def _views(tensor: Tensor, columns: int) -> Iterator[Tensor]:
    """Yield the rows of so many columns that a tensor can be read as along each of its axes, `(M, columns)`."""
    if not tensor.is_floating_point():
        return
    for axis in range(tensor.ndim):
        if tensor.shape[axis] >= columns:
            yield tensor.movedim(axis, -1).unfold(-1, columns, 1).reshape(-1, columns)
    if tensor.ndim == 1 and len(tensor) % columns == 0:  # columns one after the other
        yield tensor.reshape(columns, -1).mT


def _share_in(x: Tensor, others: Tensor) -> float:
    """Return the share of rows that are equal to one of the others."""
    if not len(others):
        return 0.0
    nearest = torch.cat([torch.cdist(x[i : i + 64], others, p=torch.inf).amin(1) for i in range(0, len(x), 64)])
    return float((nearest < _EQUAL).double().mean())


PROMISES = (Promise.of(keeps_no_rows),)
