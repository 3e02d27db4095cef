"""Maximum likelihood by gradients."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

from torch import Tensor

from genzoo.device import full_precision
from genzoo.errors import ConfigError
from genzoo.maximum.options import LikelihoodOptions
from genzoo.model import Likelihood, Model
from genzoo.objective import Batch, GradientObjective, Progress


class MaximumLikelihood(GradientObjective):
    """Minus the mean exact log-likelihood of what was observed, in full precision."""

    stages: ClassVar[tuple[str, ...]] = ("loss",)

    def losses(self, model: Model, batch: Batch, progress: Progress) -> Iterator[Mapping[str, Tensor]]:
        yield {"generator": self.loss(model, batch.x, batch.missing)}

    def loss(self, model: Model, x: Tensor, missing: Tensor | None) -> Tensor:
        """Of events `x (N, *event)`, `()` nats per event.

        Raises:
            ConfigError: the model has no exact likelihood.
        """
        if not isinstance(model.generator, Likelihood):
            raise ConfigError("This model has no exact likelihood; the objective maximum-likelihood cannot train it.")
        told = () if missing is None else (missing,)  # only a model that takes missing values is told of them
        with full_precision(x):
            return -model.generator.log_prob(x, *told).mean()

    def monitor(self, model: Model, batch: Batch) -> Tensor:
        return self.loss(model, batch.x, batch.missing)


def build(_: LikelihoodOptions) -> MaximumLikelihood:
    """The objective."""
    return MaximumLikelihood()
