"""Promises of transforms between data units and model space."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from genzoo.config.resolve import options_class
from genzoo.data.dataset import Dataset
from genzoo.data.opening.given import AnyData
from genzoo.data.transforms import Transform
from genzoo.data.transforms.transform import TransformBuilder
from genzoo.errors import GenzooError
from genzoo.plugins.manager import get_registry
from genzoo.plugins.registry import Entry, resolve
from genzoo.spec.entries import TransformSpec
from genzoo.spec.events import DataSpec
from genzoo.testing.own_data import few_events
from genzoo.testing.promise import DoesNotApply, Promise, expect
from genzoo.testing.toys import toys

_STEP = 1e-6
"""Step of a central difference, in standard deviations."""

_CLOSE = 1e-4
"""Largest difference between a log-determinant and its numerical derivative, nats."""

_MOST_KINKS = 0.02
"""Share of values that may lie so near a kink of the map that their numerical derivative is wrong."""

_RETURNS = 1e-6
"""How near a value comes back, relative to its size and to the spread of its column."""

_ROUGHLY = 5e-3
"""The same for a value that is only asked whether it lies in the support."""


@dataclass(frozen=True)
class FittedTransform:
    """A transform that was fitted to a dataset.

    Arguments:
        name: name of the dataset.
        data: spec of the values that it changes: the continuous columns of a table, or images.
        events: the values, `(N, *event)` float64.
        transform: the fitted transform.
    """

    name: str
    data: DataSpec
    events: Tensor
    transform: Transform

    @functools.cached_property
    def spread(self) -> Tensor:
        """Standard deviation of each column, `(C,)`, or of all values, `()`."""
        x = self.events.numpy()
        spread = np.nanstd(x, axis=0) if self.data.form.columns else np.nanstd(x)
        return torch.as_tensor(np.where(spread > 0, spread, 1.0))

    @functools.cached_property
    def between(self) -> Tensor:
        """Values at random places between two events, `(N, *event)`, where a map has no knots; NaN stays."""
        rng = torch.Generator().manual_seed(0)
        other = self.events[torch.randperm(len(self.events), generator=rng)]
        share = torch.rand(self.events.shape, generator=rng, dtype=torch.float64)
        return torch.lerp(self.events, other, share)

    @property
    def probes(self) -> Tensor:
        """Values inside, on the edge of and far outside the data, `(M, *event)`."""
        x = self.events.numpy()
        axis = 0 if self.data.form.columns else None
        low, middle, high = (torch.as_tensor(measure(x, axis=axis)) for measure in (np.nanmin, np.nanmean, np.nanmax))
        away = [middle + sign * 10.0**power * self.spread for power in (0, 1, 2, 6) for sign in (-1, 1)]
        values = [*away, low, high, torch.zeros_like(middle), -torch.ones_like(middle)]
        return torch.stack([value.expand(self.data.event_shape) for value in values]).double()

    def returns(self, x: Tensor, within: float) -> Tensor:
        """Return which values `(N, *event)` come back from model space as they were, `(N, *event)` bool.

        Arguments:
            within: largest error relative to the size of a value, besides a small share of the spread of its column.
        """
        back: Tensor = self.transform.inverse(self.transform(x))
        return (back - x).abs() <= within * x.abs() + _RETURNS * self.spread

    def log_det_of_each(self, x: Tensor) -> Tensor:
        """Return the log-determinant of each value by itself, `(N, *event)`."""
        flat = torch.empty(len(x), self.data.size, dtype=x.dtype)
        for place in range(self.data.size):
            without = torch.ones(len(x), self.data.size, dtype=torch.bool)
            without[:, place] = False
            flat[:, place] = self.transform.log_det(x, without.view(x.shape))
        return flat.view(x.shape)


class TransformSubject:
    """The transform under test.

    Arguments:
        name: name or id of the transform.
        data: data of the author's to fit it to besides the toy datasets, as for `genzoo.train`.
    """

    kind = "transforms"

    def __init__(self, name: str, data: AnyData | None = None) -> None:
        self.name = name
        self._data = data

    @functools.cached_property
    def entry(self) -> Entry[TransformSpec]:
        """The transform's entry in the registry.

        Raises:
            ConfigError: no transform has that name.
        """
        return get_registry().transforms.get(self.name)

    @functools.cached_property
    def builder(self) -> TransformBuilder:
        """The object that fits and restores it."""
        builder: TransformBuilder = resolve(self.entry.spec.builder, self.entry.spec)
        return builder

    @functools.cached_property
    def options(self) -> Any:
        """The default options."""
        return options_class(self.entry)()

    @functools.cached_property
    def datasets(self) -> tuple[Dataset, ...]:
        """The author's data, if there are any, and the toy datasets: images, or continuous columns, all and each."""
        own = () if self._data is None else (few_events(self._data),)
        specs = {name: toy.spec for name, toy in toys().items()}
        plain = [name for name, spec in specs.items() if not (spec.condition or spec.has_parts or spec.form.ended)]
        found = []
        for dataset in (*own, *(toys()[name] for name in plain)):
            if not dataset.spec.form.columns:
                found.append(dataset)
                continue
            places = [place for place, feature in enumerate(dataset.spec.features) if not feature.discrete]
            groups = [places, *([place] for place in places)] if len(places) > 1 else [places]
            found += [_columns(dataset, group) for group in groups if group]
        return tuple(found)

    def check_settings(self) -> None:
        """Check that the author's data can be read.

        Raises:
            GenzooError: they cannot.
        """
        _ = self.datasets

    def fit(self, dataset: Dataset) -> FittedTransform:
        """Fit the transform to a dataset, in blocks.

        Raises:
            GenzooError: the data do not suit it.
        """
        events = np.asarray(dataset.events, np.float64)
        transform = self.builder.fit(self.options, dataset.spec, iter(np.array_split(events, 3)))
        return FittedTransform(dataset.name, dataset.spec, torch.from_numpy(events), transform)

    @functools.cached_property
    def fits(self) -> tuple[FittedTransform, ...]:
        """The transform, fitted to each dataset of numbers that it takes.

        Raises:
            DoesNotApply: there is none.
        """
        found = self._fitted(self.datasets)
        if not found:
            raise DoesNotApply("it fits no toy dataset of numbers; see the promise 'transform-fits'")
        return found

    @functools.cached_property
    def text_fits(self) -> tuple[FittedTransform, ...]:
        """The transform, fitted to each toy dataset of texts whose symbols it changes."""
        texts = [toy for toy in toys().values() if toy.spec.form.ended]
        return tuple(fit for fit in self._fitted(texts) if fit.transform.spec_after(fit.data) is not fit.data)

    @property
    def all_fits(self) -> tuple[FittedTransform, ...]:
        """The transform, fitted to each dataset of texts and of numbers that it takes."""
        return self.text_fits or self.fits

    def _fitted(self, datasets: Iterable[Dataset]) -> tuple[FittedTransform, ...]:
        found = []
        for dataset in datasets:
            try:
                found.append(self.fit(dataset))
            except Exception:  # noqa: S112 - see the promise 'transform-fits'
                continue
        return tuple(found)


