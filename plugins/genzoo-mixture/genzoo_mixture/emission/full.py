"""Normal columns with a full covariance matrix for every component."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from genzoo import missing_patterns
from genzoo_mixture.emission.emission import (
    EMPTY,
    FLOOR,
    ROUNDING,
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

_FLAT = 2 * ROUNDING
"""Largest eigenvalue of a correlation matrix that may be nothing but rounding errors."""

_CHUNK = 2**22
"""Largest number of entries in the matrices of missing-value patterns that are solved together."""

_SQUARES = 2**18
"""Bytes of squares that are summed at a time on a CPU."""


_CACHED = 2**18
"""Coordinates of events that are whitened at a time on a CPU, for densities alone: they stay in its cache."""


def _with_ones(x: Tensor) -> Tensor:
    """Return the columns of events `x (N, C)` and one of ones, `(C + 1, N)`."""
    return torch.cat([x.T, x.new_ones(1, len(x))])


def _squared(y: Tensor) -> Tensor:
    """Return the squared lengths of whitened events `y (K, C, N)`, `(K, N)`.

    Squares of all of them would be another large block of memory. Whenever two of these are free, the allocator returns
    the pages to the system, and getting them again takes several times as long as the arithmetic.
    """
    size = max(1, y[:1].numel() * y.element_size())
    parts = torch.split(y, max(1, _SQUARES // size) if y.is_cpu else len(y))
    return torch.cat([part.square().sum(1) for part in parts])


@dataclass(frozen=True, slots=True)
class Whitened:
    """Events in whitened coordinates y = L^-1 (x - mu) of each component, where the component is N(0, I).

    Arguments:
        y: the coordinates, `(K, C, N)`. With missing values, their mean given the observed values.
        order: index of the event at each position of `y`, `(N,)`; `None` if `y` has the order of the events.
        patterns: the patterns of missing values, `(P, C)` bool; `None` if nothing is missing.
        sizes: number of events of each pattern; events of a pattern are contiguous in `y`.
        constants: log-normalizer of each pattern, `(K, P)` float64; `None` if nothing is missing.
    """

    y: Tensor
    order: Tensor | None = None
    patterns: Tensor | None = None
    sizes: list[int] = field(default_factory=list)
    constants: Tensor | None = None

    def in_order(self, values: Tensor) -> Tensor:
        """Return values `(..., N)`, which have the order of `y`, in the order of the events."""
        return values if self.order is None else torch.empty_like(values).index_copy_(-1, self.order, values)


@dataclass(frozen=True, slots=True)
class Expanded:
    """Events as monomials: products of all pairs of x_1, ..., x_C and 1, `(D, N)` with D = (C + 1) (C + 2) / 2.

    The pairs have the order of `Full._pairs`.
    """

    products: Tensor


class Full(Emission[Whitened | Expanded]):
    """Normal distributions N(mu_k, Sigma_k), Sigma_k = L_k L_k^T.

    `means (K, C)` are the mu, `scale (K, C, C)` the lower Cholesky factors L, and `whitener` their inverses. So
    log p(x | k) = -|L^-1 (x - mu)|² / 2 - sum_i log L_ii - C log(2 pi) / 2, with no determinant or inverse of Sigma.

    There are two ways to compute it. Expanded, it is quadratic in x, and both steps are one matrix product with the
    monomials of x: the fastest way. But its terms cancel, with loss of digits, if a mean lies many deviations from the
    center of the data or columns are nearly dependent. Then, and if values are missing, all is computed in whitened
    coordinates y = L^-1 (x - mu), where nothing cancels.

    Values are taken to be missing at random. An event counts with the density of its observed values, and the M-step
    uses the conditional moments of its missing ones.

    Arguments:
        components: K.
        columns: C.
        added: what is added to every variance.

    The buffer `unit (C,)` holds the robust variance of each column, 0 if it was not measured.
    """

    has_units = True
    groups_missing = True
    newer_tensors = ("unit",)
    family: CovarianceFamily = FAMILIES["VVV"]

    means: Tensor
    scale: Tensor
    unit: Tensor
    whitener: Tensor

    def __init__(self, components: int, columns: int, added: Added) -> None:
        super().__init__(components, columns)
        self.added = added
        self.quadratic: Tensor | None = None
        self.register_buffer("unit", torch.zeros(columns))
        self.register_buffer("means", torch.zeros(components, columns))
        self._register_covariances()

    def _register_covariances(self) -> None:
        self.register_buffer("scale", self._identity())
        self.register_buffer("whitener", self._identity())

    def _shape(self) -> tuple[int, ...]:
        """Return the shape of `scale`."""
        return (self.components, self.columns, self.columns)

    def _identity(self) -> Tensor:
        identity = torch.zeros(self._shape())
        # With a device set, torch.eye, diag and clones of expanded tensors import torch's compiler: two seconds.
        identity.diagonal(dim1=-2, dim2=-1).fill_(1.0)
        return identity

    @property
    def degrees_of_freedom(self) -> int:
        return self.means.numel() + self.family.count_parameters(self.components, self.columns)

    @property
    def width(self) -> int:
        return self.columns * (self.columns + 3) // 2 + self.components

    def spread(self, low: Tensor, high: Tensor) -> None:
        self.means.copy_(middle(low, high))
        self.scale.copy_(deviation(low, high).diag_embed())
        self.whitener.copy_(deviation(low, high).reciprocal().diag_embed())

    def _log_normalizer(self) -> Tensor:
        half_log_det = self.scale.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        return -half_log_det - 0.5 * self.columns * math.log(2 * math.pi)

    def measure(self, deviations: Tensor) -> None:
        self.unit.copy_(deviations.square())

    def added_to(self, whole: Tensor) -> Tensor:
        """Return the variance added to each column, given their variances if none was measured, `(C,)`."""
        return self.added.of(robust(self.unit, whole))

    def settle(self) -> None:
        """Set `quadratic (K, D)` to the coefficients of expanded log-densities; to `None` if these are inaccurate."""
        whitener, mean = self.whitener.double().expand(self.components, -1, -1), self.means.double()
        precision = whitener.mT @ whitener
        linear = (precision @ mean[:, :, None])[:, :, 0]
        constant = self._log_normalizer().double() - 0.5 * (linear * mean).sum(1)
        form = precision.new_empty(self.components, self.columns + 1, self.columns + 1)  # of (x, 1)
        form[:, :-1, :-1] = -0.5 * precision
        form[:, :-1, -1] = 0.5 * linear
        form[:, -1, -1] = constant
        first, second = self._pairs(mean.device)
        # A pair stands for both of its orders. The matrix is symmetric, and filled from the diagonal to the right.
        low, high = torch.minimum(first, second), torch.maximum(first, second)
        coefficients = torch.where(low == high, 1.0, 2.0).to(form) * form[:, low, high]
        typical = (self.scale.double().square().sum(-1) + mean.square()).sqrt()  # root of E[x_i²], (K, C)
        near = expandable(precision * typical[:, :, None] * typical[:, None], self.means.dtype)
        self.quadratic = coefficients.to(self.means.dtype) if near else None

    def expect(self, x: Tensor, missing: Tensor | None, *, careful: bool = False) -> tuple[Tensor, Whitened | Expanded]:
        if missing is not None and len(x):
            return self._expect_observed(x, missing)
        if self.quadratic is not None and not careful:
            products = self._products(x)
            return self.quadratic @ products, Expanded(products)
        y = self._project(x, self.whitener, self.means)
        return self._log_normalizer().expand(self.components)[:, None] - 0.5 * _squared(y), Whitened(y)

    def log_density(self, x: Tensor, missing: Tensor | None) -> Tensor:
        if missing is not None:
            return super().log_density(x, missing)
        wide = self._augmented(self.whitener, self.means)
        # Short sums are fastest as a matrix product.
        halves = wide.new_full((1, 1, self.columns), -0.5).expand(self.components, -1, -1)
        constant = self._log_normalizer().expand(self.components)[:, None, None]
        found = x.new_empty(self.components, 1, len(x))
        size = max(64, _CACHED // len(wide)) if x.is_cpu else max(1, len(x))
        for part, out in zip(torch.split(_with_ones(x), size, 1), torch.split(found, size, 2), strict=True):
            squares = (wide @ part).square_().view(self.components, self.columns, -1)
            out.copy_(torch.baddbmm(constant, halves, squares))
        return found[:, 0]

    def _products(self, x: Tensor) -> Tensor:
        """Compute the monomials of events `x (N, C)`, as in `Expanded`."""
        width = self.columns + 1
        half, whole = width // 2, width * ((width + 1) // 2)
        n, rows = len(x), x.T
        wide = torch.cat([rows, x.new_ones(1, n), rows[:half]])
        # The columns moved on cyclically by 0, 1, ... places, (W / 2, W, N): one operation multiplies all pairs.
        moved = wide.as_strided((whole // width, width, n), (n, n, 1))
        products = x.new_empty(width * (width + 1) // 2, n)
        torch.mul(moved, wide[:width], out=products.as_strided(moved.shape, (width * n, n, 1)))
        if width % 2 == 0:  # moved on by W / 2, every pair would come twice
            torch.mul(wide[:half], wide[half:width], out=products[whole:])
        return products

    def _pairs(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """Return the columns of each pair, `(D,)` each: 0 0, 1 1, ..., C C, then 0 1, 1 2, ..., C 0, and so on.

        Column C is the constant 1.
        """
        width = self.columns + 1
        place = torch.arange(width * (width + 1) // 2, device=device)
        first = place % width
        return first, (first + place // width) % width

    def _project(self, x: Tensor, matrix: Tensor, center: Tensor) -> Tensor:
        """Compute `matrix (K, C, C)` times (x - center) for `x (N, C)` and `center (K, C)`, `(K, C, N)`."""
        return self._times(self._augmented(matrix, center), x)

    def _augmented(self, matrix: Tensor, center: Tensor) -> Tensor:
        """Return `matrix (K, C, C)`, and -matrix times `center (K, C)` as its last column, `(K * C, C + 1)`.

        The offset is the coefficient of a column of ones: subtracting it would be another pass over memory.
        """
        matrix = matrix.expand(self.components, -1, -1)
        offset = torch.einsum("kdc,kc->kd", matrix, center)
        return torch.cat([matrix, -offset[:, :, None]], 2).reshape(-1, self.columns + 1)

    def _times(self, wide: Tensor, x: Tensor) -> Tensor:
        """Multiply what `_augmented` returned by `x (N, C)` and ones, `(K, C, N)`."""
        return (wide @ _with_ones(x)).view(self.components, self.columns, len(x))

    def _expect_observed(self, x: Tensor, missing: Tensor) -> tuple[Tensor, Whitened]:
        patterns, order, sizes = missing_patterns(missing)
        y, log_density, constants = [], [], []
        groups = zip(patterns, torch.split(x[order], sizes), self._conditioned(patterns), strict=True)
        for pattern, part, (matrix, _, half_log_det) in groups:
            observed = ~pattern
            part_y = self._project(part, matrix.to(x.dtype), self.means * observed)
            constant = -half_log_det - 0.5 * observed.sum(dtype=torch.float64) * math.log(2 * math.pi)
            y.append(part_y)
            constants.append(constant)
            log_density.append(constant.to(x.dtype)[:, None] - 0.5 * _squared(part_y))
        seen = Whitened(torch.cat(y, 2), order, patterns, sizes, torch.stack(constants, 1))
        return seen.in_order(torch.cat(log_density, 1)), seen

    def distances(self, seen: Any, log_density: Tensor, *, careful: bool) -> tuple[Tensor, Tensor]:
        """Split the log-densities of events into squared Mahalanobis distances and log-normalizers.

        Arguments:
            seen, log_density: what `expect` returned.
            careful: whether the distances are float64, so that the squares of remote events do not overflow.

        Returns:
            The distance of the observed values of each event, `(K, N)`. The log-normalizer, which is the log-density
            at distance 0, `(K, 1)` or `(K, N)`.
        """
        if isinstance(seen, Expanded):
            constant = self._log_normalizer().expand(self.components)[:, None]
            return 2 * (constant - log_density).clamp_min(0.0), constant
        y = seen.y.double() if careful else seen.y
        distance = seen.in_order(_squared(y))
        if seen.constants is None:
            return distance, self._log_normalizer().expand(self.components)[:, None]
        sizes = torch.tensor(seen.sizes, device=y.device)
        return distance, seen.in_order(seen.constants.repeat_interleave(sizes, 1)).to(y.dtype)

    def _conditioned(self, patterns: Tensor) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Condition the whitened coordinates on observed values, for each of `patterns (P, C)`; float64.

        The observed deviations are d = R y, where R are the rows of L of observed columns, and y ~ N(0, I). So
        E[y | d] = R^T (R R^T)^-1 d and Cov[y | d] = I - R^T (R R^T)^-1 R, the projection onto the null space of R.

        Yields:
            The matrix R^T (R R^T)^-1 and the covariance Cov[y | d], `(K, C, C)` each; half the log-determinant of the
            observed covariance R R^T, `(K,)`.
        """
        scale = self.scale.double().expand(self.components, -1, -1)
        identity = torch.eye(self.columns, dtype=scale.dtype, device=scale.device)
        for some in torch.split(patterns, max(1, _CHUNK // scale.numel())):
            observed = (~some).to(scale.dtype)[:, None, :, None]  # (P, 1, C, 1)
            root = observed * scale  # (P, K, C, C)
            # For missing columns R has zero rows, so the matrix has zero columns. Ones on the diagonal make R R^T
            # invertible at size C, and change no determinant.
            within = root @ root.mT + (1 - observed) * identity
            factor = factorize(within, torch.full_like(within[0, 0, 0], FLOOR))
            matrix = torch.cholesky_solve(root, factor).mT
            remaining = identity - matrix @ root
            yield from zip(matrix, remaining, factor.diagonal(dim1=-2, dim2=-1).log().sum(-1), strict=True)

    def sums(self, seen: Whitened | Expanded, share: Tensor, precision: Tensor | None = None) -> dict[str, Tensor]:
        """Return the sums of `Emission.sums`.

        Arguments:
            seen, share: as there.
            precision: how many times smaller the covariance of each event is under each component, `(K, N)`. Defaults
                to `None`: 1.
        """
        exact = share if precision is None else share * precision
        if isinstance(seen, Expanded):
            return {"products": (seen.products @ exact.T).double()}
        if seen.order is not None:
            share, exact = share[:, seen.order], exact[:, seen.order]
        weighted = seen.y * exact[:, None]
        scatter = self._gather(torch.bmm(weighted, seen.y.mT).double())
        if seen.patterns is not None:
            parts = zip(self._conditioned(seen.patterns), torch.split(share, seen.sizes, 1), strict=True)
            for (_, remaining, _), part in parts:  # E[y y^T | d] = E[y | d] E[y | d]^T + Cov[y | d]
                scatter += self._gather(part.sum(1, dtype=torch.float64)[:, None, None] * remaining)
        return {"first": weighted.sum(2).double(), "scatter": scatter}

    def _gather(self, scatter: Tensor) -> Tensor:
        """Return what is kept of the scatter matrices of components, `(K, C, C)`."""
        return scatter

    def maximize(self, sums: Mapping[str, Tensor]) -> None:
        """Set the parameters to their most likely values.

        Arguments:
            sums: as for `Emission.maximize`. If `sums` had precisions, also their sums, `precision (K,)`, and a divisor
                of the covariance of each component, `expansion (K,)`.
        """
        means, within = self._moments(sums)
        counts = sums["counts"] + EMPTY
        variances = within.diagonal(dim1=-2, dim2=-1)
        added = self.added_to(overall(counts[:, None], means, variances))
        variances.add_(added)
        factor = self._constrain(factorize(within, added), counts, added)
        factor = self._where_not_empty(_weights(sums), factor, self.scale.double())
        self.means.copy_(means)
        self.scale.copy_(factor)
        self.whitener.copy_(inverse(factor))

    def _moments(self, sums: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Return the likeliest means, `(K, C)`, and covariances, of the shape of `scale`, in float64."""
        weights = _weights(sums) + EMPTY
        divisors = sums["counts"] * sums["expansion"] + EMPTY if "expansion" in sums else weights
        scale = self.scale.double()
        first, scatter = self._whiten(sums) if "products" in sums else (sums["first"], sums["scatter"])
        # With m the mean of y and S its covariance, both weighted by shares: mu <- mu + L m, and Sigma <- L S L^T. As
        # EM converges, S approaches I, so it keeps its digits even if Sigma is badly conditioned.
        shift = first / weights[:, None]
        within = scale @ self._within(scatter, weights, divisors, shift) @ scale.mT
        return self.means.double() + (scale @ shift[:, :, None])[:, :, 0], within

    def _whiten(self, sums: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Convert sums of monomials to the sums of y, `(K, C)`, and of y y^T, `(K, C, C)`."""
        products, (rows, columns) = sums["products"].T, self._pairs(sums["products"].device)
        moments = products.new_empty(self.components, self.columns + 1, self.columns + 1)  # of (x, 1)
        moments[:, rows, columns] = products
        moments[:, columns, rows] = products
        second, first = moments[:, :-1, :-1], moments[:, :-1, -1:]
        mean, whitener, weights = self.means.double()[:, :, None], self.whitener.double(), _weights(sums)[:, None, None]
        scatter = second - first @ mean.mT - mean @ first.mT + weights * (mean @ mean.mT)
        return (whitener @ (first - weights * mean))[:, :, 0], self._gather(whitener @ scatter @ whitener.mT)

    def _within(self, scatter: Tensor, weights: Tensor, divisors: Tensor, shift: Tensor) -> Tensor:
        """Return the covariances of y around its means `shift (K, C)`; `divisors (K,)` stand for numbers of events."""
        around = scatter / weights[:, None, None] - shift[:, :, None] * shift[:, None, :]
        return around * (weights / divisors)[:, None, None]

    def _constrain(self, factor: Tensor, counts: Tensor, added: Tensor) -> Tensor:
        """Return factors of the family's likeliest covariances, given `factor` of the covariance of each component."""
        return factor

    def _own_scale(self) -> Tensor:
        """Return Cholesky factors of the covariances of each component's events, float64."""
        return self.scale.double()

    def _where_not_empty(self, counts: Tensor, new: Tensor, old: Tensor) -> Tensor:
        return torch.where((counts > EMPTY)[:, None, None], new, old)

    def sample(self, component: Tensor) -> Tensor:
        noise = torch.randn(len(component), self.columns, device=self.means.device, dtype=self.means.dtype)
        return self.decode(noise, component)

    def decode(self, coordinates: Tensor, component: Tensor) -> Tensor:
        """Map standard normal `coordinates (N, C)` to events of `component (N,)`."""
        scale = self.scale.expand(self.components, -1, -1)
        return self.means[component] + torch.einsum("ncd,nd->nc", scale[component], coordinates)

    def encode(self, x: Tensor, missing: Tensor | None) -> Tensor:
        """Return the expected standard normal coordinates of events `(N, C)` under each component, `(K, N, C)`."""
        _, seen = self.expect(x, missing, careful=True)
        assert isinstance(seen, Whitened)
        return seen.in_order(seen.y).transpose(1, 2)

    def fill(self, x: Tensor, missing: Tensor, share: Tensor) -> Tensor:
        scale = self.scale.expand(self.components, -1, -1)
        means = self.means[:, None] + self.encode(x, missing) @ scale.mT  # (K, N, C)
        return torch.where(missing, torch.einsum("kn,knc->nc", share, means), x)

    def draw(self, x: Tensor, missing: Tensor, component: Tensor) -> Tensor:
        places = torch.arange(len(x), device=x.device)
        coordinates = self.encode(x, missing)[component, places]
        noise = torch.randn_like(coordinates)
        patterns, order, sizes = missing_patterns(missing)
        for rows, (_, remaining, _) in zip(torch.split(order, sizes), self._conditioned(patterns), strict=True):
            spread = remaining[component[rows]].to(x.dtype)  # P P^T = P for a projection, so P e has covariance P
            coordinates[rows] += torch.einsum("ncd,nd->nc", spread, noise[rows])
        return torch.where(missing, self.decode(coordinates, component), x)

    def collapsed(self, weights: Tensor) -> Tensor:
        deviations, least = self._spread_of(weights)
        # A covariance can be singular while no column has a small variance. Squared singular values of L are
        # eigenvalues of Sigma: with rows divided by deviations, of the correlation matrix; with rows divided by the
        # root of `least`, variances in units of `least`.
        spreads = torch.linalg.svdvals(self._own_scale() / deviations[..., None])
        flat: Tensor = spreads[..., -1].square() <= _FLAT
        thin: Tensor = torch.linalg.svdvals(self._own_scale() / least.sqrt()[:, None])[..., -1].square() <= 1
        small = shrunk(deviations.square(), self.means.double(), least).any(-1)
        collapsed: Tensor = flat | thin | small
        return collapsed.expand(self.components)

    def narrow(self, component: int, weights: Tensor) -> Tensor:
        deviations, least = self._spread_of(weights)
        scale = self._own_scale().expand(self.components, -1, -1)[component]
        own = deviations.expand(self.components, -1)[component]
        for unit, limit in ((least.sqrt(), 1.0), (own, _FLAT)):
            left, spreads, _ = torch.linalg.svd(scale / unit[:, None])
            found: Tensor = left.mT[spreads.square() <= limit] / unit  # u^T D^-1 x hardly varies
            if len(found):
                return found
        small = shrunk(own.square(), self.means.double()[component], least)
        return small.double().diag()[small]

    def _spread_of(self, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Return the deviations of every component, `(K, C)` or `(C,)`, and the least variances, `(C,)`."""
        means, deviations = self.means.double(), self._own_scale().norm(dim=-1)
        return deviations, self.added.least(robust(self.unit, overall(weights[:, None], means, deviations.square())))


def _weights(sums: Mapping[str, Tensor]) -> Tensor:
    """Return the sums of weights of all components, `(K,)`: of precisions, if events have any, or else of events."""
    return sums.get("precision", sums["counts"])


def inverse(factor: Tensor) -> Tensor:
    """Invert lower triangular matrices `(..., C, C)`."""
    identity = torch.eye(factor.shape[-1], dtype=factor.dtype, device=factor.device).expand_as(factor)
    inverted: Tensor = torch.linalg.solve_triangular(factor, identity, upper=False)
    return inverted


def factorize(within: Tensor, floor: Tensor) -> Tensor:
    """Compute lower Cholesky factors of matrices `(..., C, C)`, with a fallback for matrices that have none.

    Rounding can make a matrix indefinite. Its diagonal is then raised to at least `floor (..., C)` and by a share of
    `ROUNDING`. If that is not enough, only the diagonal is kept.
    """
    diagonal = within.diagonal(dim1=-2, dim2=-1).clamp_min(floor).diag_embed()
    raised = within - within.diagonal(dim1=-2, dim2=-1).diag_embed() + diagonal * (1 + ROUNDING)
    (factor, info), (second, failed) = torch.linalg.cholesky_ex(within), torch.linalg.cholesky_ex(raised)
    second = torch.where((failed > 0)[..., None, None], diagonal.sqrt(), second)
    return torch.where((info > 0)[..., None, None], second, factor)
