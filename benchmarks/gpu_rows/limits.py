"""How close a step comes to what the device can do: arithmetic, memory bandwidth, kernel launches.

Each limit is measured by a short probe on the same device. The share of a limit is the time that the device would need
for that part of the step alone, divided by the time of the step.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32, "fp64": torch.float64}

_PASSES_OVER_ACTIVATIONS = 5
"""An output of a layer is written and read forward, read backward, and its gradient is written and read."""

_ADAM_BYTES = 40
"""Per float32 parameter: the weight read twice, the gradient written and read, and the weight and both moments of Adam
read and written."""

_LAUNCHES = ("cudaLaunch", "cuLaunch", "cudaMemcpyAsync", "cudaMemsetAsync")
_GRAPHS = "cudaGraphLaunch"


@dataclass(frozen=True, slots=True)
class Work:
    """What one step costs at least: floating-point operations, and bytes read or written in the device's memory."""

    flops: float
    bytes: float


@dataclass(frozen=True, slots=True)
class Limits:
    """What the device does at most.

    Arguments:
        flops: operations per second in matrix products.
        bandwidth: bytes per second, read and written.
        launch: seconds per kernel launch.
    """

    flops: float
    bandwidth: float
    launch: float


@dataclass(frozen=True, slots=True)
class Launches:
    """Launches of one step: kernels and copies one by one, and whole CUDA graphs."""

    kernels: float
    graphs: float


def shares(work: Work, limits: Limits, launches: Launches | None, seconds: float) -> dict[str, float]:
    """Return the share of each limit in a step that takes `seconds`, 0 to 1; launches only if they were counted.

    A CUDA graph counts as one launch, however many kernels it replays.

    Examples:
        >>> shares(Work(1e9, 2e6), Limits(1e12, 1e9, 1e-5), Launches(20, 1), 0.01)
        {'arithmetic': 0.1, 'bandwidth': 0.2, 'launches': 0.021}
    """
    parts = {
        "arithmetic": work.flops / limits.flops / seconds,
        "bandwidth": work.bytes / limits.bandwidth / seconds,
    }
    if launches is not None:
        parts["launches"] = round((launches.kernels + launches.graphs) * limits.launch / seconds, 6)
    return parts


class _FlopCounter(TorchDispatchMode):
    """Sum PyTorch's own formulas; unlike `FlopCounterMode`, also where a gradient is itself differentiated."""

    def __init__(self) -> None:
        super().__init__()
        self.flops = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        formula = flop_registry.get(func._overloadpacket)
        if formula is not None:
            self.flops += formula(*args, **(kwargs or {}), out_val=result)
        return result


def count_gradient_work(modules: Sequence[nn.Module], step: Callable[[], None]) -> Work:
    """Count the matrix products of one eager step, and the bytes of its layers' outputs and parameters.

    Normalizations, activations and losses are assumed to be fused into the layers, so the bytes are a lower bound.
    """
    outputs = 0

    def note(_module: nn.Module, _inputs: object, output: torch.Tensor) -> None:
        nonlocal outputs
        outputs += output.numel() * output.element_size()

    kinds = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)
    layers = [layer for module in modules for layer in module.modules() if isinstance(layer, kinds)]
    hooks = [layer.register_forward_hook(note) for layer in layers]
    try:
        with _FlopCounter() as counter:
            step()
    finally:
        for hook in hooks:
            hook.remove()
    parameters = sum(parameter.numel() for module in modules for parameter in module.parameters())
    return Work(counter.flops, _PASSES_OVER_ACTIVATIONS * outputs + _ADAM_BYTES * parameters)


def count_launches(advance: Callable[[int], None], steps: int = 3) -> Launches | None:
    """Count the launches of a step with PyTorch's profiler; `None` if it sees none, for lack of rights for example."""
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as profiler:
        advance(steps)
        torch.cuda.synchronize()
    return launches_of({event.key: event.count for event in profiler.key_averages()}, steps)


def launches_of(counts: Mapping[str, int], steps: int) -> Launches | None:
    """Return the launches of a step from the numbers of calls by name, or `None` if there are none."""
    kernels = sum(count for name, count in counts.items() if name.startswith(_LAUNCHES))
    graphs = counts.get(_GRAPHS, 0)
    return Launches(kernels / steps, graphs / steps) if kernels + graphs else None


def measure_limits(device: torch.device, precision: str) -> Limits:
    """Measure the limits of a device with probes of well under a second each."""
    large = device.type == "cuda"
    side = (4096 if precision == "fp64" else 8192) if large else 512
    a = torch.randn(side, side, device=device).to(DTYPES[precision])
    product = _fastest(device, lambda: a @ a)
    x = torch.ones(2**28 if large else 2**22, device=device)
    y = torch.empty_like(x)
    copy = _fastest(device, lambda: y.copy_(x))
    one = torch.zeros(1, device=device)
    launch = _fastest(device, lambda: [one.add_(1.0) for _ in range(1000)], wall=True) / 1000
    return Limits(2 * side**3 / product, 2 * x.numel() * x.element_size() / copy, launch)


def _fastest(device: torch.device, action: Callable[[], object], *, wall: bool = False) -> float:
    """Return the least seconds of ten runs, by CUDA events unless the host's time is meant."""
    action()
    times = []
    for _ in range(10):
        if device.type == "cuda" and not wall:
            begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            begin.record()
            action()
            end.record()
            end.synchronize()
            times.append(begin.elapsed_time(end) / 1e3)
        else:
            started = time.perf_counter()
            action()
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            times.append(time.perf_counter() - started)
    return min(times)
