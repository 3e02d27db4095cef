"""Toy datasets: small data of every kind, which a model learns in a moment."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import numpy as np

from genzoo.data.dataset import Dataset
from genzoo.data.texts.lines import listed
from genzoo.spec.composite import CompositeSpec
from genzoo.spec.events import DataSpec, Feature
from genzoo.typing import Array

_ROWS = 240


_IMAGES = 160


_KINDS = (
    Feature("height"),
    Feature("smokes", "binary", ("no", "yes")),
    Feature("town", "categorical", ("ash", "birch", "cedar")),
    Feature("visits", "count"),
    Feature("weight"),
)


def _rng(name: str) -> np.random.Generator:
    return np.random.default_rng(list(name.encode()))


def _table(name: str, features: tuple[Feature, ...], events: Array, *, missing: bool = False) -> Dataset:
    spec = DataSpec((len(features),), "table", features, storage="float64", missing=missing)
    return Dataset(name, spec, np.ascontiguousarray(events, np.float64))


def _numbers(count: int) -> tuple[Feature, ...]:
    return tuple(Feature(f"x{place}") for place in range(count))


def _holes(name: str, events: Array) -> Array:
    """Return the events with a fifth of the values missing, but at least one left in every row."""
    rng = _rng(name)
    gone = np.asarray(rng.random(events.shape) < 0.2)
    gone[np.arange(len(events)), rng.integers(0, events.shape[1], len(events))] = False
    return np.where(gone, np.nan, events)


def _one_column() -> Dataset:
    rng = _rng("one-column")
    left = rng.random(_ROWS) < 0.4
    events = np.where(left, rng.normal(-2.0, 0.5, _ROWS), rng.normal(1.5, 1.0, _ROWS))
    return _table("one-column", _numbers(1), 3 * events[:, None] + 10)


def _two_columns() -> Dataset:
    rng = _rng("two-columns")
    upper = (rng.random(_ROWS) < 0.6)[:, None]
    noise = rng.normal(size=(_ROWS, 2))
    first = noise @ np.array([[0.8, 0.6], [0.0, 0.5]]) + [1.5, 1.0]
    second = noise @ np.array([[0.5, -0.3], [0.0, 0.7]]) - [2.0, 0.5]
    return _table("two-columns", _numbers(2), np.where(upper, first, second))


def _columns_of(name: str, count: int) -> Array:
    rng = _rng(name)
    hidden = rng.normal(size=(_ROWS, 2))
    mixed: Array = np.tanh(hidden @ rng.normal(size=(2, count))) + 0.4 * rng.normal(size=(_ROWS, count))
    return np.asarray(mixed * [10.0 ** (place - 1) for place in range(count)] + 5.0)


def _columns() -> Dataset:
    return _table("columns", _numbers(4), _columns_of("columns", 4))


def _holed_columns() -> Dataset:
    events = _holes("holed-columns", _columns_of("holed-columns", 2))
    return _table("holed-columns", _numbers(2), events, missing=True)


def _kinds_of(name: str) -> Array:
    rng = _rng(name)
    z = rng.normal(size=_ROWS)
    town = np.where(rng.random(_ROWS) < 0.3, 0, np.where(z + 0.5 * rng.normal(size=_ROWS) > 0, 1, 2))
    columns = [
        170 + 8 * z + 3 * rng.normal(size=_ROWS),
        z > rng.normal(size=_ROWS),
        town,
        rng.poisson(np.exp(0.8 + 0.5 * z)),
        70 - 5 * z + 4 * rng.normal(size=_ROWS),
    ]
    return np.stack([np.asarray(column, np.float64) for column in columns], 1)


def _kinds() -> Dataset:
    return _table("kinds", _KINDS, _kinds_of("kinds"))


def _holed_kinds() -> Dataset:
    return _table("holed-kinds", _KINDS, _holes("holed-kinds", _kinds_of("holed-kinds")), missing=True)


def _codes() -> Dataset:
    return _table("codes", (*_KINDS[1:3], Feature("left", "binary", ("no", "yes"))), _codes_of("codes"))


def _codes_of(name: str) -> Array:
    events = _kinds_of(name)
    return np.stack([events[:, 1], events[:, 2], events[:, 4] > 70], 1)


def _number_and_code() -> Dataset:
    return _table("number-and-code", _KINDS[:2], _kinds_of("number-and-code")[:, :2])


def _number_and_count() -> Dataset:
    return _table("number-and-count", (_KINDS[0], _KINDS[3]), _kinds_of("number-and-count")[:, [0, 3]])


def _many_levels() -> Dataset:
    """A category of 23 levels, some of them rare, and a number that depends on it."""
    rng = _rng("many-levels")
    letters = tuple("abcdefghijklmnopqrstuvw")
    code = np.minimum(rng.geometric(0.15, _ROWS) - 1, len(letters) - 1)
    code[: len(letters)] = np.arange(len(letters))
    events = np.stack([code, np.sin(code) + 0.5 * rng.normal(size=_ROWS)], 1)
    return _table("many-levels", (Feature("letter", "categorical", letters), Feature("size")), events)


def _counts() -> Dataset:
    """Two counts: a small one, and one that is 0 in most rows."""
    rng = _rng("counts")
    rate = np.exp(0.7 * rng.normal(size=_ROWS))
    events = np.stack([rng.poisson(3 * rate), rng.poisson(0.2 * rate)], 1)
    return _table("counts", (Feature("calls", "count"), Feature("visits", "count")), events)


def _positive() -> Dataset:
    """Skewed positive numbers, and shares between stated bounds."""
    rng = _rng("positive")
    z = rng.normal(size=_ROWS)
    income = np.exp(3 + 0.6 * z)
    share = 1 / (1 + np.exp(-(0.8 * z + 0.5 * rng.normal(size=_ROWS))))
    return _table("positive", (Feature("income"), Feature("share", low=0.0, high=1.0)), np.stack([income, share], 1))


def _hardly_changing() -> Dataset:
    """A number whose mean is 2,000 times its deviation, and a code that is nearly always the same."""
    rng = _rng("hardly-changing")
    events = np.stack([1000 + 0.5 * rng.normal(size=_ROWS), np.arange(_ROWS) % 40 == 0], 1)
    return _table("hardly-changing", (Feature("pressure"), Feature("alarm", "binary", ("no", "yes"))), events)


def _dates() -> Dataset:
    """Days since 1970, and a measurement with a season."""
    rng = _rng("dates")
    day = np.floor(rng.uniform(19_000, 19_730, _ROWS))
    heat = 10 + 8 * np.sin(2 * np.pi * day / 365) + 2 * rng.normal(size=_ROWS)
    return _table("dates", (Feature("day", type="date", step=1.0), Feature("heat")), np.stack([day, heat], 1))


def _given(dataset: Dataset, features: tuple[Feature, ...], conditions: Array) -> Dataset:
    spec = dataclasses.replace(dataset.spec, condition=features)
    return dataclasses.replace(dataset, spec=spec, conditions=np.ascontiguousarray(conditions, np.float64))


GIVEN_SIDE = ("given-side", "given-half", "given-letter")
"""Toys whose condition has two levels, and moves the means of the events far apart."""


def _given_side() -> Dataset:
    """Two numbers: around (-4, 2) given one level, around (4, -2) given the other."""
    rng = _rng("given-side")
    side = np.arange(_ROWS) % 2
    events = np.where(side[:, None] == 0, [-4.0, 2.0], [4.0, -2.0]) + 0.7 * rng.normal(size=(_ROWS, 2))
    side_of = Feature("side", "binary", ("left", "right"))
    return _given(_table("given-side", _numbers(2), events), (side_of,), side[:, None])


def _given_several() -> Dataset:
    """A number and a code, given a category, a code, a count and a number."""
    rows = _kinds_of("given-several")
    events = np.stack([rows[:, 0], rows[:, 4] > 70], 1)
    features = (_KINDS[0], Feature("heavy", "binary", ("no", "yes")))
    conditions = np.column_stack([rows[:, [2, 1, 3]], rows[:, 4]])
    return _given(_table("given-several", features, events), (_KINDS[2], _KINDS[1], _KINDS[3], _KINDS[4]), conditions)


def _given_half() -> Dataset:
    """Images that are bright in the upper or in the lower half."""
    rng = _rng("given-half")
    half = np.arange(_IMAGES) % 2
    light = 40 + 20 * rng.random((_IMAGES, 1, 8, 8))
    light[half == 0, :, :4] += 150
    light[half == 1, :, 4:] += 150
    images = _image("given-half", np.round(light).astype(np.uint8), Feature("pixel"), (0.0, 255.0), 1.0)
    return _given(images, (Feature("half", "binary", ("upper", "lower")),), half[:, None])


def _given_letter() -> Dataset:
    """Texts of one to three symbols, most of them the given one."""
    rng = _rng("given-letter")
    letter = np.arange(_ROWS) % 2
    events = np.where(rng.random((_ROWS, 3)) < 0.9, letter[:, None], 1 - letter[:, None])
    events[np.arange(3) >= rng.integers(1, 4, _ROWS)[:, None]] = 2
    spec = DataSpec((3,), "text", (Feature("symbol", "categorical", ("a", "b")),), storage="uint8")
    texts = Dataset("given-letter", spec, events.astype(np.uint8))
    return _given(texts, (Feature("letter", "binary", ("a", "b")),), letter[:, None])


def _shapes(name: str, shape: tuple[int, int, int]) -> Array:
    """Draw bright spots at random places on a dark background, with values from 0 to 1."""
    rng = _rng(name)
    channels, height, width = shape
    rows, columns = np.mgrid[0:height, 0:width]
    y, x = rng.uniform(0, height, (_IMAGES, 1, 1, 1)), rng.uniform(0, width, (_IMAGES, 1, 1, 1))
    spot = np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / (0.2 * height * width))
    light = spot * rng.uniform(0.6, 1.0, (_IMAGES, channels, 1, 1)) + 0.05 * rng.random((_IMAGES, *shape))
    return np.asarray(np.clip(light, 0.0, 1.0))


def _image(
    name: str, events: Array, feature: Feature, bounds: tuple[float, float] | None, quantum: float | None
) -> Dataset:
    storage: Any = events.dtype.name
    shape = tuple(int(side) for side in events.shape[1:])
    return Dataset(name, DataSpec(shape, "image", (feature,), bounds, quantum, storage), events)


def _pixels() -> Dataset:
    events = np.round(255 * _shapes("pixels", (1, 8, 8))).astype(np.uint8)
    return _image("pixels", events, Feature("pixel"), (0.0, 255.0), 1.0)


def _colors() -> Dataset:
    events = np.round(255 * _shapes("colors", (3, 5, 7))).astype(np.uint8)
    return _image("colors", events, Feature("pixel"), (0.0, 255.0), 1.0)


def _gray_levels() -> Dataset:
    events = np.round(3 * _shapes("gray-levels", (1, 1, 3))).astype(np.uint8)
    return _image("gray-levels", events, Feature("pixel"), (0.0, 3.0), 1.0)


def _black_and_white() -> Dataset:
    shapes = _shapes("black-and-white", (1, 2, 3))
    events = (shapes + 0.4 * _rng("black").normal(size=shapes.shape) > 0.5).astype(np.uint8)
    return _image("black-and-white", events, Feature("pixel", "binary", ("0", "1"), "uint8"), (0.0, 1.0), 1.0)


def _two_pixels() -> Dataset:
    shapes = _shapes("two-pixels", (1, 1, 2))
    events = (shapes + 0.2 * _rng("two").normal(size=shapes.shape)).astype(np.float32)
    return _image("two-pixels", events, Feature("pixel"), None, None)


def _parts(name: str, parts: dict[str, Dataset], *, gaps: bool = False) -> Dataset:
    """Return events of several parts; with gaps, every third event lacks its first part and the next one its second."""
    spec = CompositeSpec.of({part: dataset.spec for part, dataset in parts.items()}, missing=gaps)
    rows = np.empty((len(next(iter(parts.values()))), spec.size), spec.storage)
    for number, piece in enumerate(spec.pieces):
        rows[:, piece.places] = parts[piece.name].events.reshape(len(rows), -1)
        if gaps:
            rows[number::3, piece.places] = np.nan
    return Dataset(name, spec, rows)


def _picture_and_row() -> Dataset:
    """Small images of gray levels, each with a row of a number and a category."""
    light = _shapes("picture-and-row", (1, 3, 4))
    picture = _image("picture", np.round(15 * light).astype(np.uint8), Feature("pixel"), (0.0, 15.0), 1.0)
    bright = light.mean((1, 2, 3))
    size = 10 * bright + _rng("size").normal(size=_IMAGES)
    row = _table("row", (Feature("size"), _KINDS[2]), np.stack([size, np.digitize(bright, [0.25, 0.4])], 1))
    return _parts("picture-and-row", {"picture": picture, "row": row})


def _pixels_and_code() -> Dataset:
    """Two pixels off a grid with a category; some events lack the pixels, others the category."""
    rng = _rng("pixels-and-code")
    code = np.arange(_IMAGES) % 3
    events = (code[:, None, None, None] / 2 + 0.3 * rng.normal(size=(_IMAGES, 1, 1, 2))).astype(np.float32)
    pixels = _image("pixels", events, Feature("pixel"), None, None)
    return _parts("pixels-and-code", {"code": _table("code", _KINDS[2:3], code[:, None]), "pixels": pixels}, gaps=True)


def _two_symbols() -> Dataset:
    """Texts of at most three symbols, `a` or `b`; some are empty."""
    rng = _rng("two-symbols")
    events = np.where(rng.random((_ROWS, 3)) < 0.7, 0, 1)
    events[:, 1:] = np.where(rng.random((_ROWS, 2)) < 0.5, events[:, :1], events[:, 1:])
    lengths = np.minimum(rng.geometric(0.4, _ROWS) - 1, 3)
    events[np.arange(3) >= lengths[:, None]] = 2
    spec = DataSpec((3,), "text", (Feature("symbol", "categorical", ("a", "b")),), storage="uint8")
    return Dataset("two-symbols", spec, events.astype(np.uint8))


def _syllables() -> Dataset:
    """Texts of one to three syllables, as bytes."""
    rng = _rng("syllables")
    syllables = np.array(["ba", "li", "no", "tém"])
    words = ["".join(syllables[rng.integers(0, 4, count)]) for count in rng.integers(1, 4, _ROWS)]
    return dataclasses.replace(listed(words), name="syllables")


_MAKERS = (
    _two_columns,
    _one_column,
    _columns,
    _codes,
    _number_and_code,
    _number_and_count,
    _kinds,
    _many_levels,
    _counts,
    _positive,
    _hardly_changing,
    _dates,
    _holed_columns,
    _holed_kinds,
    _pixels,
    _black_and_white,
    _two_pixels,
    _gray_levels,
    _colors,
    _given_side,
    _given_several,
    _given_half,
    _given_letter,
    _picture_and_row,
    _pixels_and_code,
    _two_symbols,
    _syllables,
)


@functools.cache
def toys() -> dict[str, Dataset]:
    """Return all toy datasets by name; the first of each modality is one that most models accept."""
    made = [maker() for maker in _MAKERS]
    return {dataset.name: dataset for dataset in made}
