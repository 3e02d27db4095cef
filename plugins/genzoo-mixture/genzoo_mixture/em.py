"""Expectation-maximisation of a Gaussian mixture.

References:
    "Maximum Likelihood from Incomplete Data via the EM Algorithm" (Dempster, Laird and Rubin, 1977).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from genzoo import Batch, EMObjective, Model
from genzoo_mixture.mixture import GaussianMixture
from genzoo_mixture.options import EMOptions
from genzoo_mixture.start import STARTS


class MixtureEM(EMObjective):
    """Sums of first moments about the current means, so that nothing cancels, and of what the covariance needs."""

    def initialise(self, model: Model, blocks: Iterable[Batch]) -> None:
        """Means by the model's start; then weights and covariances of the events' shares."""
        generator = _mixture(model)
        shares = STARTS[generator.start](generator, blocks)
        total: dict[str, Tensor] = {}
        for batch, share in shares:
            for name, value in _sums(generator, batch, share).items():
                total[name] = total[name] + value if name in total else value
        _set(generator, total)

    def statistics(self, model: Model, batch: Batch) -> dict[str, Tensor]:
        generator = _mixture(model)
        joint = generator.log_joint(batch.x)
        log_prob = joint.logsumexp(1)
        share = (joint - log_prob[:, None]).exp_()
        weight = torch.ones_like(log_prob) if batch.weight is None else batch.weight
        if batch.weight is not None:
            share = share * weight[:, None]
        sums = _sums(generator, batch, share)
        sums["log_likelihood"] = (log_prob * weight).sum(dtype=torch.float64)
        sums["weight"] = weight.sum(dtype=torch.float64)
        return sums

    def maximise(self, model: Model, statistics: Mapping[str, Tensor]) -> None:
        generator = _mixture(model)
        _set(generator, statistics)


def _mixture(model: Model) -> GaussianMixture:
    assert isinstance(model.generator, GaussianMixture)
    return model.generator


def _sums(generator: GaussianMixture, batch: Batch, share: Tensor) -> dict[str, Tensor]:
    """Of events `(N, C)` with shares `(N, K)`: counts, deviations from the current means, scatter about them."""
    counts = share.sum(0, dtype=torch.float64)
    first = share.double().T @ batch.x.double() - counts[:, None] * generator.means.double()
    return {"counts": counts, "first": first, "scatter": generator.covariance.scatter(batch.x, generator.means, share)}


def _set(generator: GaussianMixture, sums: Mapping[str, Tensor]) -> None:
    counts = sums["counts"] + 10 * torch.finfo(torch.float64).eps  # as scikit-learn, so that none is ever zero
    shift = sums["first"] / counts[:, None]
    generator.covariance.maximise(sums["scatter"], counts, shift)
    generator.means.copy_(generator.means.double() + shift)
    generator.log_weights.copy_((counts / counts.sum()).log())


def build(_: EMOptions) -> MixtureEM:
    """The objective."""
    return MixtureEM()
