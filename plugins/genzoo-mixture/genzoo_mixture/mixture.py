"""Mixtures: an event comes from one of K components, and each component is a distribution of all columns.

The density is p(x) = sum_k pi_k p(x | k) with weights pi_k that sum to 1. The classes in `genzoo_mixture.emission` are
the distributions p(x | k).

References:
    "Finite Mixture Models" (McLachlan and Peel, 2000).
    "Model-Based Clustering, Discriminant Analysis, and Density Estimation" (Fraley and Raftery, 2002), for the noise.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from genzoo import (
    Components,
    DataError,
    Decoder,
    Encoder,
    Floor,
    Generator,
    Imputation,
    Likelihood,
    Outliers,
    ParameterTable,
    argument,
)
from genzoo_mixture.emission import Diagonal, Full
from genzoo_mixture.emission.emission import EMPTY, Emission

_NOTHING = -60.0
"""Smallest log-odds of a component against the likeliest one; smaller ones are raised to it. exp(-60) is far below
rounding and far above denormal numbers, which would make products ten times slower."""

_EDGE = 1e-5
"""How far an event may lie outside the box of the noise, as a share of a column's range, to allow for rounding."""


@dataclass(frozen=True, slots=True)
class Expected:
    """The result of an E-step.

    Arguments:
        log_density: log p(x_n) of each event, `(N,)`.
        share: responsibility p(k | x_n) of each component for each event, `(K, N)`.
        seen: for each emission, what its M-step needs of the events.
    """

    log_density: Tensor
    share: Tensor
    seen: tuple[Any, ...]


