"""The portable `model/` folder: what a trained model needs to sample on its own, and nothing that could run."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor

from genzoo.config.settings import DataForm, Settings
from genzoo.data.transforms import AffineTransform
from genzoo.errors import ArtifactError
from genzoo.inference.trained_model import TrainedModel
from genzoo.models.state_dict import strip_prefix
from genzoo.plugins.registry import Entry, Registry
from genzoo.runs.format1 import upgrade_model
from genzoo.runs.safe_build import build_with, check_fit
from genzoo.spec import DataSpec, ModelSpec
from genzoo.storage.atomic import atomic_folder, write_bytes
from genzoo.storage.json_files import read_settings, write_json
from genzoo.storage.tensors import digest, read_layout, read_tensors, with_tied, write_tensors
from genzoo.text import printable
from genzoo.version import version

_MARKUP = "\\`*_{}[]<>|#"


_SCORES = "validation_scores"


MOST_SCORES = 10_000
"""Validation rows whose log-likelihoods are kept with a model."""


_PREFIXES = ("generator.", "transform.")


_DISTRIBUTION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class ModelFile(Settings):
    """`config.json` of a model folder."""

    format: Literal[2] = 2
    genzoo: str = Field(description="version that wrote it")
    model: str = Field(description="id of the zoo entry")
    options: dict[str, Any]
    data: DataForm
    training: dict[str, Any] = Field(description="how it was trained: objective, seed, steps, precision, average")
    tied: dict[str, str] = Field(default_factory=dict)
    tensors: str = Field(description="SHA-256 of model.safetensors")


def save_model(folder: Path, fitted: TrainedModel, options: dict[str, Any], training: dict[str, Any]) -> str:
    """Write a model folder in place of an earlier one.

    Returns:
        SHA-256 of the weights file.

    Raises:
        GenzooError: the disk is full or read-only.
    """
    tensors = {f"generator.{name}": value for name, value in fitted.generator.state_dict().items()}
    tensors |= {f"transform.{name}": value for name, value in fitted.transform.state_dict().items()}
    if fitted.validation_scores is not None:
        tensors[_SCORES] = torch.from_numpy(fitted.validation_scores)

    def fill(fresh: Path) -> str:
        tied = write_tensors(fresh / "model.safetensors", tensors)
        content = ModelFile(
            genzoo=version(),
            model=fitted.model,
            options=options,
            data=fitted.data,
            training=training,
            tied=tied,
            tensors=digest(fresh / "model.safetensors"),
        )
        write_json(fresh / "config.json", content.model_dump(mode="json"))
        write_bytes(fresh / "README.md", _card(content).encode(errors="replace"))
        return content.tensors

    return atomic_folder(folder, fill)


def load_model(folder: Path, registry: Registry, device: torch.device | None = None) -> TrainedModel:
    """The model in a folder that `save_model` wrote.

    Nothing but installed plugins is run. The weights are read only after their shapes were checked against those of
    the model that the options describe, which takes no memory.

    Raises:
        ArtifactError: a file is missing, damaged, of another version, or does not fit the model; or no
            installed plugin has it.
    """
    content = read_settings(folder / "config.json", ModelFile, upgrade_model)
    path = folder / "model.safetensors"
    layout = with_tied(path, read_layout(path, content.tensors), content.tied)
    if strange := sorted(name for name in layout if name != _SCORES and not name.startswith(_PREFIXES)):
        raise ArtifactError(f"{path} holds a tensor {strange[0]!r}, which belongs to no part of a model.")
    entry = entry_of(content.model, registry, folder)
    kept = Weights(
        str(folder),
        {name: place.outline() for name, place in layout.items()},
        lambda: read_tensors(path, content.tied, content.tensors),
    )
    return assemble(entry, content.options, content.data, kept, device)


def entry_of(model: str, registry: Registry, owner: Path) -> Entry[ModelSpec]:
    """The zoo's entry of a model id that a file at `owner` names.

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
    raise ArtifactError(f"{owner} holds a model {model[:100]!r}, which no installed plugin has. {remedy}")


@dataclass(frozen=True, slots=True)
class Weights:
    """Tensors `generator.*` and `transform.*` in a file, and `validation_scores` where they were kept.

    Arguments:
        owner: where they are, for messages.
        outlines: by name, tensors without numbers.
        read: gives them with their numbers.
    """

    owner: str
    outlines: dict[str, Tensor]
    read: Callable[[], dict[str, Tensor]]


def assemble(
    entry: Entry[ModelSpec], options: dict[str, Any], data: DataSpec, kept: Weights, device: torch.device | None
) -> TrainedModel:
    """A fitted model from weights in a file.

    Raises:
        ArtifactError: they do not fit the model.
    """
    try:
        check_fit(entry, options, data, strip_prefix(kept.outlines, "generator."))
        _check_scores(kept.outlines.get(_SCORES))
    except ArtifactError as error:
        raise ArtifactError(f"{kept.owner} does not fit model {entry.id!r}: {error}") from error
    _check_transform_form(kept.owner, kept.outlines, data)
    tensors = kept.read()
    transform = AffineTransform(tensors["transform.shift"], tensors["transform.scale"])
    if not (transform.scale > 0).all():
        raise ArtifactError(f"{kept.owner}: its transform does not fit events of shape {data.event_shape}.")
    generator = build_with(entry, options, data, strip_prefix(tensors, "generator."))
    scores = tensors[_SCORES].numpy() if _SCORES in tensors else None
    fitted = TrainedModel(entry.id, generator, transform, data, entry.spec.missing, scores, kept.owner)
    return fitted if device is None else fitted.to(device)


def _check_scores(outline: Tensor | None) -> None:
    if outline is None:
        return
    if outline.dtype != torch.float64 or outline.ndim != 1 or not 0 < len(outline) <= MOST_SCORES:
        raise ArtifactError(
            f"its {_SCORES} are {tuple(outline.shape)} {outline.dtype}, and not a list of at most {MOST_SCORES} float64"
        )


def _check_transform_form(owner: str, outlines: Mapping[str, Tensor], data: DataSpec) -> None:
    allowed = ((), data.event_shape[:1]) if data.modality == "table" else ((),)
    parts = [outlines.get(f"transform.{name}") for name in ("shift", "scale")]
    if any(part is None or tuple(part.shape) not in allowed or not part.is_floating_point() for part in parts):
        raise ArtifactError(f"{owner}: its transform does not fit events of shape {data.event_shape}.")


def _card(content: ModelFile) -> str:
    """The model card, from what is recorded and nothing else."""
    rows = "\n".join(f"| {name} | {_cell(value)} |" for name, value in content.training.items() if value is not None)
    options = "\n".join(f"| {name} | {_cell(value)} |" for name, value in content.options.items())
    return (
        f"# {content.model}\n\n"
        f"Trained with genzoo {content.genzoo} on events of this form: {content.data.describe()}.\n\n"
        f"```\ngenzoo sample PATH/TO/THIS/FOLDER -n 64 --out samples.png\n```\n\n"
        f"```python\nimport genzoo\n\nevents = genzoo.load('PATH/TO/THIS/FOLDER').sample(64)\n```\n\n"
        f"## Training\n\n| | |\n|---|---|\n{rows}\n\n## Options\n\n| option | value |\n|---|---|\n{options}\n\n"
        f"The weights lie in `model.safetensors` (SHA-256 {content.tensors}). Nothing here is code.\n"
    )


def _cell(value: Any) -> str:
    return "".join(f"\\{letter}" if letter in _MARKUP else letter for letter in printable(str(value)))
