"""Build a model for weights from a file that may come from anybody: every check of such weights is here.

Call `build_from_file`. A file names a model, options and weights. Nothing in it is run, and nothing it asks for may
cost more memory or time than its own size justifies.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from genzoo.config.resolve import options_class
from genzoo.config.sampling import Sampling
from genzoo.data.condition_transform import ConditionTransform, categories_of, most_combinations
from genzoo.data.transforms import Transform
from genzoo.data.transforms.parts import check_stages, restore_stages
from genzoo.data.transforms.transform import Stage
from genzoo.errors import ArtifactError, GenzooError, is_out_of_memory, pass_out_of_memory
from genzoo.inference.trained_model import TrainedModel
from genzoo.models.base import Generator, Parts
from genzoo.models.factory import build_model
from genzoo.models.local import find_local
from genzoo.models.state_dict import check_tensors, growing, load_tensors, strip_prefix
from genzoo.persistence.build_limits import SmallResults, counted, each, to_meta
from genzoo.plugins.local import ModelSource, is_local
from genzoo.plugins.registry import Entry, Registry, extra_named, resolve
from genzoo.runtime.seeding import random_scope
from genzoo.spec.entries import ModelSpec
from genzoo.spec.events import DataSpec

SCORES = "validation_scores"
"""Name of the tensor of validation rows' log-likelihoods."""

MOST_SCORES = 10_000
"""Validation rows whose log-likelihoods are kept with a model."""

_PREFIXES = ("generator.", "transform.", "condition.")

_DISTRIBUTION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")

_PER_WEIGHT, _BESIDES = 10, 2_000
"""Modules and tensors a model may register: so many for each tensor of weights, and so many more."""

_SPARE = 16 * 2**20
"""Bytes of buffers a model may hold beyond the size of its weights."""

_BYTES_PER_BYTE = 4
"""Bytes that a model may take while it is built, for each byte of its weights."""

_SIZE_PER_NUMBER, _SIZE_BESIDES = 4, 2**16
"""Numbers an event may have: so many for each number of the weights, and so many more."""


@dataclass(frozen=True, slots=True)
class StoredWeights:
    """Tensors `generator.*`, `transform.*` and `condition.*` in a file, and `validation_scores` if it has them.

    Arguments:
        path: file or folder that holds them, for messages.
        outlines: tensors without numbers, by name.
        read: reads them with their numbers.
    """

    path: str
    outlines: dict[str, Tensor]
    read: Callable[[], dict[str, Tensor]]


@dataclass(frozen=True, slots=True)
class StoredModel:
    """What a file says about a model, besides its weights.

    Arguments:
        id: id of the zoo entry.
        options: options of the model.
        data: describes one event.
        stages: its transforms. Defaults to none: a shift and a scale alone.
        source: source of a model that is a class of the user's. Defaults to `None`.
        sampling, sampling_group: values of the sampling options, and number of events of one call of `sample`.
        channels_last: whether it was trained in that memory format, and so computes the same bits only in it.
    """

    id: str
    options: Mapping[str, Any]
    data: DataSpec
    stages: Sequence[Stage]
    source: ModelSource | None
    sampling: Mapping[str, Any]
    sampling_group: int
    channels_last: bool


