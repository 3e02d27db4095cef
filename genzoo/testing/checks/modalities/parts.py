"""Promises of models of events of several parts."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import torch

from genzoo.models.base import Likelihood
from genzoo.testing.checks.capabilities import answer, material, questions
from genzoo.testing.checks.likelihood import check_marginals
from genzoo.testing.promise import DoesNotApply, Promise, expect
from genzoo.testing.quadrature import grid_of
from genzoo.testing.subject import Case, Subject


def order_of_parts(subject: Subject) -> None:
    """Answers about events of several parts do not depend on the order of the parts in the dict."""
    for case in _parted(subject):
        for question in questions(case.wide):
            if not question.latent:
                given = material(case, question, 37)
                usual = answer(question, case.wide, given)
                other = answer(question, case.wide, dataclasses.replace(given, turned=True))
                same = torch.allclose(usual.double(), other.double(), rtol=1e-9, equal_nan=True)
                expect(same, f"On {case.name}, {question.name} changes with the order of the parts in the dict.")


def missing_parts_are_integrated_out(subject: Subject) -> None:
    """`log_prob` of events that lack parts is the density of the others: the integral over the parts that they lack."""
    checked = 0
    for case in _parted(subject):
        accepts = case.data.missing and isinstance(case.wide, Likelihood)
        grid = grid_of(case, 200_000, 801, 161) if accepts else None
        if grid is not None:
            checked += 1
            places = range(case.data.size)
            check_marginals(case, grid, [places[piece.places] for piece in case.data.pieces])
    if not checked:
        raise DoesNotApply("it has no likelihood of events that lack parts and can be integrated over")


def _parted(subject: Subject) -> Iterator[Case]:
    """Yield the cases of events of several parts.

    Raises:
        DoesNotApply: there are none.
    """
    found = [case for case in subject.cases.values() if case.data.has_parts]
    if not found:
        raise DoesNotApply("it takes no events of several parts")
    yield from found


PROMISES = tuple(Promise.of(check) for check in (order_of_parts, missing_parts_are_integrated_out))
