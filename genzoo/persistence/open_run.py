"""Open a run by its path or name, and load a trained model."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

from genzoo.config.run_config import RunConfig, runs_folder
from genzoo.errors import ArtifactError, ConfigError, did_you_mean
from genzoo.inference.trained_model import TrainedModel
from genzoo.persistence.hub import HUB, located
from genzoo.persistence.model_folder import load_model
from genzoo.persistence.run import Run
from genzoo.plugins.local import offering
from genzoo.plugins.manager import get_registry
from genzoo.runtime.device import resolve_device
from genzoo.runtime.progress import Phase
from genzoo.storage.paths import contains, user_path


def is_comparison(place: Path) -> bool:
    """Return whether a folder is what a comparison keeps."""
    return contains(place, "comparison.json")


def open_run(path: str) -> Run:
    """Open the run at a path, or with that name in the folder of runs. The folder of a comparison means its best model.

    Raises:
        ArtifactError: there is no such run.
    """
    if path.startswith(HUB):
        raise ArtifactError(f"{path} is a model folder, which holds no data and no record of a run.")
    for place in (user_path(path), runs_folder() / path):
        if contains(place, "config.json", "run.json"):
            return Run(place)
        if is_comparison(place):
            if contains(place / "best", "config.json", "run.json"):
                return Run(place / "best")
            raise ArtifactError(
                f"The comparison in {path} has no best model: it has not ended yet, or no candidate could be ranked. "
                f"Its report.json says which. Run the same command again to continue it."
            )
    raise ArtifactError(_not_a_run(path))


def _not_a_run(path: str) -> str:
    """Explain why there is no run at a path, and name a similar run."""
    folder, place = runs_folder(), user_path(path)
    names = [entry.name for entry in folder.glob("*") if contains(entry, "config.json", "run.json")]
    hint = did_you_mean(path, names) if names else ""
    where = str(folder) if str(folder).endswith(os.sep) else f"{folder}{os.sep}"
    if os.path.isdir(place):  # noqa: PTH112 - false, too, for a name that is too long
        return f"{path} is not a run directory: it has no config.json and run.json. {hint}".rstrip()
    if os.path.lexists(place):
        return f"{path} is a file, not a run directory."
    if not names:
        return f"There is no folder {path!r}, and no runs in {where}."
    return f"There is no folder {path!r}, and no such run in {where}. {hint}"


def is_model_folder(path: str | Path) -> bool:
    """Return whether a folder is a model folder rather than a run directory."""
    place = user_path(located(path))
    return not contains(place, "run.json") and (contains(place, "config.json") or contains(place, "model.safetensors"))


def load(path: str | Path | Run, device: str = "cpu", *, model: str | Path | type | None = None) -> TrainedModel:
    """Load the trained model of a run directory, or a model folder from anywhere.

    Arguments:
        path: a path, the name of a run, or the address of a model on the Hugging Face Hub, `"hub:user/name"`.
        device: where it computes. Defaults to the host.
        model: the class of a model of your own, or its file, `"my_model.py"`. A run of such a model holds the digest of
            its source, and this must be the same. Defaults to `None`: the model is one of the zoo, or its class was
            used in this process before.

    Raises:
        ArtifactError: the path is neither, or it is damaged.
        ConfigError: it is no path.
    """
    if isinstance(path, Run):
        path = path.path
    if not isinstance(path, str | os.PathLike):
        raise ConfigError(f"load takes the path of a run or model folder, and this is of type {type(path).__name__}.")
    with Phase("loading the model"), offering(model):
        fitted = _load_folder(path) if is_model_folder(path) else open_run(str(path)).load()
    return fitted.to(resolve_device(device, float64=fitted.generator.needs_float64))


def _load_folder(path: str | Path) -> TrainedModel:
    return load_model(user_path(located(path)), get_registry())


def run_name(config: RunConfig) -> str:
    """Return the name of a new run directory, such as `dcgan-digits-20261122-101500`."""
    model = config.model.rpartition("/")[2]
    source = Path(config.data.source).stem if os.sep in config.data.source else config.data.source
    data = "".join(letter if letter.isalnum() or letter in "-_" else "-" for letter in source)[:40].strip("-") or "data"
    return f"{model}-{data}-{datetime.now(UTC):%Y%m%d-%H%M%S}"
