"""mclust's families written as free parameters, for optimizers of scipy; they share nothing with the code they test."""

from __future__ import annotations

import numpy as np
from scipy.linalg import expm
from scipy.optimize import minimize
from scipy.special import gammaln

QUICK = ("VII", "EVI", "EVE", "VEV", "VVV")
"""The names that are tried in every test run where all take long; `make full` tries all."""

NAMES = ("EII", "VII", "EEI", "VEI", "EVI", "VVI", "EEE", "VEE", "EVE", "VVE", "EEV", "VEV", "EVV", "VVV")
MCLUST = {"VVV": "full", "EEE": "tied", "VVI": "diagonal", "VII": "spherical"}
"""The `covariance_type` of families that have another name in genzoo."""


def covariance_type(name):
    return MCLUST.get(name, name)


def sizes(name, components, columns):
    """Return how many volumes, free shape parameters and angles a family has."""
    count = {"E": 1, "V": components, "I": 0}
    return tuple(
        count[letter] * width
        for letter, width in zip(name, (1, columns - 1, columns * (columns - 1) // 2), strict=True)
    )


def rotation(angles, columns):
    """Return the rotation matrix of `columns * (columns - 1) / 2` angles."""
    if columns == 2:  # as the exponential below, which takes most of the time of an optimizer
        cosine, sine = np.cos(angles[0]), np.sin(angles[0])
        return np.array([[cosine, sine], [-sine, cosine]])
    skew = np.zeros((columns, columns))
    skew[np.triu_indices(columns, 1)] = angles
    return expm(skew - skew.T)


def covariances(name, theta, components, columns):
    """Return the covariances `(K, C, C)` that free parameters stand for."""
    volumes, shapes, angles = np.split(theta, np.cumsum(sizes(name, components, columns))[:2])
    found = np.empty((components, columns, columns))
    for k in range(components):
        volume = volumes[k if name[0] == "V" else 0]
        shape = np.zeros(columns)
        if name[1] != "I":
            part = shapes.reshape(-1, columns - 1)[k if name[1] == "V" else 0]
            shape = np.append(part, -part.sum())
        turn = np.eye(columns)
        if name[2] != "I":
            turn = rotation(angles.reshape(-1, columns * (columns - 1) // 2)[k if name[2] == "V" else 0], columns)
        found[k] = (turn * np.exp(volume + shape)) @ turn.T
    return found


def minimum(name, scatter, share, tries=8, seed=0):
    """Minimize sum_k share_k (log |Sigma_k| + tr(S_k Sigma_k^-1)) numerically, from several random starts."""
    rng = np.random.default_rng(seed)
    components, columns, _ = scatter.shape

    def loss(theta):
        sigma = covariances(name, theta, components, columns)
        trace = np.einsum("kij,kji->k", scatter, np.linalg.inv(sigma))
        return share @ (np.linalg.slogdet(sigma)[1] + trace)

    count = sum(sizes(name, components, columns))
    return min(minimize(loss, rng.normal(0, 0.7, count), method="BFGS", tol=1e-10).fun for _ in range(tries))


def log_densities(x, means, sigma, df=None):
    """Return log-densities `(K, N)` of normal distributions, or of t distributions with `df (K,)`.

    scipy.stats decomposes a matrix at each call, which takes ten times as long.
    """
    columns, away = x.shape[1], (x - means[:, None]).swapaxes(1, 2)
    distance = (away * np.linalg.solve(sigma, away)).sum(1)
    volume = np.linalg.slogdet(sigma)[1][:, None]
    if df is None:
        return -0.5 * (columns * np.log(2 * np.pi) + volume + distance)
    df = np.asarray(df)[:, None]
    constant = gammaln((df + columns) / 2) - gammaln(df / 2) - columns / 2 * np.log(df * np.pi)
    return constant - 0.5 * volume - (df + columns) / 2 * np.log1p(distance / df)


def loss(theta, name, x, missing, components, tails=0):
    """Return the negative log-likelihood of free parameters: weights, means, the family's own, and log df.

    There are as many degrees of freedom as `tails`: none for a mixture of normals, one for all components, or one each.
    """
    columns = x.shape[1]
    theta, log_df = np.split(theta, [len(theta) - tails])
    logits, means, rest = np.split(theta, [components - 1, components - 1 + components * columns])
    weights = np.append(logits, 0.0) - np.logaddexp.reduce(np.append(logits, 0.0))
    means, sigma = means.reshape(components, columns), covariances(name, rest, components, columns)
    df, total = np.broadcast_to(np.exp(log_df), components) if tails else None, 0.0
    for pattern in np.unique(missing, axis=0) if missing.any() else missing[:1]:
        seen, rows = ~pattern, (missing == pattern).all(1)
        if not seen.any():
            continue
        joint = weights[:, None] + log_densities(x[rows][:, seen], means[:, seen], sigma[:, seen][:, :, seen], df)
        total -= np.logaddexp.reduce(joint).sum()
    return total


def free_parameters(name, log_weights, means, sigma):
    """Return free parameters near the fitted ones, by minimizing the distance of covariances."""
    rng = np.random.default_rng(0)
    k, c, _ = sigma.shape
    count, unit = sum(sizes(name, k, c)), np.abs(sigma).max()
    tries = [
        minimize(
            lambda theta: np.square(covariances(name, theta, k, c) / unit - sigma / unit).sum(),
            rng.normal(0, 0.5, count),
            method="L-BFGS-B",
            bounds=[(-20, 20)] * count,
            options={"ftol": 1e-16, "gtol": 1e-10},
        )
        for _ in range(12)
    ]
    best = min(tries, key=lambda one: one.fun)
    assert best.fun < 1e-6, "the covariances are in the family"
    return np.concatenate([log_weights[:-1] - log_weights[-1], means.ravel(), best.x])
