"""Batches of texts of similar length: padding is little, and there are few different widths."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from genzoo.data.dataset import Rows
from genzoo.data.texts.flat import Texts
from genzoo.data.texts.windows import Windows
from genzoo.typing import Array

MOST_WIDTHS = 8
"""Largest number of widths of batches. Compiled code is compiled once for each."""

_CANDIDATES = 512
"""Largest number of lengths that are considered as widths."""


@dataclass(frozen=True, slots=True)
class Buckets:
    """The widths of batches, and the one that each training text needs.

    A batch has room for the end of its longest text, unless that is as long as an event can be.

    Arguments:
        widths: different widths, increasing, `(W,)`.
        needed: position in `widths` of the smallest width that holds each training text, `(N,)`.
    """

    widths: Array
    needed: Array

    @staticmethod
    def of(events: Texts, rows: Rows, step: int = 1) -> Buckets:
        """Return the widths with the least padding in an epoch; windows have one width.

        Arguments:
            events: all texts.
            rows: the training rows.
            step: number of texts in a step. Defaults to 1.
        """
        if isinstance(events, Windows):  # whose lengths can change with their places
            return Buckets(np.array([events.shape[1]]), np.zeros(len(rows), np.int64))
        room = np.minimum(events.lengths[rows] + 1, events.shape[1])
        widths = _widths_for(room, step)
        return Buckets(widths, np.searchsorted(widths, room))

    def grouped(self, order: Rows, step: int, rng: np.random.Generator) -> Rows:
        """Return an order of texts in whole steps, in which the texts of a step need about the same width.

        Every text keeps its place among texts of its width, and steps are shuffled.

        Arguments:
            order: positions of training texts, shuffled.
            step: number of texts in a step. Texts of an incomplete last step are left out, before lengths are known.
        """
        whole = order[: len(order) // step * step]
        steps = whole[np.argsort(self.needed[whole], kind="stable")].reshape(-1, step)
        return np.asarray(steps[rng.permutation(len(steps))].reshape(-1))

    def widths_of(self, order: Rows, step: int) -> list[int]:
        """Return the width of each step of an order of whole steps."""
        widest = self.needed[order].reshape(-1, step).max(axis=1)
        return [int(width) for width in self.widths[widest]]


def _widths_for(room: Array, step: int) -> Array:
    """Return the widths that make the symbols of an epoch fewest, padding included.

    Dynamic programming over the lengths, one width more in each round. Texts that share their step with longer ones get
    the width of these.

    Arguments:
        room: the width that each text needs, `(N,)`.
        step: number of texts in a step.
    """
    lengths, counts = np.unique(room, return_counts=True)
    chosen = np.unique(np.linspace(0, len(lengths) - 1, _CANDIDATES).round().astype(np.int64))
    widths, longer = lengths[chosen], len(room) - counts.cumsum()[chosen]
    whole = len(room) // step * step
    held = np.maximum(whole - -(-longer // step) * step, 0)  # texts in steps that are no wider
    between = held - held[:, None]
    total, rounds = widths * held, []
    for _ in range(MOST_WIDTHS - 1):
        tried = np.where(between > 0, total[:, None] + widths * between, np.iinfo(np.int64).max)
        before, found = tried.argmin(axis=0), tried.min(axis=0)
        rounds.append(np.where(found < total, before, -1))
        total = np.minimum(found, total)
    place = len(widths) - 1
    places = [place]
    for befores in reversed(rounds):
        if befores[place] >= 0:
            place = int(befores[place])
            places.append(place)
    return np.asarray(widths[places[::-1]])
