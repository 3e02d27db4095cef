"""The fourteen families of covariance matrices of mclust, and the likeliest covariances of each.

Every covariance has a volume, a shape and an orientation: Sigma_k = lambda_k D_k A_k D_k^T, where |A_k| = 1 and D_k is
orthogonal. The three letters of a name are for them, in this order. `E` means equal for all components, `V` means
varying, and `I` the identity: the shape of a sphere, or axes along the columns.

References:
    "Gaussian parsimonious clustering models" (Celeux and Govaert, 1995), for the M-steps.
    "An Algorithm for Simultaneous Orthogonal Transformation of Several Positive Definite Symmetric Matrices to Nearly
    Diagonal Form" (Flury and Gautschi, 1986), for EVE and VVE.
    "Estimating common principal components in high dimensions" (Browne and McNicholas, 2014), for the same problem.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

_SETTLED = 1e-10
"""Relative change of all volumes at which an iteration has converged."""

_TURNED = 1e-13
"""Gain of a sweep, in nats per event, at which common axes have converged."""

_MOST, _SWEEPS = 50, 3
"""Largest number of iterations, and of turns of all axes, of one M-step. Each starts where the last M-step ended and
does not lower the likelihood, so EM converges even if this is too few."""

_TINY = 1e-300
"""Smallest variance, so that no logarithm is infinite."""


@dataclass(frozen=True, slots=True)
class Guess:
    """Where an iteration begins: the last covariances, as far as it needs them.

    Arguments:
        volumes: lambda of every component, `(..., K)`.
        axes: the common orientation D, `(..., C, C)`; `None` if the family has none.
    """

    volumes: Tensor
    axes: Tensor | None = None

    def each(self, change: Callable[[Tensor], Tensor]) -> Guess:
        """Return a copy with a function applied to every tensor."""
        return Guess(change(self.volumes), None if self.axes is None else change(self.axes))


@dataclass(frozen=True, slots=True)
class CovarianceFamily:
    """One of the families, known by the name that mclust gives it.

    Its M-step maximizes -sum_k share_k (log |Sigma_k| + tr(S_k Sigma_k^-1)), where S_k is the scatter of the events of
    component k, divided by their number. Any leading dimensions, such as many mixtures at once, are computed together.
    """

    name: str

    @property
    def correlated(self) -> bool:
        """Whether columns may be correlated; if not, scatter and covariances are only variances, `(..., K, C)`."""
        return self.name[2] != "I"

    @property
    def round(self) -> bool:
        """Whether a component has the same variance in all directions."""
        return self.name[1] == "I"

    @property
    def axes_are_shared(self) -> bool:
        """Whether the components share axes that the M-step has to search."""
        return self.name in {"EVE", "VVE"}

    @property
    def volumes_vary(self) -> bool:
        """Whether each component has its own volume."""
        return self.name[0] == "V"

    @property
    def is_coupled(self) -> bool:
        """Whether the covariance of a component depends on the others'."""
        return "E" in self.name

    def lacking(self, counts: Tensor, columns: int) -> Tensor:
        """Return how many events a mixture lacks, so that its likelihood is no accident of where they lie, `(S,)`.

        Arguments:
            counts: number of events of each component, `(S, K)`.
            columns: number of columns.
        """
        fewest = 1.5 if self.volumes_vary else 0.5
        if self.name[1] == "V":  # any axis can lie across the plane of fewer events
            fewest = columns + (1.2 if self.volumes_vary else 0.5) if self.correlated else 2.0
        lacking = (fewest - counts.amin(-1)).clamp_min(0.0)
        if self.name not in {"EEV", "VEV"}:
            return lacking
        # The smallest of the variances that all share is measured by the events beyond the number of columns. Where a
        # component has no more events than columns, its own axes lie in their plane, and none varies across it.
        beyond = (counts - columns).clamp_min(0.0).sum(-1)
        return torch.maximum(lacking, (1.2 * counts.shape[-1] - beyond).clamp_min(0.0))

    def count_parameters(self, components: int, columns: int) -> int:
        """Return the number of free parameters in the covariances of all components, as mclust counts them."""
        volume, shape, orientation = ({"E": 1, "V": components, "I": 0}[letter] for letter in self.name)
        return volume + shape * (columns - 1) + orientation * columns * (columns - 1) // 2

    def own_volumes(self, scatter: Tensor, covariances: Tensor) -> Tensor | None:
        """Return what factor the scatter of each component is of its covariance, `(..., K)`; `None` if it is 1.

        Components that share a volume are as large as the others, even if their events lie in a plane.

        Arguments:
            scatter, covariances: as `fit` takes and returns them.
        """
        if self.name[:2] != "EV":
            return None
        if self.correlated:
            scatter, covariances = (value.diagonal(dim1=-2, dim2=-1) for value in (scatter, covariances))
        return scatter.sum(-1) / covariances.sum(-1)

    def fit(
        self, scatter: Tensor, share: Tensor, guess: Guess | None = None, most: int = _MOST
    ) -> tuple[Tensor, Guess]:
        """Return the likeliest covariances, and where to begin the next time.

        Arguments:
            scatter: the S_k, positive definite, `(..., K, C, C)`; their diagonals, `(..., K, C)`, if columns are not
                `correlated`.
            share: weights of components, `(..., K)`, whose sum is 1.
            guess: where to begin. Defaults to what the scatter suggests.
            most: largest number of iterations.
        """
        if guess is None:
            guess = self._guess(scatter, share)
        if not self.correlated:
            found = self._variances(scatter, share, guess.volumes, most)
            return found, Guess(_volumes(found))
        if self.axes_are_shared:
            return self._on_common_axes(scatter, share, guess, most)
        if self.name in {"EEV", "VEV"}:
            spreads, axes = torch.linalg.eigh(scatter)
            found = self._variances(spreads.clamp_min(_TINY), share, guess.volumes, most)
            return _turn(axes, found), Guess(_volumes(found))
        return self._matrices(scatter, share, guess.volumes, most)

    def _guess(self, scatter: Tensor, share: Tensor) -> Guess:
        if not self.correlated:
            return Guess(_volumes(scatter))
        axes = torch.linalg.eigh(_pool(scatter, share))[1][..., 0, :, :] if self.axes_are_shared else None
        return Guess(scatter.diagonal(dim1=-2, dim2=-1).mean(-1).clamp_min(_TINY), axes)

    def _variances(self, scatter: Tensor, share: Tensor, volumes: Tensor, most: int) -> Tensor:
        """Return the likeliest variances along axes that are known, given the scatter along them, `(..., K, C)`."""
        if self.round:
            scatter = scatter.mean(-1, keepdim=True).expand_as(scatter)
        match "".join(self.name[:2]).replace("I", self.name[0]):
            case "EE":
                return _pool(scatter, share).expand_as(scatter)
            case "VE":
                for _ in range(most):
                    shape = _pool(scatter, share / volumes)
                    shape = shape / _volumes(shape)[..., None]
                    last, volumes = volumes, (scatter / shape).mean(-1)
                    if _settled(last, volumes):
                        break
                return volumes[..., None] * shape
            case "EV":
                own = _volumes(scatter)
                return scatter * ((share * own).sum(-1, keepdim=True) / own)[..., None]
        return scatter

    def _matrices(self, scatter: Tensor, share: Tensor, volumes: Tensor, most: int) -> tuple[Tensor, Guess]:
        """Do the same for families that are the same in any units of the columns, without finding axes."""
        match self.name[:2]:
            case "EE":
                found = _pool(scatter, share).expand_as(scatter)
            case "VE":
                for _ in range(most):
                    shape = _pool(scatter, share / volumes)
                    shape = shape / _volume(shape)[..., None, None]
                    precision = torch.cholesky_inverse(torch.linalg.cholesky_ex(shape)[0])
                    last, volumes = volumes, (scatter * precision).sum((-2, -1)) / scatter.shape[-1]
                    if _settled(last, volumes):
                        break
                found = volumes[..., None, None] * shape
            case "EV":
                own = _volume(scatter)
                volumes = (share * own).sum(-1, keepdim=True)
                found = scatter * (volumes / own)[..., None, None]
            case _:
                found = scatter
        return found, Guess(volumes.expand(scatter.shape[:-2]))

    def _on_common_axes(self, scatter: Tensor, share: Tensor, guess: Guess, most: int) -> tuple[Tensor, Guess]:
        """Turn the axes in one plane after another, and take the likeliest variances along them.

        With the variances held, the likeliest angle in a plane has a closed form. Planes that have no axis in common
        are turned together.
        """
        axes = guess.axes
        assert axes is not None
        sweeps = min(most, _SWEEPS)
        planes = _planes(scatter.shape[-1], scatter.dtype, scatter.device)
        for sweep in range(sweeps):
            turned = axes.mT[..., None, :, :] @ scatter @ axes[..., None, :, :]
            gains = []
            for some in planes:
                rotation, more = self._rotate(turned, share, some)
                axes, turned = axes @ rotation, rotation.mT[..., None, :, :] @ turned @ rotation[..., None, :, :]
                gains.append(more)
            if sweep + 1 < sweeps and sum(float(more.amax()) for more in gains) < _TURNED:
                break
        along = turned.diagonal(dim1=-2, dim2=-1).clamp_min(_TINY)
        found = self._variances(along, share, guess.volumes, most)
        return _turn(axes[..., None, :, :], found), Guess(_volumes(found), axes)

    def _rotate(self, turned: Tensor, share: Tensor, planes: Planes) -> tuple[Tensor, Tensor]:
        """Return the likeliest rotation in some planes, `(..., C, C)`, and what it gains in nats, `(...)`."""
        along = turned.diagonal(dim1=-2, dim2=-1).clamp_min(_TINY)
        weight = share[..., None] / self._variances(along, share, share, 1)
        gap = planes.differences(weight)
        # The angle t changes the sum to minimize by p cos 2t + q sin 2t.
        p = (gap * planes.differences(along)).sum(-2) / 2
        q = (gap * turned.flatten(-2).index_select(-1, planes.corner)).sum(-2)
        length = torch.hypot(p, q)
        angle = torch.where(length > 0, torch.atan2(-q, -p) / 2, 0.0)
        gain = torch.where(length > p, q.square() / (length - p), 0.0)  # p + length, without cancellation
        return planes.rotation(angle), gain.sum(-1)


