"""Objectives, which training minimizes. They define losses; optimizers, devices and the loop are in the engine."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from genzoo.models.base import Model
from genzoo.models.events import EventTensors, a_part, map_events, masks_of, to_parts
from genzoo.plugins.api1 import with_former_names
from genzoo.spec.events import DataSpec


@dataclass(frozen=True, slots=True)
class Batch:
    """Events of one step, in model space.

    Arguments:
        x: events, `(N, *event)`; missing values are 0. Events of several parts are a dict of them, by name.
        missing: mask of missing values, in the form of `x`. Defaults to `None`: no value is missing.
        weight: weights of events, `(N,)`. Defaults to `None`: equal weights.
        index: row numbers of the events in their dataset, `(N,)`. Defaults to `None`.
        condition: what the events are conditional on, `(N, D)`: one-hot categories and standardized numbers. Defaults
            to `None`: nothing.
        length: number of symbols of each text, `(N,)`. `x` is then `(N, L)` with the code of the end after it, and L
            leaves room for one, unless an event cannot be longer. Defaults to `None`: events have no length.
    """

    x: EventTensors
    missing: EventTensors | None = None
    weight: Tensor | None = None
    index: Tensor | None = None
    condition: Tensor | None = None
    length: Tensor | None = None

    def __len__(self) -> int:
        return len(a_part(self.x))

    def chunk(self, count: int) -> list[Batch]:
        """Split into `count` batches of equal size, in order.

        Raises:
            ValueError: the events do not divide evenly.
        """
        if len(self) % count:
            raise ValueError(f"{len(self)} events do not divide into {count} equal batches.")
        if count == 1:
            return [self]
        size = len(self) // count
        return [self.take(slice(number * size, (number + 1) * size)) for number in range(count)]

    def take(self, rows: slice | Tensor) -> Batch:
        """Return some of the events, with all that belongs to them."""
        fields = (self.x, self.missing, self.weight, self.index, self.condition, self.length)
        return Batch(*(None if one is None else map_events(lambda part: part[rows], one) for one in fields))


def in_parts(batch: Batch, data: DataSpec) -> Batch:
    """Return a batch of rows as models see it: a dict of their parts if the events have parts."""
    return dataclasses.replace(batch, x=to_parts(batch.x, data), missing=masks_of(batch.missing, data))


@dataclass(frozen=True, slots=True)
class Progress:
    """Step and spent budget of a training, as tensors on the device.

    They are tensors because compiled code treats Python numbers as constants: it would recompile at every step, or a
    CUDA graph would keep the first value.

    Arguments:
        step: number of the step, from 1, `()` int64.
        fraction: share of the budget spent so far, 0 to 1, `()`.
    """

    step: Tensor
    fraction: Tensor

    @staticmethod
    def start(device: torch.device, dtype: torch.dtype = torch.float32) -> Progress:
        """Return the progress before the first step."""
        return Progress(torch.zeros((), dtype=torch.int64, device=device), torch.zeros((), dtype=dtype, device=device))


class Objective(ABC):  # noqa: B024 - each kind of objective has its own abstract methods
    """The base class of all objectives.

    `needs_discriminator` is true if the objective needs a discriminator. `stages` names methods that are pure functions
    of tensors and modules; the engine may compile them as a whole. `likelihood_losses` names losses that are minus a
    mean log-likelihood, or a bound of it, in nats per event; the value of `monitor` is one, too, if there are any. They
    are printed and logged in the units of the data.
    """

    needs_discriminator: ClassVar[bool] = False
    stages: ClassVar[tuple[str, ...]] = ()
    likelihood_losses: ClassVar[tuple[str, ...]] = ()
    settled: float = 0.0
    """Share of the budget after which the loss no longer changes its definition, such as by a warm-up of a weight.

    Before that, no step can be the best one, and patience does not count.
    """

    def monitor(self, model: Model, batch: Batch) -> Tensor | None:
        """Return the value for early stopping and the best checkpoint: a mean over `batch`, `()`, lower is better.

        Returns `None` if the losses do not measure quality, as for adversarial objectives.
        """
        return None


class GradientObjective(Objective):
    """An objective that yields the losses of one step, in order.

    Each yield is a dict from parameter group to loss. The engine backpropagates the losses, steps their groups, and
    resumes the objective, which then sees the updated parameters. Two entries in one dict are simultaneous updates.
    """

    batches_per_step: int = 1
    """Number of batches for one step; `losses` gets them as one `Batch`, and splits it with `chunk`."""

    least_events: ClassVar[int] = 1
    """Smallest number of events in a batch; 2 if a model uses batch normalization."""

    def prepare(self, model: Model, rows: int) -> None:
        """Set what depends on the number of training rows, before the first step. Does nothing by default."""

    def adapt(self, model: Model, blocks: Iterable[Batch]) -> None:
        """Set constants of the model that are measured on the training events. Does nothing by default.

        It is called after `prepare`, in each process. A resumed run then restores the constants from its checkpoint.

        Arguments:
            blocks: all training events in order, in model space. Each iteration is a pass over the data.
        """

    @abstractmethod
    def losses(self, model: Model, batch: Batch, progress: Progress) -> Iterator[Mapping[str, Tensor]]:
        """Yield the losses of one step, `()` each, means over their events."""


@with_former_names
class EMObjective(Objective):
    """A likelihood that expectation-maximization (EM) maximizes in passes over all events, without gradients.

    The engine runs passes and restarts, and checks convergence. `statistics` are sums over events, so the sums of
    several batches or processes add up to the sums over all events. The objective must return them in float64.
    """

    def least_events(self, model: Model) -> int:
        """Return the smallest number of training events that the model needs."""
        return 1

    def block(self, model: Model) -> int:
        """Return the default number of events to compute at a time."""
        return 8192

    def at_once(self, model: Model) -> int:
        """Return how many blocks threads may compute at the same time on a CPU. Defaults to 1.

        With more than one, `statistics` must not change the model, and must not draw random numbers; `prepare_pass` and
        `maximize` compute on one core.
        """
        return 1

    @abstractmethod
    def initialize(self, model: Model, blocks: Iterable[Batch]) -> Mapping[str, Any] | None:
        """Initialize the model's parameters; may iterate over `blocks` more than once, and draw random numbers.

        It may return facts about the start for the run's record, as plain values for JSON. If it tried several starts,
        `starts` is their number, and `agreed` how many led to the best maximum found.
        """

    def adapt(self, model: Model, blocks: Iterable[Batch]) -> None:
        """Set what a warm start does not take over with the parameters, such as constants measured on the events."""

    def prepare_pass(self, model: Model) -> None:
        """Prepare a pass, on the host, with decisions that depend on the values of parameters; not compiled."""

    @abstractmethod
    def statistics(self, model: Model, batch: Batch) -> dict[str, Tensor]:
        """Return sums over the events of a batch, float64.

        They include `log_likelihood`, in nats, and `weight`, the total weight of the events, `()` each.
        """

    @abstractmethod
    def maximize(self, model: Model, statistics: Mapping[str, Tensor]) -> None:
        """Set the parameters that maximize the expected likelihood, given the statistics of a whole pass."""

    def fault(self, model: Model) -> str | None:
        """Return why the end of a restart is not a proper maximum of the likelihood, or `None` if it is one."""
        return None

    def report(self, model: Model) -> dict[str, Any]:
        """Return facts about a restart that has ended, for the run's record, as plain values for JSON."""
        return {}


class DirectObjective(Objective):
    """A fit in one go, without steps: by a formula, a solver, or the training events themselves."""

    exact_maximum: bool = False
    """Whether `fit` ends at the maximum of the likelihood, so that information criteria may follow."""

    weighted: bool = False
    """Whether `fit` uses the weights of events. If not, weighted data raise an error."""

    passes: int | None = None
    """Number of times that `fit` iterates over the blocks, for the display; `None` if nobody knows."""

    def least_events(self, model: Model) -> int:
        """Return the smallest number of training events that the model needs."""
        return 1

    def block(self, model: Model) -> int:
        """Return the default number of events in a block."""
        return 8192

    @abstractmethod
    def fit(self, model: Model, blocks: Iterable[Batch]) -> Mapping[str, Any] | None:
        """Set everything in the model from the training events.

        It is called once, as ordinary Python that nothing traces or compiles, and may draw random numbers. Model and
        blocks are on the same device. The model is in eval mode, and gradients are off.

        Arguments:
            model: the untrained model. Buffers that its generator names in `grows` may be replaced by longer ones.
            blocks: all training events in order, in model space. They may be iterated over more than once.

        Returns:
            Facts for the run's record, as plain values for JSON; or `None`.
        """
