"""A covariance matrix of its own for every component."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

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
    shrunk,
)

_CHUNK = 2**22
"""Numbers in the matrices of the patterns of missing values that are solved together."""


@dataclass(frozen=True, slots=True)
class Whitened:
    """Events as deviations from each mean in its own standard normal coordinates.

    Arguments:
        y: `(K, C, N)`; where values are missing, the mean of their coordinates given the observed ones.
        order: which event stands at each place, `(N,)`; `None` for their own order.
        patterns: the patterns of missing values, `(P, C)` bool, `None` where nothing is missing.
        sizes: how many events each pattern has; they stand together.
    """

    y: Tensor
    order: Tensor | None = None
    patterns: Tensor | None = None
    sizes: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Expanded:
    """Events as products of pairs of columns, the columns themselves, and 1: `(D, N)`, D = C (C + 3) / 2 + 1."""

    products: Tensor


class Full(Emission[Whitened | Expanded]):
    """`means (K, C)`; `scale (K, C, C)` is the lower Cholesky factor of each covariance, `whitener` its inverse.

    Log-densities are quadratic in an event, so both steps are one matrix product with the products of its columns:
    as quick as can be. But expanded squares cancel where a mean lies many deviations from the centre of the data, or
    where columns are nearly dependent. There, and where values are missing, everything is computed in whitened
    coordinates about the current means, where nothing cancels. Values are missing at random: an event counts with the
    density of what was observed, and with the conditional moments of what was not.

    Arguments:
        added: to every variance.
    """

    means: Tensor
    scale: Tensor
    whitener: Tensor

    def __init__(self, components: int, columns: int, added: Added) -> None:
        super().__init__(components, columns)
        self.added = added
        self.quadratic: Tensor | None = None
        self.register_buffer("means", torch.zeros(components, columns))
        self.register_buffer("scale", self._identity())
        self.register_buffer("whitener", self._identity())

    def _shape(self) -> tuple[int, ...]:
        """The shape of the covariances."""
        return (self.components, self.columns, self.columns)

    def _identity(self) -> Tensor:
        found = torch.zeros(self._shape())
        # Where a device is set, torch.eye, diag and clones of what was expanded import torch's compiler: two seconds.
        found.diagonal(dim1=-2, dim2=-1).fill_(1.0)
        return found

    @property
    def degrees_of_freedom(self) -> int:
        return self.means.numel() + self.scale.numel() // self.columns * (self.columns + 1) // 2

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

    def settle(self) -> None:
        """Expand the log-densities where that is accurate: `quadratic (K, D)` holds their coefficients, or `None`."""
        whitener, mean = self.whitener.double().expand(self.components, -1, -1), self.means.double()
        precision = whitener.mT @ whitener
        linear = (precision @ mean[:, :, None])[:, :, 0]
        constant = self._log_normalizer().double() - 0.5 * (linear * mean).sum(1)
        rows, columns = torch.triu_indices(self.columns, self.columns, device=mean.device)
        half = torch.where(rows == columns, 0.5, 1.0).to(mean)
        squares = -half * precision[:, rows, columns]
        typical = (self.scale.double().square().sum(-1) + mean.square()).sqrt()  # size of a column's values, (K, C)
        near = expandable(precision * typical[:, :, None] * typical[:, None], self.means.dtype)
        self.quadratic = torch.cat([squares, linear, constant[:, None]], 1).to(self.means.dtype) if near else None

    def expect(self, x: Tensor, missing: Tensor | None, *, careful: bool = False) -> tuple[Tensor, Whitened | Expanded]:
        if missing is not None and len(x):
            return self._expect_observed(x, missing)
        if self.quadratic is not None and not careful:
            products = self._products(x)
            return self.quadratic @ products, Expanded(products)
        y = self._project(x, self.whitener, self.means)
        return self._log_normalizer().expand(self.components)[:, None] - 0.5 * y.square().sum(1), Whitened(y)

    def _products(self, x: Tensor) -> Tensor:
        """The products that `Expanded` holds, of events `x (N, C)`."""
        columns = x.T.contiguous()
        products = x.new_empty(self.columns * (self.columns + 3) // 2 + 1, len(x))
        end = 0
        for i in range(self.columns):
            start, end = end, end + self.columns - i
            torch.mul(columns[i:], columns[i], out=products[start:end])
        products[end:-1] = columns
        products[-1] = 1.0
        return products

    def _project(self, x: Tensor, matrix: Tensor, center: Tensor) -> Tensor:
        """`matrix (K, C, C)` times the deviations of `x (N, C)` from `centre (K, C)`: `(K, C, N)`, in one product."""
        matrix = matrix.expand(self.components, -1, -1)
        offset = torch.einsum("kdc,kc->kd", matrix, center)
        extended = torch.cat([x.T, torch.ones_like(x[:, :1]).T])  # an added broadcast would cost another pass
        wide = torch.cat([matrix, -offset[:, :, None]], 2).reshape(-1, self.columns + 1)
        return (wide @ extended).view(self.components, self.columns, len(x))

    def _expect_observed(self, x: Tensor, missing: Tensor) -> tuple[Tensor, Whitened]:
        patterns, which, counts = torch.unique(missing, dim=0, return_inverse=True, return_counts=True)
        order = which.argsort(stable=True)
        sizes = counts.tolist()
        rows, y, log_density, start = x[order], [], [], 0
        for number, (matrix, _, half_log_det) in enumerate(self._conditioned(patterns)):
            part = rows[start : start + sizes[number]]
            start += sizes[number]
            seen = ~patterns[number]
            found = self._project(part, matrix.to(x.dtype), self.means * seen)
            constant = -half_log_det - 0.5 * seen.sum(dtype=torch.float64) * math.log(2 * math.pi)
            y.append(found)
            log_density.append(constant.to(x.dtype)[:, None] - 0.5 * found.square().sum(1))
        sorted_density = torch.cat(log_density, 1)
        return torch.empty_like(sorted_density).index_copy_(1, order, sorted_density), Whitened(
            torch.cat(y, 2), order, patterns, sizes
        )

    def _conditioned(self, patterns: Tensor) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """For each of `patterns (P, C)`, how observed deviations speak of all coordinates; float64.

        Yields:
            The matrix that takes observed deviations to the mean of the standard normal coordinates given them, and
            the covariance of these coordinates that remains, a projection, `(K, C, C)` both; half the
            log-determinant of the observed covariance, `(K,)`.
        """
        scale = self.scale.double().expand(self.components, -1, -1)
        identity = torch.eye(self.columns, dtype=scale.dtype, device=scale.device)
        for some in torch.split(patterns, max(1, _CHUNK // scale.numel())):
            seen = (~some).to(scale.dtype)[:, None, :, None]  # (P, 1, C, 1)
            root = seen * scale  # (P, K, C, C)
            within = root @ root.mT + (1 - seen) * identity
            factor = _factor(within, torch.full_like(within[0, 0, 0], FLOOR))
            matrix = torch.cholesky_solve(root, factor).mT  # missing columns are zero, as their rows of root are
            remaining = identity - matrix @ root
            yield from zip(matrix, remaining, factor.diagonal(dim1=-2, dim2=-1).log().sum(-1), strict=True)

    def sums(self, seen: Whitened | Expanded, share: Tensor) -> dict[str, Tensor]:
        if isinstance(seen, Expanded):
            return {"products": (seen.products @ share.T).T.double()}
        if seen.order is not None:
            share = share[:, seen.order]
        weighted = seen.y * share[:, None]
        scatter = self._gather(torch.bmm(weighted, seen.y.mT).double())
        if seen.patterns is not None:
            parts = zip(self._conditioned(seen.patterns), torch.split(share, seen.sizes, 1), strict=True)
            for (_, remaining, _), part in parts:
                scatter += self._gather(part.sum(1, dtype=torch.float64)[:, None, None] * remaining)
        return {"first": weighted.sum(2).double(), "scatter": scatter}

    def _gather(self, scatter: Tensor) -> Tensor:
        """What of the scatter of each component, `(K, C, C)`, is kept."""
        return scatter

    def maximize(self, sums: Mapping[str, Tensor]) -> None:
        counts = sums["counts"] + EMPTY
        scale = self.scale.double()
        first, scatter = self._whiten(sums) if "products" in sums else (sums["first"], sums["scatter"])
        shift = first / counts[:, None]
        within = scale @ self._within(scatter, counts, shift) @ scale.mT
        means = self.means.double() + (scale @ shift[:, :, None])[:, :, 0]
        variances = within.diagonal(dim1=-2, dim2=-1)
        added = self.added.of(overall(counts[:, None], means, variances))
        variances.add_(added)
        factor = self._where_not_empty(sums["counts"], _factor(within, added), scale)
        self.means.copy_(means)
        self.scale.copy_(factor)
        identity = torch.eye(self.columns, dtype=factor.dtype, device=factor.device).expand_as(factor)
        self.whitener.copy_(torch.linalg.solve_triangular(factor, identity, upper=False))

    def _whiten(self, sums: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """From sums of products, those of whitened deviations and of their scatter."""
        pairs, first = sums["products"][:, : -self.columns - 1], sums["products"][:, -self.columns - 1 : -1]
        rows, columns = torch.triu_indices(self.columns, self.columns, device=pairs.device)
        second = pairs.new_zeros(self.components, self.columns, self.columns)
        second[:, rows, columns] = pairs
        second[:, columns, rows] = pairs
        mean, whitener, counts = self.means.double()[:, :, None], self.whitener.double(), sums["counts"][:, None, None]
        first = first[:, :, None]
        scatter = second - first @ mean.mT - mean @ first.mT + counts * (mean @ mean.mT)
        return (whitener @ (first - counts * mean))[:, :, 0], self._gather(whitener @ scatter @ whitener.mT)

    def _within(self, scatter: Tensor, counts: Tensor, shift: Tensor) -> Tensor:
        return scatter / counts[:, None, None] - shift[:, :, None] * shift[:, None, :]

    def _where_not_empty(self, counts: Tensor, new: Tensor, old: Tensor) -> Tensor:
        return torch.where((counts > EMPTY)[:, None, None], new, old)

    def sample(self, component: Tensor) -> Tensor:
        noise = torch.randn(len(component), self.columns, device=self.means.device, dtype=self.means.dtype)
        return self.decode(noise, component)

    def decode(self, coordinates: Tensor, component: Tensor) -> Tensor:
        """Standard normal `coordinates (N, C)` of `component (N,)` as events."""
        scale = self.scale.expand(self.components, -1, -1)
        return self.means[component] + torch.einsum("ncd,nd->nc", scale[component], coordinates)

    def encode(self, x: Tensor, missing: Tensor | None) -> Tensor:
        """The mean of the standard normal coordinates of events `(N, C)` under each component, `(K, N, C)`."""
        _, seen = self.expect(x, missing, careful=True)
        assert isinstance(seen, Whitened)
        y = seen.y.transpose(1, 2)
        return y if seen.order is None else torch.empty_like(y).index_copy_(1, seen.order, y)

    def fill(self, x: Tensor, missing: Tensor, share: Tensor) -> Tensor:
        scale = self.scale.expand(self.components, -1, -1)
        means = self.means[:, None] + self.encode(x, missing) @ scale.mT  # (K, N, C)
        return torch.where(missing, torch.einsum("kn,knc->nc", share, means), x)

    def draw(self, x: Tensor, missing: Tensor, component: Tensor) -> Tensor:
        places = torch.arange(len(x), device=x.device)
        coordinates = self.encode(x, missing)[component, places]
        noise = torch.randn_like(coordinates)
        patterns, which = torch.unique(missing, dim=0, return_inverse=True)
        for number, (_, remaining, _) in enumerate(self._conditioned(patterns)):
            rows = (which == number).nonzero()[:, 0]
            spread = remaining[component[rows]].to(x.dtype)  # a projection is a root of itself
            coordinates[rows] += torch.einsum("ncd,nd->nc", spread, noise[rows])
        return torch.where(missing, self.decode(coordinates, component), x)

    def collapsed(self, weights: Tensor) -> Tensor:
        scale, means = self.scale.double(), self.means.double()
        deviations = scale.norm(dim=-1)
        least = self.added.least(overall(weights[:, None], means, deviations.square()))
        spreads = torch.linalg.svdvals(scale / deviations[..., None])  # whatever the units of the columns
        flat: Tensor = spreads[..., -1].square() <= 2 * ROUNDING
        thin: Tensor = torch.linalg.svdvals(scale / least.sqrt()[:, None])[..., -1].square() <= 1
        found: Tensor = flat | thin | shrunk(deviations.square(), means, least)
        return found.expand(self.components)


def _factor(within: Tensor, floor: Tensor) -> Tensor:
    """Lower Cholesky factors of `(..., C, C)`.

    Where there is none, of the matrix with its diagonal raised above rounding and `floor (C,)`; where that is not
    enough, of this diagonal alone.
    """
    diagonal = within.diagonal(dim1=-2, dim2=-1).clamp_min(floor).diag_embed()
    raised = within - within.diagonal(dim1=-2, dim2=-1).diag_embed() + diagonal * (1 + ROUNDING)
    (factor, info), (second, failed) = torch.linalg.cholesky_ex(within), torch.linalg.cholesky_ex(raised)
    second = torch.where((failed > 0)[..., None, None], diagonal.sqrt(), second)
    return torch.where((info > 0)[..., None, None], second, factor)
