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
    def of(events: Texts, rows: Rows) -> Buckets:
        """Return widths that divide the training texts into groups of about the same number; windows have one width."""
        if isinstance(events, Windows):  # whose lengths can change with their places
            return Buckets(np.array([events.shape[1]]), np.zeros(len(rows), np.int64))
        room = np.minimum(events.lengths[rows] + 1, events.shape[1])
        shares = np.arange(1, MOST_WIDTHS + 1) / MOST_WIDTHS
        widths = np.unique(np.quantile(room, shares, method="inverted_cdf"))
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
