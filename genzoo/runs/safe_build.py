"""Build a model for weights from a file, within bounds that the file must keep."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import (
    register_module_buffer_registration_hook,
    register_module_module_registration_hook,
    register_module_parameter_registration_hook,
)

from genzoo.config.resolve import options_class
from genzoo.errors import ArtifactError, GenzooError
from genzoo.models.base import Generator, Parts
from genzoo.models.factory import build_model
from genzoo.models.state_dict import check_tensors, load_tensors
from genzoo.plugins.registry import Entry, extra_named, resolve
from genzoo.runtime.seeding import random_scope
from genzoo.spec import DataSpec, ModelSpec

_PER_WEIGHT, _BESIDES = 10, 2_000
"""Modules and tensors that a model registers for each tensor of weights, and besides."""


_SPARE = 16 * 2**20
"""Bytes of buffers that are not kept with the weights, besides as many as those have."""


_SIZE_PER_NUMBER, _SIZE_BESIDES = 4, 2**16
"""Numbers of an event for each number of the weights, and besides."""


def check_fit(
    entry: Entry[ModelSpec], options: Mapping[str, Any], data: DataSpec, outlines: Mapping[str, Tensor]
) -> None:
    """Refuse weights that are not of the very names, shapes and types of the model that options describe.

    Arguments:
        outlines: the weights, without their numbers.

    Raises:
        ArtifactError: they do not fit, or the options ask for what is out of all proportion to them.
        PluginError: the plugin cannot be imported.
    """
    with extra_named(entry):
        options_class(entry), resolve(entry.spec.builder, entry.spec)  # a broken plugin is not the options' fault
    numbers = sum(outline.numel() for outline in outlines.values())
    if data.size > _SIZE_PER_NUMBER * numbers + _SIZE_BESIDES:
        raise ArtifactError(f"events of {data.size} numbers are too large for a model whose weights are {numbers}")
    with _told(), torch.device("meta"), _limit(_PER_WEIGHT * len(outlines) + _BESIDES):
        parts = build_model(entry, options, data)
    check_tensors(parts.generator, outlines, exact=False)
    _check_types(parts.generator, outlines)
    if _besides(parts) > sum(outline.nbytes for outline in outlines.values()) + _SPARE:
        raise ArtifactError("its options ask for buffers that are out of all proportion to its weights")


def build_with(
    entry: Entry[ModelSpec], options: Mapping[str, Any], data: DataSpec, weights: Mapping[str, Tensor]
) -> Generator:
    """The generator that options describe with `weights`, which have been checked, for its own."""
    with _told(), random_scope(0, "build"), _each(parameter=_to_meta):
        generator = build_model(entry, options, data).generator
    load_tensors(generator, weights, assign=True)
    generator.to(next((tensor.dtype for tensor in weights.values() if tensor.is_floating_point()), torch.float32))
    return generator.requires_grad_(False).eval()


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Whatever a builder does with options that come with weights is the options' fault."""
    try:
        yield
    except GenzooError as error:
        raise ArtifactError(str(error)) from error
    except MemoryError as error:
        raise ArtifactError("its options ask for more memory than there is") from error


def _check_types(generator: Generator, outlines: Mapping[str, Tensor]) -> None:
    floating = {outline.dtype for outline in outlines.values() if outline.is_floating_point()}
    if len(floating) > 1 or not floating <= {torch.float32, torch.float64}:
        raise ArtifactError(
            f"its weights are {' and '.join(sorted(map(str, floating)))}; genzoo writes one, float32 or 64"
        )
    for name, own in generator.state_dict().items():
        if not own.is_floating_point() and own.dtype != outlines[name].dtype:
            raise ArtifactError(f"tensor {name!r} is {outlines[name].dtype} in the file and {own.dtype} in the model")


def _besides(parts: Parts) -> int:
    """Bytes of the buffers that are not among the generator's weights."""
    kept = set(parts.generator.state_dict())
    found = sum(buffer.nbytes for name, buffer in parts.generator.named_buffers() if name not in kept)
    return found + sum(
        buffer.nbytes for part in (parts.discriminator,) if part is not None for buffer in part.buffers()
    )


@contextlib.contextmanager
def _limit(most: int) -> Iterator[None]:
    """Let no more than so many modules, parameters and buffers be registered."""
    count = 0

    def note(*_: object) -> None:
        nonlocal count
        count += 1
        if count > most:
            raise ArtifactError(f"its options ask for more than {most} layers, and its weights are of far fewer")

    with _each(module=note, parameter=note, buffer=note):
        yield


@contextlib.contextmanager
def _each(**seen: Callable[[nn.Module, str, Any], Any]) -> Iterator[None]:
    """Have every module, parameter or buffer that this thread registers seen, or replaced by what is returned."""
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


def _to_meta(_: nn.Module, __: str, parameter: nn.Parameter | None) -> nn.Parameter | None:
    return None if parameter is None else nn.Parameter(parameter.to("meta"), parameter.requires_grad)
