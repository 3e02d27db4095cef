"""Expectation-maximization (EM) of a mixture.

The E-step computes the responsibilities r_kn = p(component k | x_n), called shares here. The M-step maximizes the
expected log-likelihood sum_kn r_kn log(pi_k p(x_n | k)) over the parameters. Apart from the variance that `reg_covar`
adds, no pass lowers the likelihood of the data.

References:
    "Maximum Likelihood from Incomplete Data via the EM Algorithm" (Dempster, Laird and Rubin, 1977).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from genzoo import Batch, EMObjective, Model, SharedBlocks, missing_patterns
from genzoo_mixture.box import principal_box
from genzoo_mixture.mixture import Mixture, NoisyMixture
from genzoo_mixture.options import EMOptions
from genzoo_mixture.points import SAMPLE, ExaminedBlocks, observed_values
from genzoo_mixture.scale import robust_deviation
from genzoo_mixture.start import STARTS

_CACHE = 2**22
"""Bytes that an E-step computes at a time on a CPU, few enough for its cache. For wide events it computes more, because
matrix products with few rows are slow."""

_PARTS = 4
"""Largest number of parts of a block. On a CPU, an E-step computes one part at a time. A block has several because
handing one to a thread takes as long as several operations."""

_ROWS = 16_384
"""Largest number of events in a block on a CPU."""

_LINE = 16
"""Numbers in a line of the cache. A matrix whose rows are whole lines is aligned. With an odd number of lines, rows do
not compete for the same few places of the cache, as they do with a power of 2."""

_NARROW = 32
"""Largest number of columns for which threads compute blocks side by side. With 64, a pass took 1.6 times as long."""

_MOST = 2**25
"""Limit of the numbers that E-steps compute at the same time, so that they fit in memory."""


class MixtureEM(EMObjective):
    """EM for any `Mixture`; the emissions have the M-steps of their own parameters."""

    def least_events(self, model: Model) -> int:
        return _mixture(model).components

    def block(self, model: Model) -> int:
        most = max(1, _MOST // _width(model))
        if _device(model) == "cuda":  # a GPU loses more by launching a kernel for each of many small blocks
            return most
        return min(_PARTS * _rows(model), _whole_lines(min(most, _ROWS)))

    def at_once(self, model: Model) -> int:
        if _mixture(model).columns > _NARROW:  # one product of such a block keeps all cores busy by itself
            return 1
        return max(1, _MOST // (_rows(model) * _width(model)))

    def initialize(self, model: Model, blocks: Iterable[Batch]) -> Mapping[str, Any]:
        """Take the shares from the model's start, and run one M-step on them.

        Returns:
            Facts of the start for the run's record: of a search, how many starts it tried, and how many agreed.
        """
        mixture = _mixture(model)
        blocks = ExaminedBlocks(SharedBlocks.of(blocks), free=mixture.start != "random")
        mixture.prepare(blocks.low, blocks.high)
        _measure(mixture, blocks)
        start = STARTS[mixture.start](mixture, blocks)
        if start.mixture is not None:
            mixture.load_state_dict(start.mixture.state_dict())
            return start.facts
        total: dict[str, Tensor] = {}
        for batch, share in start.shares:
            expected = mixture.expect(
                batch.x, batch.missing, careful=True
            )  # only what it says of missing values is used
            for name, value in mixture.sums(replace(expected, share=_weighted(share, batch))).items():
                total[name] = total[name] + value if name in total else value
        mixture.maximize(blocks.shared.sums(total))
        for emission, _ in mixture.parts:
            emission.launch()
        return start.facts

    def adapt(self, model: Model, blocks: Iterable[Batch]) -> None:
        mixture = _mixture(model)
        blocks = ExaminedBlocks(SharedBlocks.of(blocks), free=False)
        mixture.enclose(blocks.low, blocks.high)
        _measure(mixture, blocks)

    def prepare_pass(self, model: Model) -> None:
        for emission, _ in _mixture(model).parts:
            emission.settle()

    def statistics(self, model: Model, batch: Batch) -> dict[str, Tensor]:
        mixture = _mixture(model)
        total: dict[str, Tensor] = {}
        for part in _parts(model, batch):
            for name, value in _sums(mixture, part).items():
                total[name] = total[name].add_(value) if name in total else value
        return total

    def maximize(self, model: Model, statistics: Mapping[str, Tensor]) -> None:
        _mixture(model).maximize(statistics)

    def fault(self, model: Model) -> str | None:
        mixture, report = _mixture(model), self.report(model)
        components, setting = mixture.components, mixture.parts[0][0].setting
        if len(report["collapsed"]) == components:
            return (
                f"every component is only as wide as {setting} makes it, so the likelihood depends on {setting}; leave "
                "out columns that others determine, or give the columns in larger units"
            )
        if report["collapsed"]:
            return f"{_name(report['collapsed'])} collapsed to a point; use fewer components, or more restarts"
        if report["empty"]:
            return f"{_name(report['empty'])} ran out of events; use fewer components"
        return next((fault for emission, _ in mixture.parts if (fault := emission.fault()) is not None), None)

    def report(self, model: Model) -> dict[str, Any]:
        """Return the weights, and the indices of components that collapsed to a point or ran out of events."""
        mixture = _mixture(model)
        weights = mixture.log_weights.double().exp()
        own = weights[: mixture.components]
        collapsed = torch.stack([emission.collapsed(own) for emission, _ in mixture.parts]).any(0)
        return {
            "weights": weights.tolist(),
            "collapsed": collapsed.nonzero()[:, 0].tolist(),
            "empty": (weights[: mixture.components] < 1e-12).nonzero()[:, 0].tolist(),
        } | {name: fact for emission, _ in mixture.parts for name, fact in emission.facts().items()}


def _name(components: list[int]) -> str:
    more = f" and {len(components) - 3} more" if len(components) > 3 else ""
    return f"component{'s'[: len(components) > 1]} {', '.join(map(str, components[:3]))}{more}"


def _width(model: Model) -> int:
    """Return how many numbers an E-step computes for an event."""
    return sum(emission.width + emission.components for emission, _ in _mixture(model).parts)


def _device(model: Model) -> str:
    return _mixture(model).log_weights.device.type


def _mixture(model: Model) -> Mixture:
    assert isinstance(model.generator, Mixture)
    return model.generator


def _parts(model: Model, batch: Batch) -> list[Batch]:
    """Split a batch into parts of about equal size, for which an E-step on a CPU stays in the cache."""
    count = 1 if _device(model) == "cuda" else math.ceil(len(batch) / _rows(model))
    if count < 2:
        return [batch]
    batch = _grouped(_mixture(model), batch)
    size = (math.ceil(len(batch) / (count * _LINE)) | 1) * _LINE
    return [batch.take(slice(start, start + size)) for start in range(0, len(batch), size)]


def _grouped(mixture: Mixture, batch: Batch) -> Batch:
    """Sort the events by their missing values, so that a part of them has few patterns, if that saves work."""
    columns = [column for emission, own in mixture.parts if emission.groups_missing for column in own]
    if batch.missing is None or not columns:
        return batch
    return batch.take(missing_patterns(batch.missing.flatten(1)[:, columns])[1])


def _rows(model: Model) -> int:
    """Return for how many events an E-step on a CPU stays in the cache."""
    width = _width(model)
    cached = _CACHE // (width * _mixture(model).log_weights.itemsize)
    return _whole_lines(min(max(cached, 1024), max(1, _MOST // width), _ROWS))


def _whole_lines(rows: int) -> int:
    """Return a number of events, at most `rows`, that fill an odd number of lines of the cache."""
    return rows if rows < 2 * _LINE else (rows // _LINE - 1 | 1) * _LINE


def _sums(mixture: Mixture, batch: Batch) -> dict[str, Tensor]:
    """Run the E-step, and return the statistics of its events."""
    expected = mixture.expect(batch.x, batch.missing)
    log_density = expected.log_density
    if batch.weight is None:
        weight = torch.full((), len(batch), dtype=torch.float64, device=log_density.device)
        log_likelihood = log_density.sum(dtype=torch.float64)
        return mixture.sums(expected) | {"log_likelihood": log_likelihood, "weight": weight}
    weight = batch.weight.double()
    sums = mixture.sums(replace(expected, share=_weighted(expected.share, batch)))
    return sums | {"log_likelihood": log_density.double() @ weight, "weight": weight.sum()}


def _weighted(share: Tensor, batch: Batch) -> Tensor:
    return share if batch.weight is None else share * batch.weight.to(share.dtype)


def _measure(mixture: Mixture, blocks: ExaminedBlocks) -> None:
    """Measure on the events what EM does not change: the deviations of columns, and the box of the noise."""
    mixture.measure(robust_deviation(*blocks.drawn(observed_values, SAMPLE, own=False)))
    if isinstance(mixture, NoisyMixture) and (box := principal_box(blocks.shared)) is not None:
        mixture.turn(*box)


def build(_: EMOptions) -> MixtureEM:
    """Build the objective."""
    return MixtureEM()
