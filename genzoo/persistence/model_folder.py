"""Write and read the portable `model/` folder: all that a trained model needs to sample, and no code."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from pydantic import Field

from genzoo.config.data_form import DataForm
from genzoo.config.settings import Settings
from genzoo.config.training import MOST_DRAWS
from genzoo.data.condition_transform import condition_tensors
from genzoo.data.transforms.transform import Stage
from genzoo.inference.rows.threshold import Calibration
from genzoo.inference.trained_model import TrainedModel
from genzoo.persistence.format1 import upgrade_model
from genzoo.persistence.safe_build import SCORES, StoredModel, StoredWeights, build_from_file
from genzoo.plugins.local import ModelSource
from genzoo.plugins.registry import Registry
from genzoo.spec.entries import MOST_SAMPLING_GROUP, SAMPLING_GROUP
from genzoo.storage.atomic import atomic_folder, write_bytes
from genzoo.storage.json_files import read_settings, write_json
from genzoo.storage.tensors import digest, read_layout, read_tensors, with_tied, write_tensors
from genzoo.text import printable
from genzoo.version import version
from genzoo.wording import KEEPS_ROWS, PYTHON, SHELL, Word, argument, speaking

CHANNELS_LAST = "channels_last"
"""Memory format of a model, in the record of its training."""

_MARKUP = "\\`*_{}[]<>|#"


class ModelFile(Settings):
    """`config.json` of a model folder."""

    format: Literal[2] = 2
    genzoo: str = Field(description="version that wrote it")
    model: str = Field(description="id of the zoo entry")
    options: dict[str, Any]
    data: DataForm
    transforms: tuple[Stage, ...] = Field(
        (), description="transforms from data units to the model's space; none for a shift and a scale alone"
    )
    training: dict[str, Any] = Field(description="how it was trained: objective, seed, steps, precision, average")
    tied: dict[str, str] = Field(default_factory=dict)
    tensors: str = Field(description="SHA-256 of model.safetensors")
    sampling: dict[str, Any] = Field({}, description="values of the sampling options")
    sampling_group: int = Field(SAMPLING_GROUP, ge=1, le=MOST_SAMPLING_GROUP)
    model_source: ModelSource | None = Field(None, description="source of a model that is a class of the user's")


def save_model(
    folder: Path,
    fitted: TrainedModel,
    options: dict[str, Any],
    training: dict[str, Any],
    source: ModelSource | None = None,
) -> str:
    """Write a model folder. It replaces an earlier one.

    Arguments:
        source: source of a model that is a class of the user's. Defaults to `None`: it is a plugin's.

    Returns:
        SHA-256 of the weights file.

    Raises:
        GenzooError: the disk is full or read-only.
    """
    tensors = {f"generator.{name}": value for name, value in fitted.generator.state_dict().items()}
    tensors |= {f"transform.{name}": value for name, value in fitted.transform.state_dict().items()}
    tensors |= condition_tensors(fitted.condition)
    if fitted.validation_scores is not None:
        tensors[SCORES] = torch.from_numpy(fitted.validation_scores)

    def fill(fresh: Path) -> str:
        tied = write_tensors(fresh / "model.safetensors", tensors)
        content = ModelFile(
            genzoo=version(),
            model=fitted.model,
            options=options,
            data=fitted.data,
            transforms=fitted.transform.stages,
            training=training,
            tied=tied,
            tensors=digest(fresh / "model.safetensors"),
            sampling=fitted.sampling.stored,
            sampling_group=fitted.sampling.group,
            model_source=source,
        )
        write_json(fresh / "config.json", content.model_dump(mode="json"))
        write_bytes(fresh / "README.md", _card(content).encode(errors="replace"))
        return content.tensors

    return atomic_folder(folder, fill)


def read_model_file(folder: Path) -> ModelFile:
    """Read `config.json` of a model folder.

    Raises:
        ArtifactError: it is missing, damaged or of another version.
    """
    return read_settings(folder / "config.json", ModelFile, upgrade_model)


def load_model(folder: Path, registry: Registry, device: torch.device | None = None) -> TrainedModel:
    """Load the model in a folder that `save_model` wrote, however it got here.

    Only installed plugins run. Weights are read only after their shapes were checked against the model that the
    options describe, which takes no memory.

    Raises:
        ArtifactError: a file is missing, damaged, of another version, or does not fit the model; or no installed
            plugin has the model.
    """
    content = read_model_file(folder)
    path = folder / "model.safetensors"
    layout = with_tied(path, read_layout(path, content.tensors), content.tied)
    weights = StoredWeights(
        str(folder),
        {name: place.outline() for name, place in layout.items()},
        lambda: read_tensors(path, content.tied, content.tensors),
    )
    stored = StoredModel(
        content.model,
        content.options,
        content.data,
        content.transforms,
        content.model_source,
        content.sampling,
        content.sampling_group,
        channels_last=content.training.get("memory_format") == CHANNELS_LAST,
    )
    fitted = build_from_file(stored, weights, registry, device)
    known = [name for name in get_args(Calibration) if name == content.training.get("calibration")]
    draws = content.training.get("bound_draws")
    return dataclasses.replace(
        fitted,
        calibration=known[0] if known else fitted.calibration,
        bound_draws=draws if type(draws) is int and 0 < draws <= MOST_DRAWS else fitted.bound_draws,
    )


def _card(content: ModelFile) -> str:
    """Return the model card, written from the record alone."""
    rows = "\n".join(f"| {name} | {_cell(value)} |" for name, value in content.training.items() if value is not None)
    options = "\n".join(f"| {name} | {_cell(value)} |" for name, value in content.options.items())
    sampling = "\n".join(f"| {name} | {_cell(value)} |" for name, value in content.sampling.items())
    flag = keyword = ""
    if content.model_source is not None:
        file = content.model_source.file or Word("FILE.py")
        with speaking(SHELL):
            flag = f" {argument('model', file)}"
        with speaking(PYTHON):
            keyword = f", {argument('model', file)}"
    drawn = f"## Sampling\n\n| option | value |\n|---|---|\n{sampling}\n\n" if sampling else ""
    kept = f"{KEEPS_ROWS}\n\n" if content.training.get("keeps_rows") is True else ""
    return (
        f"# {content.model}\n\n"
        f"Trained with genzoo {content.genzoo} on data of this form: {content.data.describe()}.\n\n{kept}"
        f"```\ngenzoo sample PATH/TO/THIS/FOLDER -n 64{flag}\n```\n\n"
        f"```python\nimport genzoo\n\nevents = genzoo.load('PATH/TO/THIS/FOLDER'{keyword}).sample(64)\n```\n\n"
        f"## Training\n\n| | |\n|---|---|\n{rows}\n\n## Options\n\n| option | value |\n|---|---|\n{options}\n\n"
        f"{drawn}"
        f"The weights are in `model.safetensors` (SHA-256 {content.tensors}). This folder contains no code.\n"
    )


def _cell(value: Any) -> str:
    return "".join(f"\\{letter}" if letter in _MARKUP else letter for letter in printable(str(value)))