class Mixture(Generator, Likelihood, Components, Imputation):
    """A mixture of K components; columns of different emissions are independent given the component.

    Arguments:
        emissions: the distributions of columns given the component.
        places: the columns of each emission. Every column belongs to exactly one.
        start: name of the start of EM, one of `genzoo_mixture.start.STARTS`.
        event_shape: shape of an event. Defaults to `(C,)`.

    Shape:
        Events are `(N, *event)`; flattened to columns, in the same order, they are `(N, C)`.
    """

    needs_float64 = True
    dequantized = True
    thread_safe = True  # a subclass whose `log_prob` changes anything has to say that it is not

    log_weights: Tensor

    def __init__(
        self,
        emissions: Sequence[Emission[Any]],
        places: Sequence[Sequence[int]],
        start: str,
        event_shape: tuple[int, ...] | None = None,
    ) -> None:
        super().__init__()
        self.emissions = nn.ModuleList(emissions)
        self.places = tuple(columns if isinstance(columns, range) else tuple(columns) for columns in places)
        self.columns = sum(map(len, self.places))
        self.event_shape = event_shape or (self.columns,)
        self.components = emissions[0].components
        self.parts = list(zip(emissions, self.places, strict=True))
        self.start = start
        self.register_buffer("log_weights", torch.full((self.classes,), -math.log(self.classes)))

    @property
    def classes(self) -> int:
        """Number of weights: one for each component."""
        return self.components

    @property
    def degrees_of_freedom(self) -> int:
        return self.classes - 1 + sum(emission.degrees_of_freedom for emission, _ in self.parts)

    def _of(self, x: Tensor, columns: Sequence[int]) -> Tensor:
        """Return some columns of `x (N, C)`, or `x` itself if these are all."""
        return x if len(columns) == self.columns else x[:, list(columns)]

    def _of_mask(self, missing: Tensor | None, columns: Sequence[int]) -> Tensor | None:
        return None if missing is None else self._of(missing, columns)

    def _joint(self, x: Tensor, missing: Tensor | None, careful: bool) -> tuple[Tensor, tuple[Any, ...]]:
        """Compute log p(x_n | k) of columns `x (N, C)`, `(K, N)`; also return what each emission keeps."""
        found = [
            emission.expect(self._of(x, columns), self._of_mask(missing, columns), careful=careful)
            for emission, columns in self.parts
        ]
        total = _sum([log_density for log_density, _ in found])
        return _finite(total) if careful else total, tuple(seen for _, seen in found)

    def _log_joint(self, x: Tensor, missing: Tensor | None) -> Tensor:
        """Compute log p(x_n | k) of columns `x (N, C)` as accurately as possible, `(K, N)`."""
        found = [
            emission.log_density(self._of(x, columns), self._of_mask(missing, columns))
            for emission, columns in self.parts
        ]
        return _finite(_sum(found))

    def expect(self, x: Tensor, missing: Tensor | None = None, *, careful: bool = False) -> Expected:
        """Run the E-step for events `x (N, *event)`.

        Arguments:
            x: events, `(N, *event)`.
            missing: mask of missing values, `(N, *event)`. Defaults to None.
            careful: whether to compute log-densities as accurately as possible. Defaults to False.
        """
        joint, seen = self._joint(x.flatten(1), _flat(missing), careful)
        peak, share = _relative(joint.add_(self.log_weights[:, None]))
        total = share.sum(0)
        share.div_(total)
        return Expected(total.log_().add_(peak), share, seen)

    def sums(self, found: Expected) -> dict[str, Tensor]:
        """Return the sums over events that `maximize` needs, in float64; `found.share` may contain event weights."""
        named = {"counts": found.share.sum(1, dtype=torch.float64)}
        own = found.share[: self.components]
        for number, ((emission, _), seen) in enumerate(zip(self.parts, found.seen, strict=True)):
            named |= {f"{number}.{name}": value for name, value in emission.sums(seen, own).items()}
        return named

    def maximize(self, sums: Mapping[str, Tensor]) -> None:
        """Run the M-step on the sums over all events."""
        counts = sums["counts"] + EMPTY
        for number, (emission, _) in enumerate(self.parts):
            own = {name.partition(".")[2]: value for name, value in sums.items() if name.startswith(f"{number}.")}
            emission.maximize({"counts": sums["counts"][: self.components], **own})
        self.log_weights.copy_((counts / counts.sum()).log())

    def log_prob(self, x: Tensor, missing: Tensor | None = None) -> Tensor:
        peak, share = _relative(self._log_joint(x.flatten(1), _flat(missing)).add_(self.log_weights[:, None]))
        return peak + share.sum(0).log()

    def log_posterior(self, x: Tensor, missing: Tensor | None = None) -> Tensor:
        joint = self._log_joint(x.flatten(1), _flat(missing))
        return (joint + self.log_weights[:, None]).log_softmax(0).T

    def floors(self, x: Tensor, missing: Tensor | None = None) -> list[Floor]:
        weights = self.log_weights.double().exp()[: self.components]
        share = self.log_posterior(x, missing).exp()
        found = []
        for emission, columns in self.parts:
            for component in emission.collapsed(weights).nonzero()[:, 0].tolist():
                narrow = emission.narrow(component, weights)
                directions = narrow.new_zeros(len(narrow), self.columns)
                directions[:, list(columns)] = narrow
                found.append(Floor(emission.setting, directions.view(-1, *self.event_shape), share[:, component]))
        return found

    def tables(self) -> list[ParameterTable]:
        return [table for emission, _ in self.parts for table in emission.tables()]

    def sample(self, n: int, *, condition: Tensor | None = None, **options: object) -> Tensor:
        columns = self._draw_from(torch.multinomial(self.log_weights.exp(), max(n, 1), replacement=True)[:n])
        return columns.view(-1, *self.event_shape)

    def _draw_from(self, component: Tensor) -> Tensor:
        """Sample one event from each `component (n,)`; return its columns, `(n, C)`."""
        x = self.log_weights.new_empty(len(component), self.columns)
        for emission, columns in self.parts:
            x[:, list(columns)] = emission.sample(component)
        return x

    def impute(self, x: Tensor, missing: Tensor, *, draw: bool = False) -> Tensor:
        share = self.expect(x, missing, careful=True).share
        component = torch.multinomial(share.T, 1)[:, 0] if draw else share
        return self._complete(x.flatten(1), missing.flatten(1), component).view(x.shape)

    def _complete(self, x: Tensor, missing: Tensor, component: Tensor) -> Tensor:
        """Fill in missing values of columns `x (N, C)`.

        Arguments:
            component: the component of each event, `(N,)`, to draw values from; or shares `(K, N)` to average over.
        """
        filled = x.clone()
        for emission, columns in self.parts:
            fill = emission.draw if component.ndim == 1 else emission.fill
            filled[:, list(columns)] = fill(self._of(x, columns), self._of(missing, columns), component)
        return filled

    def prepare(self, low: Tensor, high: Tensor) -> None:
        """Reset the parameters before EM begins, given the range of every column, `(C,)` each."""
        for emission, columns in self.parts:
            emission.spread(low[list(columns)], high[list(columns)])

    def enclose(self, low: Tensor, high: Tensor) -> None:
        """Take the range of every column of new data, `(C,)` each, and keep the parameters."""

    def measure(self, deviations: Tensor) -> None:
        """Take the robust standard deviation of every column, `(C,)`."""
        for emission, columns in self.parts:
            emission.measure(deviations[list(columns)])

    @property
    def has_units(self) -> bool:
        """Whether points of `embed` need scales: some column has a unit, or columns are of different kinds."""
        return len(self.parts) > 1 or self.parts[0][0].has_units

    def embed(self, x: Tensor, missing: Tensor | None = None) -> Tensor:
        """Map events to points for k-means, `(N, D)` float64; NaN marks missing values."""
        points = []
        x, missing = x.flatten(1), _flat(missing)
        for emission, columns in self.parts:
            points.append(emission.embed(self._of(x, columns), self._of_mask(missing, columns)))
        return torch.cat(points, 1)


