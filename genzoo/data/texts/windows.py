"""Long texts as windows: each is an event, and windows of training begin at another place in every epoch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from genzoo.data.texts.flat import Texts, offsets_of
from genzoo.errors import DataError
from genzoo.text import counted
from genzoo.typing import Array

_INSIDE, _LEAD = 0x80, 0xC0
"""A byte whose two highest bits are 10 stands inside a character of UTF-8."""


class Windows(Texts):
    """Windows of long texts, `(N, T)`: neighbors of one text follow each other without a gap.

    A window begins at a character, holds whole characters, and has at most T bytes. It has fewer, and so an end, only
    if the next character needs several bytes, or if a whole text is shorter than a window.

    Arguments:
        codes, offsets, longest, end: as for `Texts`, with windows as texts.
        pieces: number of the first window of each long text, and the number of all windows, `(P + 1,)` int64.
        rests: bytes at the end of each long text that fill no window. Defaults to none.
    """

    def __init__(
        self, codes: Array, offsets: Array, longest: int, end: int, pieces: Array, rests: Sequence[Array] = ()
    ) -> None:
        super().__init__(codes, offsets, longest, end)
        self.pieces = pieces
        self.rests = tuple(rests)

    @classmethod
    def cut(cls, texts: Sequence[Array], size: int, end: int) -> Windows:
        """Cut long texts, given as their bytes `(n,)`, into windows of at most `size` bytes."""
        cuts = [_cuts(text, size) for text in texts]
        kept = [text[: int(places[-1])] for text, places in zip(texts, cuts, strict=True)]
        rests = [text[int(places[-1]) :] for text, places in zip(texts, cuts, strict=True)]
        lengths = np.concatenate([np.empty(0, np.int64), *map(np.diff, cuts)])
        codes = kept[0] if len(kept) == 1 else np.concatenate([np.empty(0, np.uint8), *kept])
        pieces = offsets_of(np.array([len(places) - 1 for places in cuts], np.int64))
        return cls(codes, offsets_of(lengths), size, end, pieces, rests)

    @classmethod
    def of_texts(cls, texts: Texts, pieces: Array | None = None) -> Windows:
        """Return windows that are given one by one, with `pieces` as above; by default of one long text."""
        own = np.array([0, len(texts)], np.int64) if pieces is None else pieces
        return cls(texts.codes, texts.offsets, texts.shape[1], texts.end, own)

    @property
    def left_out(self) -> int:
        """Number of bytes at the ends of texts that fill no window."""
        return sum(map(len, self.rests))

    @property
    def about_rests(self) -> tuple[str, ...]:
        """A clause about the bytes that fill no window; none if there are none."""
        where = "the end" if len(self.rests) == 1 else "ends of texts"
        what = f"{counted(self.left_out, 'byte')} at {where}, less than a window of {self.shape[1]}"
        return (f"left out: {what}",) if self.left_out else ()

    @property
    def whole(self) -> list[Array]:
        """The bytes of each long text, with those that fill no window."""
        first, last = self.offsets[self.pieces[:-1]], self.offsets[self.pieces[1:]]
        rests = self.rests or [self.codes[:0]] * len(first)
        return [np.concatenate([self.codes[a:b], rest]) for a, b, rest in zip(first, last, rests, strict=True)]

    def stretches(self, rows: Array) -> tuple[Array, Array]:
        """Return where the stretch of neighbors around each of increasing `rows` begins and ends in `codes`, `(n,)`.

        Rows are neighbors if they follow each other in one long text.
        """
        if not len(rows):
            return rows, rows
        piece = np.searchsorted(self.pieces, rows, side="right")
        breaks = np.flatnonzero((np.diff(rows) != 1) | (np.diff(piece) != 0)) + 1
        firsts, stops = np.concatenate([[0], breaks]), np.concatenate([breaks, [len(rows)]])
        counts = stops - firsts
        return (
            np.repeat(self.offsets[rows[firsts]], counts),
            np.repeat(self.offsets[rows[stops - 1] + 1], counts),
        )

    def overlapping(self, stride: int, rows: Array | None = None) -> tuple[Array, Array]:
        """Return windows that overlap, so that each byte has bytes before it: at least T - `stride`, if there are.

        Each byte of the windows is new in one of them, and context in the others. A stride of T gives windows without
        context, as they are cut. Characters of several bytes can make windows shorter and, with a stride below 7
        bytes, the context of a byte by up to 6 bytes.

        Arguments:
            stride: number of new bytes of a window, 1 to T.
            rows: increasing numbers of the windows to cover. Defaults to all.

        Returns:
            The windows, a block `(n, T)`, and for each the number of leading bytes that are only context, `(n,)`.

        Raises:
            DataError: the stride is not between 1 and T.
        """
        starts, lengths, context = self.overlaps(stride, rows)
        return self.spans(starts, lengths, self.shape[1]), context

    def overlaps(self, stride: int, rows: Array | None = None) -> tuple[Array, Array, Array]:
        """Return the windows of `overlapping` without their codes.

        Returns:
            Where each window begins in `codes`, its number of bytes, and how many of them are context, `(n,)` each.
        """
        size = self.shape[1]
        if not 1 <= stride <= size:
            raise DataError(f"Windows of {size} bytes overlap by a stride of 1 to {size} bytes, not {stride}.")
        chosen = np.arange(len(self)) if rows is None else np.asarray(rows)
        if not len(chosen):
            none = np.empty(0, np.int64)
            return none, none, none
        begins, ends = self.stretches(chosen)
        places = sorted(set(zip(begins.tolist(), ends.tolist(), strict=True)))
        found = np.concatenate([_spans(self.codes[a:b], size, stride) + np.array([a, a, 0]) for a, b in places])
        starts, stops, context = found.T
        return starts, stops - starts, context


class MovingWindows:
    """The windows of training, which begin some bytes later in each epoch.

    A stretch of neighbors always has as many windows. Its last one ends where the stretch ends, and overlaps its
    neighbor.

    Arguments:
        windows: all windows.
        rows: numbers of the windows to train on, increasing.
    """

    def __init__(self, windows: Windows, rows: Array) -> None:
        self._windows = windows
        self._first = windows.offsets[rows]
        self._begin: Array
        self._stop: Array
        self._begin, self._stop = windows.stretches(rows)
        self.starts = self._first
        self.lengths = windows.lengths[rows]

    @property
    def width(self) -> int:
        """Number of bytes of the longest window."""
        return int(self._windows.shape[1])

    def move(self, shift: int) -> None:
        """Let windows begin `shift` bytes after their first place, or at the character that this byte belongs to."""
        codes, size = self._windows.codes, self._windows.shape[1]
        latest = _next_character(codes, np.maximum(self._stop - size, self._begin))
        self.starts = np.minimum(_character(codes, self._first + shift), latest)
        stops = np.minimum(self.starts + size, self._stop)
        self.lengths = _character(codes, stops) - self.starts

    def block(self, positions: Array, width: int) -> Array:
        """Return some windows at their present places, by their positions among the rows, as a block `(n, width)`."""
        return self._windows.spans(self.starts[positions], self.lengths[positions], width)


def _character(codes: Array, places: Array) -> Array:
    """Return the place of the character that each place belongs to; the end is a place, too."""
    return _moved(codes, places, -1)


def _next_character(codes: Array, places: Array) -> Array:
    """Return the first place that is not before each place, and where a character begins."""
    return _moved(codes, places, 1)


def _moved(codes: Array, places: Array, step: int) -> Array:
    if not len(codes):
        return places
    for _ in range(3):
        inside = (places < len(codes)) & (codes[np.minimum(places, len(codes) - 1)] & _LEAD == _INSIDE)
        places = places + step * inside
    return places


def _cuts(text: Array, size: int) -> Array:
    """Return where the windows of a text begin, and where the last one ends. A shorter text is one window."""
    if len(text) < size:
        return np.array([0, len(text)] if len(text) else [0], np.int64)
    if not (text & _INSIDE).any():
        return np.arange(0, len(text) + 1, size)
    content = text.tobytes()
    places = [0]
    while (stop := places[-1] + size) <= len(content):
        while stop < len(content) and content[stop] & _LEAD == _INSIDE:
            stop -= 1
        places.append(stop)
    return np.array(places, np.int64)


def _spans(codes: Array, size: int, stride: int) -> Array:
    """Return the start, the stop and the number of bytes of context of overlapping windows of a stretch, `(n, 3)`."""
    content, done = codes.tobytes(), 0
    found: list[tuple[int, int, int]] = []
    while done < len(content):
        start = max(0, done - (size - stride)) if done else 0
        start = _back(content, start)
        stop = _back(content, min(start + size, len(content)))
        if stop <= done:  # the next character has more bytes than are left: it has less context
            start = _forth(content, max(0, _forth(content, done + 1) - size))
            stop = _back(content, min(start + size, len(content)))
        found.append((start, stop, done - start))
        done = stop
    return np.array(found, np.int64).reshape(-1, 3)


def _back(content: bytes, place: int) -> int:
    while 0 < place < len(content) and content[place] & _LEAD == _INSIDE:
        place -= 1
    return place


def _forth(content: bytes, place: int) -> int:
    while place < len(content) and content[place] & _LEAD == _INSIDE:
        place += 1
    return place
