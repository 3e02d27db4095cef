"""What a model has inside: a latent space to walk through, its own version of events, components."""

from __future__ import annotations

from typing import Any

import numpy as np

from genzoo.fitted import Fitted
from genzoo.latent import traverse
from genzoo.model import Components, Decoder, Outliers, Reconstruction
from genzoo.presentation.events import WIDEST, about_width, cell, event_grid
from genzoo.report.page import Block, Pictures, Section, Table, Text

Array = np.ndarray[Any, np.dtype[Any]]

_STEPS = 7
_MOST_DIMENSIONS = 10
_MOST_COMPONENTS = 20
_PAIRS = 8
_NUMBERS = 400_000


def inside_sections(fitted: Fitted, real: Array | None, seed: int) -> list[Section]:
    """Reconstructions, traversals and components, as far as the model has them.

    Arguments:
        real: events that it was not trained on, in data units, if there are any.
    """
    sections = []
    if real is not None and isinstance(fitted.generator, Reconstruction):
        sections.append(_reconstructions(fitted, real[:_PAIRS]))
    if isinstance(fitted.generator, Decoder):
        sections.append(_traversal(fitted, seed))
    if real is not None and isinstance(fitted.generator, Components):
        sections.append(_components(fitted, real))
    return sections


def _reconstructions(fitted: Fitted, real: Array) -> Section:
    data = fitted.data
    again = fitted.reconstruct(real)
    if data.modality == "image":
        pairs = np.concatenate([real.astype(again.dtype), again])
        picture = event_grid(pairs, data, "real events above, the model's own version of each below", len(real))
        return Section("Reconstructions", (Pictures((picture,)),))
    rows = []
    for number, pair in enumerate(zip(real, again, strict=True)):
        for name, event in zip(("real", "reconstructed"), pair, strict=True):
            cells = (cell(value, feature) for value, feature in zip(event, data.features[:WIDEST], strict=False))
            rows.append((f"{number} {name}", *cells))
    header = ("row", *(feature.name for feature in data.features[:WIDEST]))
    table = Table("Real events, and the model's own version of each", header, tuple(rows))
    return Section("Reconstructions", (table, *about_width(data, WIDEST)))


def _traversal(fitted: Fitted, seed: int) -> Section:
    data = fitted.data
    most = max(2, min(_MOST_DIMENSIONS, _NUMBERS // (_STEPS * data.size)))
    found = traverse(fitted, steps=_STEPS, most=most, seed=seed)
    numbers = ", ".join(map(str, found.dimensions))
    text = Text(
        f"Each row follows one latent dimension from one end of the prior to the other, all others at its centre; "
        f"those first that change events most. Dimensions: {numbers}."
    )
    if data.modality == "image":
        flat = found.events.reshape(-1, *data.event_shape)
        picture = event_grid(flat, data, "latent traversal, a row for each dimension", _STEPS)
        return Section("Latent space", (text, Pictures((picture,))))
    features = data.features[:WIDEST]
    rows = tuple(
        (
            str(dimension),
            *(f"{cell(first, f)} → {cell(last, f)}" for first, last, f in zip(row[0], row[-1], features, strict=False)),
        )
        for dimension, row in zip(found.dimensions, found.events, strict=True)
    )
    table = Table("From one end to the other", ("dimension", *(feature.name for feature in features)), rows)
    return Section("Latent space", (text, table, *about_width(data, WIDEST)))


def _components(fitted: Fitted, real: Array) -> Section:
    """What each component holds of the events: its share, and their means or most frequent levels."""
    posterior = np.exp(fitted.log_posterior(real).astype(np.float64))  # (N, K)
    share = posterior.mean(axis=0)
    order = np.argsort(-share, kind="stable")[:_MOST_COMPONENTS]
    outlier = fitted.generator.outlier if isinstance(fitted.generator, Outliers) else None
    features = fitted.data.features[:WIDEST] if fitted.data.modality == "table" else ()
    rows = tuple(
        (
            "outliers" if component == outlier else str(component),
            f"{share[component]:.1%}",
            *(_typical(real[:, place], posterior[:, component], f) for place, f in enumerate(features)),
        )
        for component in order
    )
    table = Table(
        f"Share of {len(real)} events, and what is typical of each component among them",
        ("component", "share", *(feature.name for feature in features)),
        rows,
    )
    blocks: list[Block] = [table, *about_width(fitted.data, WIDEST)]
    if fitted.data.modality == "image":
        weights = posterior[:, order] / np.maximum(share[order] * len(real), 1e-12)  # (N, K)
        means = np.tensordot(weights.T, real.astype(np.float64), 1)  # (K, *event)
        blocks.append(Pictures((event_grid(means, fitted.data, "mean event of each component, in this order"),)))
    if len(share) > len(order):
        blocks.append(Text(f"The {len(order)} largest of {len(share)} components are shown."))
    return Section("Components", tuple(blocks))


def _typical(values: Array, weights: Array, feature: Any) -> str:
    """The mean of a column, or its most frequent level, under weights."""
    known = ~np.isnan(values)
    if not weights[known].sum() > 0:
        return "–"
    if feature.levels is None:
        return f"{np.average(values[known], weights=weights[known]):.4g}"
    counts = np.bincount(values[known].astype(np.int64), weights[known], len(feature.levels))
    return cell(float(counts.argmax()), feature)
