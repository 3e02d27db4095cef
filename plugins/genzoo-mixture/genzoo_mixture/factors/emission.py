"""Normal distributions whose columns depend on each other through a few factors only.

An event is x = mu + W z + e with factors z ~ N(0, I) of q dimensions and noise e ~ N(0, Psi), Psi diagonal. So it is
N(mu, W W^T + Psi), and the E-step of a full covariance serves. The M-step finds the likeliest W and Psi for the
covariance that a full one would have: the factors are no missing values of EM, which would make it slow.

References:
    "EM algorithms for ML factor analysis" (Rubin and Thayer, 1982).
    "The EM Algorithm for Mixtures of Factor Analyzers" (Ghahramani and Hinton, 1996).
    "Mixtures of Probabilistic Principal Component Analyzers" (Tipping and Bishop, 1999).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from genzoo import ParameterTable
from genzoo_mixture.emission import Full
from genzoo_mixture.emission.emission import EMPTY, Added, deviation, overall
from genzoo_mixture.emission.full import factorize, inverse
from genzoo_mixture.factors.solve import fit_factors, fit_principal

_AT_FLOOR = 1.01
"""Noise variances below this many floors are at their floor."""

_MOST_NAMES = 3


class Factors(Full):
    """Normal distributions N(mu_k, W_k W_k^T + Psi_k).

    Arguments:
        components: K.
        names: names of the columns, for messages.
        factors: q, less than the number of columns.
        isotropic: whether the noise variance is the same for all columns.
        share: smallest noise variance, as a share of the robust variance of a column.

    The buffer `loadings (K, C, q)` holds W, and `noise (K, C)`, or `(K, 1)` if it is isotropic, the diagonal of Psi.
    `scale` and `whitener` follow from them. They are not saved.
    """

    needs_trials = True
    setting = "min_uniqueness"

    loadings: Tensor
    noise: Tensor

    def __init__(self, components: int, names: Sequence[str], factors: int, isotropic: bool, share: float) -> None:
        self.factors = factors
        self.isotropic = isotropic
        super().__init__(components, len(names), Added(None, share=share))
        self.names = tuple(names)

    def _register_covariances(self) -> None:
        self.register_buffer("loadings", torch.zeros(self.components, self.columns, self.factors))
        self.register_buffer("noise", torch.ones(self.components, 1 if self.isotropic else self.columns))
        self.scale, self.whitener = self._identity(), self._identity()

    @property
    def degrees_of_freedom(self) -> int:
        """Means, loadings up to a rotation, and noise; never more than a full covariance has."""
        return self.components * (self.columns + min(self._own_parameters, self._most_parameters))

    @property
    def _own_parameters(self) -> int:
        """Number of parameters of a covariance matrix."""
        rotations = self.factors * (self.factors - 1) // 2
        return self.columns * self.factors - rotations + self.noise.shape[1]

    @property
    def _most_parameters(self) -> int:
        """Number of parameters of any covariance matrix."""
        return self.columns * (self.columns + 1) // 2

    def spread(self, low: Tensor, high: Tensor) -> None:
        super().spread(low, high)
        square = deviation(low, high).square()
        self.loadings.zero_()
        self.noise.copy_(square.mean() if self.isotropic else square)

    def _noise(self) -> Tensor:
        """Return the noise variance of every component and column, `(K, C)` float64."""
        return self.noise.double().expand(-1, self.columns)

    def _derive(self) -> None:
        """Compute `scale` and `whitener`, in the type of the parameters."""
        loadings = self.loadings.double()
        noise = self._noise()
        factor = factorize(loadings @ loadings.mT + noise.diag_embed(), noise)
        self.scale = factor.to(self.loadings.dtype)
        self.whitener = inverse(factor).to(self.loadings.dtype)

    def settle(self) -> None:
        self._derive()
        super().settle()

    def expect(self, x: Tensor, missing: Tensor | None, *, careful: bool = False) -> tuple[Tensor, Any]:
        if careful:  # outside of training, the parameters may have changed since
            self._derive()
        return super().expect(x, missing, careful=careful)

    def log_density(self, x: Tensor, missing: Tensor | None) -> Tensor:
        if missing is None:  # with missing values, `expect` does it
            self._derive()
        return super().log_density(x, missing)

    def maximize(self, sums: Mapping[str, Tensor]) -> None:
        means, within = self._moments(sums)
        counts = sums["counts"][:, None]
        floor = self.added_to(overall(counts + EMPTY, means, within.diagonal(dim1=-2, dim2=-1)))
        if self.isotropic:
            loadings, noise = fit_principal(within, self.factors, floor.amin())
        else:
            loadings, noise = fit_factors(within, torch.maximum(self._noise(), floor), self.factors, floor)
        filled = counts > EMPTY
        self.means.copy_(means)
        self.loadings.copy_(torch.where(filled[:, :, None], loadings, self.loadings.double()))
        self.noise.copy_(torch.where(filled, noise, self.noise.double()))
        self._derive()

    def sample(self, component: Tensor) -> Tensor:
        self._derive()
        return super().sample(component)

    def compose(self, z: Tensor, component: Tensor) -> Tensor:
        """Return the expected events, `(N, C)`, of factors `z (N, q)` under `component (N,)`."""
        return self.means[component] + torch.einsum("ncq,nq->nc", self.loadings[component], z)

    def infer(self, x: Tensor, missing: Tensor | None) -> Tensor:
        """Return the expected factors of events `(N, C)` under each component, `(K, N, q)`.

        E[z | x] = W^T Sigma^-1 (x - mu) = (L^-1 W)^T y, with y the whitened coordinates of the event.
        """
        y = self.encode(x, missing)
        return y @ (self.whitener @ self.loadings)

    def collapsed(self, weights: Tensor) -> Tensor:
        self._derive()
        return super().collapsed(weights)

    def _heywood(self) -> dict[int, list[int]]:
        """Return the columns whose noise variance is at its floor, for each component that has any."""
        counts = torch.full((self.components, 1), 1 / self.components, dtype=torch.float64)
        variances = self._noise() + self.loadings.double().square().sum(2)
        floor = self.added_to(overall(counts.to(variances), self.means.double(), variances))
        at_floor = self._noise() <= _AT_FLOOR * (floor.amin() if self.isotropic else floor)
        return {component: row.nonzero()[:, 0].tolist() for component, row in enumerate(at_floor) if bool(row.any())}

    def fault(self) -> str | None:
        found = self._heywood()
        if not found:
            return None
        component, columns = next(iter(found.items()))
        where = f"component {component} leaves " if self.components > 1 else "the factors leave "
        if self.isotropic:
            return f"{where}no noise; use fewer factors, or leave out columns that others determine"
        names = ", ".join(repr(self.names[column]) for column in columns[:_MOST_NAMES])
        more = f" and {len(columns) - _MOST_NAMES} more" if len(columns) > _MOST_NAMES else ""
        return (
            f"{where}no noise in {names}{more} (a Heywood case); use {'fewer components or ' * (self.components > 1)}"
            f"fewer factors, or leave out such columns"
        )

    def facts(self) -> dict[str, Any]:
        return {"noiseless": {str(component): columns for component, columns in self._heywood().items()}}

    def tables(self) -> Iterator[ParameterTable]:
        doubt = "" if self._own_parameters <= self._most_parameters else "; not unique, as there are too many factors"
        header = ("column", *(f"z{number}" for number in range(self.factors)), "noise")
        variances = self._noise() + self.loadings.double().square().sum(2)
        for component in range(self.components):
            whole = variances[component]
            loadings = self.loadings[component].double() / whole.sqrt()[:, None]
            shares = torch.cat([loadings, (self._noise()[component] / whole)[:, None]], 1).tolist()
            of = f" of component {component}" if self.components > 1 else ""
            yield ParameterTable(
                f"Loadings{of}: correlation of each column with each factor, and share of its variance that is noise"
                f"{doubt}",
                header,
                tuple((name, tuple(row)) for name, row in zip(self.names, shares, strict=True)),
            )
