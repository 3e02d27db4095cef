"""Promises of models that fill in missing values."""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from genzoo.model import Imputation
from genzoo.testing.answer import holed
from genzoo.testing.place import places_of
from genzoo.testing.promise import Promise, expect
from genzoo.testing.subject import Case, Subject, copied, scoped

_EVENTS = 20


def imputation_keeps_observed(subject: Subject) -> None:
    """`impute` gives observed values back to the last bit, and fills in every missing one with one that exists."""
    for case in subject.having(Imputation):
        module = case.wide
        assert isinstance(module, Imputation)
        x, missing = holed(case.given(_EVENTS))
        for draw in (False, True):
            found = scoped(functools.partial(module.impute, *copied((x, missing)), draw=draw))
            expect(
                found.shape == x.shape,
                f"On {case.name}, impute gives the shape {tuple(found.shape)} for {tuple(x.shape)}.",
            )
            same = torch.equal(found[~missing], x[~missing])
            expect(same, f"On {case.name}, impute{' with draw' * draw} changes values that were observed.")
            _check_filled(case, found, missing, draw)


def imputation_draws(subject: Subject) -> None:
    """With `draw`, `impute` draws in the core's random scope: the same scope the same values, other scopes others."""
    for case in subject.having(Imputation):
        module = case.wide
        assert isinstance(module, Imputation)
        x, missing = holed(case.given(_EVENTS))
        first, again, other = (
            scoped(lambda module=module, x=x, missing=missing: module.impute(*copied((x, missing)), draw=True), seed)  # type: ignore[misc]
            for seed in (1, 1, 2)
        )
        expect(torch.equal(first, again), f"On {case.name}, impute draws other values in the same scope.")
        expect(not torch.equal(first, other), f"On {case.name}, impute draws the same values in other scopes.")


def _check_filled(case: Case, found: Tensor, missing: Tensor, draw: bool) -> None:
    expect(bool(found.isfinite().all()), f"On {case.name}, impute leaves values that are not finite.")
    for place, values, gone in zip(places_of(case), found.flatten(1).T, missing.flatten(1).T, strict=True):
        if place.levels is not None and case.data.modality == "table" and (draw or len(place.levels) > 2):
            near = (values[gone][:, None] - place.levels).abs().amin(1)
            expect(bool((near < 1e-5).all()), f"On {case.name}, impute fills {place.name} with what is no code of it.")


PROMISES = (Promise.of(imputation_keeps_observed, "imputation"), Promise.of(imputation_draws, "imputation"))
