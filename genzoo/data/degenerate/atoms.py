"""Find atoms: values that a continuous column holds in a large share of the rows.

A density has no upper limit at such a value, because a component can shrink onto it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from genzoo.data.columns.survey import spaced_rows
from genzoo.data.dataset import Dataset
from genzoo.typing import Array
from genzoo.wording import argument

_SHARE = 0.1
"""Smallest share of the rows at an atom."""


_TIMES = 20
"""How many times as often as the mean of the other values an atom occurs. Rounded values occur about equally often."""


_FEW = 20
"""Largest number of different values that makes all of them atoms, and smallest mean number of rows at each."""


_ROWS = 20_000
"""Rows that are counted, evenly spaced."""


@dataclass(frozen=True, slots=True)
class Atom:
    """What makes the values of a continuous column recur.

    Arguments:
        column: its name.
        value: the value at which many rows lie; `None` if the column has few different values.
        share: share of the rows at the value; 1 if there is no single value.
        different: number of different values.
        whole: whether all values are whole numbers of at least 0.
    """

    column: str
    value: float | None
    share: float
    different: int
    whole: bool

    @property
    def remark(self) -> str:
        """What was found, and options that fit."""
        if self.value is None:
            found = f"column {self.column!r} holds only {self.different} different values"
        else:
            found = f"column {self.column!r} is {self.value:.6g} in {self.share:.0%} of the rows"
        kinds = []
        if self.whole:
            kinds.append(argument("kinds", {self.column: "count"}))
        if self.whole and self.different <= _FEW:
            kinds.append(argument("kinds", {self.column: "categorical"}))
        spike = "a density can put a spike on " + ("each of them" if self.value is None else "it")
        drop = f"leave it out with {argument('drop', [self.column])}"
        instead = f"measure it as a probability with {' or '.join(dict.fromkeys(kinds))}, or " if kinds else ""
        return f"{found}; {spike}; {instead}{drop}"


def find_atoms(dataset: Dataset) -> Iterator[Atom]:
    """Yield the atoms of the continuous columns of a table, from evenly spaced rows."""
    if not dataset.spec.form.columns or len(dataset) < _FEW:
        return
    sample = np.asarray(dataset.events[spaced_rows(dataset.events, _ROWS)])
    for place, feature in enumerate(dataset.spec.features):
        if feature.discrete:
            continue
        found = _atom(feature.name, sample[:, place])
        if found is not None:
            yield found


def _atom(name: str, values: Array) -> Atom | None:
    values = values[~np.isnan(values)].astype(np.float64)
    different, counts = np.unique(values, return_counts=True)
    if len(different) < 2:
        return None
    whole = bool(different[0] >= 0 and (different == np.floor(different)).all())
    if len(different) <= _FEW and len(values) >= _FEW * len(different):
        return Atom(name, None, 1.0, len(different), whole)
    most = int(counts.argmax())
    count = int(counts[most])
    usual = (len(values) - count) / (len(different) - 1)
    if count < max(_SHARE * len(values), _TIMES * usual):
        return None
    return Atom(name, float(different[most]), count / len(values), len(different), whole)
