"""Tables with columns of several kinds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar, cast

import torch
from torch import Tensor, nn

from genzoo import DataSpec, Feature
from genzoo_vae.observation.head import Head
from genzoo_vae.observation.observation import Observation

HeadT = TypeVar("HeadT", bound=Head)


class ColumnHeads(Head, Generic[HeadT]):
    """A head for each kind of column.

    Arguments:
        parts: one head for each kind.
        columns: the columns of each part. Every column belongs to exactly one.
    """

    together: Tensor
    apart: Tensor

    def __init__(self, parts: Sequence[HeadT], columns: Sequence[Sequence[int]]) -> None:
        joined = [column for some in columns for column in some]
        super().__init__(len(joined))
        self.list = nn.ModuleList(parts)
        self._in_order = joined == sorted(joined)
        self.register_buffer("together", torch.tensor(joined), persistent=False)
        self.register_buffer("apart", torch.tensor(joined).argsort(), persistent=False)

    @property
    def parts(self) -> list[HeadT]:
        """The heads."""
        return cast("list[HeadT]", list(self.list))

    @property
    def width(self) -> int:
        return sum(part.width for part in self.parts)

    @property
    def shown(self) -> int:
        return sum(part.shown for part in self.parts)

    @property
    def averaged(self) -> int:
        return sum(part.averaged for part in self.parts)

    def show(self, x: Tensor, missing: Tensor | None) -> Tensor:
        hidden = [None] * len(self.parts) if missing is None else self._divide(missing)
        return torch.cat([p.show(s, h) for p, s, h in zip(self.parts, self._divide(x), hidden, strict=True)], -1)

    def error(self, x: Tensor, given: Tensor) -> Tensor:
        shares = zip(self.parts, self._divide(x), self._share(given), strict=True)
        return self._join([part.error(values, parameters) for part, values, parameters in shares])

    def sample(self, given: Tensor) -> Tensor:
        return self._join(
            [part.sample(parameters) for part, parameters in zip(self.parts, self._share(given), strict=True)]
        )

    def expectation(self, given: Tensor) -> Tensor:
        return torch.cat(
            [part.expectation(parameters) for part, parameters in zip(self.parts, self._share(given), strict=True)], -1
        )

    def conclude(self, expectation: Tensor) -> Tensor:
        shares = torch.split(expectation, [part.averaged for part in self.parts], -1)
        return self._join([part.conclude(share) for part, share in zip(self.parts, shares, strict=True)])

    def _divide(self, x: Tensor) -> tuple[Tensor, ...]:
        """Split values `(N, D)`, in the order of the table, into parts."""
        x = x if self._in_order else x[:, self.together]
        return torch.split(x, [part.places for part in self.parts], -1)

    def _share(self, given: Tensor) -> tuple[Tensor, ...]:
        """Split the decoder's outputs into parts."""
        return torch.split(given, [part.width for part in self.parts], -1)

    def _join(self, values: list[Tensor]) -> Tensor:
        """Join the values of all parts in the order of the table."""
        joined = torch.cat(values, -1)
        return joined if self._in_order else joined[..., self.apart]


class Columns(ColumnHeads[Observation], Observation):
    """A distribution for each kind of column."""

    def log_prob(self, x: Tensor, given: Tensor) -> Tensor:
        shares = zip(self.parts, self._divide(x), self._share(given), strict=True)
        return self._join([part.log_prob(values, parameters) for part, values, parameters in shares])

    def narrow(self, given: Tensor) -> Tensor:
        shares = zip(self.parts, self._share(given), strict=True)
        found = [(part, part.narrow(parameters)) for part, parameters in shares]
        nowhere = torch.zeros_like(given[:, :1], dtype=torch.bool)
        return self._join([nowhere.expand(-1, part.places) if mask is None else mask for part, mask in found])


Group = tuple[str, int]
"""Columns that share a head: their kind and, for categories, number of levels."""


def group_columns(data: DataSpec, group: Callable[[Feature], Group]) -> dict[Group, list[int]]:
    """Return the columns of each group, in the order of the table."""
    groups: dict[Group, list[int]] = defaultdict(list)
    for place, feature in enumerate(data.features):
        groups[group(feature)].append(place)
    return dict(groups)