def _columns(dataset: Dataset, places: list[int]) -> Dataset:
    features = tuple(dataset.spec.features[place] for place in places)
    spec = dataclasses.replace(dataset.spec, event_shape=(len(places),), features=features)
    name = f"{dataset.name}, {features[0].name!r}" if len(places) == 1 else dataset.name
    return Dataset(name, spec, np.asarray(dataset.events)[:, places])


def transform_fits(subject: TransformSubject) -> None:
    """The transform fits some dataset, and raises DataError for data that do not suit it."""
    fitted, refusals = list(subject.text_fits), []
    for dataset in subject.datasets:
        try:
            fitted.append(subject.fit(dataset))
        except GenzooError as error:
            refusals.append(f"On {dataset.name}: {error}")
    expect(bool(fitted), f"It fits no dataset. {refusals[0] if refusals else ''}")
    for fit in fitted:
        cls = type(fit.transform).__name__
        expect(isinstance(fit.transform, Transform), f"Fitted to {fit.name}, it is a {cls}, not a genzoo.Transform.")


def transform_inverts(subject: TransformSubject) -> None:
    """Training values, and values between them, come back from model space as they were."""
    for fit in subject.text_fits:
        back = fit.transform.inverse(fit.transform(fit.events))
        expect(torch.equal(back, fit.events), f"Fitted to {fit.name}, a text comes back from model space as another.")
    if subject.text_fits:
        return
    for fit in subject.fits:
        for x in (fit.events, fit.between):
            bad = ~fit.returns(x, _RETURNS) & ~x.isnan()
            expect(
                not bad.any(),
                f"Fitted to {fit.name}, {x[bad][:1].tolist()} comes back from model space as "
                f"{fit.transform.inverse(fit.transform(x))[bad][:1].tolist()}.",
            )


def log_det_is_the_derivative(subject: TransformSubject) -> None:
    """`log_det` is the log of the map's derivative, summed over the values of an event that its mask leaves in."""
    for fit in subject.fits:
        x = fit.between.masked_fill(fit.between == fit.events, torch.nan)  # training values may be knots of the map
        step = _STEP * fit.spread
        rise = fit.transform(x + step) - fit.transform(x - step)
        expected, found = (rise / (2 * step)).abs().log(), fit.log_det_of_each(x)
        known = ~x.isnan()
        far = (found - expected).abs()[known]
        expect(
            bool((far > _CLOSE).double().mean() < _MOST_KINKS),
            f"Fitted to {fit.name}, log_det and the numerical derivative differ by {far.median():.3g} nats at half of "
            f"the values.",
        )
        total = fit.transform.log_det(x, ~known)
        same = torch.allclose(total, found.masked_fill(~known, 0.0).flatten(1).sum(1), rtol=1e-6, atol=1e-6)
        expect(same, f"Fitted to {fit.name}, log_det of an event is not the sum over its values.")
        if fit.transform.affine:
            whole = fit.transform.log_det(fit.events)
            same = torch.allclose(whole, whole[:1].expand_as(whole), equal_nan=True)
            expect(same, f"Fitted to {fit.name}, it says that it is affine, and log_det differs between events.")


