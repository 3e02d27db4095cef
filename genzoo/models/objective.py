"""What training minimises. An objective knows losses; optimizers, devices and the loop belong to the engine."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from genzoo.models.base import Model
from genzoo.plugins.api1 import with_former_names


@dataclass(frozen=True, slots=True)
class Batch:
    """Events of one step, in model space.

    Arguments:
        x: events, `(N, *event)`; missing places hold 0.
        missing: true where a value is missing, `(N, *event)`, or `None`.
        weight: weights of events, `(N,)`, or `None`.
        index: row numbers of the events in their dataset, `(N,)`.
    """

    x: Tensor
    missing: Tensor | None = None
    weight: Tensor | None = None
    index: Tensor | None = None

    def __len__(self) -> int:
        return self.x.shape[0]

    def chunk(self, count: int) -> list[Batch]:
        """`count` batches of equal size, in order; the events that do not divide evenly are refused."""
        if len(self) % count:
            raise ValueError(f"{len(self)} events do not divide into {count} equal batches.")
        fields = [
            [None] * count if part is None else part.chunk(count)
            for part in (self.x, self.missing, self.weight, self.index)
        ]
        return [Batch(*parts) for parts in zip(*fields, strict=True)]


@dataclass(frozen=True, slots=True)
class Progress:
    """Where training stands, as tensors on the device so that a warm-up neither recompiles nor freezes in a graph.

    Arguments:
        step: number of the step, from 1, `()` int64.
        fraction: share of the budget that is spent, 0 to 1, `()`.
    """

    step: Tensor
    fraction: Tensor

    @staticmethod
    def start(device: torch.device, dtype: torch.dtype = torch.float32) -> Progress:
        """Progress before the first step."""
        return Progress(torch.zeros((), dtype=torch.int64, device=device), torch.zeros((), dtype=dtype, device=device))


class Objective(ABC):  # noqa: B024 - what is minimised differs, so each kind has abstract methods of its own
    """The parent of gradient objectives, and of what else can be minimised.

    `needs_discriminator` declares the parts it needs; `stages` names its methods that are pure functions of tensors
    and modules, which the engine may compile whole.
    """

    needs_discriminator: ClassVar[bool] = False
    stages: ClassVar[tuple[str, ...]] = ()
    settled: float = 0.0
    """The share of the budget after which what is minimised no longer changes: no earlier step is the best one, and
    none costs patience."""

    def monitor(self, model: Model, batch: Batch) -> Tensor | None:
        """What patience and the best checkpoint watch: a mean over `batch`, `()`, lower is better.

        `None` where the losses say nothing about quality, as for adversarial objectives.
        """
        return None


class GradientObjective(Objective):
    """An objective that yields the losses of one step, in order.

    Each yield is a dict of parameter group to loss. The engine backpropagates all of them, steps those groups, and
    resumes the objective, which therefore sees the parameters after their step. Two entries in one dict are
    simultaneous updates.
    """

    batches_per_step: int = 1
    """How many batches one step consumes; `losses` gets them as one `Batch`, to be `chunk`ed."""

    least_events: ClassVar[int] = 1
    """Events that a batch must have, 2 where a model normalises over it."""

    @abstractmethod
    def losses(self, model: Model, batch: Batch, progress: Progress) -> Iterator[Mapping[str, Tensor]]:
        """The losses of one step, `()` each, means over their events."""


@with_former_names
class EMObjective(Objective):
    """A likelihood that is maximised by passes over all events, without gradients.

    The engine owns passes, restarts and convergence. `statistics` are sums over events, so those of several batches,
    or of several processes, add up to those of all events; summing them in float64 is the objective's part.
    """

    def least_events(self, model: Model) -> int:
        """How many training events the model needs."""
        return 1

    def block(self, model: Model) -> int:
        """How many events to compute at a time, where nothing is asked for."""
        return 8192

    @abstractmethod
    def initialize(self, model: Model, blocks: Iterable[Batch]) -> None:
        """Give the model's parameters a start; may pass over `blocks` more than once, and draw random numbers."""

    def adapt(self, model: Model, blocks: Iterable[Batch]) -> None:
        """Take from the events what does not come with the parameters of a warm start."""

    def prepare_pass(self, model: Model) -> None:
        """Decide on the host, before a pass, what depends on the parameters' values; not traced."""

    @abstractmethod
    def statistics(self, model: Model, batch: Batch) -> dict[str, Tensor]:
        """Sums over the events of a batch, float64.

        Among them `log_likelihood`, nats, and `weight`, the events' total weight, `()` each.
        """

    @abstractmethod
    def maximize(self, model: Model, statistics: Mapping[str, Tensor]) -> None:
        """Set the parameters to those that the statistics of a whole pass make most likely."""

    def fault(self, model: Model) -> str | None:
        """Why what a restart ended with is no proper maximum of the likelihood; `None` where it is one."""
        return None

    def report(self, model: Model) -> dict[str, Any]:
        """What is worth knowing of a restart that has ended, for the run's record; plain values for JSON."""
        return {}
