"""The interface of emissions, and numerical helpers that they share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

import torch
from torch import Tensor, nn

from genzoo import ParameterTable

SeenT = TypeVar("SeenT")

EMPTY = 10 * torch.finfo(torch.float64).eps
"""Added to the event counts of components, as scikit-learn does, so that no division is by zero."""

FLOOR = 1e-24
"""Smallest variance if `reg_covar` is 0, as a share of the column's variance: positive, and below any measurement."""

SHARE = 1e-9
"""Variance added to components by default, as a share of the column's robust variance. It is small enough for clusters
with a thousandth of the column's standard deviation, and well above rounding errors."""

ROUNDING = 1e-13
"""Variances below this share of a squared mean, or of a column's whole variance, may be nothing but rounding errors."""

_TERMS = {torch.float32: 25.0, torch.float64: 1e6}
"""Largest root sum square of the terms of an expanded log-density, per column. Below it, the sum has a relative error
of about 1e-6 in float32 and 1e-10 in float64."""


class Emission(nn.Module, ABC, Generic[SeenT]):
    """The distributions p(x | k) of C columns, given each of K components.

    Results for components and events are `(K, N)`: with events last, sums over columns and components run along
    contiguous memory. `SeenT` is the type that an E-step keeps for the M-step.

    Arguments:
        components: K.
        columns: C.
    """

    has_units: ClassVar[bool] = False
    """Whether its columns are measured in some unit."""

    needs_trials: ClassVar[bool] = False
    """Whether a search for starts needs EM of the emission itself, because normal distributions are too far from it."""

    groups_missing: ClassVar[bool] = False
    """Whether the work for a pattern of missing values is the same for few events and for many."""

    setting: ClassVar[str] = "reg_covar"
    """Name of the option that sets the smallest variance."""

    def __init__(self, components: int, columns: int) -> None:
        super().__init__()
        self.components = components
        self.columns = columns

    @property
    def effort(self) -> float:
        """Number of values that a pass over events computes in the time of an M-step, roughly; 0 if that is short."""
        return 0.0

    @property
    @abstractmethod
    def degrees_of_freedom(self) -> int:
        """Number of free parameters of all components together."""

    @abstractmethod
    def spread(self, low: Tensor, high: Tensor) -> None:
        """Reset the parameters: every component covers the whole range of each column.

        The first M-step takes expectations of missing values from this distribution.

        Arguments:
            low, high: range of each column, `(C,)` each. If a column has no observed values, `low` is above `high`.
        """

    def launch(self) -> None:
        """Set parameters that the first M-step cannot estimate."""

    def measure(self, deviations: Tensor) -> None:
        """Take robust standard deviations of the columns `(C,)`, which do not depend on the components."""

    def settle(self) -> None:
        """Make decisions that depend on the parameters' values, once before a pass. Not traced."""

    @property
    @abstractmethod
    def width(self) -> int:
        """Count the numbers that an E-step computes for one event, for all components together."""

    @abstractmethod
    def expect(self, x: Tensor, missing: Tensor | None, *, careful: bool = False) -> tuple[Tensor, SeenT]:
        """Compute the log-densities of events.

        Arguments:
            x: events, `(N, C)`; missing values are 0.
            missing: mask of missing values, `(N, C)`, or `None`.
            careful: whether to compute as accurately as possible, even if `settle` chose a faster way. Defaults to
                False.

        Returns:
            The log-density of the observed values under each component, `(K, N)`, and what `sums` needs.
        """

    def log_density(self, x: Tensor, missing: Tensor | None) -> Tensor:
        """Compute the log-densities of events as accurately as possible, and keep nothing for an M-step, `(K, N)`.

        Arguments:
            x: events, `(N, C)`; missing values are 0.
            missing: mask of missing values, `(N, C)`, or `None`.
        """
        return self.expect(x, missing, careful=True)[0]

    @abstractmethod
    def sums(self, seen: SeenT, share: Tensor) -> dict[str, Tensor]:
        """Return the sums over events that `maximize` needs, weighted by `share (K, N)`, in float64."""

    @abstractmethod
    def maximize(self, sums: Mapping[str, Tensor]) -> None:
        """Set the parameters to their most likely values.

        Arguments:
            sums: what `sums` returns, added up over all events, and the weighted number of events of each component,
                `counts (K,)`.
        """

    @abstractmethod
    def sample(self, component: Tensor) -> Tensor:
        """Sample one event from each `component (n,)`, `(n, C)`."""

    @abstractmethod
    def fill(self, x: Tensor, missing: Tensor, share: Tensor) -> Tensor:
        """Fill missing values of `x (N, C)` with their mean, or most probable value, given shares `(K, N)`."""

    @abstractmethod
    def draw(self, x: Tensor, missing: Tensor, component: Tensor) -> Tensor:
        """Fill missing values of `x (N, C)` with draws from `component (N,)`, given the observed values."""

    def embed(self, x: Tensor, missing: Tensor | None) -> Tensor:
        """Map events `(N, C)` to points for k-means, `(N, D)` float64; NaN marks missing values."""
        return x.double() if missing is None else x.double().masked_fill(missing, torch.nan)

    @abstractmethod
    def collapsed(self, weights: Tensor) -> Tensor:
        """Return which components, with `weights (K,)`, collapsed to a point, `(K,)` bool."""

    def narrow(self, component: int, weights: Tensor) -> Tensor:
        """Return the directions in which a collapsed component does not vary, `(D, C)` float64; none for masses.

        Arguments:
            component: its number.
            weights: weights of all components, `(K,)`.
        """
        return weights.new_zeros(0, self.columns, dtype=torch.float64)

    def fault(self) -> str | None:
        """Return why the parameters are no proper maximum, if no component collapsed; `None` if they are one."""
        return None

    def facts(self) -> dict[str, Any]:
        """Return facts for the record of a restart, as plain values for JSON."""
        return {}

    def tables(self) -> Iterator[ParameterTable]:
        """Yield parameters that have a meaning of their own, for a description."""
        return iter(())


