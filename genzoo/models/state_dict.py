"""Check, count and load the tensors of a module."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from genzoo.errors import ArtifactError
from genzoo.models.base import Generator, Likelihood


def strip_prefix(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the tensors whose names begin with `prefix`, with the prefix removed."""
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _newer(module: nn.Module) -> set[str]:
    """Return the names of tensors that files of earlier versions lack: `newer_tensors` of the module and its parts."""
    named = ((prefix, getattr(part, "newer_tensors", ())) for prefix, part in module.named_modules())
    return {f"{prefix}.{name}".removeprefix(".") for prefix, names in named for name in names}


def growing(module: nn.Module) -> set[str]:
    """Return the names of the buffers whose first dimension depends on the training events."""
    generators = ((prefix, part) for prefix, part in module.named_modules() if isinstance(part, Generator))
    return {f"{prefix}.{name}".removeprefix(".") for prefix, part in generators for name in type(part).grows}


def learned_numbers(generator: Generator) -> int:
    """Return the degrees of freedom of a generator, or how many numbers it has learned if it does not define them."""
    degrees = generator.degrees_of_freedom if isinstance(generator, Likelihood) else None
    if degrees is not None:
        return degrees
    grown = growing(generator)
    kept = [*generator.parameters(), *(value for name, value in generator.named_buffers() if name in grown)]
    return sum(value.numel() for value in kept)


def check_tensors(module: nn.Module, tensors: Mapping[str, Tensor], *, exact: bool = True) -> None:
    """Check that tensors have the names, shapes and types of a module's own tensors.

    A module may name tensors in `newer_tensors` that it has only since some version. Files may lack these. The first
    dimension of a buffer in `Generator.grows` may differ.

    Arguments:
        exact: whether types must be equal. If not, both need only be floating-point, or neither. Defaults to true.

    Raises:
        ArtifactError: a tensor is missing or left over, or has another shape or type.
    """
    own = module.state_dict()
    if odd := (own.keys() ^ tensors.keys()) - (_newer(module) - tensors.keys()):
        raise ArtifactError(f"The saved tensors and the model do not match: {min(odd)!r} is only in one of them.")
    grown = growing(module)
    for name, saved in tensors.items():
        value = own[name]
        skipped = int(name in grown and value.ndim == saved.ndim)
        alike = value.is_floating_point() == saved.is_floating_point()
        if value.shape[skipped:] != saved.shape[skipped:] or not alike or (exact and value.dtype != saved.dtype):
            raise ArtifactError(
                f"Tensor {name!r} is {tuple(saved.shape)} {saved.dtype} in the file and "
                f"{tuple(value.shape)} {value.dtype} in the model."
            )


def load_tensors(module: nn.Module, tensors: Mapping[str, Tensor], *, assign: bool = False) -> None:
    """Load tensors into a module with the same names, shapes and types.

    Of `newer_tensors` that are not given, the module keeps its own.

    Arguments:
        assign: use the tensors themselves, types included, instead of copying their values. Defaults to false.

    Raises:
        ArtifactError: the tensors do not match the module.
    """
    check_tensors(module, tensors, exact=not assign)
    for name in growing(module) & tensors.keys():
        _resize(module, name, len(tensors[name]))
    module.load_state_dict({**module.state_dict(), **tensors}, assign=assign)


def _resize(module: nn.Module, name: str, length: int) -> None:
    """Give a buffer another length, without values."""
    owner, _, own = name.rpartition(".")
    part = module.get_submodule(owner)
    buffer = part.get_buffer(own)
    if len(buffer) != length:
        part.register_buffer(own, torch.empty((length, *buffer.shape[1:]), dtype=buffer.dtype, device=buffer.device))
