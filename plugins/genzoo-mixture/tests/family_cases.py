"""mclust's families written as free parameters, for optimizers of scipy; they share nothing with the code they test."""

from __future__ import annotations

import numpy as np
from scipy.linalg import expm
from scipy.optimize import minimize

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
            skew = np.zeros((columns, columns))
            skew[np.triu_indices(columns, 1)] = angles.reshape(-1, columns * (columns - 1) // 2)[
                k if name[2] == "V" else 0
            ]
            turn = expm(skew - skew.T)
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
