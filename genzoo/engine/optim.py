"""Optimizers of parameter groups, and the exponential moving average of parameters."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from genzoo.config.training import OptimizerConfig
from genzoo.engine.distributed import SINGLE_PROCESS, Processes
from genzoo.engine.muon import Muon, hidden_matrices
from genzoo.errors import ArtifactError
from genzoo.runtime.device import Runtime

ModuleT = TypeVar("ModuleT", bound=nn.Module)


class EMA(Generic[ModuleT]):
    """Exponential moving average of a module's trained parameters; all others, and buffers, are copied.

    A buffer may be a mask with infinite numbers, a count, or an average already. The mean of two of its states means
    nothing.

    Arguments:
        module: the module to average.
        decay: weight of the past, in (0, 1). In the first steps it rises as `(1 + t) / (5 + t)`, so that the random
            initial weights are soon forgotten.
    """

    def __init__(self, module: ModuleT, decay: float) -> None:
        self.module = copy.deepcopy(module).eval().requires_grad_(False)
        self._decay = decay
        pairs = list(zip(self.module.parameters(), module.parameters(), strict=True))
        self._averaged = [(mine, theirs) for mine, theirs in pairs if theirs.requires_grad]
        self._fixed = [(mine, theirs) for mine, theirs in pairs if not theirs.requires_grad]
        # A module may replace a buffer, so they are looked up by name each time.
        parts = zip(self.module.modules(), module.modules(), strict=True)
        self._owners = [(mine, theirs) for mine, theirs in parts if theirs._buffers]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Move the average toward the module, after `step` (from 1)."""
        decay = min(self._decay, (1 + step) / (5 + step))
        if self._averaged:
            get_ema_multi_avg_fn(decay)(*zip(*self._averaged, strict=True), step)  # type: ignore[no-untyped-call]
        for target, source in self._fixed:
            target.copy_(source)
        for mine, theirs in self._owners:
            for name, buffer in theirs._buffers.items():
                _copy_buffer(mine, name, buffer)


def _copy_buffer(module: nn.Module, name: str, source: Tensor | None) -> None:
    own = module._buffers.get(name)
    if own is None or source is None or own.shape != source.shape:
        module._buffers[name] = None if source is None else source.clone()
    else:
        own.copy_(source)


_FUSED = ("cpu", "cuda", "mps")


def _make(
    settings: OptimizerConfig, parameters: list[nn.Parameter], module: nn.Module, runtime: Runtime
) -> torch.optim.Optimizer:
    rate, decay = settings.lr, settings.weight_decay
    fused = True if runtime.device.type in _FUSED else None
    if settings.name == "muon":
        matrices = hidden_matrices(module)
        dtype = torch.bfloat16 if runtime.precision == "bf16" else None
        return Muon(parameters, matrices, rate, settings.betas, weight_decay=decay, fused=fused, dtype=dtype)
    if settings.name == "adam":
        return torch.optim.Adam(parameters, rate, settings.betas, weight_decay=decay, fused=fused)
    if settings.name == "adamw":
        return torch.optim.AdamW(parameters, rate, settings.betas, weight_decay=decay, fused=fused)
    if settings.name == "sgd":
        return torch.optim.SGD(parameters, rate, settings.momentum, weight_decay=decay, fused=fused)
    return torch.optim.RMSprop(parameters, rate, weight_decay=decay, momentum=settings.momentum)


class ParameterGroup:
    """Parameters with a common optimizer.

    The optimizer is fused if the device supports it, and fp16 uses a loss scaler.

    Arguments:
        module: the group's module; its parameters that need no gradient are left out.
        settings: settings of the optimizer.
        runtime: device and precision.
        clip: largest norm of the gradient, or `None` for no limit.
        processes: the processes that train together. Defaults to a single one.
    """

    def __init__(
        self,
        module: nn.Module,
        settings: OptimizerConfig,
        runtime: Runtime,
        clip: float | None,
        processes: Processes = SINGLE_PROCESS,
    ) -> None:
        self.parameters = [parameter for parameter in module.parameters() if parameter.requires_grad]
        self._settings = settings
        self._clip = clip
        self._processes = processes
        self._messages = processes.gradients(self.parameters) if self.parameters else []
        self._optimizer = _make(settings, self.parameters, module, runtime)
        self._scaler = torch.amp.GradScaler(runtime.device.type) if runtime.precision == "fp16" else None

    def backward(self, loss: Tensor, *, retain_graph: bool) -> None:
        """Add the gradient of `loss` to this group's parameters only."""
        if self._scaler is not None:
            loss = self._scaler.scale(loss)
        torch.autograd.backward(loss, inputs=self.parameters, retain_graph=retain_graph)

    def share(self, loss: Tensor) -> Tensor:
        """Add up the gradients of all processes; return the mean of a loss `()` over them.

        The gradients are still scaled: if they overflow in one process, all scalers see it and skip the step.
        """
        return self._processes.add_gradients(self._messages, loss)

    def step(self, rate_factor: float) -> None:
        """Update the parameters by their gradients, and clear the gradients."""
        for options in self._optimizer.param_groups:
            options["lr"] = self._settings.lr * rate_factor
        if self._scaler is not None:
            self._scaler.unscale_(self._optimizer)
        if self._clip is not None:
            nn.utils.clip_grad_norm_(self.parameters, self._clip)
        if self._scaler is not None:
            self._scaler.step(self._optimizer)
            self._scaler.update()
        else:
            self._optimizer.step()
        for parameter in self.parameters:
            parameter.grad = None

    def tensors(self) -> dict[str, Tensor]:
        """Return the optimizer's state, with keys `<parameter number>.<name>`."""
        state = self._optimizer.state
        return {
            f"{number}.{name}": value
            for number, parameter in enumerate(self.parameters)
            for name, value in state.get(parameter, {}).items()
        }

    def numbers(self) -> dict[str, Any]:
        """Return the loss scaler's state; empty if there is no scaler."""
        return {} if self._scaler is None else self._scaler.state_dict()

    def restore(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
        """Restore the state that `tensors` and `numbers` returned.

        Raises:
            ArtifactError: the state belongs to another optimizer or to other parameters.
        """
        state: dict[int, dict[str, Tensor]] = {}
        for key, value in tensors.items():
            number, _, name = key.partition(".")
            if not number.isdecimal() or int(number) >= len(self.parameters):
                raise ArtifactError(f"The optimizer's state has an entry {key!r} without a parameter.")
            parameter = self.parameters[int(number)]
            state.setdefault(int(number), {})[name] = _like(parameter, value)
        whole = self._optimizer.state_dict()
        self._optimizer.load_state_dict({"state": state, "param_groups": whole["param_groups"]})
        if self._scaler is not None:
            self._scaler.load_state_dict(dict(numbers))


def _like(parameter: nn.Parameter, value: Tensor) -> Tensor:
    """Return `value` with the strides of its parameter.

    Files do not store strides, and fused optimizers read both tensors in memory order.
    """
    if value.shape != parameter.shape:
        return value.clone()
    return torch.empty_like(parameter, dtype=value.dtype, device=parameter.device).copy_(value)
