"""The objective of `flow`: the mean log-density of training rows, with new noise for categories and counts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

from torch import Tensor

from genzoo import Batch, ConfigError, GradientObjective, Model, Progress, full_precision
from genzoo_flow.flow import Flow
from genzoo_flow.options import DensityOptions


class LogDensity(GradientObjective):
    """Minimize minus the mean log-density of observed values, or of one random part of them in an autoregressive flow.

    A column given random others is a term of the density in some order of columns. The mean over random orders bounds
    the log-density that the model reports from below, up to the differences between orders.
    """

    stages: ClassVar[tuple[str, ...]] = ("loss",)
    likelihood_losses: ClassVar[tuple[str, ...]] = ("generator",)

    def prepare(self, model: Model, rows: int) -> None:
        _flow(model).adapt(rows)

    def losses(self, model: Model, batch: Batch, progress: Progress) -> Iterator[Mapping[str, Tensor]]:
        yield {"generator": self.loss(model, batch.x, batch.missing, batch.condition)}

    def loss(self, model: Model, x: Tensor, missing: Tensor | None = None, condition: Tensor | None = None) -> Tensor:
        """Return the loss of events `x (N, D)`, `()` nats."""
        with full_precision(x):
            return -_flow(model).training_log_prob(x, missing, condition).mean()

    def monitor(self, model: Model, batch: Batch) -> Tensor:
        return -_flow(model).held_out_log_prob(batch.x, batch.missing, batch.condition).mean()


def _flow(model: Model) -> Flow:
    if not isinstance(model.generator, Flow):
        raise ConfigError("This objective trains flows, and this model is none.")
    return model.generator


def log_density(_: DensityOptions) -> LogDensity:
    """Build the objective."""
    return LogDensity()
