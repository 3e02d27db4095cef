"""Expectation-maximization of a mixture.

References:
    "Maximum Likelihood from Incomplete Data via the EM Algorithm" (Dempster, Laird and Rubin, 1977).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from genzoo import Batch, EMObjective, Model
from genzoo_mixture.mixture import Mixture
from genzoo_mixture.options import EMOptions
from genzoo_mixture.start import STARTS

_CACHE = 2**19
"""Numbers that an expectation step may make of a block, so that they stay in the cache; of wide events, many more, as
products of few rows are slow."""

_MOST = 2**25
"""Numbers that it makes of a block at most, so that they stay in memory."""


class MixtureEM(EMObjective):
    """Shares of the components in every event, and the parameters that these make most likely."""

    def least_events(self, model: Model) -> int:
        return _mixture(model).components

    def block(self, model: Model) -> int:
        width = sum(emission.width + emission.components for emission, _ in _mixture(model).parts)
        return max(1, min(max(_CACHE // width, 1024), _MOST // width, 16_384))

    def initialize(self, model: Model, blocks: Iterable[Batch]) -> None:
        """Shares by the model's start; then the parameters that they make most likely."""
        mixture = _mixture(model)
        low, high = _ranges(blocks)
        mixture.prepare(low, high)
        total: dict[str, Tensor] = {}
        for batch, share in STARTS[mixture.start](mixture, blocks):
            found = mixture.expect(batch.x, batch.missing, careful=True)
            for name, value in mixture.sums(replace(found, share=_weighted(share, batch))).items():
                total[name] = total[name] + value if name in total else value
        mixture.maximize(total)

    def adapt(self, model: Model, blocks: Iterable[Batch]) -> None:
        _mixture(model).enclose(*_ranges(blocks))

    def prepare_pass(self, model: Model) -> None:
        for emission, _ in _mixture(model).parts:
            emission.settle()

    def statistics(self, model: Model, batch: Batch) -> dict[str, Tensor]:
        mixture = _mixture(model)
        found = mixture.expect(batch.x, batch.missing)
        weight = torch.ones_like(found.log_density) if batch.weight is None else batch.weight
        sums = mixture.sums(replace(found, share=_weighted(found.share, batch)))
        sums["log_likelihood"] = (found.log_density * weight).sum(dtype=torch.float64)
        sums["weight"] = weight.sum(dtype=torch.float64)
        return sums

    def maximize(self, model: Model, statistics: Mapping[str, Tensor]) -> None:
        _mixture(model).maximize(statistics)

    def fault(self, model: Model) -> str | None:
        told, components = self.report(model), _mixture(model).components
        if len(told["collapsed"]) == components:
            return "variances are no larger than reg_covar, which is in squared data units; lower it"
        if told["collapsed"]:
            return f"{_name(told['collapsed'])} collapsed to a point; use fewer components, or more restarts"
        return f"{_name(told['empty'])} ran out of events; use fewer components" if told["empty"] else None

    def report(self, model: Model) -> dict[str, Any]:
        """The weights, and the components that have shrunk to a point or ran out of events."""
        mixture = _mixture(model)
        weights = mixture.log_weights.double().exp()
        own = weights[: mixture.components]
        collapsed = torch.stack([emission.collapsed(own) for emission, _ in mixture.parts]).any(0)
        return {
            "weights": weights.tolist(),
            "collapsed": collapsed.nonzero()[:, 0].tolist(),
            "empty": (weights[: mixture.components] < 1e-12).nonzero()[:, 0].tolist(),
        }


def _name(components: list[int]) -> str:
    more = f" and {len(components) - 3} more" if len(components) > 3 else ""
    return f"component{'s'[: len(components) > 1]} {', '.join(map(str, components[:3]))}{more}"


def _mixture(model: Model) -> Mixture:
    assert isinstance(model.generator, Mixture)
    return model.generator


def _weighted(share: Tensor, batch: Batch) -> Tensor:
    return share if batch.weight is None else share * batch.weight.to(share.dtype)


def _ranges(blocks: Iterable[Batch]) -> tuple[Tensor, Tensor]:
    """The smallest and largest observed value of each column, or place of an image, `(C,)` each."""
    low = high = torch.zeros(0)
    for batch in blocks:
        lowest = highest = batch.x.flatten(1)
        hidden = _hidden(batch)
        if hidden is not None:
            lowest = lowest.masked_fill(hidden, torch.inf)
            highest = highest.masked_fill(hidden, -torch.inf)
        low = torch.minimum(low, lowest.amin(0)) if len(low) else lowest.amin(0)
        high = torch.maximum(high, highest.amax(0)) if len(high) else highest.amax(0)
    return low, high


def _hidden(batch: Batch) -> Tensor | None:
    """Which values do not count, `(N, C)` or `(N, 1)`: those missing, and those of events without weight."""
    missing = None if batch.missing is None else batch.missing.flatten(1)
    if batch.weight is None:
        return missing
    weightless = (batch.weight == 0)[:, None]
    return weightless if missing is None else missing | weightless


def build(_: EMOptions) -> MixtureEM:
    """The objective."""
    return MixtureEM()
