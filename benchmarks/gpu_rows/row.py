"""What a row of the GPU benchmark is: genzoo's way, the same work as a plain PyTorch loop, and what both cost at least.

To add a row, subclass `Row` (or `GradientRow` for a model trained by gradients) and add an instance to `ROWS` in
`gpu_rows/rows.py`.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

import torch
from torch import Tensor, nn

from gpu_rows.limits import Work

FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Place:
    """Where rows are measured.

    Arguments:
        device: the device of genzoo and of the plain loops.
        short: whether to use the shortened sizes.
    """

    device: torch.device
    short: bool

    @property
    def on_gpu(self) -> bool:
        return self.device.type == "cuda"

    @property
    def machine(self) -> str:
        """Name of the GPU, or of the CPU."""
        return torch.cuda.get_device_name(self.device) if self.on_gpu else f"{_cpu_name()}, {os.cpu_count()} cores"

    def compile(self, function: FunctionT) -> FunctionT:
        """Compile a part of a plain loop: into CUDA graphs on a GPU; on a CPU only traced, which takes no compiler."""
        options: dict[str, Any] = {"mode": "reduce-overhead"} if self.on_gpu else {"backend": "aot_eager"}
        return torch.compile(function, dynamic=False, **options)

    def begin_step(self) -> None:
        """Allow CUDA graphs to reuse the memory of the step before."""
        if self.on_gpu:
            torch.compiler.cudagraph_mark_step_begin()

    def synchronize(self) -> None:
        if self.on_gpu:
            torch.cuda.synchronize(self.device)


def _cpu_name() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:  # noqa: PTH123
            return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return "CPU"


@dataclass(frozen=True, slots=True)
class Contender:
    """One side of a comparison.

    Arguments:
        advance: takes a number of steps.
        state: returns the tensors that must repeat bit for bit, such as the weights.
        modules: the networks, in which one step's arithmetic is counted.
    """

    advance: Callable[[int], None]
    state: Callable[[], Mapping[str, Tensor]]
    modules: Sequence[nn.Module] = ()


@dataclass(frozen=True, slots=True)
class Bar:
    """What an H100 or H200 should reach: a figure of genzoo, or how many times as fast as the eager loop it is."""

    of: Literal["figure", "eager"]
    value: float


@dataclass(frozen=True, kw_only=True)
class Row(ABC):
    """One workload.

    Arguments:
        name: what `--only` takes.
        seconds: expected on an H100, compilation included; orders the rows and is checked against the budget.
        bars: what to reach on an H100 or H200.
        warm_up: steps before the first timed one; three are enough for CUDA graphs.
        most_steps: the most steps of a round.
        on_host: whether genzoo computes on the CPU, so that the limits of the GPU mean nothing.
        compiles: whether the plain loop is also measured under torch.compile.
    """

    name: str
    seconds: float
    bars: tuple[Bar, ...] = field(default=())
    warm_up: int = 4
    most_steps: int = 2000
    on_host: bool = False
    compiles: bool = True

    unit = "images/s"
    higher_is_better = True

    @abstractmethod
    def describe(self, place: Place) -> str:
        """Return the workload with its sizes, in a few words."""

    @abstractmethod
    def data(self, place: Place) -> Any:
        """Return what all contenders share; called once."""

    @abstractmethod
    def genzoo(self, place: Place, data: Any) -> Contender:
        """Build genzoo's side, as `genzoo train` or `genzoo evaluate` does."""

    @abstractmethod
    def plain(self, place: Place, data: Any, *, compiled: bool) -> Contender:
        """Build the same work as a plain PyTorch loop."""

    @abstractmethod
    def work(self, place: Place, data: Any, plain: Contender) -> Work:
        """Return operations and bytes of one step. `plain` is the eager loop, in case one of its steps is to count."""

    @abstractmethod
    def precision(self, place: Place) -> str:
        """Return the precision of the matrix products: bf16, fp32 or fp64."""

    @abstractmethod
    def figure(self, place: Place, seconds: float) -> float:
        """Return the figure for the table, in `unit`, from the seconds of a step."""