def middle(low: Tensor, high: Tensor) -> Tensor:
    """Return the value nearest to 0 in each range, as events are centered at 0; 0 for an empty range."""
    return torch.where(low <= high, torch.zeros_like(low).clamp(low, high), 0.0)


def deviation(low: Tensor, high: Tensor) -> Tensor:
    """Return a quarter of each range as a standard deviation; 1 for an empty range or a single value."""
    return torch.where(low < high, (high - low) / 4, 1.0)


def overall(weights: Tensor, means: Tensor, variances: Tensor) -> Tensor:
    """Compute the variance of each column under the whole mixture, `(C,)` float64.

    By the law of total variance, it is the mean variance of the components plus the variance of their means.

    Arguments:
        weights: weights of components, `(K, 1)`, or of components in each column, `(K, C)`; they need not sum to 1.
        means, variances: means and variances of components, `(K, C)` each.
    """
    share = weights / weights.sum(0)
    spread = means - (share * means).sum(0)
    return (share * (variances + spread.square())).sum(0)


@dataclass(frozen=True, slots=True)
class Added:
    """What the M-step adds to variances, so that none vanishes.

    The likelihood of a normal mixture has no upper bound: a component that collapses to one event raises it forever. An
    added variance bounds it, and `least` finds components that would collapse.

    Arguments:
        amount: added variance in squared data units, the same for every column. `None` adds a `share` of each
            column's own variance, so that units do not matter.
        meant: whether components this narrow are legitimate. Otherwise one with no more variance than was added has
            collapsed to a point. Defaults to False.
        share: what is added if `amount` is `None`. Defaults to `SHARE`.
    """

    amount: float | None
    meant: bool = False
    share: float = SHARE

    def of(self, columns: Tensor) -> Tensor:
        """Return the variance added to each column, given the variances of columns `(C,)`; never 0."""
        floor = torch.where(columns > 0, FLOOR * columns, FLOOR)
        added = self.share * columns if self.amount is None else torch.full_like(columns, self.amount)
        return torch.maximum(added, floor)

    def least(self, columns: Tensor) -> Tensor:
        """Return the largest variance of a collapsed component, given the variances of columns `(C,)`."""
        return torch.where(columns > 0, FLOOR * columns, FLOOR) if self.meant else 2 * self.of(columns)


def shrunk(variances: Tensor, means: Tensor, least: Tensor) -> Tensor:
    """Return where variances `(K, C)` are at most `least (C,)` or of the size of rounding, `(K, C)` bool."""
    return variances <= torch.maximum(ROUNDING * means.double().square(), least)


def robust(unit: Tensor, whole: Tensor) -> Tensor:
    """Return the measured variances of columns, `(C,)` float64, or the `whole` variance if none was measured.

    The whole variance can be the work of one outlier. A model of an earlier version has no other.
    """
    return torch.where(unit > 0, unit.double(), whole)


def expandable(terms: Tensor, dtype: torch.dtype) -> bool:
    """Return whether terms of these typical sizes, `(K, C)` or `(K, C, C)`, sum accurately in `dtype`."""
    return bool(terms.flatten(1).norm(dim=1).amax() <= _TERMS[dtype] * terms.shape[1])
