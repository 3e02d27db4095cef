"""Check and load tensors into a module."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from genzoo.errors import ArtifactError


def strip_prefix(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names begin with `prefix`, under what follows it."""
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def check_tensors(module: nn.Module, tensors: Mapping[str, Tensor], *, exact: bool = True) -> None:
    """Refuse tensors that are not of the very names and shapes of a module's own.

    Arguments:
        exact: whether their types must be the same, and not only alike.

    Raises:
        ArtifactError: something is missing, left over or of another shape or type.
    """
    own = module.state_dict()
    if own.keys() != tensors.keys():
        odd = min(own.keys() ^ tensors.keys())
        raise ArtifactError(f"The saved tensors and the model do not fit: {odd!r} is only in one of them.")
    for name, value in own.items():
        found = tensors[name]
        alike = value.is_floating_point() == found.is_floating_point()
        if value.shape != found.shape or not alike or (exact and value.dtype != found.dtype):
            raise ArtifactError(
                f"Tensor {name!r} is {tuple(found.shape)} {found.dtype} in the file and "
                f"{tuple(value.shape)} {value.dtype} in the model."
            )


def load_tensors(module: nn.Module, tensors: Mapping[str, Tensor], *, assign: bool = False) -> None:
    """Load `tensors` into a module of the very same names, shapes and types.

    Arguments:
        assign: make them the module's own, types included, instead of copying.

    Raises:
        ArtifactError: they do not fit.
    """
    check_tensors(module, tensors, exact=not assign)
    module.load_state_dict(dict(tensors), assign=assign)
