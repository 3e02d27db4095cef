"""Promises about anomaly scores."""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor

from genzoo.models.base import AnomalyScore
from genzoo.testing.given import Given, copied
from genzoo.testing.promise import Promise, expect
from genzoo.testing.subject import Case, Subject, scoped

_FAR = 1e3
"""How far events are moved from the data, in units of the data's largest values."""


def anomalies_score_higher(subject: Subject) -> None:
    """`anomaly_score` returns a finite number per event, higher for events far from all data; its meaning is stated."""
    for case in subject.having(AnomalyScore):
        module = case.wide
        assert isinstance(module, AnomalyScore)
        expect(bool(module.score_meaning.strip()), f"On {case.name}, score_meaning is empty.")
        given = case.given()
        usual = _scores(module, given)
        expect(
            tuple(usual.shape) == (len(given.x),),
            f"On {case.name}, anomaly_score of {len(given.x)} events has shape {tuple(usual.shape)}.",
        )
        expect(bool(usual.isfinite().all()), f"On {case.name}, anomaly_score returns numbers that are not finite.")
        continuous = _continuous(case)
        if not continuous.any():
            continue
        moved = given.x + torch.where(continuous, _FAR * (1.0 + given.x.abs().amax(0)), 0.0)
        if given.missing is not None:
            moved = moved.masked_fill(given.missing, 0.0)
        far = _scores(module, dataclasses.replace(given, x=moved))
        expect(
            bool(far.median() > usual.median()),
            f"On {case.name}, events far from all data have a median anomaly score of {far.median():.4g}, which is not "
            f"above the data's, {usual.median():.4g}.",
        )


def _scores(module: AnomalyScore, given: Given) -> Tensor:
    return scoped(lambda: copied(given).ask(module.anomaly_score))


def _continuous(case: Case) -> Tensor:
    """Return which values of an event are continuous, `(*event)` bool."""
    kinds = [feature.kind == "continuous" for feature in case.data.places]
    return torch.tensor(kinds).view(case.data.event_shape)


ANOMALY = (Promise.of(anomalies_score_higher, "anomaly-score"),)
