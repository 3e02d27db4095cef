"""Multivariate Student t distributions: normals whose precision is random, with one more parameter for the tails.

Given the precision u of an event, it is N(mu, Sigma / u), and u has a gamma distribution of mean 1 with nu degrees of
freedom. EM takes u for a missing value: u is small for outliers, which then hardly move the means and covariances.

EM alone approaches the degrees of freedom slowly, the more so the larger they are. Each M-step therefore proposes
others, by a longer step. The next pass computes how likely these are, and if they are better it takes them, instead of
the M-step of the component. Neither lowers the likelihood.

The M-step is the one of parameter-expanded EM: covariances are divided by the sum of precisions rather than by the
number of events. The maximum is the same, the likelihood never falls, and it takes fewer passes.

References:
    "Robust mixture modelling using the t distribution" (Peel and McLachlan, 2000).
    "The EM Algorithm: an Old Folk-song Sung to a Fast New Tune" (Meng and van Dyk, 1997), for the expanded M-step.
    "ML estimation of the t distribution using EM and its extensions, ECM and ECME" (Liu and Rubin, 1995), for missing
    values.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from genzoo import ParameterTable
from genzoo_mixture.emission import Diagonal, Full
from genzoo_mixture.emission.emission import EMPTY, Emission
from genzoo_mixture.student.degrees import likeliest, log_constants, log_means, propose

_FIRST = 10.0
"""Degrees of freedom before the first pass, if they are estimated."""

_WORTH = 1e-6
"""Smallest gain of the mean log-likelihood, in nats, for which proposed degrees of freedom are taken."""


@dataclass(frozen=True, slots=True)
class Precisions:
    """What the M-step needs of events.

    Arguments:
        normal: what the M-step of the normal distribution needs.
        mean: expected precision E[u] of each event under each component, `(K, N)`.
        log: expected log-precision E[log u], `(K, N)`.
        gain: log-density with the proposed degrees of freedom minus the present one, `(K, N)`; `None` if not needed.
    """

    normal: Any
    mean: Tensor
    log: Tensor
    gain: Tensor | None


class Student(Emission[Precisions]):
    """Multivariate t distributions, with the means and scale matrices of normal distributions.

    Arguments:
        normal: the normal distributions, whose E-step and M-step are used.
        shared_df: whether all components have the same degrees of freedom.
        df: the degrees of freedom, if they are fixed. Defaults to `None`: they are estimated.

    The buffer `df (K,)` or `(1,)` holds the degrees of freedom, and `proposed` others that may be more likely.
    """

    has_units = True
    needs_trials = True

    df: Tensor
    proposed: Tensor

    def __init__(self, normal: Full | Diagonal, shared_df: bool, df: float | None = None) -> None:
        super().__init__(normal.components, normal.columns)
        self.normal = normal
        self.fixed = df
        count = 1 if shared_df or df is not None else normal.components
        self.register_buffer("df", torch.full((count,), _FIRST if df is None else df))
        self.register_buffer("proposed", self.df.clone())

    @property
    def degrees_of_freedom(self) -> int:
        return self.normal.degrees_of_freedom + (self.df.numel() if self.fixed is None else 0)

    @property
    def width(self) -> int:
        return self.normal.width + 3 * self.components

    @property
    def effort(self) -> float:
        return self.normal.effort

    def spread(self, low: Tensor, high: Tensor) -> None:
        self.normal.spread(low, high)
        self.launch()

    def launch(self) -> None:
        if self.fixed is None:
            self.df.fill_(_FIRST)
            self.proposed.fill_(_FIRST)

    def measure(self, deviations: Tensor) -> None:
        self.normal.measure(deviations)

    def settle(self) -> None:
        self.normal.settle()

    def _df(self) -> Tensor:
        """Return the degrees of freedom of every component, `(K,)` float64."""
        return self._of_components(self.df)

    def _of_components(self, df: Tensor) -> Tensor:
        return df.double().expand(self.components)

    def expect(self, x: Tensor, missing: Tensor | None, *, careful: bool = False) -> tuple[Tensor, Precisions]:
        log_normal, seen = self.normal.expect(x, missing, careful=careful)
        distance, constant = self.normal.distances(seen, log_normal, careful=careful)
        count = torch.full_like(distance[0], self.columns) if missing is None else (~missing).sum(1).to(distance.dtype)
        nu = self._df().to(distance.dtype)[:, None]
        log_shape = self._log_shape(self._df(), distance, count)
        gain = None
        if self.fixed is None and not careful:
            gain = (self._log_shape(self._of_components(self.proposed), distance, count) - log_shape).to(x.dtype)
        mean = (nu + count) / (nu + distance)
        log = _of_counts(log_means(self._df(), self.columns), count) - (0.5 * (nu + distance)).log()
        return (constant + log_shape).to(x.dtype), Precisions(seen, mean.to(x.dtype), log.to(x.dtype), gain)

    def _log_shape(self, df: Tensor, distance: Tensor, count: Tensor) -> Tensor:
        """Return the log-densities relative to the center of the normal distributions, `(K, N)`.

        Arguments:
            df: degrees of freedom, `(K,)` float64.
            distance: squared Mahalanobis distances, `(K, N)`.
            count: number of observed values, `(N,)`.
        """
        nu = df.to(distance.dtype)[:, None]
        return _of_counts(log_constants(df, self.columns), count) - 0.5 * (nu + count) * torch.log1p(distance / nu)

    def sums(self, seen: Precisions, share: Tensor) -> dict[str, Tensor]:
        found = {"precision": seen.mean, "log_precision": seen.log.clamp_min(torch.finfo(share.dtype).min)}
        if seen.gain is not None:
            found["gain"] = seen.gain
        named = {name: (share * value).sum(1, dtype=torch.float64) for name, value in found.items()}
        return self.normal.sums(seen.normal, share, seen.mean) | named

    def maximize(self, sums: Mapping[str, Tensor]) -> None:
        counts, precision = sums["counts"], sums["precision"]
        taken = self._taken(counts, sums.get("gain"))
        before = [value.clone() for value in self.normal.buffers()]
        expansion = self._expansion(counts, precision)
        self.normal.maximize({**sums, "expansion": expansion})
        if self.fixed is None:
            held = self._hold(taken, before)
            expansion = torch.where(held, 1.0, expansion)
            self._maximize_df(taken, counts, expansion, precision, sums["log_precision"])

    def _taken(self, counts: Tensor, gain: Tensor | None) -> Tensor:
        """Return which of the proposed degrees of freedom are worth taking, `(m,)` bool."""
        if gain is None:
            return torch.zeros_like(self.df, dtype=torch.bool)
        if self.df.numel() == 1:
            gain = gain.sum(0, keepdim=True)
        better = gain > 0
        return better & ((gain * better).sum() > _WORTH * counts.sum())

    def _hold(self, taken: Tensor, before: list[Tensor]) -> Tensor:
        """Give back the parameters of the normal distributions to components that take the proposed values.

        Returns:
            The components that got theirs back, `(K,)` bool: all, if their covariances depend on each other.
        """
        held = taken.expand(self.components)
        if self.normal.family.is_coupled:
            held = held.any().expand(self.components)
        for value, old in zip(self.normal.buffers(), before, strict=True):
            own = held if len(value) == self.components else held.any()
            value.copy_(torch.where(own.view(-1, *[1] * (value.ndim - 1)), old, value))
        return held

    def _expansion(self, counts: Tensor, precision: Tensor) -> Tensor:
        """Return the scale of precisions that is most likely with the parameters so far, `(K,)`.

        With one volume for all components there is one scale for all. If their degrees of freedom differ, it has no
        simple form, and is left at 1, as in plain EM.
        """
        if self.normal.family.volumes_vary:
            return torch.where(precision > EMPTY, precision / (counts + EMPTY), 1.0)
        if self.df.numel() > 1:
            return torch.ones_like(counts)
        return (precision.sum() / counts.sum()).expand(self.components)

    def _maximize_df(
        self, taken: Tensor, counts: Tensor, expansion: Tensor, precision: Tensor, log_precision: Tensor
    ) -> None:
        plain = precision - log_precision
        expanded = precision / expansion - log_precision + counts * expansion.log()
        if self.df.numel() == 1:
            counts, plain, expanded = (value.sum(0, keepdim=True) for value in (counts, plain, expanded))
        # With mean precision m and mean log-precision l, nu solves log(nu / 2) - digamma(nu / 2) = m - 1 - l.
        filled, old = counts > EMPTY, self.df.double()
        new = torch.where(filled, likeliest(expanded / (counts + EMPTY) - 1), old)
        slope = 0.5 * ((old / 2).log() + 1 - torch.digamma(old / 2) - plain / (counts + EMPTY))
        farther = torch.where(filled, propose(old, slope, self.columns), old)
        self.df.copy_(torch.where(taken, self.proposed.double(), new))
        self.proposed.copy_(torch.where(taken, self.proposed.double(), farther))

    def sample(self, component: Tensor) -> Tensor:
        half = self._df()[component] / 2
        precision = self._draw_precision(half, half)
        means = self.normal.means[component]
        return means + (self.normal.sample(component) - means) / precision.sqrt()[:, None]

    def _draw_precision(self, shape: Tensor, rate: Tensor) -> Tensor:
        """Draw precisions from gamma distributions, `(n,)`, in the type of the parameters."""
        drawn = torch._standard_gamma(shape) / rate
        dtype = self.normal.means.dtype
        return drawn.clamp_min(torch.finfo(dtype).eps ** 2).to(dtype)

    def fill(self, x: Tensor, missing: Tensor, share: Tensor) -> Tensor:
        return self.normal.fill(x, missing, share)

    def draw(self, x: Tensor, missing: Tensor, component: Tensor) -> Tensor:
        log_normal, seen = self.normal.expect(x, missing, careful=True)
        distance, _ = self.normal.distances(seen, log_normal, careful=True)
        df, rows = self._df()[component], torch.arange(len(x), device=x.device)
        shape = (df + (~missing).sum(1)) / 2
        precision = self._draw_precision(shape, (df + distance[component, rows].double()) / 2)
        share = one_hot(component, self.components).T.to(x.dtype)
        middle = self.normal.fill(x, missing, share)
        return middle + (self.normal.draw(x, missing, component) - middle) / precision.sqrt()[:, None]

    def collapsed(self, weights: Tensor) -> Tensor:
        return self.normal.collapsed(weights)

    def narrow(self, component: int, weights: Tensor) -> Tensor:
        return self.normal.narrow(component, weights)

    def tables(self) -> Iterator[ParameterTable]:
        rows = [(f"component {number}", (df,)) for number, df in enumerate(self._df().tolist())]
        caption = "Degrees of freedom: the smaller, the heavier the tails (normal from about 100 on)"
        yield ParameterTable(caption, ("component", "degrees of freedom"), tuple(rows))

    def facts(self) -> dict[str, Any]:
        return {"df": self._df().tolist()}


def _of_counts(table: Tensor, count: Tensor) -> Tensor:
    """Return the entries `(K, N)` of a `table (K, C + 1)` at the number of observed values of each event, `(N,)`."""
    return table.to(count.dtype)[:, count.long()]
