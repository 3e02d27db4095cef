"""Mixtures with known parameters, data to fit them to, and passes of EM written out."""

from __future__ import annotations

import numpy as np
import torch

import genzoo
from genzoo_mixture.em import MixtureEM
from genzoo_mixture.emission import COVARIANCES, Diagonal, Full, Spherical, Tied
from genzoo_mixture.emission.emission import Added
from genzoo_mixture.mixture import Mixture, NoisyMixture

OBJECTIVE = MixtureEM()


def problem(seed=0, n=600, columns=3, components=3):
    rng = np.random.default_rng(seed)
    means = rng.normal(0, 3, (components, columns))
    roots = rng.normal(0, 0.7, (components, columns, columns)) + np.eye(columns)
    labels = rng.integers(components, size=n)
    return means[labels] + np.einsum("nij,nj->ni", roots[labels], rng.normal(size=(n, columns)))


def mixture(name="full", components=3, columns=3, start="random", reg_covar=1e-6, noise=False):
    """Build an untrained Gaussian mixture in float64."""
    emissions, places = [COVARIANCES[name](components, columns, Added(reg_covar))], [range(columns)]
    if noise:
        return NoisyMixture(emissions, places, start, 0.1, [f"x{i}" for i in range(columns)]).double()
    return Mixture(emissions, places, start).double()


def set_parameters(generator, weights, means, covariances):
    """Set the parameters: means `(K, C)`, and covariances in scikit-learn's shape for the covariance type."""
    emission = generator.emissions[0]
    emission.means.copy_(torch.as_tensor(means))
    generator.log_weights.copy_(torch.as_tensor(weights).log())
    found = torch.tensor(covariances)
    if not hasattr(emission, "whitener"):
        emission.scale.copy_(found.sqrt())
        return generator
    emission.scale.copy_(torch.linalg.cholesky(found))
    emission.whitener.copy_(torch.linalg.inv(emission.scale))
    return generator


def covariances(generator):
    """Return the covariance of every component, `(K, C, C)`."""
    emission = generator.emissions[0]
    if hasattr(emission, "whitener"):
        return (emission.scale @ emission.scale.mT).expand(emission.components, -1, -1).numpy()
    return torch.diag_embed(emission._deviations().square()).numpy()


def random_parameters(generator, seed=0):
    """Set random parameters, different in every component."""
    emission = generator.emissions[0]
    rng = np.random.default_rng(seed)
    k, c = emission.components, emission.columns
    root = rng.normal(0, 0.6, (k, c, c)) + np.eye(c)
    full = root @ root.transpose(0, 2, 1) + 0.1 * np.eye(c)
    variances = np.diagonal(full, 0, 1, 2)
    shapes = {Full: full, Tied: full[0], Diagonal: variances, Spherical: variances[:, 0]}
    weights = rng.dirichlet(np.full(len(generator.log_weights), 5.0))
    return set_parameters(generator, weights, rng.normal(0, 2, (k, c)), shapes[type(emission)])


def knock_out(x, share=0.3, seed=0):
    """Make a mask of missing values; some events have no observed value, and some have all."""
    missing = np.random.default_rng(seed).random(x.shape) < share
    missing[:3], missing[3:6] = True, False
    return missing


def blocks(x, missing=None, weight=None, count=1):
    """Split events into the batches of one pass; missing values become 0."""
    parts = []
    for rows in np.array_split(np.arange(len(x)), count):
        hidden = None if missing is None else torch.as_tensor(missing[rows])
        events = torch.as_tensor(x[rows])
        parts.append(
            genzoo.Batch(
                events if hidden is None else events.masked_fill(hidden, 0.0),
                hidden,
                None if weight is None else torch.as_tensor(weight[rows]),
            )
        )
    return parts


def collect(generator, parts):
    """Compute the statistics of one pass."""
    model, total = genzoo.Model(genzoo.Parts(generator)), {}
    OBJECTIVE.prepare_pass(model)
    for part in parts:
        for name, value in OBJECTIVE.statistics(model, part).items():
            total[name] = total[name] + value if name in total else value
    return total


def run_passes(generator, parts, count, still=None):
    """Run `count` passes, or stop after one that gained less than `still`; return the log-likelihood before each."""
    found = []
    for _ in range(count):
        total = collect(generator, parts)
        found.append(total["log_likelihood"].item())
        if still is not None and len(found) > 1 and found[-1] - found[-2] < still:
            break
        OBJECTIVE.maximize(genzoo.Model(genzoo.Parts(generator)), total)
    return found


def begin(generator, parts, seed=0):
    """Start EM from a seed."""
    torch.manual_seed(seed)
    OBJECTIVE.initialize(genzoo.Model(genzoo.Parts(generator)), parts)
    return generator
