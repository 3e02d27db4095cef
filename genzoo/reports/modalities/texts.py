"""Show texts: as lines, without characters that change how a page is read."""

from __future__ import annotations

from collections.abc import Mapping

from genzoo.data.texts.symbols import decoded
from genzoo.inference.latent import Traversal
from genzoo.reports.modalities.report import ModalityReport
from genzoo.reports.page import Block, Table
from genzoo.spec.events import DataSpec
from genzoo.text import printable, shortened
from genzoo.typing import Array

_LONGEST = 200
"""Largest number of characters of a text on a page."""


_WORDS = frozenset({1})


def _shown(events: Array, data: DataSpec) -> list[str]:
    return [shortened(printable(text), _LONGEST) for text in decoded(events, data)]


def _lines(sets: Mapping[str, Array], data: DataSpec) -> list[Block]:
    return [
        Table(
            caption,
            ("row", data.form.event),
            tuple((str(number), text) for number, text in enumerate(_shown(events, data))),
            words=_WORDS,
        )
        for caption, events in sets.items()
    ]


def _reconstructions(real: Array, again: Array, data: DataSpec) -> list[Block]:
    rows = tuple(zip(_shown(real, data), _shown(again, data), strict=True))
    return [Table("Real texts and their reconstructions", ("real", "reconstructed"), rows, words=frozenset({0, 1}))]


def _traversal(found: Traversal) -> list[Block]:
    rows = tuple(
        (str(dimension), " → ".join(_shown(steps[[0, -1]], found.data)))
        for dimension, steps in zip(found.dimensions, found.events, strict=True)
    )
    return [Table("From one end of each dimension to the other", ("dimension", "texts"), rows, words=_WORDS)]


TEXTS = ModalityReport(_lines, _reconstructions, _traversal)
