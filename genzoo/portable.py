"""The portable `model/` folder: what a trained model needs to sample on its own, and nothing that could run."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor

from genzoo.build import build_parts
from genzoo.config import Settings, version
from genzoo.errors import ArtifactError, ConfigError, DataError, GenzooError
from genzoo.files import check_digest, digest, read_settings, read_tensors, write_bytes, write_json, write_tensors
from genzoo.fitted import Fitted
from genzoo.registry import Entry, Registry
from genzoo.seeding import scope
from genzoo.spec import DataSpec, ModelSpec
from genzoo.transform import Affine
from genzoo.weights import below, check_tensors, load_tensors

_SCORES = "validation_scores"


class ModelFile(Settings):
    """`config.json` of a model folder."""

    format: Literal[1] = 1
    genzoo: str = Field(description="version that wrote it")
    model: str = Field(description="id of the zoo entry")
    options: dict[str, Any]
    data: DataSpec
    training: dict[str, Any] = Field(description="how it was trained: objective, seed, steps, precision, average")
    tied: dict[str, str] = Field(default_factory=dict)
    tensors: str = Field(description="SHA-256 of model.safetensors")


def save_model(folder: Path, fitted: Fitted, options: dict[str, Any], training: dict[str, Any]) -> str:
    """Write a model folder, replacing the files of an earlier one.

    Returns:
        SHA-256 of the weights file.

    Raises:
        GenzooError: the disk is full or read-only.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise GenzooError(f"{folder} could not be made: {error.strerror}.") from error
    tensors = {f"generator.{name}": value for name, value in fitted.generator.state_dict().items()}
    tensors |= {f"transform.{name}": value for name, value in fitted.transform.state_dict().items()}
    if fitted.validation_scores is not None:
        tensors[_SCORES] = torch.from_numpy(fitted.validation_scores)
    tied = write_tensors(folder / "model.safetensors", tensors)
    content = ModelFile(
        genzoo=version(),
        model=fitted.model,
        options=options,
        data=fitted.data,
        training=training,
        tied=tied,
        tensors=digest(folder / "model.safetensors"),
    )
    write_json(folder / "config.json", content.model_dump(mode="json"))
    write_bytes(folder / "README.md", _card(content).encode(errors="replace"))
    return content.tensors


def load_model(folder: Path, registry: Registry, device: torch.device | None = None) -> Fitted:
    """The model in a folder that `save_model` wrote.

    Nothing but installed plugins is run. The weights are allocated only after their shapes were checked against
    those of the model that the options describe.

    Raises:
        ArtifactError: a file is missing, damaged, of another version, or does not fit the model; or no
            installed plugin has it.
    """
    content = read_settings(folder / "config.json", ModelFile)
    check_digest(folder / "model.safetensors", content.tensors)
    tensors = read_tensors(folder / "model.safetensors", content.tied)
    if content.model not in registry.models.ids():
        raise ArtifactError(
            f"{folder} holds a model {content.model!r}, which no installed plugin has. "
            f"Install {content.model.partition('/')[0]!r} first."
        )
    entry = registry.models.get(content.model)
    return assemble(entry, content.options, content.data, tensors, owner=str(folder), device=device)


def assemble(
    entry: Entry[ModelSpec],
    options: dict[str, Any],
    data: DataSpec,
    tensors: dict[str, Tensor],
    *,
    owner: str,
    device: torch.device | None,
) -> Fitted:
    """A fitted model from the tensors `generator.*` and `transform.*`, and `validation_scores` where they were kept.

    Arguments:
        owner: where the tensors come from, for messages.

    Raises:
        ArtifactError: they do not fit the model.
    """
    weights = below(tensors, "generator.")
    try:
        with torch.device("meta"):
            check_tensors(build_parts(entry, options, data).generator, weights, exact=False)
        # Only now that its size is known to be the file's: what the weights do not hold is made as in training.
        with scope(0, "build"):
            generator = build_parts(entry, options, data).generator
    except (ConfigError, DataError) as error:
        raise ArtifactError(f"{owner} does not fit model {entry.id!r}: {error}") from error
    transform = Affine(*(tensors.get(f"transform.{name}", torch.zeros(0)) for name in ("shift", "scale")))
    _check_transform(owner, transform, data)
    generator.to(next((tensor.dtype for tensor in weights.values() if tensor.is_floating_point()), torch.float32))
    load_tensors(generator, weights, assign=True)
    generator.requires_grad_(False)
    scores = tensors[_SCORES].numpy() if _SCORES in tensors else None
    fitted = Fitted(entry.id, generator.eval(), transform, data, entry.spec.missing, scores)
    return fitted if device is None else fitted.to(device)


def _check_transform(owner: str, transform: Affine, data: DataSpec) -> None:
    shapes: tuple[Tensor, ...] = (transform.shift, transform.scale)
    allowed = ((), data.event_shape[:1]) if data.modality == "table" else ((),)
    if any(tuple(tensor.shape) not in allowed for tensor in shapes) or not (transform.scale > 0).all():
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
    return str(value).replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")
