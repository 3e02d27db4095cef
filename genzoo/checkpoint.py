"""Checkpoints: all that an exact resume needs, in a folder that is complete or absent."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Literal

from pydantic import Field
from torch import Tensor

from genzoo.config import Settings
from genzoo.errors import DivergenceError, GenzooError
from genzoo.files import digest, read_settings, read_tensors, sync, write_json, write_tensors
from genzoo.safetensor import is_finite
from genzoo.weights import below

_PREFIX = "step-"


class MonitorState(Settings):
    """What a monitor remembers."""

    best: float | None = Field(None, description="best value so far")
    best_step: int | None = Field(None, ge=0)
    waited: int = Field(0, ge=0, description="evaluations since the best")


class CheckpointState(Settings):
    """`state.json` of a checkpoint."""

    format: Literal[1] = 1
    step: int = Field(ge=0)
    seconds: float = Field(ge=0)
    numbers: dict[str, Any]
    monitor: MonitorState = Field(default_factory=MonitorState)
    tied: dict[str, str] = Field(default_factory=dict)
    tensors: str = Field(description="SHA-256 of state.safetensors")

    def kept(self, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        """Of a checkpoint's tensors, those that a finished run would keep: `generator.*` and `transform.*`."""
        average = below(tensors, "average.")
        weights = average or below(tensors, "model.generator.")
        found = {f"generator.{name}": value for name, value in weights.items()}
        return found | {name: value for name, value in tensors.items() if name.startswith("transform.")}


def checkpoint_name(step: int) -> str:
    """The folder of a step's checkpoint."""
    return f"{_PREFIX}{step:06d}"


def checkpoints(folder: Path) -> list[Path]:
    """The complete checkpoints in `folder`, oldest first."""
    found = [path for path in folder.glob(f"{_PREFIX}*") if path.name.removeprefix(_PREFIX).isdecimal()]
    return sorted(found, key=lambda path: int(path.name.removeprefix(_PREFIX)))


def save_checkpoint(
    folder: Path,
    step: int,
    seconds: float,
    tensors: dict[str, Tensor],
    numbers: dict[str, Any],
    monitor: MonitorState,
) -> Path:
    """Write a checkpoint; the folder appears under its name only when everything in it is on the disk.

    Raises:
        DivergenceError: a number to be saved is not finite; nothing is written.
        GenzooError: the disk is full or read-only.
    """
    for name, tensor in tensors.items():
        if not is_finite(tensor):
            raise DivergenceError(
                f"Training diverged: {name} holds numbers that are not finite at step {step}. "
                f"Try a smaller learning rate (--lr) or clip gradients (-o training.clip=1)."
            )
    target, temporary = folder / checkpoint_name(step), folder / f".{checkpoint_name(step)}.tmp"
    try:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        tied = write_tensors(temporary / "state.safetensors", tensors)
        state = CheckpointState(
            step=step,
            seconds=seconds,
            numbers=numbers,
            monitor=monitor,
            tied=tied,
            tensors=digest(temporary / "state.safetensors"),
        )
        write_json(temporary / "state.json", state.model_dump())
        shutil.rmtree(target, ignore_errors=True)
        temporary.replace(target)
        sync(folder)
    except OSError as error:
        raise GenzooError(f"Checkpoint {target} could not be written: {error.strerror or error}.") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return target


def load_checkpoint(path: Path) -> tuple[CheckpointState, dict[str, Tensor]]:
    """What `save_checkpoint` wrote.

    Raises:
        ArtifactError: it is damaged or was changed.
    """
    state = read_settings(path / "state.json", CheckpointState)
    return state, read_tensors(path / "state.safetensors", state.tied, state.tensors)


def prune(folder: Path, keep: int, best: int | None) -> None:
    """Remove all but the `keep` last checkpoints and that of step `best`."""
    found = checkpoints(folder)
    for path in found[:-keep]:
        if best is None or path.name != checkpoint_name(best):
            shutil.rmtree(path, ignore_errors=True)
