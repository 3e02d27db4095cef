"""Write and read checkpoints: all that an exact resume needs, in folders that are complete or absent."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field
from torch import Tensor

from genzoo.config.settings import Settings
from genzoo.data.transforms.transform import Stage
from genzoo.errors import DivergenceError
from genzoo.models.state_dict import strip_prefix
from genzoo.persistence.format1 import current_tensors, upgrade_checkpoint
from genzoo.storage.atomic import atomic_folder, remove_folder
from genzoo.storage.json_files import read_settings, write_json
from genzoo.storage.tensors import digest, is_finite, read_tensors, write_tensors

_PREFIX = "step-"


CHECKPOINTS = f"{_PREFIX}[0-9]*"
"""Pattern of the names of checkpoint folders."""


class MonitorState(Settings):
    """What early stopping remembers."""

    best: float | None = Field(None, description="best value so far")
    best_step: int | None = Field(None, ge=0)
    waited: int = Field(0, ge=0, description="evaluations since the best")
    former: MonitorState | None = Field(
        None, description="state before an evaluation that took place only because the budget was spent"
    )


class CheckpointState(Settings):
    """`state.json` of a checkpoint."""

    format: Literal[2] = 2
    step: int = Field(ge=0)
    seconds: float = Field(ge=0)
    numbers: dict[str, Any]
    pending: bool = Field(False, description="whether callbacks of the step, such as an evaluation, are still to run")
    monitor: MonitorState = Field(default_factory=MonitorState)
    transforms: tuple[Stage, ...] = Field((), description="as in a model folder")
    tied: dict[str, str] = Field(default_factory=dict)
    tensors: str = Field(description="SHA-256 of state.safetensors")

    def kept(self, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the tensors that a finished run would keep: `generator.*`, `transform.*` and `condition.*`."""
        average = strip_prefix(tensors, "ema.")
        weights = average or strip_prefix(tensors, "model.generator.")
        found = {f"generator.{name}": value for name, value in weights.items()}
        return found | {name: value for name, value in tensors.items() if name.startswith(("transform.", "condition."))}


def checkpoint_name(step: int) -> str:
    """Return the name of a step's checkpoint folder."""
    return f"{_PREFIX}{step:06d}"


def checkpoints(folder: Path) -> list[Path]:
    """Return the complete checkpoints in `folder`, oldest first."""
    found = [path for path in folder.glob(f"{_PREFIX}*") if path.name.removeprefix(_PREFIX).isdecimal()]
    return sorted(found, key=_step_of)


def _step_of(path: Path) -> int:
    return int(path.name.removeprefix(_PREFIX))


def save_checkpoint(
    folder: Path,
    step: int,
    seconds: float,
    tensors: dict[str, Tensor],
    numbers: dict[str, Any],
    monitor: MonitorState,
    *,
    transforms: Sequence[Stage] = (),
    pending: bool = False,
    advice: Callable[[str], str] = lambda _: "",
) -> Path:
    """Write a checkpoint. The folder appears under its name only when everything in it is on the disk.

    Arguments:
        folder: folder of all checkpoints.
        step: last step taken.
        seconds: time that training has taken.
        tensors: tensors of the engine and the transform.
        numbers: other state of the engine.
        monitor: state of early stopping.
        transforms: what files say about the transform. Defaults to none: a shift and a scale alone.
        pending: whether callbacks of the step, such as an evaluation, are still to run. Defaults to false.
        advice: says what to do if the tensor of that name is not finite, in sentences. Defaults to nothing.

    Raises:
        DivergenceError: a number to be saved is not finite; nothing is written.
        GenzooError: the disk is full or read-only.
    """
    for name, tensor in tensors.items():
        if not is_finite(tensor):
            raise DivergenceError(
                f"Training diverged: {name} holds numbers that are not finite at step {step}.{advice(name)}"
            )

    def fill(fresh: Path) -> None:
        tied = write_tensors(fresh / "state.safetensors", tensors)
        state = CheckpointState(
            step=step,
            seconds=seconds,
            numbers=numbers,
            pending=pending,
            monitor=monitor,
            transforms=tuple(transforms),
            tied=tied,
            tensors=digest(fresh / "state.safetensors"),
        )
        write_json(fresh / "state.json", state.model_dump())

    target = folder / checkpoint_name(step)
    atomic_folder(target, fill)
    return target


def load_checkpoint(path: Path) -> tuple[CheckpointState, dict[str, Tensor]]:
    """Read what `save_checkpoint` wrote.

    Raises:
        ArtifactError: it is damaged or was changed.
    """
    state = read_settings(path / "state.json", CheckpointState, upgrade_checkpoint)
    tensors = read_tensors(path / "state.safetensors", state.tied, state.tensors)
    return state, current_tensors(tensors)


def prune(folder: Path, keep: int, best: Collection[int | None]) -> None:
    """Remove all checkpoints but the last `keep` and the steps in `best`."""
    names = {checkpoint_name(step) for step in best if step is not None}
    for path in checkpoints(folder)[:-keep]:
        if path.name not in names:
            remove_folder(path)


def discard_after(folder: Path, step: int) -> None:
    """Remove the checkpoints of later steps. They could not be read, and training continues from `step`."""
    for path in checkpoints(folder):
        if _step_of(path) > step:
            remove_folder(path)
