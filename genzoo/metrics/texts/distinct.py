"""Distinct-n: how many of the n-grams of samples differ, at a fixed number of tokens.

The share falls with the number of tokens, so it is measured on blocks of equally many tokens, and averaged over them.
The number follows from the held-out texts, whose own share stands beside it. Random symbols have the highest share, so
it ranks no models.

References:
    "A Diversity-Promoting Objective Function for Neural Conversation Models" (Li et al., 2016), for distinct-1 and
    distinct-2.
"""

from __future__ import annotations

import math

import numpy as np

from genzoo.data.texts.flat import Texts
from genzoo.errors import DataError
from genzoo.features.extractor import Features
from genzoo.metrics.metric import Direction, Metric, MetricInput, Need, Score
from genzoo.metrics.texts.tokens import numbered_grams, tokens_of
from genzoo.spec.modality import Modality

_ORDER = 4
"""Length of the longest n-grams."""


_SIZES = 20, 1_000
"""Smallest and largest number of tokens of a block."""


_BLOCKS = 10
"""Number of blocks of the held-out texts that their number of tokens allows, unless they are large."""


class DistinctN(Metric):
    """Mean of distinct-1 to distinct-4: the shares of different n-grams in blocks of equally many tokens.

    The parts are the four shares, of samples and of held-out texts.
    """

    name = "distinct-n"
    direction: Direction = "higher"
    needs: frozenset[Need] = frozenset({"samples"})
    modalities: tuple[Modality, ...] = ("text",)
    ranks = False

    def score(self, given: MetricInput) -> Score:
        tokens = tokens_of(given)
        size = min(int(tokens.real.lengths.sum()) // _BLOCKS, _SIZES[1])
        real, samples = shares(tokens.real, size, "real texts"), shares(tokens.samples, size, "samples")
        means = samples.mean(axis=1)
        parts = {f"distinct-{n}": float(share) for n, share in enumerate(samples.mean(axis=0), 1)}
        parts |= {f"real_distinct-{n}": float(share) for n, share in enumerate(real.mean(axis=0), 1)}
        return Score(
            self.name,
            float(means.mean()),
            self.direction,
            float(means.std(ddof=1)) / math.sqrt(len(means)),
            {"tokens": tokens.unit, "block": f"{size} tokens"},
            parts=parts,
            real=float(real.mean()),
        )


def shares(texts: Texts, size: int, name: str) -> Features:
    """Return the shares of different n-grams in blocks of `size` tokens, for n from 1 to 4, `(B, 4)`.

    Arguments:
        name: what messages call the texts.

    Raises:
        DataError: there are fewer than two blocks, or blocks of fewer than 20 tokens.
    """
    count = int(texts.lengths.sum()) // max(size, 1)
    if size < _SIZES[0] or count < 2:
        raise DataError(
            f"The {name} have {int(texts.lengths.sum())} tokens, and this metric compares at least two blocks of "
            f"{max(size, _SIZES[0])}."
        )
    found = np.zeros((count, _ORDER))
    for n, (places, numbers) in enumerate(numbered_grams(texts, _ORDER), 1):
        blocks = places // size
        inside = (blocks < count) & (places % size <= size - n)
        whole = np.bincount(blocks[inside], minlength=count)
        pairs = np.unique(numbers[inside] * count + blocks[inside])
        different = np.bincount(pairs % count, minlength=count)
        found[:, n - 1] = different / np.maximum(whole, 1)
    return found


distinct_n = DistinctN()
