"""The likeliest factor model of a covariance matrix: S is about W W^T + Psi, with few columns in W and Psi diagonal.

Given Psi, the likeliest W has a closed form: eigenvectors of Psi^-1/2 S Psi^-1/2. What remains is a function of the
logarithms of Psi, which Newton's method minimizes with exact derivatives.

References:
    "Some contributions to maximum likelihood factor analysis" (Jöreskog, 1967).
    "A rapidly convergent method for maximum-likelihood factor analysis" (Clarke, 1970), for the second derivatives.
    "Probabilistic Principal Component Analysis" (Tipping and Bishop, 1999), for one variance for all columns.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

_STEPS, _FEW = 8, 3
"""Steps of Newton's method in an M-step of one component, and of several. The next M-step continues, so they need not
converge: one component has converged after two or three M-steps, and several need more for their shares of events."""

_DAMPING, _STRONGEST = 1e-4, 1e6
"""First damping of Newton's steps, as a share of the second derivatives, and the largest."""

_ROUNDING = 1e-14
"""Largest relative change of the value that may be nothing but rounding."""

_FLATTEST = 1e-8
"""Smallest second derivative, as a share of the largest; flatter directions matter little, and follow rounding."""

_FARTHEST = 3.0
"""Largest change of the log of a variance in one step."""

_SMALL = 0.1
"""Variances below this share of their column's are tried at their floor, as the likeliest value can be 0."""

_APART = 1e-8
"""Smallest difference of eigenvalues, relative to their size, by which second derivatives divide."""


class Profile(NamedTuple):
    """Minus the log-likelihood of an event as a function of theta = log Psi, with the likeliest loadings.

    Arguments:
        value: the function, up to a constant, `(K,)`.
        slope: its gradient, `(K, C)`.
        values: eigenvalues of Psi^-1/2 S Psi^-1/2, `(K, C)`, rising.
        vectors: its eigenvectors, in columns, `(K, C, C)`.
        fitted: 1 for eigenvalues that belong to a factor, 0 for others, `(K, C)`.
    """

    value: Tensor
    slope: Tensor
    values: Tensor
    vectors: Tensor
    fitted: Tensor


def fit_factors(covariance: Tensor, noise: Tensor, factors: int, floor: Tensor) -> tuple[Tensor, Tensor]:
    """Improve a factor model of covariance matrices by a few steps of Newton's method.

    Arguments:
        covariance: the matrices S, `(K, C, C)` float64.
        noise: diagonals of Psi to begin with, `(K, C)`. The likelihood does not fall below theirs.
        factors: number of factors q, less than C.
        floor: smallest value of each diagonal entry of Psi, `(C,)`.

    Returns:
        Loadings W `(K, C, q)`, the strongest factor first, and diagonals of Psi, `(K, C)`.
    """
    own = covariance.diagonal(dim1=-2, dim2=-1)
    unit = torch.maximum(own, floor).sqrt()  # everything is computed on the scale of correlations
    correlation = covariance / (unit[:, :, None] * unit[:, None, :])
    least = (floor / unit.square()).log()
    theta = torch.maximum((noise / unit.square()).log().clamp_max(0.0), least)
    here = _profile(correlation, theta, factors)
    guess, there = _propose(correlation, least, factors)
    theta, here = _choose(there.value < here.value, theta, here, guess, there)
    damping = torch.full_like(here.value, _DAMPING)
    for _ in range(_STEPS if len(theta) == 1 else _FEW):
        new = _step(theta, here, damping, least, factors)
        there = _profile(correlation, new, factors)
        # Near the minimum, steps change the value by less than rounding, and yet bring theta closer.
        better = there.value <= here.value + _ROUNDING * (1 + here.value.abs())
        damping = torch.where(better, damping / 10, damping * 10).clamp(_DAMPING**3, _STRONGEST)
        theta, here = _choose(better, theta, here, new, there)
    new = torch.where((here.slope > 0) & (theta.exp() < _SMALL), least, theta)
    there = _profile(correlation, new, factors)
    theta, here = _choose(there.value < here.value, theta, here, new, there)
    loadings = _loadings(theta, here, factors)
    return unit[:, :, None] * loadings, theta.exp() * unit.square()


def _profile(correlation: Tensor, theta: Tensor, factors: int) -> Profile:
    root = (-0.5 * theta).exp()
    values, vectors = torch.linalg.eigh(correlation * root[:, :, None] * root[:, None, :])
    values = values.clamp_min(0.0)
    largest = torch.zeros_like(values)
    largest[:, values.shape[1] - factors :] = 1.0
    fitted = largest * (values > 1)
    value = 0.5 * (theta + torch.where(fitted > 0, values.clamp_min(1.0).log() + 1, values)).sum(1)
    rest = (1 - fitted) * (1 - values)
    return Profile(value, 0.5 * (vectors.square() @ rest[:, :, None])[:, :, 0], values, vectors, fitted)


