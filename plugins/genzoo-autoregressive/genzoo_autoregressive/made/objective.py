"""The objective of `made`: the mean log-probability of training rows, in a new random order at each step."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from typing import ClassVar

from torch import Tensor

from genzoo import Batch, ConfigError, GradientObjective, Model, Progress, full_precision
from genzoo_autoregressive.made.model import Made
from genzoo_autoregressive.made.options import ConditionalOptions


class LogProbability(GradientObjective):
    """Minimize minus the mean log-density of observed values, each given the ones before it.

    A model without an order of its own sees another random order at each step. Before the first step, the shares of
    codes among training rows become the model's first probabilities.
    """

    stages: ClassVar[tuple[str, ...]] = ("loss",)
    likelihood_losses: ClassVar[tuple[str, ...]] = ("generator",)

    def prepare(self, model: Model, rows: int) -> None:
        _made(model).choose_dropout(rows)

    def adapt(self, model: Model, blocks: Iterable[Batch]) -> None:
        _made(model).count_codes(blocks)

    def losses(self, model: Model, batch: Batch, progress: Progress) -> Iterator[Mapping[str, Tensor]]:
        yield {"generator": self.loss(model, batch.x, batch.missing, batch.condition)}

    def loss(self, model: Model, x: Tensor, missing: Tensor | None = None, condition: Tensor | None = None) -> Tensor:
        """Return the loss of events `x (N, *event)`, `()` nats."""
        made = _made(model)
        with contextlib.nullcontext() if made.networks.rounds else full_precision(x):
            return -made.training_log_prob(x, missing, condition).mean()

    def monitor(self, model: Model, batch: Batch) -> Tensor:
        return -_made(model).held_out_log_prob(batch.x, batch.missing, batch.condition).mean()


def _made(model: Model) -> Made:
    if not isinstance(model.generator, Made):
        raise ConfigError("This objective trains the model 'made', and this model is another.")
    return model.generator


def build(_: ConditionalOptions) -> LogProbability:
    """Build the objective."""
    return LogProbability()