@dataclass(frozen=True, slots=True)
class Planes:
    """Planes of two axes each that have no axis in common, P of them.

    Arguments:
        i, j: the axes of each, `(P,)`.
        corner: where entry (i, j) of a flat matrix is, `(P,)`.
        rest: a flat matrix with 1 on the diagonal for axes in none of the planes, `(C²,)`.
        cosines, sines: where the cosine and the sine of each angle belong in a flat matrix, `(P, C²)`.
    """

    i: Tensor
    j: Tensor
    corner: Tensor
    rest: Tensor
    cosines: Tensor
    sines: Tensor

    @staticmethod
    def of(pairs: Sequence[tuple[int, int]], columns: int, dtype: torch.dtype, device: torch.device) -> Planes:
        """Return the planes of some pairs of axes."""
        i, j = (torch.tensor(side, device=device) for side in zip(*pairs, strict=True))
        plane = torch.arange(len(pairs), device=device)
        rest = torch.eye(columns, dtype=dtype, device=device)
        cosines, sines = (torch.zeros(len(pairs), columns, columns, dtype=dtype, device=device) for _ in range(2))
        rest[i, i] = rest[j, j] = 0.0
        cosines[plane, i, i] = cosines[plane, j, j] = sines[plane, j, i] = 1.0
        sines[plane, i, j] = -1.0
        return Planes(i, j, i * columns + j, rest.view(-1), cosines.flatten(1), sines.flatten(1))

    def differences(self, values: Tensor) -> Tensor:
        """Return by how much values along axes `(..., C)` differ in each plane, `(..., P)`."""
        return values.index_select(-1, self.i) - values.index_select(-1, self.j)

    def rotation(self, angle: Tensor) -> Tensor:
        """Return the matrix that rotates each plane by its angle `(..., P)`, `(..., C, C)`."""
        columns = math.isqrt(len(self.rest))
        flat = angle.cos() @ self.cosines + angle.sin() @ self.sines + self.rest
        return flat.view(*angle.shape[:-1], columns, columns)


