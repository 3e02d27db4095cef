"""Show texts: as lines, without characters that change how a page is read."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from genzoo.data.texts.symbols import decoded
from genzoo.inference.latent import Traversal
from genzoo.reports.charts import Shares
from genzoo.reports.distributions import marginal
from genzoo.reports.modalities.marginals import MOST_LEVELS, marginal_of
from genzoo.reports.modalities.report import ModalityReport
from genzoo.reports.modalities.surprise import text_surprise
from genzoo.reports.page import Block, Picture, Pictures, Shaded, ShadedPart, Table
from genzoo.spec.events import DataSpec, Feature
from genzoo.text import printable, shortened
from genzoo.typing import Array

_MOST, _MOST_LONG, _SHORT = 20, 8, 30
"""Largest number of texts of a set on a page, if they are short or long, and characters of a short text."""


_LONGEST = 200
"""Largest number of characters of a text on a page."""


_WORDS = frozenset({1})


_NAMES = {" ": "space", "\n": "line feed", "\t": "tab"}
"""Names of characters that a chart cannot show."""


def _shown(events: Array, data: DataSpec) -> list[str]:
    return [shortened(printable(text), _LONGEST) for text in decoded(events, data)]


def _lines(sets: Mapping[str, Array], data: DataSpec) -> list[Block]:
    """Return texts of two sets as lines beside each other, if they are short, and else below each other."""
    columns = {caption: _shown(events[:_MOST], data) for caption, events in sets.items()}
    short = all(len(text) <= _SHORT for texts in columns.values() for text in texts)
    if short and len(columns) == 2:
        rows = itertools.zip_longest(*columns.values(), fillvalue="")
        numbered = tuple((str(number), *texts) for number, texts in enumerate(rows))
        return [Table("Texts beside each other", ("number", *columns), numbered, words=frozenset({1, 2}))]
    most = _MOST if short else _MOST_LONG
    return [
        Shaded(caption, (), tuple((str(n), (ShadedPart(text, 0, ""),)) for n, text in enumerate(texts[:most])))
        for caption, texts in columns.items()
    ]


def _distributions(real: Array, samples: Array, data: DataSpec, most: int = MOST_LEVELS) -> list[Block]:
    """Draw the distributions of lengths and of characters in real texts and in samples.

    Arguments:
        most: largest number of characters, the most frequent ones of real texts.
    """
    texts = [decoded(events, data) for events in (real, samples)]
    lengths = [np.array([len(text) for text in found], np.float64) for found in texts]
    counts = [Counter("".join(found)) for found in texts]
    pictures = [_histogram(lengths[0], lengths[1])]
    letters = [letter for letter, _ in (counts[0] or counts[1]).most_common(most - 1)]
    if letters:
        names = (*map(_name, letters), "all others")
        shares = [_shares(found, letters) for found in counts]
        content = marginal(Shares(names, *shares))
        rest = f"{len(counts[0])} different characters in real texts, {len(counts[1])} in samples"
        strange = sum(counts[1][letter] for letter in counts[1] if letter not in counts[0])
        caption = f"characters: {rest}; {strange / max(1, sum(counts[1].values())):.2%} of the sampled ones are in no "
        caption += "real text shown here"
        pictures.append(Picture(caption, f"Shares of {caption}", "svg+xml", content))
    return [Pictures(tuple(pictures))]


def _histogram(real: Array, sampled: Array) -> Picture:
    """Draw the distributions of the number of characters of a text."""
    pairs = (("real", real), ("sampled", sampled))
    both = ", ".join(f"{name} {values.mean():.4g} ± {values.std():.3g}" for name, values in pairs)
    caption = f"characters of a text: {both}"
    drawn = marginal(marginal_of(real, sampled, Feature("characters", "count")))
    return Picture(caption, f"Distribution of {caption}", "svg+xml", drawn)


def _shares(counts: Counter[str], letters: Sequence[str]) -> Array:
    known = np.array([counts[letter] for letter in letters], np.float64)
    whole = max(1, sum(counts.values()))
    return np.append(known, whole - known.sum()) / whole


def _name(letter: str) -> str:
    """Return a name for a character in a chart: of blanks and characters that are not printed, their escape."""
    return {" ": "space", "\n": "line feed", "\t": "tab"}.get(
        letter, letter if letter.isprintable() else repr(letter)[1:-1]
    )


def _about_distributions(count: int, samples: int, where: str) -> str:
    return (
        f"Distribution of the number of characters, with mean ± standard deviation, and shares of the characters, in "
        f"{count} {where} and {samples} samples."
    )


def _reconstructions(real: Array, again: Array, data: DataSpec) -> list[Block]:
    rows = tuple(zip(_shown(real, data), _shown(again, data), strict=True))
    return [Table("Real texts and their reconstructions", ("real", "reconstructed"), rows, words=frozenset({0, 1}))]


def _traversal(found: Traversal) -> list[Block]:
    rows = tuple(
        (str(dimension), " → ".join(_shown(steps[[0, -1]], found.data)))
        for dimension, steps in zip(found.dimensions, found.events, strict=True)
    )
    return [Table("From one end of each dimension to the other", ("dimension", "texts"), rows, words=_WORDS)]


TEXTS = ModalityReport(
    _lines,
    _reconstructions,
    _traversal,
    distributions=_distributions,
    about_distributions=_about_distributions,
    surprise=text_surprise,
)
