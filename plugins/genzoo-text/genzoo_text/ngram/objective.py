"""The objective of `ngram`: count pieces, and smooth the counts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch

from genzoo import Batch, ConfigError, DirectObjective, Model
from genzoo_text.ngram.counting import PieceCounts
from genzoo_text.ngram.fitting import fit
from genzoo_text.ngram.model import Ngrams
from genzoo_text.ngram.options import CountOptions

_SYMBOLS = 2**19
"""Number of symbols of a block, with padding."""


class KneserNey(DirectObjective):
    """Count the pieces of texts, and discount the counts as modified Kneser-Ney smoothing does.

    References:
        "An Empirical Study of Smoothing Techniques for Language Modeling" (Chen and Goodman, 1999).
    """

    passes = 1

    def block(self, model: Model) -> int:
        generator = _pieces(model)
        return max(1, min(8192, _SYMBOLS // generator.longest))

    def fit(self, model: Model, blocks: Iterable[Batch]) -> dict[str, Any]:
        generator = _pieces(model)
        pieces = PieceCounts(generator.order, generator.end)
        texts = 0
        for batch in blocks:
            assert isinstance(batch.x, torch.Tensor)
            pieces.add(batch.x.long().cpu().numpy())
            texts += len(batch)
        tables = fit(pieces)
        generator.set_tables(*(torch.from_numpy(each) for each in (tables.keys, tables.counts, tables.discounts)))
        return {
            "texts": texts,
            "pieces": len(tables.keys) + int(np.count_nonzero(tables.counts[: generator.end + 1])),
            "discounts": [[round(each, 6) for each in row] for row in tables.discounts.tolist()],
        }


def _pieces(model: Model) -> Ngrams:
    if not isinstance(model.generator, Ngrams):
        raise ConfigError("This objective counts pieces of texts, and this model has no place for them.")
    return model.generator


def build(_: CountOptions) -> KneserNey:
    """Build the objective."""
    return KneserNey()
