"""Facts about texts for `genzoo data`."""

from __future__ import annotations

from typing import Any

import numpy as np

from genzoo.data.dataset import Dataset
from genzoo.data.splits.duplicates import repeated, same_rows
from genzoo.data.texts.symbols import as_texts, of_bytes


def text_facts(dataset: Dataset) -> dict[str, Any]:
    """Return lengths, symbols and repeated texts, by what they are called."""
    texts = as_texts(dataset.events, dataset.spec, dataset.name)
    lengths = texts.lengths
    what = "bytes" if of_bytes(dataset.spec) else "symbols"
    return {
        f"{what} of a text": f"{lengths.min()} to {lengths.max()}, median {np.median(lengths):g}",
        f"{what} of all texts": int(lengths.sum()),
        f"different {what}": int((np.bincount(texts.codes, minlength=texts.end) > 0).sum()),
        "repeated texts": repeated(same_rows(dataset.events)),
    }


def text_remarks(dataset: Dataset) -> list[str]:
    """Return what looks wrong with texts: most of them end long before the longest."""
    lengths = as_texts(dataset.events, dataset.spec, dataset.name).lengths
    usual, most = np.quantile(lengths, 0.99), int(lengths.max())
    if most <= 4 * max(usual, 1):
        return []
    return [
        f"the longest text has {most} symbols, and 99 of 100 have at most {usual:g}; long texts cost memory and time, "
        f"so divide or remove them"
    ]
