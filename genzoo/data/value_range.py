"""The range of pixels and the step of their grid, found in the values of all images.

A file rarely says which values are possible: an 8-bit array may hold 16 gray levels, and a 16-bit PNG 12-bit values.
A range that is much too wide makes images faint, so that models by gradients hardly learn. A range that is too narrow
only changes the contrast, and later values outside it raise an error. Dark photographs are common, so 8-bit values
above 16 count as photographs.

| values | range | step |
|---|---|---|
| whole, from 0 to 16 at most | 0 to the largest value | 1 |
| whole, and many images reach a common end such as 31, 100 or 4096 | 0 to that end | 1 |
| whole, from 0 to 255 at most | 0 to 255 | 1 |
| whole, from 0 to 65535 at most | 0 to 1023, 4095, 16383 or 65535 | 1 |
| whole, from -1 to 1 | -1 to 1 | 1 |
| signed 8-bit | -128 to 127 | 1 |
| other whole values | the smallest to the largest value, rounded outward | 1 |
| other fractions from 0 to 1, or from -1 to 1 | 0 to 1, or -1 to 1 | none |
| fractions of at most 16/255 in size | the smallest to the largest value, rounded outward | none |
| fractions from 0 to 255, with the largest above 200 | 0 to 255 | none |
| other fractions | the smallest to the largest value, rounded outward | none |

"Many images" are at least half of them, and there are at least 20. Whole values of a floating-point type follow the
rows of whole values, unless all lie in -1 to 1. Whole values from 256 to 65535 are rounded outward instead if the
smallest is above half of the largest.

The step is larger than 1 if all values are multiples of it, there are at least three of them up to the end of the
range, and it is a common one: it divides the end, as 17 does for 4 bits that were stretched to 0..255, or it is a power
of 2 in values of more than 8 bits, as 16 is for 12 bits at the upper end of 16. Resized images have the step 1, and so
do whole numbers with a stated range.

Fractions that are rounded outward have only measured bounds. They limit samples, and do not scale the training rows:
held-out rows have no influence on a transform. The bounds of whole numbers scale them, because some likelihoods count
the levels of a pixel.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

import numpy as np

from genzoo.data.dataset import BLOCK, Dataset, every_part, present
from genzoo.data.images import binary_spec, image_spec
from genzoo.errors import ConfigError, DataError
from genzoo.spec.events import DataSpec
from genzoo.typing import Array
from genzoo.wording import argument

Bounds = tuple[float, float]


_FAINT = 16
"""Largest whole value that counts as an end of its own; a photograph that reaches only 16 of 255 looks black."""


_BYTE = 255


_DEPTHS = (1023, 4095, 16383, 65535)
"""Largest values of cameras and scanners of 10, 12, 14 and 16 bits."""


_COMMON_ENDS = frozenset({100, 1000, 10_000, *(2**bits - less for bits in range(5, 17) for less in (0, 1))})


_MANY_IMAGES = 20


_EXACT_FLOATS = 2**24
"""From here on, all float32 values are whole, so whole values are no sign of a grid."""


_WIDEST_GRID = 2**52


_PART = 2**20
"""Number of values of a large image that are widened at a time."""


@dataclass(frozen=True, slots=True)
class Values:
    """Facts about the values of all images.

    Arguments:
        low: smallest value.
        high: largest value.
        whole: whether all values are whole numbers.
        step: largest whole number that divides all values, 1 if they are not whole.
        type: number type as the source declares it, such as `uint8`.
        peaks: largest value of each image, `(N,)`.
    """

    low: float
    high: float
    whole: bool
    step: int
    type: np.dtype[np.generic]
    peaks: Array

    @staticmethod
    def of(events: Array, declared: np.dtype[np.generic] | None = None, *, step: int = 0) -> Values:
        """Measure images `(N, ...)`, block by block.

        Arguments:
            declared: number type of the source. Defaults to the type of the images.
            step: 1 if nobody needs the common step of the values, which takes a while to find. Defaults to 0.
        """
        parts: list[Values] = []
        for start in range(0, len(events), BLOCK):
            before = parts[-1].step if parts else step
            parts.append(_values_of(events[start : start + BLOCK], declared or events.dtype, before))
        return Values.merged(parts)

    @staticmethod
    def merged(parts: Iterable[Values]) -> Values:
        """Return the facts about all parts together."""
        parts = list(parts)
        return Values(
            min(part.low for part in parts),
            max(part.high for part in parts),
            all(part.whole for part in parts),
            math.gcd(*(part.step for part in parts)),
            np.result_type(*{part.type for part in parts}),
            np.concatenate([part.peaks for part in parts]),
        )

    @property
    def on_grid(self) -> bool:
        """Whether the values are levels rather than measurements."""
        if self.type.kind != "f":
            return True
        size = max(-self.low, self.high)
        return self.whole and 1 < size < _EXACT_FLOATS

    def describe(self) -> str:
        """Describe the smallest and the largest value in words."""
        return f"values from {self.low:.10g} to {self.high:.10g}"


def _values_of(block: Array, declared: np.dtype[np.generic], step: int) -> Values:
    """Measure a block of images.

    Arguments:
        step: a multiple of the common step of all values, 0 if nothing is known; at 1 the values are not examined.
    """
    peaks = block.reshape(len(block), -1).max(axis=1)
    low, high = float(block.min()), float(peaks.max())
    whole = block.dtype.kind != "f" or bool((block == np.floor(block)).all())
    if not whole or max(-low, high) >= _EXACT_FLOATS:
        step = 1
    for row in block:
        if step == 1:  # almost always in the first image
            break
        step = _common_step(row, step)
    return Values(low, high, whole, step, declared, np.asarray(peaks, np.float64))


def _common_step(image: Array, step: int) -> int:
    """Return the largest whole number that divides `step` and all values of an image; large ones are read in parts."""
    flat = image.reshape(-1)
    for start in range(0, len(flat), _PART):
        step = math.gcd(step, int(np.gcd.reduce(flat[start : start + _PART].astype(np.int64))))
        if step == 1:
            break
    return step


def find_range(values: Values) -> tuple[Bounds | None, float | None]:
    """Return the bounds and the step of the grid, by the rule of this module.

    The bounds are `None` if the values are constant or too widely spread for a range, and the step is `None` for
    values that lie on no grid.
    """
    if not values.on_grid:
        return _fractions(values.low, values.high), None
    bounds = _levels(values)
    if bounds is None or bounds[1] - bounds[0] >= _WIDEST_GRID:
        return None, 1.0
    end, step = bounds[1], values.step
    if bounds[0] != 0 or end < _BYTE or step < 2 or 2 * step > end:
        return bounds, 1.0
    if end % step == 0:
        return bounds, float(step)
    if end > _BYTE and step & (step - 1) == 0:
        return (0.0, end // step * step), float(step)
    return bounds, 1.0


_CONVENTIONS = ((0.0, 1.0), (-1.0, 1.0), (0.0, float(_BYTE)))


def scaling_spec(dataset: Dataset) -> DataSpec:
    """Return the spec that a transform is fitted by: without bounds if they were only measured, on all rows."""
    if dataset.range_from != "data":
        return dataset.spec
    return dataset.spec.of_parts([_without_measured(piece.spec) for piece in dataset.spec.pieces])


def _without_measured(spec: DataSpec) -> DataSpec:
    if spec.quantum is not None or spec.bounds in _CONVENTIONS:
        return spec
    return dataclasses.replace(spec, bounds=None)


def found_spec(events: Array, values: Values) -> DataSpec:
    """Return the `DataSpec` of images `(N, C, H, W)` with the range found in their values."""
    bounds, quantum = find_range(values)
    if bounds == (0.0, 1.0) and quantum is not None and values.type.kind != "f":
        return binary_spec(events)
    return image_spec(events, bounds, quantum)


def _levels(values: Values) -> Bounds | None:
    low, high = values.low, values.high
    if low < 0:
        if low >= -1 and high <= 1:
            return -1.0, 1.0
        if values.type == np.int8 and max(-low, high) > _FAINT:
            return -128.0, 127.0
        return _outward(low, high, values.type)
    if high <= _FAINT:
        return 0.0, max(high, 1.0)
    reached = int((values.peaks == high).sum())
    if high in _COMMON_ENDS and len(values.peaks) >= _MANY_IMAGES and 2 * reached >= len(values.peaks):
        return 0.0, high
    if high <= _BYTE:
        return 0.0, 127.0 if values.type == np.int8 else float(_BYTE)
    if high <= _DEPTHS[-1] and 2 * low <= high:
        depth = next(float(depth) for depth in _DEPTHS if high <= depth)
        return 0.0, _limited(depth, values.type)
    return _outward(low, high, values.type)


def _fractions(low: float, high: float) -> Bounds | None:
    size = max(-low, high)
    if size <= 1 and (size > _FAINT / _BYTE or low == high):
        return (0.0 if low >= 0 else -1.0), 1.0
    if low >= 0 and 200 < high <= _BYTE:
        return 0.0, float(_BYTE)
    return _outward(low, high, None)


def _outward(low: float, high: float, declared: np.dtype[np.generic] | None) -> Bounds | None:
    """Round the ends outward to two digits of their distance, and whole ends to whole numbers within their type."""
    spread = high - low
    if not 0 < spread < math.inf:
        return None
    place = math.floor(math.log10(spread)) - 1
    if declared is not None:
        place = max(place, 0)
    unit = Decimal(1).scaleb(place)
    down = (Decimal(repr(low)) / unit).to_integral_value(ROUND_FLOOR) * unit
    up = (Decimal(repr(high)) / unit).to_integral_value(ROUND_CEILING) * unit
    bounds = min(float(down), low), max(float(up), high)
    if not all(map(math.isfinite, bounds)) or not math.isfinite(bounds[1] - bounds[0]):
        return None
    if declared is None:
        return bounds
    return _limited(bounds[0], declared), _limited(bounds[1], declared)


def _limited(end: float, declared: np.dtype[np.generic]) -> float:
    if declared.kind not in "ui":
        return end
    limits = np.iinfo(declared)  # type: ignore[type-var]
    return float(min(max(end, limits.min), limits.max))


def overrule_range(dataset: Dataset, bounds: Bounds) -> Dataset:
    """Return images with the range that the user states.

    Raises:
        ConfigError: the range does not suit the images.
    """
    check_stated(dataset.name, Values.of(dataset.events), bounds)
    whole = all(end == math.floor(end) for end in bounds)
    stored = dataset.events.dtype
    if stored.kind != "f":
        if not whole:
            raise ConfigError(
                f"{argument('range', range_text(bounds))} has a fraction, and {dataset.name!r} holds whole "
                f"numbers. Give whole "
                f"numbers."
            )
        limits = np.iinfo(stored)
        if not limits.min <= bounds[0] <= bounds[1] <= limits.max:
            raise ConfigError(
                f"{argument('range', range_text(bounds))} is wider than {stored}, the type of the images of "
                f"{dataset.name!r}, "
                f"which holds {limits.min} to {limits.max}."
            )
    if dataset.spec.features[0].discrete and bounds == (0.0, 1.0):
        return dataclasses.replace(dataset, range_from="setting")
    quantum = dataset.spec.quantum if whole else None
    if quantum is not None and dataset.range_from == "data":
        quantum = 1.0
    if quantum is not None and bounds[1] - bounds[0] >= _WIDEST_GRID:
        raise ConfigError(f"{argument('range', range_text(bounds))} is too wide for images on a grid.")
    return dataclasses.replace(dataset, spec=image_spec(dataset.events, bounds, quantum), range_from="setting")


def check_stated(name: str, values: Values, bounds: Bounds) -> None:
    """Check that all values lie in a range that the user states.

    Raises:
        ConfigError: one does not.
    """
    if not bounds[0] <= values.low <= values.high <= bounds[1]:
        raise ConfigError(
            f"{argument('range', range_text(bounds))} leaves values out: {name!r} holds {values.describe()}. "
            f"State a range that "
            f"contains them."
        )


def check_inside(who: str, shown: str, events: Array, data: DataSpec) -> None:
    """Check that images, or amplitudes of sounds, lie in the range that a model was trained on.

    Arguments:
        who: the model, as the beginning of a sentence.
        shown: name of the events, for messages.
        events: `(N, *event)`.
        data: the model's spec.

    Raises:
        DataError: a value lies outside the range.
    """
    for piece in data.pieces:
        _check_part_inside(who, shown, present(piece, events), piece.spec)


def _check_part_inside(who: str, shown: str, events: Array, data: DataSpec) -> None:
    if data.bounds is None or not (data.form.ranged or data.rate is not None) or not len(events):
        return
    low, high = data.bounds
    if events.dtype.kind == "f":  # bounds are rounded to the type of the images, as samples are
        low, high = float(events.dtype.type(low)), float(events.dtype.type(high))
    for start in range(0, len(events), BLOCK):
        block = np.asarray(events[start : start + BLOCK])
        if (block < low).any() or (block > high).any():
            values = Values.of(events)
            raise DataError(
                f"{who} was trained on {data.form.plural} in {range_text(data.bounds)}, and {shown} holds "
                f"{values.describe()}. Bring the {data.form.plural} to the range of the model first."
            )


def range_text(bounds: Bounds) -> str:
    """Return a range as `--range` takes it.

    Examples:
        >>> range_text((0.0, 16.0))
        '0..16'
    """
    return f"{bounds[0]:.10g}..{bounds[1]:.10g}"


def describe_range(dataset: Dataset) -> str:
    """Describe the range of images, and where it comes from: `0..16, step 1 (found in the data; ...)`."""
    bounds, quantum = dataset.spec.bounds, dataset.spec.quantum
    text = "not limited" if bounds is None else range_text(bounds)
    text += "" if quantum is None else f", step {quantum:g}"
    if dataset.range_from == "setting":
        return f"{text} (set by {argument('range')})"
    if dataset.range_from == "declared":
        return text
    return f"{text} (found in the data; overrule with {argument('range', _alternative(bounds, quantum))})"


def _alternative(bounds: Bounds | None, quantum: float | None) -> str:
    """Return another range that the user may mean."""
    if bounds is None or quantum is None or bounds[0] < 0:
        return "LOW..HIGH"
    wider = next((float(end) for end in (_BYTE, _DEPTHS[-1]) if bounds[1] < end), None)
    return "LOW..HIGH" if wider is None or bounds[1] == _BYTE else range_text((0.0, wider))


def range_remarks(dataset: Dataset) -> list[str]:
    """Return what may be wrong with a range that was found in the data, and the option that corrects it."""
    bounds = dataset.spec.bounds
    if dataset.range_from != "data" or bounds is None or dataset.spec.features[0].discrete:
        return []
    values = Values.of(dataset.events)
    if bounds[0] == 0 and 0 < values.high < bounds[1] / 2:
        stated = range_text((0.0, values.high))
        return [
            f"the values reach only {values.high:.10g} of {bounds[1]:.10g}; if this is the largest possible value, "
            f"{argument('range', stated)}"
        ]
    if len(dataset) > 1 and _two_values(dataset, values):
        return [
            f"all values are {values.low:.10g} or {values.high:.10g}; for images of 0 and 1, "
            f"{argument('binarize', True)}"
        ]
    return []


def _two_values(dataset: Dataset, values: Values) -> bool:
    blocks = (dataset.events[start : start + BLOCK] for start in range(0, len(dataset), BLOCK))
    ends = np.array([values.low, values.high], dataset.events.dtype)
    return values.low < values.high and all(bool(np.isin(block, ends).all()) for block in blocks)


def reading_notes(dataset: Dataset) -> list[str]:
    """Return what a training reports about how its images were read, as sentences without their full stop."""
    notes = list(dataset.notes)
    if dataset.skipped:
        plural = "file is" if dataset.skipped == 1 else "files are"
        notes.append(f"{dataset.skipped} unreadable {plural} left out")
    for part in every_part(dataset):
        if part.spec.form.ranged and dataset.range_from != "declared":
            notes.append(f"pixels in {describe_range(part)}")
            notes += range_remarks(part)
    return notes
