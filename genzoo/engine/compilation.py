"""Compile the computations of a step with `torch.compile`; what it cannot compile runs uncompiled."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import torch

from genzoo.config.training import GradientTraining
from genzoo.engine.distributed import Processes
from genzoo.engine.sync_batchnorm import SyncBatchNorm
from genzoo.errors import ConfigError, NotCompiledWarning
from genzoo.models.base import Model
from genzoo.models.objective import GradientObjective
from genzoo.runtime.device import Runtime
from genzoo.wording import argument


def asks_to_compile(model: Model, training: GradientTraining, runtime: Runtime, processes: Processes) -> bool:
    """Return whether to compile. Communication within a layer, by batch normalization over processes, is not compiled.

    Raises:
        ConfigError: the settings ask to compile such a model.
    """
    asked = bool(training.compile or (training.compile is None and runtime.device.type == "cuda"))
    if not asked or processes.count == 1:
        return asked
    normalizes = any(isinstance(part, SyncBatchNorm) for group in model.groups.values() for part in group.modules())
    if normalizes and training.compile:
        raise ConfigError(
            f"training.compile does not work with batch normalization in {processes.count} processes, which exchange "
            f"their moments. Leave it out, or train in one process."
        )
    return not normalizes


def compile_stages(model: Model, objective: GradientObjective, device: torch.device) -> None:
    """Compile the objective's stages, or the model's parts if it has no stages; on CUDA as graphs.

    Compilation happens in the first call. If it fails, that call and all later ones run uncompiled, with one warning.
    """
    mode = "reduce-overhead" if device.type == "cuda" else None
    either = _Either()
    for name in objective.stages:
        stage = getattr(objective, name)
        compiled = torch.compile(stage, fullgraph=True, dynamic=False, mode=mode)
        setattr(objective, name, either.compiled_or_not(compiled, stage))
    if not objective.stages:
        for module in model.groups.values():
            module.compile(dynamic=False, mode=mode)
            faster = module._compiled_call_impl
            assert faster is not None
            module._compiled_call_impl = either.compiled_or_not(faster, module._call_impl)


class _Either:
    """Calls compiled functions until one cannot be compiled, and from then on the functions themselves."""

    def __init__(self) -> None:
        self._given_up = False

    def compiled_or_not(self, compiled: Callable[..., Any], plain: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function that calls one of two that compute the same."""

        def call(*args: Any, **kwargs: Any) -> Any:
            if self._given_up:
                return plain(*args, **kwargs)
            try:
                return compiled(*args, **kwargs)
            except Exception as error:
                if not _is_of_the_compiler(error):
                    raise
                self._given_up = True
                warnings.warn(
                    f"torch.compile cannot compile this model, so it is trained uncompiled ({_shortly(error)}). Switch "
                    f"it off with {argument('training.compile', False)}.",
                    NotCompiledWarning,
                    stacklevel=2,
                )
            return plain(*args, **kwargs)

        return call


@contextlib.contextmanager
def explain_failure() -> Iterator[None]:
    """Turn a failure to compile a backward pass, after which a step cannot be taken again, into a readable error.

    Raises:
        ConfigError: compilation failed.
    """
    try:
        yield
    except Exception as error:
        if not _is_of_the_compiler(error):
            raise
        raise ConfigError(
            f"torch.compile cannot compile the gradients of this model ({_shortly(error)}). Switch it off with "
            f"{argument('training.compile', False)}."
        ) from error


def _is_of_the_compiler(error: Exception) -> bool:
    """Return whether an error is one of `torch.compile`, by its class: importing these takes a second."""
    return any(cls.__module__.startswith(("torch._dynamo", "torch._inductor")) for cls in type(error).__mro__)


def _shortly(error: Exception) -> str:
    """Return the class of an error and its first two lines. The first one may only name the backend."""
    return f"{type(error).__name__}: {' '.join(str(error).split(chr(10), 2)[:2])[:200]}"
