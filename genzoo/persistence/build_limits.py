"""Limits on what a builder may do with options from a file: how many parts it makes, and how much memory it takes."""

from __future__ import annotations

import contextlib
import math
import threading
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import (
    register_module_buffer_registration_hook,
    register_module_module_registration_hook,
    register_module_parameter_registration_hook,
)
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

from genzoo.errors import ArtifactError


@contextlib.contextmanager
def counted(most: int, most_bytes: float = math.inf) -> Iterator[None]:
    """Raise if more than so many modules, parameters and buffers are registered, or more than so many bytes of them.

    Raises:
        ArtifactError: the builder registers more.
    """
    count = size = 0

    def note(_: nn.Module, __: str, value: Any) -> None:
        nonlocal count, size
        count += 1
        size += value.nbytes if isinstance(value, Tensor) else 0
        if count > most:
            raise ArtifactError(f"its options ask for more than {most} layers, and its weights are of far fewer")
        if size > most_bytes:
            raise ArtifactError(f"its options ask for more than {most_bytes:.0f} bytes, and its weights are far fewer")

    with each(module=note, parameter=note, buffer=note):
        yield


@contextlib.contextmanager
def each(**seen: Callable[[nn.Module, str, Any], Any]) -> Iterator[None]:
    """Call a function for each module, parameter or buffer that this thread registers; it may return a replacement."""
    here = threading.get_ident()
    registers = {
        "module": register_module_module_registration_hook,
        "parameter": register_module_parameter_registration_hook,
        "buffer": register_module_buffer_registration_hook,
    }

    def only_here(see: Callable[[nn.Module, str, Any], Any]) -> Callable[[nn.Module, str, Any], Any]:
        return lambda module, name, value: see(module, name, value) if threading.get_ident() == here else None

    with contextlib.ExitStack() as stack:
        for kind, see in seen.items():
            stack.callback(registers[kind](only_here(see)).remove)
        yield


def to_meta(_: nn.Module, __: str, parameter: nn.Parameter | None) -> nn.Parameter | None:
    """Replace a parameter that is registered by one without numbers."""
    return None if parameter is None else nn.Parameter(parameter.to("meta"), parameter.requires_grad)


class SmallResults(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Raises before an operation of this thread makes a tensor larger than so many bytes.

    Each operation runs on the meta device first, where it takes no memory, which gives the size of its result. A few
    have none there, because the size of their result depends on values, such as `torch.unique`. Theirs is checked
    afterwards. A limit on the whole process (`resource.setrlimit`) would also hit the other threads of a program, and a
    process of its own would not have the plugins that this one has registered, and takes seconds to import torch.

    Arguments:
        most: largest size of a result, in bytes.

    Raises:
        ArtifactError: a result is larger.
    """

    def __init__(self, most: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._most = most

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = kwargs or {}
        changes_nothing = not func._schema.is_mutable and not func.is_view
        if changes_nothing and (outline := _on_meta(func, args, given)) is not None:
            self._check(outline)
        result = func(*args, **given)
        self._check(result)
        return result

    def _check(self, result: Any) -> None:
        results = result if isinstance(result, list | tuple) else (result,)
        # A view, such as an expanded tensor, takes no memory of its own, so what counts is the storage.
        size = sum(
            value.nbytes if value.is_meta else value.untyped_storage().nbytes()
            for value in results
            if isinstance(value, Tensor) and value.layout == torch.strided
        )
        if size > self._most:
            raise ArtifactError(
                f"its options ask for a tensor of {size} bytes, and models with such weights may take {self._most}"
            )


def _on_meta(func: Any, args: Any, kwargs: Any) -> Any:
    """Return what an operation makes, without numbers; `None` if it needs them."""
    tensors = any(isinstance(value, Tensor) for value in tree_leaves((args, kwargs)))
    args, kwargs = tree_map_only(Tensor, lambda value: value.detach().to("meta"), (args, kwargs))
    if "device" in kwargs or not tensors:
        kwargs = {**kwargs, "device": torch.device("meta")}
    kwargs |= dict.fromkeys(kwargs.keys() & {"generator", "pin_memory"})
    try:
        return func(*args, **kwargs)
    except Exception:  # an operation may fail there in any way; what it does with numbers is checked afterwards
        return None
