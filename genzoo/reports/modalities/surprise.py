"""Show how surprising each character of real texts is to a model."""

from __future__ import annotations

from typing import Any

import numpy as np

from genzoo.data.dataset import Conditioned, Dataset, Rows
from genzoo.data.texts.symbols import as_texts
from genzoo.inference.texts.each import read_texts
from genzoo.inference.texts.lines import Surprise, surprises
from genzoo.inference.trained_model import TrainedModel
from genzoo.models.base import Autoregressive
from genzoo.reports.page import Block, Shaded, ShadedPart, Table, Text
from genzoo.reports.sections import evenly

_READ, _SHADED, _PLACES = 200, 12, 12
"""Largest number of texts that are read, of texts that are shaded, and of places in the table."""


_LIMITS = (1.0, 2.0, 4.0, 7.0)
"""Smallest surprise of each shade, in nats."""


_LEGEND = ("under 1 nat", "1 to 2", "2 to 4", "4 to 7", "7 nats or more")


_LONGEST, _BEFORE, _AFTER = 400, 24, 12
"""Largest number of characters of a shaded text, and of characters around a place in the table."""


def text_surprise(model: TrainedModel, dataset: Dataset, rows: Rows, where: str) -> list[Block]:
    """Shade the characters of some texts by their surprise, and list the most surprising ones.

    Arguments:
        rows: numbers of the texts.
        where: what they are, such as `test rows`.
    """
    if not isinstance(model.generator, Autoregressive) or not len(rows):
        return []
    chosen = evenly(rows, _READ)
    texts: Any = as_texts(dataset.events, dataset.spec, dataset.name).take(chosen)
    if dataset.conditions is not None:
        texts = Conditioned(texts, dataset.conditions[chosen])
    read = [surprises(one) for one in read_texts(model.units, texts)]
    about = Text(
        f"How surprising each character of {len(read)} {where} is, given the ones before it: minus the logarithm of "
        f"its probability, in nats. An end of a text is shown as ¶, and a line feed as ↵."
    )
    shown = evenly(np.arange(len(read)), _SHADED)
    lines = tuple((f"row {chosen[place]}", _shaded(read[place])) for place in shown)
    caption = "Surprise of each character; point at one for its nats"
    return [about, Shaded(caption, _LEGEND, lines), _places(read, chosen)]


def _shaded(text: tuple[Surprise, ...]) -> tuple[ShadedPart, ...]:
    parts = [
        ShadedPart(_mark(one), int(np.searchsorted(_LIMITS, one.nats, side="right")), _about(one))
        for one in text[:_LONGEST]
    ]
    more = len(text) - len(parts)
    return (*parts, *([ShadedPart("…", 0, f"and {more} more")] if more else []))


def _mark(one: Surprise) -> str:
    return one.text.replace("\n", "↵") if one.text else "¶"


def _about(one: Surprise) -> str:
    return f"{one.nats:.2f} nats" if one.text else f"the end: {one.nats:.2f} nats"


def _places(read: list[tuple[Surprise, ...]], rows: Rows) -> Table:
    """Return a table of the most surprising characters of all texts, each with what stands around it."""
    nats = [(one.nats, text, place) for text, all_of in enumerate(read) for place, one in enumerate(all_of)]
    found = []
    for _, text, place in sorted(nats, key=lambda one: (-one[0], one[1:]))[:_PLACES]:
        one = read[text][place]
        before = "".join(map(_mark, read[text][max(0, place - _BEFORE) : place]))
        after = "".join(map(_mark, read[text][place + 1 : place + 1 + _AFTER]))
        found.append((f"row {rows[text]}", str(one.place), f"{one.nats:.2f}", before, _mark(one), after))
    header = ("text", "byte", "nats", "before", "character", "after")
    return Table("The most surprising characters", header, tuple(found), words=frozenset({3, 4, 5}))
