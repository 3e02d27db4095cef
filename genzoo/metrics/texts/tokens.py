"""Tokens of texts, words or characters, as BLEU and distinct-n count them.

`mteval-v13a`, the script of the WMT evaluations, defines the words. In sacrebleu it is called `13a`. ASCII punctuation
stands apart, but for apostrophes, and for the points, commas and dashes of numbers and compounds.

References:
    "A Call for Clarity in Reporting BLEU Scores" (Post, 2018), whose tokens these are.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from genzoo.data.texts.flat import Texts
from genzoo.data.texts.symbols import decoded
from genzoo.errors import DataError
from genzoo.metrics.metric import MetricInput
from genzoo.typing import Array

LEAST = 10
"""Smallest number of texts of each kind."""


WORDS, CHARACTERS = "words (13a)", "characters"


_APART = "".join(sorted(set(string.punctuation) - set("',-.")))

_SPACED = (
    (re.compile(f"([{re.escape(_APART)}])"), r" \1 "),
    (re.compile(r"([^0-9])([.,])"), r"\1 \2 "),
    (re.compile(r"([.,])([^0-9])"), r" \1 \2"),
    (re.compile(r"([0-9])(-)"), r"\1 \2 "),
)
"""What gets spaces around it, in this order."""


_ENTITIES = {"&quot;": '"', "&amp;": "&", "&lt;": "<", "&gt;": ">"}


@dataclass(frozen=True, slots=True)
class Tokens:
    """Real texts and samples as numbers of their tokens.

    Arguments:
        unit: what a token is: `WORDS` or `CHARACTERS`.
        real, samples: the texts; both number the tokens alike.
    """

    unit: str
    real: Texts
    samples: Texts


def tokens_of(given: MetricInput) -> Tokens:
    """Return the tokens of real texts and samples: words if most real texts have several, and else characters.

    Raises:
        DataError: there are fewer than `LEAST` texts of a kind, or they are no texts.
    """
    return given.once("tokens", lambda: _tokens_of(given))


def _tokens_of(given: MetricInput) -> Tokens:
    assert given.data is not None
    assert given.real is not None
    assert given.samples is not None
    check_texts({"real texts": given.real, "samples": given.samples})
    real, samples = decoded(given.real, given.data), decoded(given.samples, given.data)
    of_words = 2 * sum(len(text.split(maxsplit=1)) > 1 for text in real) >= len(real)
    split = split_words if of_words else split_characters
    numbers: dict[str, int] = {}
    coded = [
        [np.array([numbers.setdefault(token, len(numbers)) for token in split(text)], np.int64) for text in texts]
        for texts in (real, samples)
    ]
    longest = max(1, *(len(text) for texts in coded for text in texts))
    return Tokens(
        WORDS if of_words else CHARACTERS,
        *(Texts.joined(texts, longest, len(numbers)) for texts in coded),
    )


def check_texts(texts: dict[str, Array]) -> None:
    """Check that there are enough texts of each kind.

    Arguments:
        texts: texts by what messages call them.

    Raises:
        DataError: there are fewer than `LEAST`.
    """
    for name, found in texts.items():
        if len(found) < LEAST:
            raise DataError(f"This metric needs at least {LEAST} {name}, and there are {len(found)}.")


def split_words(text: str) -> list[str]:
    """Divide a text into words and punctuation, as sacrebleu's tokenizer `13a` does."""
    line = text.rstrip().replace("<skipped>", "").replace("-\n", "").replace("\n", " ")
    for entity, letter in _ENTITIES.items():
        line = line.replace(entity, letter)
    line = f" {line} "
    for pattern, spaced in _SPACED:
        line = pattern.sub(spaced, line)
    return line.split()


def split_characters(text: str) -> list[str]:
    """Divide a text into characters without spaces, as sacrebleu's tokenizer `char` does."""
    return [letter for letter in text if not letter.isspace()]


@dataclass(frozen=True, slots=True)
class Grams:
    """How often each n-gram of one length occurs in each text; n-grams lie within a text.

    Arguments:
        text: number of the text of each pair of a text and an n-gram in it, `(P,)`.
        gram: number of the n-gram, `(P,)`, ascending.
        count: how often it occurs, `(P,)`; ascending among the same n-gram.
    """

    text: Array
    gram: Array
    count: Array


def numbered_grams(texts: Texts, most: int) -> Iterator[tuple[Array, Array]]:
    """Yield, for each length n from 1 to `most`, the place and the number of every n-gram, `(P,)` each.

    A place counts the tokens of all texts, one after the other. Equal n-grams have equal numbers.
    """
    codes, lengths = texts.codes.astype(np.int64), texts.lengths
    places = np.arange(len(codes))
    left = np.repeat(texts.offsets[1:], lengths) - places
    numbers = codes.copy()
    yield places, codes
    for n in range(2, most + 1):
        places = places[left[places] >= n]
        _, found = np.unique(numbers[places] * (texts.end + 1) + codes[places + n - 1], return_inverse=True)
        numbers[places] = found
        yield places, found


def counted_grams(texts: Texts, most: int) -> Sequence[Grams]:
    """Count the n-grams of each text, for each length from 1 to `most`."""
    rows = np.repeat(np.arange(len(texts)), texts.lengths)
    found = []
    for places, numbers in numbered_grams(texts, most):
        pairs, count = np.unique(numbers * len(texts) + rows[places], return_counts=True)
        gram, text = np.divmod(pairs, len(texts))
        order = np.lexsort((count, gram))
        found.append(Grams(text[order], gram[order], count[order]))
    return found
