"""Build a model for weights from a file that may come from anybody: every check of such weights is here.

Call `build_from_file`. A file names a model, options and weights. Nothing in it is run, and nothing it asks for may
cost more memory or time than its own size justifies.
"""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import (
    register_module_buffer_registration_hook,
    register_module_module_registration_hook,
    register_module_parameter_registration_hook,
)

from genzoo.config.resolve import options_class
from genzoo.data.transforms import AffineTransform
from genzoo.errors import ArtifactError, GenzooError, is_out_of_memory, pass_out_of_memory
from genzoo.inference.trained_model import TrainedModel
from genzoo.models.base import Generator, Parts
from genzoo.models.factory import build_model
from genzoo.models.state_dict import check_tensors, growing, load_tensors, strip_prefix
from genzoo.plugins.registry import Entry, Registry, extra_named, resolve
from genzoo.runtime.seeding import random_scope
from genzoo.spec.entries import ModelSpec
from genzoo.spec.events import DataSpec

SCORES = "validation_scores"
"""Name of the tensor of validation rows' log-likelihoods."""

MOST_SCORES = 10_000
"""Validation rows whose log-likelihoods are kept with a model."""

_PREFIXES = ("generator.", "transform.")

_DISTRIBUTION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")

_PER_WEIGHT, _BESIDES = 10, 2_000
"""Modules and tensors a model may register: so many for each tensor of weights, and so many more."""

_SPARE = 16 * 2**20
"""Bytes of buffers a model may hold beyond the size of its weights."""

_SIZE_PER_NUMBER, _SIZE_BESIDES = 4, 2**16
"""Numbers an event may have: so many for each number of the weights, and so many more."""


@dataclass(frozen=True, slots=True)
class StoredWeights:
    """Tensors `generator.*` and `transform.*` in a file, and `validation_scores` if it has them.

    Arguments:
        path: file or folder that holds them, for messages.
        outlines: tensors without numbers, by name.
        read: reads them with their numbers.
    """

    path: str
    outlines: dict[str, Tensor]
    read: Callable[[], dict[str, Tensor]]


def build_from_file(
    model: str,
    options: Mapping[str, Any],
    data: DataSpec,
    weights: StoredWeights,
    registry: Registry,
    device: torch.device | None = None,
) -> TrainedModel:
    """Check everything that a file says about a model, then build the model with the file's weights.

    Arguments:
        model: id of the zoo entry.
        options: options of the model.
        data: describes one event.
        weights: tensors of the file.
        registry: installed models.
        device: where the model computes. Defaults to the host.

    Raises:
        ArtifactError: the weights do not fit the model, or no installed plugin has it.
        PluginError: the plugin failed to load.
    """
    _check_names(weights)
    entry = find_entry(model, registry, weights.path)
    try:
        _check_fit(entry, options, data, strip_prefix(weights.outlines, "generator."))
        _check_scores(weights.outlines.get(SCORES))
    except ArtifactError as error:
        raise ArtifactError(f"{weights.path} does not fit model {entry.id!r}: {error}") from error
    _check_transform_form(weights.path, weights.outlines, data)
    tensors = weights.read()
    transform = AffineTransform(tensors["transform.shift"], tensors["transform.scale"])
    if not (transform.scale > 0).all():
        raise ArtifactError(f"{weights.path}: its transform does not fit events of shape {data.event_shape}.")
    generator = _build_with(entry, options, data, strip_prefix(tensors, "generator."))
    scores = tensors[SCORES].numpy() if SCORES in tensors else None
    trained = TrainedModel(entry.id, generator, transform, data, entry.spec.missing, scores, weights.path)
    return trained if device is None else trained.to(device)


def find_entry(model: str, registry: Registry, path: str) -> Entry[ModelSpec]:
    """Return the zoo entry of a model id that the file at `path` names.

    Raises:
        ArtifactError: no installed plugin has it.
        PluginError: its plugin failed to load.
    """
    if model in registry.models.ids():
        return registry.models.get(model)
    registry.models.refuse_failed(model)
    distribution = model.partition("/")[0]
    known = _DISTRIBUTION.fullmatch(distribution) is not None and "/" in model
    remedy = f"If you trust its origin: genzoo install {distribution}." if known else "It is no id of a model."
    if registry.models.leaves_out(distribution):
        remedy = registry.models.left_out
    raise ArtifactError(f"{path} holds a model {model[:100]!r}, which no installed plugin has. {remedy}")


