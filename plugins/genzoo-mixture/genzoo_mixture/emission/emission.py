"""What the kinds of components have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

SeenT = TypeVar("SeenT")

EMPTY = 10 * torch.finfo(torch.float64).eps
"""Added to the counts of components, as scikit-learn does, so that none is ever zero."""

FLOOR = 1e-24
"""The least variance, in squared data units, where `reg_covar` is zero: far below any measurement, not below zero."""

SHARE = 1e-9
"""Of a column's variance, added to those of its components where nothing else is asked for: small enough for clusters
of a thousandth of the column's deviation, large enough to be told from rounding."""

ROUNDING = 1e-13
"""The least variance, as a share of a mean's square or of a column's whole variance, that is no mere rounding."""

_TERMS = {torch.float32: 25.0, torch.float64: 1e6}
"""How large, per column, the terms of a log-density may be in root sum square, for their sum to be exact to about
1e-6 of it in float32, 1e-10 in float64."""


class Emission(nn.Module, ABC, Generic[SeenT]):
    """The distributions of C columns given each of K components.

    Per-component figures of events are `(K, N)`: with the events last, sums over columns and over components run
    along contiguous memory. `SeenT` is what an expectation step keeps for the maximisation that follows it.

    Arguments:
        components: K.
        columns: C.
    """

    def __init__(self, components: int, columns: int) -> None:
        super().__init__()
        self.components = components
        self.columns = columns

    @property
    @abstractmethod
    def degrees_of_freedom(self) -> int:
        """How many free parameters all components have."""

    @abstractmethod
    def spread(self, low: Tensor, high: Tensor) -> None:
        """Forget the parameters: every component lies over the whole range of each column, `(C,)` each.

        The first maximisation expects missing values there. `low` is above `high` where no value was observed.
        """

    def settle(self) -> None:
        """Decide, before a pass, what depends on the parameters' values; not traced."""

    @property
    @abstractmethod
    def width(self) -> int:
        """How many numbers an expectation step makes of one event, for all components."""

    @abstractmethod
    def expect(self, x: Tensor, missing: Tensor | None, *, careful: bool = False) -> tuple[Tensor, SeenT]:
        """Evaluate events.

        Arguments:
            x: events, `(N, C)`, 0 where missing.
            missing: true where a value is missing, `(N, C)`, or `None`.
            careful: whether to spare no time for accuracy, whatever `settle` decided.

        Returns:
            Log-density of the observed values under each component, `(K, N)`, and what `sums` needs.
        """

    @abstractmethod
    def sums(self, seen: SeenT, share: Tensor) -> dict[str, Tensor]:
        """Sums over events, weighted by each component's `share (K, N)` of them, float64: what `maximize` needs."""

    @abstractmethod
    def maximize(self, sums: Mapping[str, Tensor]) -> None:
        """Set the parameters to the most likely ones, given what `sums` gave in all, and `counts (K,)` of events."""

    @abstractmethod
    def sample(self, component: Tensor) -> Tensor:
        """One event of each `component (n,)`, `(n, C)`."""

    @abstractmethod
    def fill(self, x: Tensor, missing: Tensor, share: Tensor) -> Tensor:
        """`x (N, C)` with missing values at their mean, or most probable value, under components of weight `share`."""

    @abstractmethod
    def draw(self, x: Tensor, missing: Tensor, component: Tensor) -> Tensor:
        """`x (N, C)` with missing values drawn from `component (N,)` given the observed ones."""

    def embed(self, x: Tensor, missing: Tensor | None) -> Tensor:
        """Events `(N, C)` as points between which distances mean something, `(N, D)` float64, NaN where missing."""
        return x.double() if missing is None else x.double().masked_fill(missing, torch.nan)

    @abstractmethod
    def collapsed(self, weights: Tensor) -> Tensor:
        """Which components, of `weights (K,)`, have shrunk to a point, `(K,)` bool."""


def middle(low: Tensor, high: Tensor) -> Tensor:
    """A value in each range: 0, about which events are centred, or the nearest to it; 0 where there is no range."""
    return torch.where(low <= high, torch.zeros_like(low).clamp(low, high), 0.0)


def deviation(low: Tensor, high: Tensor) -> Tensor:
    """A standard deviation that goes with each range; 1 where there is none."""
    return torch.where(low < high, (high - low) / 4, 1.0)


def overall(weights: Tensor, means: Tensor, variances: Tensor) -> Tensor:
    """The variance of each column under all components together, `(C,)` float64.

    Arguments:
        weights: of components, `(K, 1)`, or column by column, `(K, C)`; they need not sum to 1.
        means, variances: of components, `(K, C)` each.
    """
    share = weights / weights.sum(0)
    spread = means - (share * means).sum(0)
    return (share * (variances + spread.square())).sum(0)


@dataclass(frozen=True, slots=True)
class Added:
    """What is added to variances, so that none vanishes.

    Arguments:
        amount: in squared data units, the same for every column; `None` adds to each the share `SHARE` of its own
            variance, which no unit changes.
        meant: whether variances may well be no larger than that; else one that small is that of a point.
    """

    amount: float | None
    meant: bool = False

    def of(self, columns: Tensor) -> Tensor:
        """To each column, of these variances under all components together, `(C,)`; at least `FLOOR`."""
        found = SHARE * columns if self.amount is None else torch.full_like(columns, self.amount)
        return found.clamp_min(FLOOR)

    def least(self, columns: Tensor) -> Tensor:
        """The variances, as `of` takes and gives them, up to which a component is no more than what was added."""
        return torch.full_like(columns, FLOOR) if self.meant else 2 * self.of(columns)


def shrunk(variances: Tensor, means: Tensor, least: Tensor) -> Tensor:
    """Which components have a variance `(K, C)` up to the `least (C,)` there may be, or to rounding, `(K,)`."""
    least = torch.maximum(ROUNDING * means.double().square(), least)
    return (variances <= least).any(-1)


def expandable(terms: Tensor, dtype: torch.dtype) -> bool:
    """Whether terms of such typical sizes, `(K, C)` or `(K, C, C)`, may be summed in `dtype` to a log-density."""
    return bool(terms.flatten(1).norm(dim=1).amax() <= _TERMS[dtype] * terms.shape[1])
