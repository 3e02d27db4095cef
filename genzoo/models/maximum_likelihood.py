"""Maximum likelihood by gradients, for models with an exact likelihood or a lower bound."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import ClassVar

from torch import Tensor

from genzoo.errors import ConfigError
from genzoo.models.base import Likelihood, LikelihoodBound, Model
from genzoo.models.events import EventTensors, a_part
from genzoo.models.measure import one_each
from genzoo.models.objective import Batch, GradientObjective, Progress
from genzoo.models.objective_options import BoundOptions, LikelihoodOptions
from genzoo.runtime.device import full_precision


class MaximumBound(GradientObjective):
    """Minimize minus the mean lower bound of the log-likelihood of observed values.

    Arguments:
        draws: number of draws for the bound of each event.
    """

    stages: ClassVar[tuple[str, ...]] = ("loss",)
    likelihood_losses: ClassVar[tuple[str, ...]] = ("generator",)

    def __init__(self, draws: int) -> None:
        self.draws = draws

    def losses(self, model: Model, batch: Batch, progress: Progress) -> Iterator[Mapping[str, Tensor]]:
        yield {"generator": self.loss(model, batch.x, batch.missing, batch.condition)}

    def loss(
        self, model: Model, x: EventTensors, missing: EventTensors = None, condition: Tensor | None = None
    ) -> Tensor:
        """Return the loss of events `x (N, *event)`, `()` nats per event.

        Raises:
            ConfigError: the model has no likelihood bound.
        """
        if not isinstance(model.generator, LikelihoodBound):
            raise ConfigError("This model has no likelihood bound; the objective maximum-bound cannot train it.")
        mask, given = _arguments(missing, condition)
        return -one_each(
            "log_prob_bound", model.generator.log_prob_bound(x, *mask, draws=self.draws, **given), len(a_part(x))
        ).mean()

    def monitor(self, model: Model, batch: Batch) -> Tensor:
        return self.loss(model, batch.x, batch.missing, batch.condition)


def _arguments(missing: EventTensors, condition: Tensor | None) -> tuple[tuple[EventTensors, ...], dict[str, Tensor]]:
    """Return the arguments beside events: only models that accept missing values or conditions take these."""
    return () if missing is None else (missing,), {} if condition is None else {"condition": condition}


def build_maximum_bound(options: BoundOptions) -> MaximumBound:
    """Build the objective."""
    return MaximumBound(options.draws)


class MaximumLikelihood(GradientObjective):
    """Minimize minus the mean exact log-likelihood of observed values.

    Arguments:
        mixed: whether the likelihood is computed in mixed precision if training is. Probabilities of categories bear
            it, and densities, which cancel large terms, do not. Defaults to `False`: in full precision.
    """

    stages: ClassVar[tuple[str, ...]] = ("loss",)
    likelihood_losses: ClassVar[tuple[str, ...]] = ("generator",)

    def __init__(self, *, mixed: bool = False) -> None:
        self.mixed = mixed

    def losses(self, model: Model, batch: Batch, progress: Progress) -> Iterator[Mapping[str, Tensor]]:
        yield {"generator": self.loss(model, batch.x, batch.missing, batch.condition)}

    def loss(
        self, model: Model, x: EventTensors, missing: EventTensors = None, condition: Tensor | None = None
    ) -> Tensor:
        """Return the loss of events `x (N, *event)`, `()` nats per event.

        Raises:
            ConfigError: the model has no exact likelihood.
        """
        if not isinstance(model.generator, Likelihood):
            raise ConfigError("This model has no exact likelihood; the objective maximum-likelihood cannot train it.")
        mask, given = _arguments(missing, condition)
        with contextlib.nullcontext() if self.mixed else full_precision(a_part(x)):
            return -one_each("log_prob", model.generator.log_prob(x, *mask, **given), len(a_part(x))).mean()

    def monitor(self, model: Model, batch: Batch) -> Tensor:
        return self.loss(model, batch.x, batch.missing, batch.condition)


def build_maximum_likelihood(_: LikelihoodOptions) -> MaximumLikelihood:
    """Build the objective."""
    return MaximumLikelihood()
