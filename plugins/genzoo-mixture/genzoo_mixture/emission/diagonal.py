"""Normal columns, independent given the component: one variance for each component and column."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from genzoo_mixture.emission.emission import (
    EMPTY,
    Added,
    Emission,
    deviation,
    expandable,
    middle,
    overall,
    robust,
    shrunk,
)
from genzoo_mixture.emission.families import FAMILIES, CovarianceFamily


@dataclass(frozen=True, slots=True)
class Seen:
    """What the M-step needs of events.

    Arguments:
        x, squares: the values and their squares, `(N, C)` each.
        present: 1 for a value, 0 for a missing one, `(N, C)`; `None` if nothing is missing.
    """

    x: Tensor
    squares: Tensor
    present: Tensor | None


@dataclass(frozen=True, slots=True)
class Coefficients:
    """Log-densities as polynomials, square x² + linear x + constant, for each component and column, `(K, C)` each."""

    square: Tensor
    linear: Tensor
    constant: Tensor


class Diagonal(Emission[Seen]):
    """Normal distributions with `means (K, C)` and standard deviations `scale (K, C)`.

    (x - mu)² / sigma² is expanded in powers of x, which turns both steps into matrix products with x² and x. The
    expanded terms cancel, with loss of digits, if a mean lies many deviations from the center of the data. They are
    then computed in float64.

    Arguments:
        components: K.
        columns: C.
        added: what is added to every variance.

    The buffer `unit (C,)` holds the robust variance of each column, 0 if it was not measured.
    """

    has_units = True
    newer_tensors = ("unit",)
    family: CovarianceFamily = FAMILIES["VVI"]

    means: Tensor
    scale: Tensor
    unit: Tensor

    def __init__(self, components: int, columns: int, added: Added) -> None:
        super().__init__(components, columns)
        self.added = added
        self.quadratic: Coefficients | None = None
        self.register_buffer("unit", torch.zeros(columns))
        self.register_buffer("means", torch.zeros(components, columns))
        self.register_buffer("scale", torch.ones(self._shape()))

    def _shape(self) -> tuple[int, ...]:
        """Return the shape of `scale`."""
        return (self.components, self.columns)

    @property
    def degrees_of_freedom(self) -> int:
        return self.means.numel() + self.family.count_parameters(self.components, self.columns)

    def _deviations(self) -> Tensor:
        """Return the standard deviation of every component and column, `(K, C)`."""
        return self.scale

    @property
    def width(self) -> int:
        return 2 * self.columns + self.components

    def spread(self, low: Tensor, high: Tensor) -> None:
        self.means.copy_(middle(low, high))
        square = deviation(low, high).square().double()[None]
        self.scale.copy_(self._variance(square, torch.ones_like(square), square.new_zeros(())).sqrt())

    def measure(self, deviations: Tensor) -> None:
        self.unit.copy_(deviations.square())

    def added_to(self, whole: Tensor) -> Tensor:
        """Return the variance added to each column, given their variances if none was measured, `(C,)`."""
        return self._common(self.added.of(robust(self.unit, whole)))

    def settle(self) -> None:
        """Expand the log-densities in the dtype of the parameters, or in float64 if the former is inaccurate."""
        near = expandable((self.means.double() / self._deviations()).square() + 1, self.means.dtype)
        self.quadratic = self._expand(self.means.dtype if near else torch.float64)

    def _expand(self, dtype: torch.dtype) -> Coefficients:
        mean, precision = self.means.double(), self._deviations().double() ** -2
        constant = -0.5 * (mean.square() * precision + math.log(2 * math.pi) - precision.log())
        return Coefficients((-0.5 * precision).to(dtype), (mean * precision).to(dtype), constant.to(dtype))

    def expect(self, x: Tensor, missing: Tensor | None, *, careful: bool = False) -> tuple[Tensor, Seen]:
        own = self._expand(torch.float64) if careful or self.quadratic is None else self.quadratic
        wide = x.to(own.constant.dtype)
        seen = Seen(wide, wide.square(), None if missing is None else (~missing).to(wide.dtype))
        log_density = (own.square @ seen.squares.T).addmm_(own.linear, wide.T)
        if seen.present is None:
            log_density += own.constant.sum(1, keepdim=True)
        else:
            log_density.addmm_(own.constant, seen.present.T)
        return log_density.to(x.dtype), seen

    def distances(self, seen: Any, log_density: Tensor, *, careful: bool) -> tuple[Tensor, Tensor]:
        """See `Full.distances`."""
        constants = -self._deviations().double().log() - 0.5 * math.log(2 * math.pi)
        if seen.present is None:
            constant = constants.sum(1, keepdim=True).to(log_density.dtype)
        else:
            constant = (constants @ seen.present.double().T).to(log_density.dtype)
        return 2 * (constant - log_density).clamp_min(0.0), constant

    def sums(self, seen: Seen, share: Tensor, precision: Tensor | None = None) -> dict[str, Tensor]:
        """Return the sums of `Emission.sums`; see `Full.sums` for `precision`."""
        share = share.to(seen.x.dtype)
        exact = share if precision is None else share * precision.to(share.dtype)
        sums = {
            "first": (exact @ seen.x).double(),
            "second": (exact @ seen.squares).double(),
            "present": _count(exact, seen.present),
        }
        return sums if precision is None else sums | {"values": _count(share, seen.present)}

    def maximize(self, sums: Mapping[str, Tensor]) -> None:
        """See `Full.maximize`."""
        present = sums["present"] + EMPTY
        mean = sums["first"] / present
        squares = (sums["second"] - present * mean.square()).clamp_min(0.0)  # sum r (x - mean)², up to rounding
        filled = sums["present"] > EMPTY
        added = self.added_to(overall(present, mean, squares / present))
        values = sums["values"] + EMPTY if "values" in sums else present
        squares, values = self._completed(squares, values, sums["counts"])
        if "expansion" in sums:
            squares = squares / sums["expansion"][:, None]
        scale = self._variance(squares, values, added).sqrt()
        self.scale.copy_(torch.where(self._renewed(filled), scale, self.scale.double()))
        self.means.copy_(torch.where(filled, mean, self.means.double()))

    def _renewed(self, filled: Tensor) -> Tensor:
        """Return which entries of `scale` to renew, given which components have values in which columns, `(K, C)`."""
        return filled

    def _completed(self, squares: Tensor, present: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
        """Return sums of squared deviations and numbers of values for `_variance`, given the numbers of events."""
        return squares, present

    def _variance(self, squares: Tensor, present: Tensor, added: Tensor) -> Tensor:
        """Compute `scale` squared.

        Arguments:
            squares: sums of squared deviations, `(K, C)`.
            present: numbers of values, `(K, C)` or `(K, 1)`.
            added: what is added to variances, `(C,)` or `()`.
        """
        return squares / present + added

    def _common(self, added: Tensor) -> Tensor:
        """Return what is added to `scale` squared, given what each column alone would get, `(C,)`."""
        return added

    def sample(self, component: Tensor) -> Tensor:
        noise = torch.randn(len(component), self.columns, device=self.means.device, dtype=self.means.dtype)
        return self.decode(noise, component)

    def decode(self, coordinates: Tensor, component: Tensor) -> Tensor:
        """Map standard normal `coordinates (N, C)` to events of `component (N,)`."""
        return self.means[component] + coordinates * self._deviations()[component]

    def encode(self, x: Tensor, missing: Tensor | None) -> Tensor:
        """Return the expected standard normal coordinates of events `(N, C)` under each component, `(K, N, C)`."""
        z = (x - self.means[:, None]) / self._deviations()[:, None]
        return z if missing is None else z.masked_fill(missing, 0.0)

    def fill(self, x: Tensor, missing: Tensor, share: Tensor) -> Tensor:
        return torch.where(missing, share.T @ self.means, x)

    def draw(self, x: Tensor, missing: Tensor, component: Tensor) -> Tensor:
        return torch.where(missing, self.sample(component), x)

    def collapsed(self, weights: Tensor) -> Tensor:
        return self._shrunk(weights).any(-1)

    def narrow(self, component: int, weights: Tensor) -> Tensor:
        return self._shrunk(weights)[component].double().diag()[self._shrunk(weights)[component]]

    def _own_variances(self) -> Tensor:
        """Return the variances of the events of every component, `(K, C)` float64."""
        return self._deviations().double().square()

    def _shrunk(self, weights: Tensor) -> Tensor:
        """Return the columns in which each component has no more variance than was added, `(K, C)` bool."""
        means, variances = self.means.double(), self._own_variances()
        unit = robust(self.unit, overall(weights[:, None], means, variances))
        return shrunk(variances, means, self._common(self.added.least(unit)))


def _count(share: Tensor, present: Tensor | None) -> Tensor:
    """Return the weighted number of values of each column, `(K, C)` float64, or `(K, 1)` if nothing is missing."""
    counts = share.sum(1, keepdim=True) if present is None else share @ present
    return counts.double()
