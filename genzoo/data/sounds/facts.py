"""Facts about sounds of one length: how long they last, how loud they are, and what looks wrong."""

from __future__ import annotations

from typing import Any

import numpy as np

from genzoo.data.dataset import BLOCK, Dataset
from genzoo.data.sounds.files import FULL, is_clipped
from genzoo.spec.events import DataSpec
from genzoo.text import counted
from genzoo.typing import Array

_QUIET = 10 ** (-50 / 20)
"""Amplitude below which the end of a sound is silence, relative to its loudest sample."""


_SOFTEST = -120.0
"""Loudness of silence, in decibels."""


def samples_of(events: Array) -> Array:
    """Return the number of samples of sounds `(N, T)` up to the last that is not 0, `(N,)`."""
    heard = np.asarray(events) != 0
    return np.where(heard.any(1), heard.shape[1] - heard[:, ::-1].argmax(1), 0)


def seconds_of(events: Array, data: DataSpec) -> Array:
    """Return the seconds of sounds `(N, T)` until their last sample of at least -50 dB below their loudest, `(N,)`."""
    assert data.rate is not None
    size = np.abs(np.asarray(events, np.float32))
    loud = (size >= _QUIET * size.max(1, keepdims=True)) & (size > 0)
    last = events.shape[1] - loud[:, ::-1].argmax(1)
    return np.where(loud.any(1), last, 0) / data.rate


def loudness(events: Array, data: DataSpec) -> Array:
    """Return the loudness of sounds `(N, T)` over the seconds that they last, in decibels of full scale, `(N,)`.

    It is the root mean square, and -120 dB for silence.
    """
    assert data.rate is not None
    energy = np.square(np.asarray(events, np.float64) / FULL).sum(1)
    mean = energy / np.maximum(seconds_of(events, data) * data.rate, 1)
    levels: Array = 10 * np.log10(np.maximum(mean, 10 ** (_SOFTEST / 10)))
    return levels


def sound_facts(dataset: Dataset) -> dict[str, Any]:
    """Return facts about the sounds of a dataset in words."""
    parts = [dataset.events[start : start + BLOCK] for start in range(0, len(dataset), BLOCK)]
    lengths, levels = (np.concatenate([of(part, dataset.spec) for part in parts]) for of in (seconds_of, loudness))
    return {
        **dataset.facts,
        "lengths": f"{lengths.min():.3g} to {lengths.max():.3g} s until silence, median {np.median(lengths):.3g} s",
        "loudness": f"{levels.min():.3g} to {levels.max():.3g} dB, median {np.median(levels):.3g} dB",
    }


def sound_remarks(dataset: Dataset) -> list[str]:
    """Return what looks wrong with sounds: silence, and samples at full scale; what a reader noted is not repeated."""
    silent = clipped = 0
    for start in range(0, len(dataset), BLOCK):
        block = np.asarray(dataset.events[start : start + BLOCK])
        silent += int((block == block[:, :1]).all(1).sum())
        loud = block[(np.abs(block.astype(np.int32)) >= FULL - 2).any(1)]
        clipped += sum(map(is_clipped, loud))
    found = ((silent, "silent"), (clipped, "clipped"))
    noted = " ".join(dataset.notes)
    return [
        f"{counted(count, 'sound')} {'is' if count == 1 else 'are'} {what}"
        for count, what in found
        if count and what not in noted
    ]
