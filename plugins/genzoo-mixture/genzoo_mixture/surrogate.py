"""Many mixtures of Gaussians on one sample of points at once, for short runs of EM.

EM of a small table takes longer to call its operations than to compute. Here each operation computes S mixtures: log-
densities are quadratic in a point, so both steps are one matrix product with the monomials of all points.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from genzoo_mixture.emission.families import CovarianceFamily, Guess
from genzoo_mixture.emission.full import inverse

RIDGE = 1e-6
"""Variance added in every direction, in squared deviations of a column."""

THIN = 4.0
"""Components with a smaller variance than this many ridges have collapsed."""

_INNER = 1
"""Number of iterations of an M-step. Each begins where the last M-step ended."""


@dataclass(frozen=True, slots=True)
class Moments:
    """Moments of the components of S mixtures on points of D columns.

    Arguments:
        counts: weighted number of points, `(S, K)`.
        means: `(S, K, D)`.
        scatter: covariances `(S, K, D, D)`, or variances `(S, K, D)`.
    """

    counts: Tensor
    means: Tensor
    scatter: Tensor


@dataclass(frozen=True, slots=True)
class Fitted:
    """S mixtures.

    Arguments:
        coefficients: of the monomials in the log of a component's weight times its density, `(S, K, M)`.
        log_noise: log of the noise's weight times its density, `(S, 1)`; `None` without noise.
        counts: weighted number of points of each component, `(S, K)`.
        thin: whether a component has collapsed, `(S,)` bool.
        guess: where the next M-step begins; `None` if that makes no difference.
        likelihood: mean log-likelihood before the last step, `(S,)`; minus infinity if that step was annealed.
        change: how much the step before changed it, `(S,)`.
    """

    coefficients: Tensor
    log_noise: Tensor | None
    counts: Tensor
    thin: Tensor
    guess: Guess | None
    likelihood: Tensor
    change: Tensor

    def of(self, chosen: Tensor) -> Fitted:
        """Return some of the mixtures, `chosen (T,)`."""
        return self._each(lambda value: value[chosen])

    @staticmethod
    def join(parts: Sequence[Fitted]) -> Fitted:
        """Return the mixtures of all parts."""
        first, *others = parts
        rest = [iter(other._tensors()) for other in others]
        return first._each(lambda value: torch.cat([value, *map(next, rest)]))

    def _tensors(self) -> list[Tensor]:
        found: list[Tensor] = []

        def keep(value: Tensor) -> Tensor:
            found.append(value)
            return value

        self._each(keep)
        return found

    def _each(self, change: Callable[[Tensor], Tensor]) -> Fitted:
        """Return a copy with a function applied to every tensor, in a fixed order."""
        noise = None if self.log_noise is None else change(self.log_noise)
        guess = None if self.guess is None else self.guess.each(change)
        rest = map(change, (self.coefficients, self.counts, self.thin, self.likelihood, self.change))
        coefficients, counts, thin, likelihood, changed = rest
        return Fitted(coefficients, noise, counts, thin, guess, likelihood, changed)

    def shares(self, products: Tensor) -> Tensor:
        """Return the shares of the only mixture here, `(K, n)`, the largest component first; noise comes last.

        Which start wins may depend on how a machine rounds, and so would the numbers of the components.

        Arguments:
            products: the monomials of points, `(M, n)`.
        """
        share = self.expect(products)[1][0]
        order = self.counts[0].argsort(descending=True, stable=True)
        return torch.cat([share[order], share[len(order) :]])

    def expect(self, products: Tensor, sharpness: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return log-densities `(S, n)`, and shares `(S, K, n)` or, with noise last, `(S, K + 1, n)`.

        Arguments:
            products: the monomials of points, `(M, n)`.
            sharpness: powers, from 0 to 1, to which shares are raised before they are normalized, `(S,)`. The
                log-densities then are of no use. Defaults to `None`: 1.
        """
        mixtures, components, width = self.coefficients.shape
        joint = (self.coefficients.view(-1, width) @ products).view(mixtures, components, -1)
        if self.log_noise is not None:
            joint = torch.cat([joint, self.log_noise[:, :, None].expand(-1, 1, joint.shape[2])], 1)
        if sharpness is not None:
            joint.mul_(sharpness[:, None, None])
        peak = joint.amax(1)
        share = joint.sub_(peak[:, None]).exp_()
        total = share.sum(1)
        return peak.add_(total.log()), share.mul_(total.reciprocal_()[:, None])


class Surrogate(ABC):
    """A kind of mixture, whose steps are done for S mixtures at once."""

    @abstractmethod
    def maximize(self, products: Tensor, share: Tensor, last: Fitted | None = None) -> Fitted:
        """Run the M-step from shares `(S, K, n)`, which may contain weights of events; noise comes last.

        Arguments:
            products: the monomials of points, `(M, n)`.
            share: shares of components in points.
            last: the mixtures that the shares are from. Defaults to none.
        """

    def step(self, products: Tensor, weight: Tensor, last: Fitted, sharpness: Tensor | None = None) -> Fitted:
        """Run a pass of EM.

        Arguments:
            products: the monomials of points, `(M, n)`.
            weight: weights of points, `(n,)`.
            last: the mixtures before.
            sharpness: as for `Fitted.expect`.
        """
        density, share = last.expect(products, sharpness)
        fitted = self.maximize(products, share.mul_(weight), last)
        if sharpness is not None:
            return fitted
        likelihood = (density @ weight) / weight.sum()
        return replace(fitted, likelihood=likelihood, change=(likelihood - last.likelihood).abs())

    def run(self, products: Tensor, weight: Tensor, fitted: Fitted, most: int, tolerance: float) -> Fitted:
        """Run passes of EM, as `step`, until all mixtures change by less than the tolerance, at most `most`."""
        for _ in range(most):
            fitted = self.step(products, weight, fitted)
            if bool((fitted.change < tolerance).all()):
                break
        return fitted