def _sum(log_densities: Sequence[Tensor]) -> Tensor:
    """Add up the log-densities of independent columns, `(K, N)` each."""
    total = log_densities[0]
    for other in log_densities[1:]:
        total = total + other
    return total


def _finite(log_density: Tensor) -> Tensor:
    # Squares of absurdly distant events overflow to infinity, and infinities cancel to NaN.
    lowest = torch.finfo(log_density.dtype).min
    return log_density.nan_to_num(lowest, neginf=lowest)


def _relative(joint: Tensor) -> tuple[Tensor, Tensor]:
    """Turn log-densities `(K, N)`, in place, into densities relative to the largest of each event.

    Returns:
        The largest log-densities, `(N,)`, and the relative densities, `(K, N)`.
    """
    # The peak is finite even if all components are infinitely far: -inf - (-inf) is NaN.
    peak = joint.amax(0).clamp_min_(torch.finfo(joint.dtype).min)
    return peak, joint.sub_(peak).clamp_min_(_NOTHING).exp_()


def _flat(missing: Tensor | None) -> Tensor | None:
    """Flatten a mask `(N, *event)` to columns, `(N, C)`."""
    return None if missing is None else missing.flatten(1)


class NoisyMixture(Mixture, Outliers):
    """A mixture with one more component for outliers, uniform over a box around the training events.

    The box is the smaller of two, as in mclust: one along the columns, and one along the principal components of the
    training events. With missing values among them it is the first. The weight of the noise is the last one. Outside
    the box its density is 0.

    Events with missing values are measured against the box along the columns, as the marginal densities of the other
    one have no simple form.

    The buffers `low` and `high (C,)` are the box along the columns. `axes (C, C)` are the principal components in
    columns, and `turned_low` and `turned_high (C,)` the box along them; `axes` is 0 if the first box is smaller.

    Arguments:
        first_share: share of every event that the noise has before the first pass of EM.
        names: names of the columns, for messages.
    """

    newer_tensors = ("axes", "turned_low", "turned_high")

    low: Tensor
    high: Tensor
    axes: Tensor
    turned_low: Tensor
    turned_high: Tensor

    def __init__(
        self,
        emissions: Sequence[Emission[Any]],
        places: Sequence[Sequence[int]],
        start: str,
        first_share: float,
        names: Sequence[str],
        event_shape: tuple[int, ...] | None = None,
    ) -> None:
        super().__init__(emissions, places, start, event_shape)
        self.first_share = first_share
        self.names = tuple(names)
        self.register_buffer("low", torch.zeros(self.columns))
        self.register_buffer("high", torch.ones(self.columns))
        self.register_buffer("axes", torch.zeros(self.columns, self.columns))
        self.register_buffer("turned_low", torch.zeros(self.columns))
        self.register_buffer("turned_high", torch.ones(self.columns))

    @property
    def classes(self) -> int:
        return self.components + 1

    @property
    def degrees_of_freedom(self) -> int:
        return super().degrees_of_freedom + 1  # the volume of the box, as mclust counts

    @property
    def outlier(self) -> int:
        return self.components

    def prepare(self, low: Tensor, high: Tensor) -> None:
        self.enclose(low, high)
        super().prepare(low, high)

    def enclose(self, low: Tensor, high: Tensor) -> None:
        flat = (~(high > low)).nonzero()[:, 0].tolist()
        if flat:
            name = self.names[flat[0]]
            raise DataError(
                f"Column {name!r} has the same value in all training rows, so the box of the noise has no volume. "
                f"Leave the column out with {argument('drop', [name])}, or set noise=false."
            )
        self.low.copy_(low)
        self.high.copy_(high)
        self.axes.zero_()

    def turn(self, axes: Tensor, low: Tensor, high: Tensor) -> None:
        """Take the box along principal components, `axes (C, C)` in columns, if it is the smaller one."""
        if (high - low).log().sum() < self.log_volume:
            self.axes.copy_(axes)
            self.turned_low.copy_(low)
            self.turned_high.copy_(high)

    @property
    def _turned(self) -> Tensor:
        """Whether the box lies along principal components, `()` bool."""
        return self.axes.any()

    @property
    def log_volume(self) -> Tensor:
        """The log of the volume of the box, `()` float64."""
        straight = (self.high.double() - self.low.double()).log().sum()
        turned = (self.turned_high.double() - self.turned_low.double()).log().sum()
        return torch.where(self._turned, turned, straight)

    def covers(self, x: Tensor, missing: Tensor | None = None) -> Tensor:
        x, missing = x.flatten(1), _flat(missing)
        straight = _within(x, self.low, self.high)
        turned = _within(x.double() @ self.axes.double(), self.turned_low, self.turned_high).all(1)
        if missing is None:
            return torch.where(self._turned, turned, straight.all(1))
        complete = ~missing.any(1)
        return torch.where(self._turned & complete, turned, (straight | missing).all(1))

    def _joint(self, x: Tensor, missing: Tensor | None, careful: bool) -> tuple[Tensor, tuple[Any, ...]]:
        joint, seen = super()._joint(x, missing, careful)
        return self._with_noise(joint, x, missing), seen

    def _log_joint(self, x: Tensor, missing: Tensor | None) -> Tensor:
        return self._with_noise(super()._log_joint(x, missing), x, missing)

    def _with_noise(self, joint: Tensor, x: Tensor, missing: Tensor | None) -> Tensor:
        """Append the log-density of the noise to the components' `joint (K, N)`, `(K + 1, N)`."""
        noise = torch.where(self.covers(x, missing), self._log_noise(x, missing), -math.inf).to(joint.dtype)
        return torch.cat([joint, noise[None]])

    def _log_noise(self, x: Tensor, missing: Tensor | None) -> Tensor:
        """Return the log-density of the noise at the observed values of events, taken to lie in the box, `(N,)`."""
        whole = -self.log_volume.expand(len(x))
        if missing is None:
            return whole
        sides = (self.high.double() - self.low.double()).log().expand_as(x)
        return torch.where(missing.any(1), -sides.masked_fill(missing, 0.0).sum(1), whole)

    def log_posterior(self, x: Tensor, missing: Tensor | None = None) -> Tensor:
        # Outside the box the noise has density 0, and the nearest Gaussian would claim the most distant outliers. Here
        # the noise counts everywhere, so that they are outliers.
        x, missing = x.flatten(1), _flat(missing)
        joint = super()._log_joint(x, missing)
        joint = torch.cat([joint, self._log_noise(x, missing)[None].to(joint.dtype)])
        return (joint + self.log_weights[:, None]).log_softmax(0).T

    def _draw_from(self, component: Tensor) -> Tensor:
        noise = component == self.components
        x = super()._draw_from(component.masked_fill(noise, 0))
        share = torch.rand_like(x)
        turned = (self.turned_low + share * (self.turned_high - self.turned_low)) @ self.axes.T
        drawn = torch.where(self._turned, turned, self.low + share * (self.high - self.low))
        return torch.where(noise[:, None], drawn, x)

    def _complete(self, x: Tensor, missing: Tensor, component: Tensor) -> Tensor:
        if component.ndim == 1:
            noise = component == self.components
            filled = super()._complete(x, missing, component.masked_fill(noise, 0))
            drawn = self.low + torch.rand_like(x) * (self.high - self.low)
            return torch.where(missing & noise[:, None], drawn, filled)
        filled = super()._complete(x, missing, component[:-1])
        middle = component[-1][:, None] * (self.low + self.high) / 2  # share times the mean of the uniform
        return torch.where(missing, filled + middle, x)


def _within(x: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """Return which values `(N, C)` lie in ranges `(C,)`, up to rounding."""
    edge = _EDGE * (high - low)
    return (x >= low - edge) & (x <= high + edge)


class Gaussian(Mixture, Decoder, Encoder):
    """One multivariate normal N(mu, Sigma), Sigma = L L^T, as a linear map of z ~ N(0, I): x = mu + L z.

    `encode` returns z = L^-1 (x - mu). With missing values it returns the mean of z given the observed ones.
    """

    @property
    def latent(self) -> int:
        return self.columns

    def prior_sample(self, n: int) -> Tensor:
        return torch.randn(n, self.columns, device=self.log_weights.device, dtype=self.log_weights.dtype)

    def decode(self, z: Tensor) -> Tensor:
        columns = self.normal.decode(z, torch.zeros(len(z), dtype=torch.int64, device=z.device))
        return columns.view(-1, *self.event_shape)

    def encode(self, x: Tensor, missing: Tensor | None = None) -> Tensor:
        return self.normal.encode(x.flatten(1), _flat(missing))[0]

    @property
    def normal(self) -> Full | Diagonal:
        """The only emission."""
        emission = self.emissions[0]
        assert isinstance(emission, Full | Diagonal)
        return emission
