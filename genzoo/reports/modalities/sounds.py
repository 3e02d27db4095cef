"""Show sounds: players, and spectrograms beside each other."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from genzoo.data.sounds.facts import loudness, seconds_of
from genzoo.data.sounds.files import wav
from genzoo.inference.description.figures import Description
from genzoo.inference.image_grid import picture_of, png
from genzoo.inference.latent import Traversal
from genzoo.reports.distributions import marginal
from genzoo.reports.modalities.marginals import marginal_of
from genzoo.reports.modalities.report import ModalityReport
from genzoo.reports.page import Block, Clip, Picture, Pictures, Sounds, Table
from genzoo.spec.events import DataSpec, Feature
from genzoo.typing import Array

_MOST = 8
"""Largest number of sounds of a set that a page plays."""


def _picture(events: Array, data: DataSpec, caption: str, columns: int | None = None) -> Picture:
    about = f"{len(events)} spectrograms in a grid, time to the right and frequency up: {caption}"
    return Picture(caption, about, "png", png(picture_of(events, data, columns=columns)))


def _clips(events: Array, data: DataSpec, name: str) -> tuple[Clip, ...]:
    assert data.rate is not None
    return tuple(Clip(f"{name} {number}", wav(event, data.rate)) for number, event in enumerate(events[:_MOST]))


def _show(sets: Mapping[str, Array], data: DataSpec) -> list[Block]:
    players = [Sounds(caption, _clips(events, data, "sound")) for caption, events in sets.items()]
    drawn = [_picture(events, data, f"{caption}: spectrograms") for caption, events in sets.items()]
    return [*players, Pictures(tuple(drawn))]


def _reconstructions(real: Array, again: Array, data: DataSpec) -> list[Block]:
    pairs = np.concatenate([real.astype(again.dtype), again])
    return [
        Sounds("real sounds", _clips(real, data, "sound")),
        Sounds("their reconstructions", _clips(again, data, "sound")),
        Pictures((_picture(pairs, data, "real sounds above, their reconstructions below", len(real)),)),
    ]


def _traversal(found: Traversal) -> list[Block]:
    flat = found.events.reshape(-1, *found.data.event_shape)
    steps = found.events.shape[1]
    return [Pictures((_picture(flat, found.data, "latent traversal, one row per dimension", steps),))]


def _distributions(real: Array, samples: Array, data: DataSpec, most: int = 2) -> list[Block]:
    """Draw the distributions of lengths and of loudness in real sounds and in samples."""
    pictures = []
    for name, of in (("seconds until silence", seconds_of), ("loudness in decibels", loudness))[:most]:
        pair = of(real, data), of(samples, data)
        both = ", ".join(
            f"{who} {own.mean():.3g} ± {own.std():.2g}" for who, own in zip(("real", "sampled"), pair, strict=True)
        )
        drawn = marginal(marginal_of(*pair, Feature(name)))
        pictures.append(Picture(f"{name}: {both}", f"Distribution of {name}: {both}", "svg+xml", drawn))
    return [Pictures(tuple(pictures))]


def _about_distributions(count: int, samples: int, where: str) -> str:
    return (
        f"Distribution of the length and the loudness, with mean ± standard deviation, in {count} {where} and "
        f"{samples} samples."
    )


def _components(table: Table, real: Array, posterior: Array, data: DataSpec) -> list[Block]:
    """Return the table of components, and the sound that is likeliest in each."""
    return [table, Pictures((_picture(real[posterior.argmax(0)], data, "a sound of each component, in this order"),))]


def _description(found: Description) -> bytes:
    """Draw the mean of each component, or samples of the model."""
    return png(picture_of(found.drawn.samples if found.drawn.means is None else found.drawn.means, found.data))


SOUNDS = ModalityReport(
    _show,
    _reconstructions,
    _traversal,
    components=_components,
    distributions=_distributions,
    about_distributions=_about_distributions,
    description=_description,
    leads=True,
)