def build_from_file(
    stored: StoredModel, weights: StoredWeights, registry: Registry, device: torch.device | None = None
) -> TrainedModel:
    """Check everything that a file says about a model, then build the model with the file's weights.

    Arguments:
        stored: what the file says besides the weights.
        weights: tensors of the file.
        registry: installed models.
        device: where the model computes. Defaults to the host.

    Raises:
        ArtifactError: the weights do not fit the model, or no installed plugin has it.
        PluginError: the plugin failed to load.
    """
    _check_names(weights)
    entry, data = find_entry(stored.id, registry, weights.path, stored.source), stored.data
    # The transform of texts and sounds says what the model sees, on which the shapes of its weights depend.
    early = _restored(stored, weights, registry) if data.seen_later else None
    inner = data if early is None else early[1].spec_after(data)
    try:
        reason = check_fit(entry, stored.options, inner, strip_prefix(weights.outlines, "generator."))
        _check_scores(weights.outlines.get(SCORES))
        with _options_at_fault():
            how = Sampling.of(entry, stored.sampling, stored.sampling_group)
    except ArtifactError as error:
        raise ArtifactError(f"{weights.path} does not fit model {entry.id!r}: {error}") from error
    _check_condition_form(weights.path, weights.outlines, data)
    tensors, transform = early or _restored(stored, weights, registry)
    own = strip_prefix(tensors, "generator.")
    generator = _build_with(entry, stored.options, inner, own, limited=reason is not None)
    if stored.channels_last:
        generator.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    scores = tensors[SCORES].numpy() if SCORES in tensors else None
    trained = TrainedModel(
        entry.id,
        generator,
        transform,
        data,
        entry.spec.missing and generator.accepts_missing,
        scores,
        weights.path,
        sampling=how,
        condition=_condition_of(weights.path, tensors, data),
    )
    return trained if device is None else trained.to(device)


def _restored(stored: StoredModel, weights: StoredWeights, registry: Registry) -> tuple[dict[str, Tensor], Transform]:
    """Check what a file says about its transforms, then read its tensors. Return these, and the transforms as one."""
    try:
        check_stages(stored.stages, stored.data, strip_prefix(weights.outlines, "transform."), registry)
        tensors = weights.read()
        return tensors, restore_stages(stored.stages, stored.data, strip_prefix(tensors, "transform."), registry)
    except ArtifactError as error:
        raise ArtifactError(f"{weights.path}: {str(error).removesuffix('.')}.") from error


def find_entry(model: str, registry: Registry, path: str, source: ModelSource | None = None) -> Entry[ModelSpec]:
    """Return the zoo entry of a model id that the file at `path` names.

    Arguments:
        source: source of a model that is a class of the user's. Defaults to `None`.

    Raises:
        ArtifactError: no installed plugin has it, or the user has not named the file of its class.
        PluginError: its plugin failed to load.
    """
    if is_local(model):
        return find_local(model, source, path)
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


def check_fit(
    entry: Entry[ModelSpec], options: Mapping[str, Any], data: DataSpec, outlines: Mapping[str, Tensor]
) -> str | None:
    """Check that weights have exactly the names, shapes and types of the model that the options describe.

    Arguments:
        outlines: the weights, without their numbers.

    Returns:
        Why the model had to be built for real, under a limit of memory; `None` if it can be built without memory.

    Raises:
        ArtifactError: they do not fit, or the options ask for far more than such weights need.
        PluginError: the plugin cannot be imported.
    """
    with extra_named(entry):
        options_class(entry), resolve(entry.spec.builder, entry.spec)  # a broken plugin is not the options' fault
    numbers = sum(outline.numel() for outline in outlines.values())
    if data.size > _SIZE_PER_NUMBER * numbers + _SIZE_BESIDES:
        raise ArtifactError(f"events of {data.size} numbers are too large for a model whose weights are {numbers}")
    parts, reason = _outline(entry, options, data, outlines)
    check_tensors(parts.generator, outlines, exact=False)
    _check_lengths(parts.generator, outlines)
    _check_types(parts.generator, outlines)
    if _besides(parts) > sum(outline.nbytes for outline in outlines.values()) + _SPARE:
        raise ArtifactError("its options ask for buffers that are out of all proportion to its weights")
    return reason


