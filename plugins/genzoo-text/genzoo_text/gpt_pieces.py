"""What `gpt` knows of a place from the pieces of text that end there, by looking tables up instead of by attention."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_PRIME, _FACTOR = 2**31 - 1, 1_640_531_527
"""Numbers of pieces are kept below the prime, so that products with the factor do not overflow."""

_SIZE = 32
"""Numbers of a row."""


class PieceTables(nn.Module):
    """Tables of the pieces that end with the symbol of a place. They add nothing at first.

    A network of few layers would have to learn to look at the last symbols, and which of them stand together.

    The tables are matrices to the optimizer. Steps of AdamW are as large for a piece that occurs once as for one that
    occurs often, so that texts are soon known by heart. Steps of Muon are small for pieces that are rare.

    Arguments:
        symbols: number of symbols, with the end.
        width: numbers of a place, D.
        longest: length of the longest pieces; shorter ones down to 2 have their own tables.
        rows: largest number of rows of a table. If there are more pieces, several share a row.

    References:
        "Over-Tokenized Transformer: Vocabulary is Generally Worth Scaling" (Huang and others, 2025), for pieces.
    """

    def __init__(self, symbols: int, width: int, *, longest: int, rows: int) -> None:
        super().__init__()
        sizes = [min(symbols**length, rows) for length in range(2, longest + 1)]
        self.tables = nn.ParameterList(nn.Parameter(torch.zeros(size, _SIZE)) for size in sizes)
        self.join = nn.Linear(_SIZE * len(sizes), width, bias=False) if sizes else None
        self._symbols = symbols
        if self.join is not None:
            nn.init.normal_(self.join.weight, std=self.join.in_features**-0.5)

    @property
    def reach(self) -> int:
        """Number of symbols before a place that matter."""
        return len(self.tables)

    def forward(self, codes: Tensor, past: Tensor) -> Tensor | None:
        """Return what the tables add at each place, `(n, L, D)`, or `None` if there are none.

        Arguments:
            codes: a symbol at each place, `(n, L)` int64.
            past: symbols before the first place, `(n, reach)`.
        """
        if self.join is None:
            return None
        rows = self._rows(codes, past)
        looked = [F.embedding(row, table) for table, row in zip(self.tables, rows, strict=True)]
        added: Tensor = self.join(torch.cat(looked, 2))
        return added

    def _rows(self, codes: Tensor, past: Tensor) -> list[Tensor]:
        """Return the row of the piece of each length at each place, `(n, L)` each."""
        places, everything = codes.shape[1], torch.cat([past, codes], 1)
        found, number = [], codes
        for back, table in enumerate(self.tables, start=1):
            first = self.reach - back
            number = (number * self._symbols + everything[:, first : first + places]) % _PRIME
            exact = self._symbols ** (back + 1) <= len(table)
            found.append(number if exact else number * _FACTOR % _PRIME % len(table))
        return found