NAMES = ("EII", "VII", "EEI", "VEI", "EVI", "VVI", "EEE", "VEE", "EVE", "VVE", "EEV", "VEV", "EVV", "VVV")
"""The names, in the order of mclust."""

FAMILIES = {name: CovarianceFamily(name) for name in NAMES}


def _pool(scatter: Tensor, share: Tensor) -> Tensor:
    """Return the weighted sum over components, with their dimension kept."""
    weight = share.view(*share.shape, *[1] * (scatter.ndim - share.ndim))
    return (weight * scatter).sum(share.ndim - 1, keepdim=True)


def _volumes(variances: Tensor) -> Tensor:
    """Return the geometric mean of variances `(..., C)`."""
    return variances.clamp_min(_TINY).log().mean(-1).exp()


def _volume(matrices: Tensor) -> Tensor:
    """Return |M|^(1/C) of positive definite matrices `(..., C, C)`."""
    return _volumes(torch.linalg.cholesky_ex(matrices)[0].diagonal(dim1=-2, dim2=-1).square())


def _settled(last: Tensor, volumes: Tensor) -> bool:
    return bool(((last - volumes).abs() <= _SETTLED * volumes).all())


def _turn(axes: Tensor, variances: Tensor) -> Tensor:
    """Return covariances with variances `(..., K, C)` along axes, the columns of `axes (..., C, C)`."""
    return (axes * variances[..., None, :]) @ axes.mT


@functools.lru_cache(maxsize=8)
@torch.inference_mode(False)  # kept for callers outside of inference mode, too
def _planes(columns: int, dtype: torch.dtype, device: torch.device) -> tuple[Planes, ...]:
    """Return all pairs of axes in rounds, so that no axis is twice in a round: a round-robin tournament."""
    order = list(range(columns + columns % 2))
    half = len(order) // 2
    rounds: list[Planes] = []
    for _ in range(len(order) - 1):
        pairs = zip(order[:half], order[: half - 1 : -1], strict=True)
        both = [pair for pair in pairs if max(pair) < columns]  # an odd number of axes has one that waits
        if both:
            rounds.append(Planes.of(both, columns, dtype, device))
        order.insert(1, order.pop())
    return tuple(rounds)