def _outline(
    entry: Entry[ModelSpec], options: Mapping[str, Any], data: DataSpec, outlines: Mapping[str, Tensor]
) -> tuple[Parts, str | None]:
    """Return the parts that the options describe without the numbers of their parameters.

    They are built on the meta device, which takes no memory. Some builders cannot do without numbers. These are built
    for real, under limits that follow the size of the weights.

    Returns:
        The parts, and why they were built for real; `None` if they were not.
    """
    parts = _PER_WEIGHT * len(outlines) + _BESIDES
    try:
        with _memory_at_fault(), counted(parts), torch.device("meta"):
            return build_model(entry, options, data), None
    except ArtifactError:
        raise
    except GenzooError as error:
        reason = str(error)
    with _options_at_fault(), _memory_at_fault(), _limited(outlines):
        return build_model(entry, options, data), reason


@contextlib.contextmanager
def _memory_at_fault() -> Iterator[None]:
    """Report that memory ran out as a fault of the options: what a builder needs beside the weights follows them."""
    try:
        yield
    except Exception as error:
        if is_out_of_memory(error):
            raise ArtifactError("its options ask for more memory than there is") from error
        raise


@contextlib.contextmanager
def _limited(weights: Mapping[str, Tensor]) -> Iterator[None]:
    """Limit what a builder makes to a multiple of the weights of its model; numbers of parameters are dropped."""
    most = _BYTES_PER_BYTE * sum(weight.nbytes for weight in weights.values()) + _SPARE
    parts = _PER_WEIGHT * len(weights) + _BESIDES
    with random_scope(0, "build"), each(parameter=to_meta), counted(parts, most), SmallResults(most):
        yield


def _build_with(
    entry: Entry[ModelSpec],
    options: Mapping[str, Any],
    data: DataSpec,
    weights: Mapping[str, Tensor],
    *,
    limited: bool = False,
) -> Generator:
    """Return the generator that the options describe, with `weights`, which have been checked.

    Arguments:
        limited: whether to build under limits. It is not needed if the outline of the model was built without memory.
    """
    limits = _limited(weights) if limited else each(parameter=to_meta)
    with _options_at_fault(), random_scope(0, "build"), limits:
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


def _check_condition_form(path: str, outlines: Mapping[str, Tensor], data: DataSpec) -> None:
    """Check the names, shapes and types of the tensors that the conditions of `data` need."""
    found = strip_prefix(outlines, "condition.")
    columns, categories = len(data.condition), len(categories_of(data.condition))
    wanted: dict[str, tuple[torch.dtype, tuple[int, ...]]] = {}
    if columns:
        wanted = dict.fromkeys(("shift", "scale"), (torch.float64, (columns,)))
    if categories:
        rows = found["combinations"].shape[0] if "combinations" in found and found["combinations"].ndim else 0
        wanted |= {"combinations": (torch.int64, (rows, categories)), "counts": (torch.float64, (rows,))}
        if not 0 < rows <= most_combinations(data.condition):
            raise ArtifactError(f"{path}: it holds {rows} combinations of its conditions.")
    seen = {name: (outline.dtype, tuple(outline.shape)) for name, outline in found.items()}
    if seen != wanted:
        raise ArtifactError(f"{path}: its tensors for conditions do not fit {data.describe()}.")


def _condition_of(path: str, tensors: Mapping[str, Tensor], data: DataSpec) -> ConditionTransform | None:
    """Return the transform of conditions, after checking its numbers; `None` if there are none."""
    if not data.condition:
        return None
    found = ConditionTransform(data.condition, **strip_prefix(tensors, "condition."))
    good = found.shift.isfinite().all() and found.scale.isfinite().all() and (found.scale > 0).all()
    if found.categories:
        levels = torch.tensor([len(data.condition[place].levels or ()) for place in found.categories])
        codes = found.combinations
        good = good and ((codes >= 0) & (codes < levels)).all() and found.counts.isfinite().all()
        good = good and (found.counts > 0).all() and found.counts.sum().isfinite()
    if not good:
        raise ArtifactError(f"{path}: the numbers of its conditions do not fit {data.describe()}.")
    return found


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
