"""Rows of a table that describe images and sounds, and what cannot be used of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa

from genzoo.config.data import DataSettings
from genzoo.data.readers.images.files import ImageFile
from genzoo.errors import DataError
from genzoo.typing import Array
from genzoo.wording import argument

_MOST_SHOWN = 20
"""Largest number of faults that a message lists."""


class Described(Protocol):
    """Images and sounds in rows of a table.

    Attributes:
        shown: what messages call it.
        columns: names of the columns that hold no images and no sounds.
        media: the columns that hold images or sounds, by the name of their part.
        sounds: the columns among them that hold sounds.
        rows: number of rows.
    """

    shown: str
    columns: list[str]
    media: dict[str, str]
    sounds: frozenset[str]
    rows: int

    def files(self, column: str, faults: Faults) -> Iterator[ImageFile | None]:
        """Yield the image or sound of each row; `None` for a row that has none, or a fault."""

    def unnamed(self) -> list[str]:
        """Return the files that no row names, sorted."""

    def read(self, columns: Sequence[str]) -> pa.Table:
        """Read columns that hold no images and no sounds."""


@dataclass(frozen=True, slots=True)
class Faults:
    """What cannot be used of files and their rows.

    Arguments:
        texts: a clause for each fault, in order.
        rows: numbers of the rows to leave out.
    """

    texts: list[str]
    rows: set[int]

    def add(self, text: str, rows: Iterable[int] = ()) -> None:
        """Add a fault, and the rows that it spoils."""
        self.texts.append(text)
        self.rows.update(rows)

    def check(self, shown: str, settings: DataSettings) -> None:
        """Check that there are none, or that they may be left out.

        Raises:
            DataError: there are some; the message lists them.
        """
        if self.texts and not settings.skip_bad:
            more = len(self.texts) - _MOST_SHOWN
            listed = "; ".join([*self.texts[:_MOST_SHOWN], *[f"and {more} more"] * (more > 0)])
            skip = argument("skip_bad", True)
            raise DataError(f"{shown} holds what cannot be used: {listed}. Mend it, or leave it out with {skip}.")


def check_any(part: str, which: Array) -> None:
    """Check that any row has an event.

    Arguments:
        part: name of the part, for messages.
        which: number of the event of each row, `(N,)`; -1 for none.

    Raises:
        DataError: none has one.
    """
    if not (which >= 0).any():
        raise DataError(f"Part {part!r} is missing in every event. Leave it out with {argument('drop', [part])}.")


def events_of_rows(events: Array, which: Array) -> Array:
    """Return the event that each row has, `(N, *event)`; NaN for rows that have none.

    Arguments:
        events: all events, `(M, *event)`.
        which: number of the event of each row, `(N,)`; -1 for none.
    """
    found = events[which]
    if (which < 0).any():
        found = found.astype(np.float64)
        found[which < 0] = np.nan
    return found


def shown_name(file: Path) -> str:
    """Return what messages call a file."""
    return repr(file.name)
