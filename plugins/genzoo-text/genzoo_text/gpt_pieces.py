"""What `gpt` knows of a place from the few symbols before it, by looking tables up instead of by attention."""

from __future__ import annotations

import functools

import torch
from torch import Tensor, nn

_PRIME, _FACTOR = 2**31 - 1, 1_640_531_527
"""Numbers of pieces are kept below the prime, so that products with the factor do not overflow."""

_SIZE, _START = 32, 0.02
"""Numbers of a row in tables of pieces, and their standard deviation at the start."""


class PieceTables(nn.Module):
    """Tables of the symbols before a place and of the pieces that end with it. They add nothing at first.

    A network of few layers would have to learn to look at these symbols, and which of them stand together.

    Arguments:
        symbols: number of symbols, with the end.
        width: numbers of a place, D.
        before: number of symbols before a place that have a table each.
        longest: length of the longest pieces; shorter ones down to 2 have their own tables.
        rows: largest number of rows of a table of pieces. If there are more pieces, several share a row.

    References:
        "Over-Tokenized Transformer: Vocabulary is Generally Worth Scaling" (Huang and others, 2025), for pieces.
    """

    def __init__(self, symbols: int, width: int, *, before: int, longest: int, rows: int) -> None:
        super().__init__()
        sizes = [min(symbols**length, rows) for length in range(2, longest + 1)]
        self.before = nn.ModuleList(_table(symbols, width, 0.0) for _ in range(before))
        self.pieces = nn.ModuleList(_table(size, _SIZE, _START) for size in sizes)
        self.join = nn.Linear(_SIZE * len(sizes), width, bias=False) if sizes else None
        self._symbols, self._sizes = symbols, sizes
        if self.join is not None:
            nn.init.zeros_(self.join.weight)

    @property
    def reach(self) -> int:
        """Number of symbols before a place that matter."""
        return max(len(self.before), len(self.pieces))

    def forward(self, codes: Tensor, past: Tensor) -> Tensor | None:
        """Return what the tables add at each place, `(n, L, D)`, or `None` if there are none.

        Arguments:
            codes: a symbol at each place, `(n, L)` int64.
            past: symbols before the first place, `(n, reach)`.
        """
        places, everything = codes.shape[1], torch.cat([past, codes], 1)
        earlier = [everything[:, start : start + places] for start in reversed(range(self.reach))]
        parts = [table(symbols) for table, symbols in zip(self.before, earlier, strict=False)]
        if self.join is not None:
            rows = [table(row) for table, row in zip(self.pieces, self._rows(codes, earlier), strict=True)]
            parts.append(self.join(torch.cat(rows, 2)))
        return functools.reduce(torch.add, parts) if parts else None

    def _rows(self, codes: Tensor, earlier: list[Tensor]) -> list[Tensor]:
        """Return the row of the piece of each length at each place, `(n, L)` each."""
        found, number = [], codes
        for length, (rows, symbols) in enumerate(zip(self._sizes, earlier, strict=False), start=2):
            number = (number * self._symbols + symbols) % _PRIME
            found.append(number if self._symbols**length <= rows else number * _FACTOR % _PRIME % rows)
        return found


def _table(rows: int, size: int, spread: float) -> nn.Embedding:
    """Return a table whose numbers have the standard deviation `spread` at the start."""
    table = nn.Embedding(rows, size)
    nn.init.normal_(table.weight, std=spread)
    return table
