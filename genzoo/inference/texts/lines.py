"""How unlikely texts are: for their length, and at which of their characters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from genzoo.data.dataset import Conditioned, Dataset
from genzoo.data.texts.flat import Texts
from genzoo.data.texts.symbols import as_texts, decoded, is_inside, of_bytes
from genzoo.inference.data_units import DataUnits
from genzoo.inference.texts.each import ReadText, read_texts
from genzoo.models.base import Autoregressive
from genzoo.spec.events import DataSpec
from genzoo.typing import Array

_NAMED, _LEAST, _SHARE = 3, 1.0, 0.25
"""Largest number of characters that are named for a text, and their smallest surprise: in nats, and as a share of the
largest one."""


@dataclass(frozen=True, slots=True)
class Surprise:
    """How surprising one character of a text is, given the ones before it.

    Arguments:
        place: number of the byte that it begins at.
        text: the character, or several if they are one symbol of the model; empty for the end.
        nats: minus its log-probability.
    """

    place: int
    text: str
    nats: float

    def describe(self) -> str:
        """Return it in words, such as `'q' at byte 7 (9.2 nats)`."""
        return f"{repr(self.text) if self.text else 'the end'} at byte {self.place} ({self.nats:.1f} nats)"


def surprises(read: ReadText) -> tuple[Surprise, ...]:
    """Return the characters of a text and its end. The bytes of one character are taken together."""
    found: list[Surprise] = []
    piece, nats, start = b"", 0.0, 0
    for place, symbol, log in zip(read.begins.tolist(), read.symbols, read.logs.tolist(), strict=True):
        if piece and (not symbol or not is_inside(symbol[0])):
            found.append(Surprise(start, piece.decode("utf-8", "replace"), nats))
            piece, nats = b"", 0.0
        start = start if piece else place
        piece, nats = piece + symbol, nats - log
        if not symbol:
            found.append(Surprise(place, "", nats))
            piece, nats = b"", 0.0
    return (*found, *([Surprise(start, piece.decode("utf-8", "replace"), nats)] if piece else []))


def standing_out(read: ReadText) -> tuple[Surprise, ...]:
    """Return the most surprising characters of a text, the most surprising first."""
    ordered = sorted(surprises(read), key=lambda one: -one.nats)[:_NAMED]
    return tuple(one for one in ordered if one.nats >= max(_LEAST, _SHARE * ordered[0].nats))


@dataclass(frozen=True, slots=True)
class UnlikelyText:
    """What makes a text unlikely.

    Arguments:
        text: the text; bytes that are no valid UTF-8 are `�`.
        per_byte: minus its log-likelihood in nats, divided by its size; `None` if it has no likelihood.
        read: its symbols with their log-probabilities; `None` if the model does not know them.
        unknown: why the model cannot take it whole; then `text` is its beginning. Defaults to none.
    """

    text: str
    per_byte: float | None
    read: ReadText | None
    unknown: str = ""

    @property
    def because(self) -> str | None:
        """Its most surprising characters, or why the model cannot take it; `None` if the model knows neither."""
        if self.unknown or self.read is None:
            return self.unknown or None
        return "; ".join(one.describe() for one in standing_out(self.read)) or None

    def as_dict(self, *, each: bool = False) -> dict[str, Any]:
        """Return plain values for JSON.

        Arguments:
            each: whether to list all characters with their log-probabilities. Defaults to false.
        """
        found: dict[str, Any] = {"text": self.text, "nats_per_byte": self.per_byte}
        if each:
            read = None if self.read is None else [[one.text, -one.nats] for one in surprises(self.read)]
            found["each"] = read
        return found


def rate_name(data: DataSpec) -> str:
    """Return the name of nats per byte, or per symbol of texts of other symbols."""
    return "nats_per_byte" if of_bytes(data) else "nats_per_symbol"


def sizes_of(texts: Texts) -> Array:
    """Return the number of symbols of each text, `(N,)` int64. Its end is one, too, if it has one."""
    return texts.lengths + (texts.lengths < texts.shape[1])


def per_byte(values: Array, dataset: Dataset) -> Array:
    """Return minus log-likelihoods of all texts of a dataset, divided by their sizes, `(N,)`."""
    return np.asarray(-values / sizes_of(as_texts(dataset.events, dataset.spec, dataset.name)))


def unlikely_texts(units: DataUnits, dataset: Dataset, rows: Sequence[int], rates: Array | None) -> list[UnlikelyText]:
    """Return what makes some texts of a dataset unlikely.

    Arguments:
        rows: their numbers.
        rates: minus log-likelihoods in nats by size, `(N,)`, of all texts; `None` if they have none.
    """
    if not rows:
        return []
    chosen = as_texts(dataset.events, dataset.spec, dataset.name).take(np.asarray(rows))
    events: Any = chosen if dataset.conditions is None else Conditioned(chosen.as_array(), dataset.conditions[rows])
    known = isinstance(units.generator, Autoregressive)
    read: Sequence[ReadText | None] = read_texts(units, events) if known else [None] * len(rows)
    shown = decoded(chosen, units.data)
    return [
        UnlikelyText(text, None if rates is None else float(rates[row]), one, dataset.unknown.get(row, ""))
        for text, row, one in zip(shown, rows, read, strict=True)
    ]
