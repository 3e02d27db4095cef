"""Promises about sampling."""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from genzoo.config.sampling import sampling_class
from genzoo.models.events import in_rows
from genzoo.testing.checks.configuration import smallest_and_choices
from genzoo.testing.event_values import EventValue, event_values_of
from genzoo.testing.promise import DoesNotApply, Promise, expect
from genzoo.testing.subject import Case, Subject, scoped


def sample_shape(subject: Subject) -> None:
    """`sample(n)` returns n events of the data's shape, in the dtype of the model's parameters."""
    for case in subject.cases.values():
        for dtype in (torch.float32, torch.float64):
            generator = case.generator(dtype)
            for n in (1, 37):
                x = scoped(lambda case=case, generator=generator, n=n: case.sample(n, generator))  # type: ignore[misc]
                wanted = (n, *case.data.event_shape)
                expect(
                    tuple(x.shape) == wanted,
                    f"On {case.name}, sample({n}) has shape {tuple(x.shape)}, not {wanted}.",
                )
                expect(
                    x.dtype == dtype or not _has_floats(case),
                    f"On {case.name}, samples of a model in {dtype} are {x.dtype}.",
                )


def sample_range(subject: Subject) -> None:
    """Samples are finite, on the scale of the events in model space, and valid codes or counts in such columns."""
    for case in subject.cases.values():
        x = scoped(lambda case=case: case.sample(200))  # type: ignore[misc]
        if tuple(x.shape[1:]) != case.data.event_shape:
            raise DoesNotApply("not checked, as 'sample-shape' is broken")
        expect(bool(x.isfinite().all()), f"On {case.name}, samples contain numbers that are not finite.")
        places = event_values_of(case)
        widest = max(place.high - place.low for place in places)
        for place, values in zip(places, x.flatten(1).T, strict=True):
            _check_values(case, place, values, widest)


def sampling_options(subject: Subject) -> None:
    """`sample` takes every sampling option at its smallest value, and without them draws as with their defaults."""
    options = sampling_class(subject.entry)
    if options is None:
        raise DoesNotApply("it has no sampling options")
    for case in subject.principal:
        given = {} if (condition := case.conditions(37)) is None else {"condition": condition}
        without = scoped(
            lambda case=case, given=given: in_rows(case.completed(case.wide.sample(37, **given)), case.data)  # type: ignore[misc]
        )
        with_defaults = scoped(lambda case=case: case.sample(37))  # type: ignore[misc]
        expect(
            torch.equal(without, with_defaults),
            f"On {case.name}, sample(37) without options draws other events than with the defaults of the sampling "
            f"options. Objectives call it like that: give both the same defaults.",
        )
        for name, value in smallest_and_choices(options):
            drawn = scoped(functools.partial(case.sample, 37, options={name: value}))
            expect(
                tuple(drawn.shape) == (37, *case.data.event_shape),
                f"On {case.name}, samples with {name}={value} have shape {tuple(drawn.shape)}.",
            )


def _check_values(case: Case, place: EventValue, values: Tensor, margin: float) -> None:
    if place.levels is not None and not _rounded_later(case):
        near = (values[:, None] - place.levels.to(values)).abs().amin(1)
        expect(
            bool((near < 1e-5).all()),
            f"On {case.name}, samples of {place.name} contain {values[near.argmax()]:g}, which is not one of its "
            f"{len(place.levels)} levels.",
        )
    if place.count:
        whole = (values >= 0) & (values == values.round())
        expect(
            bool(whole.all()),
            f"On {case.name}, samples of {place.name} contain {values[~whole][:1]}, which is not a count.",
        )
    low, high = place.low, place.high
    outside = float(((values < low - margin) | (values > high + margin)).double().mean())
    expect(
        outside < 0.05,
        f"On {case.name}, {outside:.0%} of the samples of {place.name} lie far outside the range of the events, "
        f"{low:g}..{high:g}.",
    )


def _rounded_later(case: Case) -> bool:
    """Return whether genzoo rounds samples to their grid, because the model knows only the step of it."""
    return getattr(case.wide, "grid_step", None) is not None and not case.data.form.columns


def _has_floats(case: Case) -> bool:
    return any(tensor.is_floating_point() for tensor in case.fitted.generator.state_dict().values())


PROMISES = (Promise.of(sample_shape), Promise.of(sample_range), Promise.of(sampling_options))
