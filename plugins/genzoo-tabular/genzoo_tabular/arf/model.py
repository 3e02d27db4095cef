"""A forest whose leaves hold independent columns: a mixture over the leaves of all trees."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from genzoo import Feature, Generator, Imputation, Likelihood
from genzoo_tabular.arf import normals
from genzoo_tabular.arf.heaps import Heaps, draw_heaps, log_with_heaps
from genzoo_tabular.arf.reached import Reached

DEEPEST = 60
"""Largest depth of a tree."""

EDGE = 1e9
"""Where an interval without an end is taken to end."""

_PAIRS = 2**20
"""Largest number of pairs of rows and leaves that are computed at a time."""

_STRATA = 128
"""Quantiles over which the mean of a count in a leaf is taken."""


class LeafMixture(Generator, Likelihood, Imputation):
    """Trees that divide the space of rows into leaves. Columns are independent inside of a leaf.

    A tree is drawn at random, then a leaf by its share of training rows, then each column: numbers from a normal that
    is cut to the interval of the leaf, counts by rounding such a number, levels by their shares. Values that many rows
    share, such as 0 among payments, have shares of their own. So the density at a complete row is the mean over trees
    of the density of the one leaf that the row is in.

    References:
        "Adversarial Random Forests for Density Estimation and Generative Modeling" (Watson et al., 2023).

    Arguments:
        features: the columns.
        trees: number of trees that a fit grows.
    """

    needs_float64 = True
    grows = (
        "roots",
        "nodes",
        "thresholds",
        "log_weights",
        "leaves",
        "shares",
        "heap_columns",
        "heaps",
        "heap_shares",
    )
    newer_tensors = ("heap_columns", "heaps", "heap_shares")

    def __init__(self, features: Sequence[Feature], trees: int) -> None:
        super().__init__()
        self.features = tuple(features)
        self.trees = trees
        self.numbers = [i for i, feature in enumerate(features) if feature.levels is None]
        self.named = [i for i, feature in enumerate(features) if feature.levels is not None]
        sizes = [len(features[i].levels or ()) for i in self.named]
        self.slices = [slice(sum(sizes[:i]), sum(sizes[: i + 1])) for i in range(len(sizes))]
        """Where the levels of each column with levels stand in `shares` and `ranks`."""
        self.roots: Tensor
        self.nodes: Tensor
        self.thresholds: Tensor
        self.log_weights: Tensor
        self.leaves: Tensor
        self.shares: Tensor
        self.ranks: Tensor
        self.register_buffer("roots", torch.zeros(1, dtype=torch.int64))
        # Column to divide by, and the nodes of rows below and above; a leaf has column -1 and its number.
        self.register_buffer("nodes", torch.tensor([[-1, 0, 0]]))
        self.register_buffer("thresholds", torch.zeros(1))
        self.register_buffer("log_weights", torch.zeros(1))
        # Ends of the interval, center and deviation.
        self.register_buffer("leaves", torch.tensor([-EDGE, EDGE, 0.0, 1.0]).repeat(1, len(self.numbers), 1))
        even = [torch.full((size,), 1 / size) for size in sizes]
        self.register_buffer("shares", torch.cat([torch.zeros(0), *even])[None])
        # Values that many rows share: column, value with the ends of its cell, and probabilities leaf by leaf.
        self.heap_columns: Tensor
        self.heaps: Tensor
        self.heap_shares: Tensor
        self.register_buffer("heap_columns", torch.zeros(0, dtype=torch.int64))
        self.register_buffer("heaps", torch.zeros(0, 3))
        self.register_buffer("heap_shares", torch.zeros(0))
        orders = [torch.arange(size) for size in sizes]
        self.register_buffer("ranks", torch.cat([torch.zeros(0, dtype=torch.int64), *orders]))

    @property
    def degrees_of_freedom(self) -> int | None:
        """None: the leaves are no maximum of the likelihood."""
        return None

    def ranked(self, x: Tensor) -> Tensor:
        """Return rows with codes replaced by the ranks of their levels, by which trees divide, `(N, C)` float64."""
        x = x.double().clone()
        for place, column in enumerate(self.named):
            ranks = self.ranks[self.slices[place]]
            x[:, column] = ranks[x[:, column].long().clamp(0, len(ranks) - 1)].double()
        return x

    def log_prob(self, x: Tensor, missing: Tensor | None = None) -> Tensor:
        logs = torch.empty(len(x), dtype=torch.float64, device=x.device)
        for rows, reached in self._reached(x, missing):
            logs[rows] = reached.log_total()
        return logs.to(x)

    def sample(self, n: int, *, condition: Tensor | None = None, **options: object) -> Tensor:
        below = self.log_weights.double().exp().cumsum(0)
        u = torch.rand(n, dtype=torch.float64, device=below.device) * below[-1]
        leaf = torch.searchsorted(below, u, right=True).clamp_max(len(below) - 1)
        return self._drawn(leaf).to(self.leaves.dtype)

    def impute(self, x: Tensor, missing: Tensor, *, draw: bool = False) -> Tensor:
        """Fill in missing values by their means and most probable levels, or by draws, given the observed ones.

        Both are exact: the observed values give the probabilities of the leaves.
        """
        # Rows that are alike share the leaves that they reach.
        both = torch.cat([x.double().masked_fill(missing, 0.0), missing.double()], 1)
        _, which = torch.unique(both, dim=0, return_inverse=True)
        first = torch.full((int(which.max()) + 1 if len(x) else 0,), len(x), device=x.device)
        first = first.scatter_reduce(0, which, torch.arange(len(x), device=x.device), "amin")
        filled = torch.empty_like(x, dtype=torch.float64)
        for rows, reached in self._reached(x[first], missing[first]):
            place = torch.full((len(first),), -1, device=x.device)
            place[rows] = torch.arange(len(rows), device=x.device)
            mine = (place[which] >= 0).nonzero().flatten()
            if draw:
                filled[mine] = self._drawn(reached.draw_leaves(place[which[mine]]))
            else:
                filled[mine] = self._expected(reached)[place[which[mine]]]
        return torch.where(missing, filled.to(x), x)

    def reach(self, x: Tensor, missing: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return pairs of a row and a leaf that it may be in, given its observed values, `(P,)` each.

        Arguments:
            x: rows with ranks, `(N, C)`.
        """
        row = torch.arange(len(x), device=x.device).repeat_interleave(len(self.roots))
        node = self.roots.repeat(len(x))
        thresholds = self.thresholds.double()
        for _ in range(DEEPEST + 1):
            column, left, right = self.nodes[node].unbind(1)
            inner = column >= 0
            if not inner.any():
                break
            column = column.clamp_min(0)
            child = torch.where(x[row, column] <= thresholds[node], left, right)
            child = torch.where(inner, child, node)
            if missing is not None:
                both = inner & missing[row, column]
                child = torch.where(both, left, child)
                row, child = torch.cat([row, row[both]]), torch.cat([child, right[both]])
            node = child
        return row, self.nodes[node, 1]

    def _reached(self, x: Tensor, missing: Tensor | None) -> Iterator[tuple[Tensor, Reached]]:
        """Yield some of the rows, and the leaves that they reach with the log-densities there."""
        ranked = self.ranked(x)
        holed = torch.zeros(len(x), dtype=torch.bool, device=x.device) if missing is None else missing.any(1)
        for part, most in ((~holed, len(self.roots)), (holed, len(self.log_weights))):
            chosen, block = part.nonzero().flatten(), max(1, _PAIRS // most)
            for start in range(0, len(chosen), block):
                rows = chosen[start : start + block]
                mask = None if missing is None else missing[rows]
                row, leaf = self.reach(ranked[rows], mask if most != len(self.roots) else None)
                logs = self.log_weights[leaf].double() + self._log_within(ranked[rows], mask, row, leaf)
                yield rows, Reached(len(rows), row, leaf, logs)

    def _log_within(self, x: Tensor, missing: Tensor | None, row: Tensor, leaf: Tensor) -> Tensor:
        """Return the log-densities of the observed values of rows inside of leaves, `(P,)`."""
        total = torch.zeros(len(row), dtype=torch.float64, device=x.device)
        for place, column in enumerate(self.numbers):
            log = normals.log_mass if self.features[column].kind == "count" else normals.log_density
            part = log(x[row, column], *self.leaves[leaf, place].double().unbind(1))
            heaps, share = self._heaps_of(column)
            if len(heaps):
                part = log_with_heaps(part, x[row, column], self.leaves[leaf, place, :2].double(), heaps, share[leaf])
            total += part if missing is None else part.masked_fill(missing[row, column], 0.0)
        for place, column in enumerate(self.named):
            share = self.shares[leaf, self.slices[place].start + x[row, column].long()].double()
            total += share.log() if missing is None else share.log().masked_fill(missing[row, column], 0.0)
        return total

    def _drawn(self, leaf: Tensor) -> Tensor:
        """Return rows drawn in leaves, `(N, C)` float64."""
        x = torch.empty(len(leaf), len(self.features), dtype=torch.float64, device=leaf.device)
        u = torch.rand_like(x)
        for place, column in enumerate(self.numbers):
            value = normals.draw(u[:, column], *self.leaves[leaf, place].double().unbind(1))
            value = value.round().clamp_min(0) if self.features[column].kind == "count" else value
            heaps, share = self._heaps_of(column)
            x[:, column] = draw_heaps(value, heaps, share[leaf]) if len(heaps) else value
        for place, column in enumerate(self.named):
            below = self.shares[leaf][:, self.slices[place]].double().cumsum(1)
            rank = (u[:, column, None] * below[:, -1:] >= below).sum(1).clamp_max(below.shape[1] - 1)
            x[:, column] = self._levels(place)[rank].to(x)
        return x

    def _levels(self, place: int) -> Tensor:
        """Return the levels of a column in the order of their ranks."""
        return self.ranks[self.slices[place]].argsort()

    def _expected(self, reached: Reached) -> Tensor:
        """Return means of numbers and most probable levels, `(N, C)` float64."""
        x = torch.empty(reached.rows, len(self.features), dtype=torch.float64, device=reached.leaf.device)
        for place, column in enumerate(self.numbers):
            x[:, column] = reached.mean(self._means(place, column)[reached.leaf])
        for place, column in enumerate(self.named):
            shares = reached.mean(self.shares[:, self.slices[place]].double()[reached.leaf])
            x[:, column] = self._levels(place)[shares.argmax(1)].to(x)
        return x

    def _means(self, place: int, column: int) -> Tensor:
        """Return the mean of a number in each leaf, `(L,)`."""
        leaves = self.leaves[:, place].double()
        heaps, share = self._heaps_of(column)
        if self.features[column].kind != "count":
            loose = normals.moments(*leaves.unbind(1))[0]
        else:
            u = (torch.arange(_STRATA, dtype=torch.float64, device=leaves.device) + 0.5) / _STRATA
            loose = normals.draw(u[:, None], *leaves.unbind(1)).round().clamp_min(0).mean(0)
        return (1 - share.sum(1)) * loose + share @ heaps[:, 0]

    def set_heaps(self, heaps: Sequence[Heaps], shares: Sequence[Tensor]) -> None:
        """Set the values that many rows share in each column of numbers, and their probabilities, `(L, A)` each."""
        columns = [torch.full_like(part.values, column) for part, column in zip(heaps, self.numbers, strict=True)]
        rows = [torch.stack([part.values, part.low, part.high], 1) for part in heaps]
        self.heap_columns = torch.cat([*columns, torch.zeros(0)]).to(self.heap_columns)
        self.heaps = torch.cat([*rows, torch.zeros(0, 3)]).to(self.heaps)
        self.heap_shares = torch.cat([*shares, torch.zeros(len(self.log_weights), 0)], 1).flatten().to(self.heap_shares)

    def _heaps_of(self, column: int) -> tuple[Tensor, Tensor]:
        """Return value and cell of the heaps of a column, `(A, 3)`, and their probabilities in leaves, `(L, A)`."""
        own = (self.heap_columns == column).nonzero().flatten()
        share = self.heap_shares.view(len(self.log_weights), len(self.heaps))
        return self.heaps[own].double(), share[:, own].double()
