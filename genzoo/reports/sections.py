"""Sections that several pages share: samples beside real data, curves, latent space, components and scores."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from genzoo.data.texts.symbols import decoded
from genzoo.inference.image_grid import picture_of, png
from genzoo.inference.latent import traverse
from genzoo.inference.trained_model import TrainedModel
from genzoo.metrics.metric import Score
from genzoo.models.base import Components, Decoder, Outliers, Reconstruction
from genzoo.persistence.format1 import current_line, former_metrics
from genzoo.persistence.run import Run
from genzoo.reports.charts import Histogram, Marginal, Shares, curves, marginal
from genzoo.reports.columns import score_text
from genzoo.reports.page import Block, Facts, Notes, Picture, Pictures, Section, Table, Text
from genzoo.reports.terminal import halves_text
from genzoo.spec.events import DataSpec, Feature
from genzoo.storage.metrics_log import read_log
from genzoo.text import printable, shortened
from genzoo.typing import Array

_PLACES = frozenset({"step", "epoch", "seconds"})


_MOST_POINTS = 1_000


_MOST_LINES, _MOST_PICTURES = 20, 20


class CurvePoints:
    """The points of one curve. Of many points it keeps evenly spaced ones, and always the first and the last."""

    def __init__(self) -> None:
        self._steps: list[int] = []
        self._values: list[float] = []
        self._stride = 1
        self._seen = 0
        self.last = (0, 0.0)

    def add(self, step: int, value: float) -> None:
        """Add a point."""
        self.last = (step, value)
        if self._seen % self._stride == 0:
            self._steps.append(step)
            self._values.append(value)
        self._seen += 1
        # A log may have millions of lines. Whenever too many points are kept, every second one is dropped, and only
        # half as many of the following ones are added: memory stays bounded, and the points stay evenly spaced.
        if len(self._steps) == 2 * _MOST_POINTS:
            self._steps, self._values = self._steps[::2], self._values[::2]
            self._stride *= 2

    @property
    def first(self) -> tuple[int, float]:
        """The step and value of the first point."""
        return self._steps[0], self._values[0]

    def shown(self) -> tuple[Any, Any]:
        """Return steps and values to draw, at most 1,000."""
        steps, values = list(self._steps), list(self._values)
        if steps[-1] != self.last[0]:
            steps.append(self.last[0])
            values.append(self.last[1])
        kept = np.unique(np.linspace(0, len(steps) - 1, min(len(steps), _MOST_POINTS)).astype(np.int64))
        return np.asarray(steps, np.float64)[kept], np.asarray(values)[kept]


Series = dict[str, CurvePoints]


def curve_section(run: Run) -> Section | None:
    """Return a section with a chart of the losses and of everything else that was logged, or `None`."""
    pictures = [_picture(title, series) for title, series in _logged(run).items()]
    return Section("Training", (Pictures(tuple(pictures)),)) if pictures else None


def _logged(run: Run) -> dict[str, Series]:
    """Return the logged values by chart and by line of the chart."""
    found: dict[str, Series] = {}
    metrics = former_metrics()
    for _, line in read_log(run.log) if run.log.exists() else ():
        for title, name, value in _values(current_line(line, metrics)):
            if len(found.setdefault(title, {})) < _MOST_LINES or name in found[title]:
                found[title].setdefault(name, CurvePoints()).add(line["step"], value)
            if len(found) > _MOST_PICTURES:
                found.popitem()
    return found


def _values(line: Mapping[str, Any]) -> Iterator[tuple[str, str, float]]:
    """Yield the values of a log line: title of the chart, name of the line in it, and value."""
    for key, value in line.items():
        if key in _PLACES:
            continue
        parts = value.items() if isinstance(value, Mapping) else [(key, value)]
        for name, number in parts:
            if isinstance(number, int | float) and not isinstance(number, bool) and math.isfinite(number):
                words = str(name).replace("_", " ")
                yield (key if key == "loss" else words), words, float(number)


def _picture(title: str, series: Series) -> Picture:
    shown = {name: points.shown() for name, points in series.items()}
    text = "; ".join(
        ("" if name == title else f"{name} ")
        + ("" if points.first == points.last else f"from {points.first[1]:.4g} at step {points.first[0]} to ")
        + f"{points.last[1]:.4g} at step {points.last[0]}"
        for name, points in series.items()
    )
    return Picture(f"{title}: {text}", f"Curve of {title} over training steps: {text}", "svg+xml", curves(shown, title))


MOST_COLUMNS = 24
"""Largest number of columns whose distributions are drawn."""


WIDEST = 8
"""Largest number of columns in a table of values."""


_MOST_ROWS = 6


_MOST_LETTERS = 200


MOST_LEVELS = 12


_MOST_BINS = 30


def how_many(data: DataSpec) -> int:
    """Return how many rows or images of one source a page shows: fewer if they are large."""
    return data.form.shown.events(data.size)


def how_many_inside(data: DataSpec) -> int:
    """Return how many rows describe the components of a model. They are not drawn, so they can be more."""
    return max(how_many(data), min(1_000, 4_000_000 // data.size))


def evenly(rows: Array, most: int) -> Array:
    """Return at most `most` of increasing row numbers, evenly spaced."""
    return rows if len(rows) <= most else rows[np.linspace(0, len(rows) - 1, most).astype(np.int64)]


def event_grid(events: Array, data: DataSpec, caption: str, columns: int | None = None) -> Picture:
    """Draw images as a grid in one picture."""
    about = f"{len(events)} images of {'×'.join(map(str, data.event_shape[1:]))} pixels in a grid: {caption}"
    return Picture(caption, about, "png", png(picture_of(events, data, columns=columns)))


def event_rows(events: Array, data: DataSpec, caption: str) -> Table:
    """Return the first rows as a table, with as many columns as fit."""
    features = _first(data)
    most = len(events) if data.form.ended else _MOST_ROWS
    rows = tuple((str(number), *_cells(event, data)) for number, event in enumerate(events[:most]))
    words = frozenset(place for place, feature in enumerate(features, 1) if feature.levels is not None)
    return Table(caption, ("row", *(feature.name for feature in features)), rows, words=words)


def _cells(event: Array, data: DataSpec) -> tuple[str, ...]:
    """Return the first values of an event as text, or the whole of a text."""
    if data.form.ended:
        return (shortened(printable(decoded(event[None], data)[0]), _MOST_LETTERS),)
    return tuple(cell(value, feature) for value, feature in zip(event.ravel(), _first(data), strict=False))


def _first(data: DataSpec) -> tuple[Feature, ...]:
    """Return the features of the first values of an event, which fit a table, each under a name of its own."""
    if data.form.columns:
        return data.features[:WIDEST]
    if data.form.ended:
        return (replace(data.features[0], name=data.form.event),)
    return tuple(replace(data.features[0], name=data.value_name(place)) for place in range(min(data.size, WIDEST)))


def cell(value: float, feature: Feature) -> str:
    """Return a value of a column as text."""
    if math.isnan(value):
        return ""
    if feature.levels is not None:
        return feature.levels[int(value)]
    return f"{value:.0f}" if feature.kind == "count" else f"{value:.4g}"


def side_by_side(real: Array | None, samples: Array, data: DataSpec, where: str) -> list[Block]:
    """Show samples of one model beside real data, if there are any.

    Arguments:
        where: what the real data are, such as `test rows`.
    """
    show = event_grid if data.form.pictured else event_rows
    shown = [] if real is None else [show(real, data, f"Real data ({where})")]
    shown.append(show(samples, data, "Samples of the model"))
    pictures = tuple(block for block in shown if isinstance(block, Picture))
    tables = [block for block in shown if isinstance(block, Table)]
    return [Pictures(pictures)] if pictures else [*tables, *about_width(data, WIDEST)]


def about_width(data: DataSpec, most: int) -> list[Block]:
    """Return a sentence if not all columns of a table are shown."""
    if data.form.ended:
        return []
    return [Text(f"The first {most} of {data.size} {data.form.values} are shown.")] if data.size > most else []


def marginals(real: Array, samples: Array, data: DataSpec, most: int = MOST_COLUMNS) -> list[Block]:
    """Draw the distribution of every column in real rows and in samples."""
    pictures = []
    for place, feature in enumerate(data.features[:most]):
        pair = real[:, place].astype(np.float64), samples[:, place].astype(np.float64)
        pair = pair[0][np.isfinite(pair[0])], pair[1][np.isfinite(pair[1])]
        if len(pair[0]) and len(pair[1]):
            pictures.append(_marginal(*pair, feature))
    return [Pictures(tuple(pictures)), *about_width(data, most)]


def _marginal(real: Array, sampled: Array, feature: Feature) -> Picture:
    drawn = marginal_of(real, sampled, feature)
    text = ", ".join(
        f"{name} {_marginal_note(values, feature)}" for name, values in (("real", real), ("sampled", sampled))
    )
    caption = f"{feature.name}: {text}"
    return Picture(caption, f"Distribution of column {caption}", "svg+xml", marginal(drawn))


def _marginal_note(values: Array, feature: Feature) -> str:
    """Return the most frequent level and its share, or mean ± standard deviation."""
    if feature.levels is None:
        with np.errstate(over="ignore"):  # an overflow is shown as inf
            return f"{values.mean():.4g} ± {values.std():.3g}"
    counts = np.bincount(values.astype(np.int64), minlength=len(feature.levels))
    return f"{feature.levels[int(counts.argmax())]} {counts.max() / len(values):.0%}"


def marginal_of(real: Array, sampled: Array, feature: Feature) -> Marginal:
    """Return the distribution of a column in real rows and samples, given its values without missing ones."""
    return _shares(real, sampled, feature) if feature.levels is not None else _histogram(real, sampled, feature)


def _histogram(real: Array, sampled: Array, feature: Feature) -> Marginal:
    """Return densities between the 0.5 % and 99.5 % quantiles, so that one outlier does not squeeze the rest."""
    ends = np.quantile(real, [0.005, 0.995]), np.quantile(sampled, [0.005, 0.995])
    low, high = float(min(ends[0][0], ends[1][0])), float(max(ends[0][1], ends[1][1]))
    if feature.kind == "count":
        step = max(1, math.ceil((high - low + 1) / _MOST_BINS))
        edges = np.arange(math.floor(low), math.ceil(high) + 1 + step, step) - 0.5
    elif high - low <= 1e-12 * max(abs(low), abs(high)):
        edges = np.linspace(low - 0.5, high + 0.5, 4)
    else:
        bins = min(_MOST_BINS, max(8, round(math.sqrt(min(len(real), len(sampled))))))
        edges = np.linspace(low, high, bins + 1)
    counts = [np.histogram(values, edges)[0] / (len(values) * np.diff(edges)) for values in (real, sampled)]
    return Histogram(edges, *counts)


def _shares(real: Array, sampled: Array, feature: Feature) -> Marginal:
    """Return the shares of the levels that are most frequent in real rows, and of all others together."""
    assert feature.levels is not None
    counts = [np.bincount(v.astype(np.int64), minlength=len(feature.levels)) / len(v) for v in (real, sampled)]
    if len(feature.levels) <= MOST_LEVELS:
        return Shares(feature.levels, *counts)
    order = np.argsort(-counts[0], kind="stable")[: MOST_LEVELS - 1]
    shown = [np.append(share[order], 1 - share[order].sum()) for share in counts]
    return Shares((*(feature.levels[i] for i in order), "all others"), *shown)


_STEPS = 7


_MOST_DIMENSIONS = 10


_MOST_COMPONENTS = 20


_PAIRS = 8


_COMPONENT_NUMBERS = 400_000


def inside_sections(fitted: TrainedModel, real: Array | None, seed: int) -> list[Section]:
    """Return sections on reconstructions, latent space and components, as far as the model has them.

    Arguments:
        real: rows that the model was not trained on, in data units, or `None`.
    """
    sections = []
    if real is not None and isinstance(fitted.generator, Reconstruction) and not fitted.data.condition:
        sections.append(_reconstructions(fitted, real[:_PAIRS]))
    if isinstance(fitted.generator, Decoder):
        sections.append(_traversal(fitted, seed))
    if real is not None and isinstance(fitted.generator, Components):
        sections.append(_components(fitted, real))
    return sections


def _reconstructions(fitted: TrainedModel, real: Array) -> Section:
    data = fitted.data
    again = fitted.reconstruct(real)
    if data.form.pictured:
        pairs = np.concatenate([real.astype(again.dtype), again])
        picture = event_grid(pairs, data, "real images above, their reconstructions below", len(real))
        return Section("Reconstructions", (Pictures((picture,)),))
    rows = [
        (f"{number} {name}", *_cells(event, data))
        for number, pair in enumerate(zip(real, again, strict=True))
        for name, event in zip(("real", "reconstructed"), pair, strict=True)
    ]
    header = ("row", *(feature.name for feature in _first(data)))
    table = Table("Real rows and their reconstructions", header, tuple(rows))
    return Section("Reconstructions", (table, *about_width(data, WIDEST)))


def _traversal(fitted: TrainedModel, seed: int) -> Section:
    data = fitted.data
    most = max(2, min(_MOST_DIMENSIONS, _COMPONENT_NUMBERS // (_STEPS * data.size)))
    fitted = fitted.under_usual
    found = traverse(fitted, steps=_STEPS, most=most, seed=seed)
    under = f" They are decoded given {fitted.given_in_words}." if fitted.fixed else ""
    numbers = ", ".join(map(str, found.dimensions))
    text = Text(
        f"Each row varies one latent dimension from one end of the prior to the other, and keeps all others at their "
        f"center. Dimensions that change the output most come first: {numbers}.{under}"
    )
    if data.form.pictured:
        flat = found.events.reshape(-1, *data.event_shape)
        picture = event_grid(flat, data, "latent traversal, one row per dimension", _STEPS)
        return Section("Latent space", (text, Pictures((picture,))))
    features = _first(data)
    rows = tuple(
        (
            str(dimension),
            *(f"{first} → {last}" for first, last in zip(_cells(row[0], data), _cells(row[-1], data), strict=True)),
        )
        for dimension, row in zip(found.dimensions, found.events, strict=True)
    )
    table = Table(
        "From one end of each dimension to the other", ("dimension", *(feature.name for feature in features)), rows
    )
    return Section("Latent space", (text, table, *about_width(data, WIDEST)))


def _components(fitted: TrainedModel, real: Array) -> Section:
    """Describe each component by its share of the rows, and by their means or most frequent levels."""
    posterior = np.exp(fitted.log_posterior(real).astype(np.float64))  # (N, K)
    share = posterior.mean(axis=0)
    order = np.argsort(-share, kind="stable")[:_MOST_COMPONENTS]
    outlier = fitted.generator.outlier if isinstance(fitted.generator, Outliers) else None
    features = fitted.data.features[:WIDEST] if fitted.data.form.columns else ()
    rows = tuple(
        (
            "outliers" if component == outlier else str(component),
            f"{share[component]:.1%}",
            *(_typical(real[:, place], posterior[:, component], f) for place, f in enumerate(features)),
        )
        for component in order
    )
    table = Table(
        f"Share of each component in {len(real)} rows, and its mean or most frequent level",
        ("component", "share", *(feature.name for feature in features)),
        rows,
    )
    blocks: list[Block] = [table, *(about_width(fitted.data, WIDEST) if features else ())]
    if fitted.data.form.pictured:
        weights = posterior[:, order] / np.maximum(share[order] * len(real), 1e-12)  # (N, K)
        means = np.tensordot(weights.T, real.astype(np.float64), 1)  # (K, *event)
        blocks.append(Pictures((event_grid(means, fitted.data, "mean image of each component, in this order"),)))
    if len(share) > len(order):
        blocks.append(Text(f"The {len(order)} largest of {len(share)} components are shown."))
    return Section("Components", tuple(blocks))


def _typical(values: Array, weights: Array, feature: Any) -> str:
    """Return the weighted mean of a column, or its most frequent level."""
    known = ~np.isnan(values)
    if not weights[known].sum() > 0:
        return "–"
    if feature.levels is None:
        return f"{np.average(values[known], weights=weights[known]):.4g}"
    counts = np.bincount(values[known].astype(np.int64), weights[known], len(feature.levels))
    return cell(float(counts.argmax()), feature)


_MOST_PARTS = 60


def score_blocks(scores: Mapping[str, Score], reasons: Mapping[str, str]) -> list[Block]:
    """Return a table of the scores of one model, their notes, and the protocol of each."""
    blocks: list[Block] = []
    if scores:
        rows = tuple((name, score_text(score), halves_text(score), score.direction) for name, score in scores.items())
        caption = "Scores, ± standard error or [95 % interval], beside the score between two halves of the real rows"
        blocks.append(Table(caption, ("metric", "score", "real halves", "better"), rows, words=frozenset({3})))
    lines = [f"{name}: {note}" for name, score in scores.items() for note in score.notes]
    lines += [f"no {name}: {reason}" for name, reason in reasons.items()]
    if lines:
        blocks.append(Notes(tuple(lines)))
    return [*blocks, *(protocol_lines(name, score) for name, score in scores.items())]


def protocol_lines(name: str, score: Score) -> Facts:
    """Return how a score was measured, and the parts it consists of."""
    parts = [(part, f"{value:.4g}") for part, value in list(score.parts.items())[:_MOST_PARTS]]
    more = len(score.parts) - len(parts)
    rest = [("and", f"{more} more parts")] if more else []
    pairs = (*((key, as_text(value)) for key, value in score.protocol.items()), *parts, *rest)
    return Facts(pairs, f"How {name} was measured")


def as_text(value: Any) -> str:
    """Return a value as text for readers."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {as_text(part)}" for key, part in value.items()) or "none"
    if isinstance(value, list | tuple):
        return ", ".join(map(as_text, value)) or "none"
    return str(value)
