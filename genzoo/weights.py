"""Tensors by name into modules, with a sentence where they do not fit."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from genzoo.errors import ArtifactError


def below(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names begin with `prefix`, under what follows it."""
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def load_tensors(module: nn.Module, tensors: Mapping[str, Tensor], *, assign: bool = False) -> None:
    """Load `tensors` into a module of the very same names, shapes and types.

    Arguments:
        assign: make them the module's own, as a module on the meta device needs, instead of copying.

    Raises:
        ArtifactError: something is missing, left over or of another shape or type.
    """
    own = module.state_dict()
    if own.keys() != tensors.keys():
        odd = min(own.keys() ^ tensors.keys())
        raise ArtifactError(f"The saved tensors and the model do not fit: {odd!r} is only in one of them.")
    for name, value in own.items():
        found = tensors[name]
        kinds = (value.is_floating_point(), found.is_floating_point())
        if value.shape != found.shape or len(set(kinds)) > 1 or (not assign and value.dtype != found.dtype):
            raise ArtifactError(
                f"Tensor {name!r} is {tuple(found.shape)} {found.dtype} in the file and "
                f"{tuple(value.shape)} {value.dtype} in the model."
            )
    module.load_state_dict(dict(tensors), assign=assign)