def _propose(correlation: Tensor, least: Tensor, factors: int) -> tuple[Tensor, Profile]:
    """Return a first guess: the share of each column that the other columns do not explain (Jöreskog, 1963)."""
    columns = correlation.shape[-1]
    eye = torch.eye(columns, dtype=correlation.dtype, device=correlation.device)
    inverse = torch.linalg.inv_ex(correlation + 1e-6 * eye)[0].diagonal(dim1=-2, dim2=-1)
    guess = (1 - factors / (2 * columns)) / inverse
    guess = torch.where((guess > 0) & (guess < 1), guess, 1.0)
    theta = torch.maximum(guess.log(), least)
    return theta, _profile(correlation, theta, factors)


def _choose(better: Tensor, theta: Tensor, here: Profile, new: Tensor, there: Profile) -> tuple[Tensor, Profile]:
    """Return the new parameters of the components for which they are better, `(K,)` bool, and else the old ones."""

    def chosen(old: Tensor, other: Tensor) -> Tensor:
        return torch.where(better.view(-1, *[1] * (old.ndim - 1)), other, old)

    return chosen(theta, new), Profile(*(chosen(old, other) for old, other in zip(here, there, strict=True)))


def _step(theta: Tensor, here: Profile, damping: Tensor, least: Tensor, factors: int) -> Tensor:
    """Take a damped step of Newton's method; variances at their floor stay there if the slope holds them."""
    free = ~((theta <= least) & (here.slope > 0))
    slope = torch.where(free, here.slope, 0.0)
    curvature = torch.where(free[:, :, None] & free[:, None, :], _curvature(here, factors), 0.0)
    diagonal = curvature.diagonal(dim1=-2, dim2=-1)
    size = diagonal.abs().amax(1, keepdim=True).clamp_min(1e-12)
    added = torch.where(free, damping[:, None] * size, size)
    values, vectors = torch.linalg.eigh(curvature + added.diag_embed())
    values = torch.maximum(values.abs(), _FLATTEST * size)  # the function is not convex far from its minimum
    moved = (vectors @ ((vectors.mT @ slope[:, :, None]) / values[:, :, None]))[:, :, 0]
    new = theta - moved.clamp(-_FARTHEST, _FARTHEST)
    return torch.maximum(new, least).clamp_max(0.0)


def _curvature(here: Profile, factors: int) -> Tensor:
    """Return the second derivatives, `(K, C, C)`.

    With e_m the eigenvalues, w_m the eigenvectors, O the eigenvalues without a factor and F those with one, they are
    half the sum over O of e_m w_m w_m^T, times (elementwise) the sum over O of w_m w_m^T, plus half the sum over m in
    O and n in F of (1 - e_m) (e_n + e_m) / (e_n - e_m) times w_m w_m^T times w_n w_n^T.
    """
    other = 1 - here.fitted
    turned = here.vectors.mT
    plain = (here.vectors * other[:, None]) @ turned
    found = ((here.vectors * (other * here.values)[:, None]) @ turned) * plain
    for number in range(here.values.shape[1] - factors, here.values.shape[1]):
        own, vector = here.values[:, number, None], here.vectors[:, :, number]
        apart = torch.maximum(own - here.values, _APART * own.clamp_min(1.0))
        weight = here.fitted[:, number, None] * other * (1 - here.values) * (own + here.values) / apart
        found = found + (vector[:, :, None] * vector[:, None, :]) * ((here.vectors * weight[:, None]) @ turned)
    return 0.5 * found


def _loadings(theta: Tensor, here: Profile, factors: int) -> Tensor:
    """Return the likeliest loadings, the strongest factor first, each with a positive sum."""
    size = (here.fitted * (here.values - 1)).clamp_min(0.0).sqrt()
    found = (0.5 * theta).exp()[:, :, None] * (here.vectors * size[:, None])
    return _oriented(found[:, :, -factors:].flip(-1))


def _oriented(loadings: Tensor) -> Tensor:
    return loadings * torch.where(loadings.sum(1, keepdim=True) < 0, -1.0, 1.0)


def fit_principal(covariance: Tensor, factors: int, floor: Tensor) -> tuple[Tensor, Tensor]:
    """Return the likeliest factor model with the same noise variance in all columns, in closed form.

    Arguments:
        covariance: the matrices S, `(K, C, C)` float64.
        factors: number of factors q, less than C.
        floor: smallest noise variance, `()`.

    Returns:
        Loadings W `(K, C, q)`, the strongest factor first, and the noise variance, `(K, 1)`: the mean of the C - q
        smallest eigenvalues.
    """
    values, vectors = torch.linalg.eigh(covariance)
    noise = torch.maximum(values[:, :-factors].mean(1, keepdim=True), floor)
    size = (values[:, -factors:] - noise).clamp_min(0.0).sqrt()
    return _oriented((vectors[:, :, -factors:] * size[:, None]).flip(-1)), noise