def _check_names(weights: StoredWeights) -> None:
    if strange := sorted(name for name in weights.outlines if name != SCORES and not name.startswith(_PREFIXES)):
        raise ArtifactError(f"{weights.path} holds a tensor {strange[0]!r}, which is part of no model.")


def _check_fit(
    entry: Entry[ModelSpec], options: Mapping[str, Any], data: DataSpec, outlines: Mapping[str, Tensor]
) -> None:
    """Check that weights have exactly the names, shapes and types of the model that the options describe.

    Arguments:
        outlines: the weights, without their numbers.

    Raises:
        ArtifactError: they do not fit, or the options ask for far more than such weights need.
        PluginError: the plugin cannot be imported.
    """
    with extra_named(entry):
        options_class(entry), resolve(entry.spec.builder, entry.spec)  # a broken plugin is not the options' fault
    numbers = sum(outline.numel() for outline in outlines.values())
    if data.size > _SIZE_PER_NUMBER * numbers + _SIZE_BESIDES:
        raise ArtifactError(f"events of {data.size} numbers are too large for a model whose weights are {numbers}")
    try:
        with _options_at_fault(), torch.device("meta"), _limit(_PER_WEIGHT * len(outlines) + _BESIDES):
            parts = build_model(entry, options, data)
    except Exception as error:
        if is_out_of_memory(error):  # weights take none here, and what a builder needs besides follows its options
            raise ArtifactError("its options ask for more memory than there is") from error
        raise
    check_tensors(parts.generator, outlines, exact=False)
    _check_lengths(parts.generator, outlines)
    _check_types(parts.generator, outlines)
    if _besides(parts) > sum(outline.nbytes for outline in outlines.values()) + _SPARE:
        raise ArtifactError("its options ask for buffers that are out of all proportion to its weights")


def _build_with(
    entry: Entry[ModelSpec], options: Mapping[str, Any], data: DataSpec, weights: Mapping[str, Tensor]
) -> Generator:
    """Return the generator that the options describe, with `weights`, which have been checked."""
    with _options_at_fault(), random_scope(0, "build"), _each(parameter=_to_meta):
        generator = build_model(entry, options, data).generator
    load_tensors(generator, weights, assign=True)
    generator.to(next((tensor.dtype for tensor in weights.values() if tensor.is_floating_point()), torch.float32))
    return generator.requires_grad_(False).eval()


@contextlib.contextmanager
def _options_at_fault() -> Iterator[None]:
    """Report errors of a builder as a fault of the options, which come from the file."""
    try:
        yield
    except GenzooError as error:
        pass_out_of_memory(error)
        raise ArtifactError(str(error)) from error


def _check_scores(outline: Tensor | None) -> None:
    if outline is None:
        return
    if outline.dtype != torch.float64 or outline.ndim != 1 or not 0 < len(outline) <= MOST_SCORES:
        raise ArtifactError(
            f"its {SCORES} are {tuple(outline.shape)} {outline.dtype}, and not a list of at most {MOST_SCORES} float64"
        )


def _check_transform_form(path: str, outlines: Mapping[str, Tensor], data: DataSpec) -> None:
    allowed = ((), data.event_shape[:1]) if data.form.columns else ((),)
    parts = [outlines.get(f"transform.{name}") for name in ("shift", "scale")]
    if any(part is None or tuple(part.shape) not in allowed or not part.is_floating_point() for part in parts):
        raise ArtifactError(f"{path}: its transform does not fit events of shape {data.event_shape}.")


def _check_lengths(generator: Generator, outlines: Mapping[str, Tensor]) -> None:
    """Check that a buffer that grows is no longer than its file, also if its events have no numbers."""
    size = sum(outline.nbytes for outline in outlines.values())
    for name in growing(generator):
        if outlines[name].numel() == 0 and len(outlines[name]) > size:
            raise ArtifactError(f"tensor {name!r} has {len(outlines[name])} rows without numbers")


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
    """Return the bytes of the buffers that are not among the generator's weights."""
    kept = set(parts.generator.state_dict())
    found = sum(buffer.nbytes for name, buffer in parts.generator.named_buffers() if name not in kept)
    return found + sum(
        buffer.nbytes for part in (parts.discriminator,) if part is not None for buffer in part.buffers()
    )


@contextlib.contextmanager
def _limit(most: int) -> Iterator[None]:
    """Raise if more than so many modules, parameters and buffers are registered."""
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


def _to_meta(_: nn.Module, __: str, parameter: nn.Parameter | None) -> nn.Parameter | None:
    return None if parameter is None else nn.Parameter(parameter.to("meta"), parameter.requires_grad)