class Family(Surrogate):
    """Mixtures of Gaussians whose covariances belong to one family.

    Arguments:
        covariance: the family of its covariances.
        scale: what each column of the points was divided by, `(D,)`.
        ridge: variance added to every column, `(D,)`.
        log_volume: log of the volume of the noise, in the units of the points; `None` without noise.
    """

    def __init__(self, covariance: CovarianceFamily, scale: Tensor, ridge: Tensor, log_volume: Tensor | None) -> None:
        self._covariance = covariance
        self._correlated = covariance.correlated
        self._scale = scale
        self._ridge = ridge
        self._log_volume = log_volume
        units = scale / scale.log().mean().exp()  # most families are for columns in the units of the data
        self._units = units[:, None] * units if covariance.correlated else units.square()
        d = len(scale)
        self._rows, self._columns = torch.triu_indices(d, d, device=scale.device)
        self._upper = self._rows * d + self._columns
        whole = torch.zeros(d, d, dtype=torch.long, device=scale.device)
        whole[self._rows, self._columns] = whole[self._columns, self._rows] = torch.arange(len(self._rows)).to(whole)
        self._whole = whole.view(-1)
        # x_i x_j stands for x_j x_i, too.
        self._half = torch.where(self._rows == self._columns, -0.5, -1.0).to(scale)

    def products(self, points: Tensor) -> Tensor:
        """Compute the monomials of points `(n, D)`: products of columns (or squares), the columns, and 1, `(M, n)`."""
        x = points.T
        squares = x[self._rows] * x[self._columns] if self._correlated else x.square()
        return torch.cat([squares, x, torch.ones_like(x[:1])])

    def maximize(self, products: Tensor, share: Tensor, last: Fitted | None = None) -> Fitted:
        noise = None
        if self._log_volume is not None:
            share, noise = share[:, :-1], share[:, -1].sum(1)
        mixtures, components, n = share.shape
        sums = (share.reshape(-1, n) @ products.T).view(mixtures, components, -1)
        moments = self._moments(sums)
        covariance, guess, own = self._constrain(moments, None if last is None else last.guess)
        precision, log_det, variance = self._invert(covariance)
        if own is not None:
            variance = variance * own[..., None]
        total = moments.counts.sum(1) if noise is None else moments.counts.sum(1) + noise
        weight = (moments.counts / total[:, None]).log()
        log_noise = None
        if noise is not None and self._log_volume is not None:
            log_noise = ((noise / total).log() - self._log_volume)[:, None]
        thin = (variance <= THIN).flatten(1).any(1)
        coefficients = self._expand(precision, moments.means, weight - 0.5 * log_det)
        unknown = torch.full_like(log_det[:, 0], -torch.inf)
        return Fitted(coefficients, log_noise, moments.counts, thin, guess, unknown, -unknown)

    def _constrain(self, moments: Moments, guess: Guess | None) -> tuple[Tensor, Guess | None, Tensor | None]:
        """Return the likeliest covariances of the family, where to begin the next time, and `own_volumes`."""
        scatter = moments.scatter + (self._ridge.diag() if self._correlated else self._ridge)
        if self._covariance.name[:2] == "VV" and not self._covariance.axes_are_shared:
            return scatter, None, None
        share = moments.counts / moments.counts.sum(1, keepdim=True)
        scatter = scatter * self._units
        found, guess = self._covariance.fit(scatter, share, guess, _INNER)
        return found / self._units, guess, self._covariance.own_volumes(scatter, found)

    def _moments(self, sums: Tensor) -> Moments:
        d = len(self._scale)
        counts = sums[..., -1].clamp_min(1e-10)
        means, squares = sums[..., -1 - d : -1] / counts[..., None], sums[..., : -1 - d] / counts[..., None]
        if not self._correlated:
            return Moments(counts, means, (squares - means.square()).clamp_min(0.0))
        second = squares.index_select(-1, self._whole).view(*squares.shape[:-1], d, d)
        return Moments(counts, means, second - means[..., :, None] * means[..., None, :])

    def _invert(self, covariance: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the inverse and log-determinant of covariances, and variances in units of the ridge.

        Variances are conditional on earlier columns, so that they show any direction without variance.
        """
        if not self._correlated:
            return 1 / covariance, covariance.log().sum(-1), covariance / self._ridge
        factor, info = torch.linalg.cholesky_ex(covariance)
        if bool(info.any()):  # rounding made it singular
            factor = torch.where((info > 0)[..., None, None], self._ridge.sqrt().diag(), factor)
        whitener = inverse(factor)
        diagonal = factor.diagonal(dim1=-2, dim2=-1)
        return whitener.mT @ whitener, 2 * diagonal.log().sum(-1), diagonal.square() / self._ridge

    def _expand(self, precision: Tensor, means: Tensor, constant: Tensor) -> Tensor:
        """Return the coefficients of the monomials, given the precision, the means and what else is constant."""
        if self._correlated:
            squares = self._half * precision.flatten(-2).index_select(-1, self._upper)
            linear = (precision @ means[..., None])[..., 0]
        else:
            squares, linear = -0.5 * precision, precision * means
        whole = constant - 0.5 * (linear * means).sum(-1) - 0.5 * len(self._scale) * math.log(2 * math.pi)
        return torch.cat([squares, linear, whole[..., None]], -1)
