"""The greatest lower bound of the likelihood, by gradients.

References:
    "Auto-Encoding Variational Bayes" (Kingma and Welling, 2013), with one draw;
    "Importance Weighted Autoencoders" (Burda, Grosse and Salakhutdinov, 2015), with several.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

from torch import Tensor

from genzoo.errors import ConfigError
from genzoo.maximum.options import BoundOptions
from genzoo.model import LikelihoodBound, Model
from genzoo.objective import Batch, GradientObjective, Progress


class MaximumBound(GradientObjective):
    """Minus the mean lower bound of the log-likelihood of what was observed.

    Arguments:
        draws: that the bound of each event is made of.
    """

    stages: ClassVar[tuple[str, ...]] = ("loss",)

    def __init__(self, draws: int) -> None:
        self.draws = draws

    def losses(self, model: Model, batch: Batch, progress: Progress) -> Iterator[Mapping[str, Tensor]]:
        yield {"generator": self.loss(model, batch.x, batch.missing)}

    def loss(self, model: Model, x: Tensor, missing: Tensor | None) -> Tensor:
        """Of events `x (N, *event)`, `()` nats per event.

        Raises:
            ConfigError: the model has no bound of its likelihood.
        """
        if not isinstance(model.generator, LikelihoodBound):
            raise ConfigError("This model has no bound of its likelihood; the objective maximum-bound cannot train it.")
        told = () if missing is None else (missing,)  # only a model that takes missing values is told of them
        return -model.generator.log_prob_bound(x, *told, draws=self.draws).mean()

    def monitor(self, model: Model, batch: Batch) -> Tensor:
        return self.loss(model, batch.x, batch.missing)


def build(options: BoundOptions) -> MaximumBound:
    """The objective."""
    return MaximumBound(options.draws)
