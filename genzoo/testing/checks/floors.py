"""The promise of models that say where their density rests on a setting."""

from __future__ import annotations

from genzoo.models.base import Floor, Generator
from genzoo.testing.given import copied
from genzoo.testing.promise import Promise, expect
from genzoo.testing.subject import Case, Subject, scoped

_ROUNDING = 1e-4
"""How far a share may lie outside 0 and 1."""


def floors_fit_events(subject: Subject) -> None:
    """`floors` returns directions of the data's shape, and for each event a share between 0 and 1."""
    for case in subject.having(Generator):
        if type(case.wide).floors is Generator.floors:  # which returns none, and has no argument for conditions
            continue
        for floor in scoped(lambda case=case: list(copied(case.given(37)).ask(case.wide.floors))):  # type: ignore[misc]
            _check(case, floor)


def _check(case: Case, floor: Floor) -> None:
    shape, events = tuple(floor.directions.shape[1:]), case.data.event_shape
    expect(shape == events, f"On {case.name}, a direction of floors has shape {shape}, and events have {events}.")
    finite = bool(floor.directions.isfinite().all()) and bool(floor.directions.flatten(1).any(1).all())
    expect(finite, f"On {case.name}, a direction of floors is 0 or not finite.")
    share = floor.share
    expect(tuple(share.shape) == (37,), f"On {case.name}, floors of 37 events have shares of {tuple(share.shape)}.")
    within = bool(((share >= -_ROUNDING) & (share <= 1 + _ROUNDING)).all())
    expect(within, f"On {case.name}, a share of floors is not between 0 and 1.")


PROMISES = (Promise.of(floors_fit_events),)