def outlines_bound_tensors(subject: TransformSubject) -> None:
    """`outlines` names every tensor of a fitted transform, with a shape that none exceeds; all are finite numbers."""
    for fit in subject.all_fits:
        outlines, tensors = subject.builder.outlines(subject.options, fit.data), fit.transform.state_dict()
        odd = sorted(outlines.keys() ^ tensors.keys())
        expect(not odd, f"Fitted to {fit.name}, only outlines or only the transform has {', '.join(odd)}.")
        for name, tensor in tensors.items():
            shape, most = tuple(tensor.shape), tuple(outlines[name])
            fits = shape == () or (len(shape) == len(most) and all(map(int.__le__, shape, most)))
            expect(fits, f"Fitted to {fit.name}, {name!r} has shape {shape}, and outlines says at most {most}.")
            whole = name in subject.entry.spec.whole and tensor.dtype == torch.int64
            finite = whole or (tensor.is_floating_point() and bool(tensor.isfinite().all()))
            expect(finite, f"Fitted to {fit.name}, {name!r} is {tensor.dtype}, or not finite.")


def transform_restores(subject: TransformSubject) -> None:
    """`restore` gives a transform with the same numbers, bit for bit, from the tensors of a fitted one."""
    for fit in subject.all_fits:
        tensors = {name: tensor.clone() for name, tensor in fit.transform.state_dict().items()}
        again = subject.builder.restore(subject.options, fit.data, tensors)
        y = fit.transform(fit.events)
        pairs = {
            "forward": (y, again(fit.events)),
            "inverse": (fit.transform.inverse(y), again.inverse(y)),
            "log_det": (fit.transform.log_det(fit.events), again.log_det(fit.events)),
        }
        for name, (one, two) in pairs.items():
            same = torch.equal(one.nan_to_num(), two.nan_to_num())
            expect(same, f"Fitted to {fit.name} and restored, {name} gives other numbers.")
        for name in ("degrees_of_freedom", "affine"):
            one, two = getattr(fit.transform, name), getattr(again, name)
            expect(one == two, f"Fitted to {fit.name}, {name} is {one}, and {two} when restored.")


def support_is_known(subject: TransformSubject) -> None:
    """Every number has a finite image; `log_det` is minus infinity for exactly those that do not come back."""
    for fit in subject.fits:
        x = fit.probes
        y, log_det, inside = fit.transform(x), fit.log_det_of_each(x), fit.returns(x, _ROUGHLY)
        expect(bool(y.isfinite().all()), f"Fitted to {fit.name}, {x[~y.isfinite()][:1].tolist()} has no finite image.")
        strange = log_det.isnan() | log_det.isposinf()
        expect(not strange.any(), f"Fitted to {fit.name}, log_det of {x[strange][:1].tolist()} is NaN or infinity.")
        for wrong, what in (
            (~inside & log_det.isfinite(), "does not come back from model space, but its log_det is finite"),
            (inside & ~log_det.isfinite(), "comes back from model space, but its log_det is minus infinity"),
        ):
            expect(not wrong.any(), f"Fitted to {fit.name}, {x[wrong][:1].tolist()} {what}.")


def values_map_alone(subject: TransformSubject) -> None:
    """All methods keep the type of their input, map each event by itself, also none, and leave NaN as it is."""
    for fit in subject.fits:
        for dtype in (torch.float32, torch.float64):
            x = fit.events.to(dtype)
            for name, method in _methods(fit.transform):
                whole = method(x)
                expect(whole.dtype == dtype, f"Fitted to {fit.name}, {name} of {dtype} is {whole.dtype}.")
                few = method(x[:5])
                close = {torch.float32: 1e-4, torch.float64: 1e-9}[dtype]
                same = torch.allclose(few, whole[:5], rtol=close, atol=close, equal_nan=True)
                same = same and len(method(x[:0])) == 0
                expect(same, f"Fitted to {fit.name}, {name} of an event depends on the other events.")
        gone = fit.events.clone()
        gone[0] = torch.nan
        y = fit.transform(gone)
        expect(bool(y[0].isnan().all()), f"Fitted to {fit.name}, NaN does not stay NaN.")


def _methods(transform: Transform) -> Iterator[tuple[str, Callable[[Tensor], Tensor]]]:
    yield "forward", transform
    yield "inverse", transform.inverse
    yield "log_det", transform.log_det


PROMISES = tuple(
    Promise.of(check, kind="transform")
    for check in (
        transform_fits,
        transform_inverts,
        log_det_is_the_derivative,
        outlines_bound_tensors,
        transform_restores,
        support_is_known,
        values_map_alone,
    )
)
