"""Write estimators as folders that hold no code: `estimator.json` beside the model folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field
from sklearn.base import BaseEstimator

from genzoo.config.settings import Settings
from genzoo.errors import ConfigError
from genzoo.storage.atomic import atomic_folder
from genzoo.storage.json_files import read_settings, write_json

FILE = "estimator.json"

Kind = Literal["model", "outlier-detector", "imputer"]


class EstimatorFile(Settings):
    """`estimator.json`, which says how to make the estimator of a folder again."""

    format: Literal[1] = 1
    kind: Kind = Field(description="class of the estimator; the id of a model is in its own folder")
    preset: str | None = None
    parameters: dict[str, Any] = Field(description="parameters of the constructor")
    columns: tuple[str, ...] | None = Field(None, description="names of the columns, if they have any")
    steps: int = Field(0, ge=0)
    converged: bool | None = None
    lower_bound: float | None = None
    offset: float | None = Field(None, description="score below which a row is an outlier; None for minus infinity")


def storable(estimator: Any) -> dict[str, Any]:
    """Return the parameters of an estimator as values that JSON holds. A random generator becomes
    `None`.

    Raises:
        ConfigError: another value cannot be stored.
    """
    return {name: _plain(name, value) for name, value in estimator.get_params(deep=False).items()}


def _plain(name: str, value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(
        value, np.random.RandomState | np.random.Generator | BaseEstimator
    ):  # an inner estimator has a folder of its own
        return None
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return [_plain(name, part) for part in value]
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {key: _plain(name, part) for key, part in value.items()}
    raise ConfigError(
        f"Parameter {name!r} is of type {type(value).__name__}, which a folder cannot hold. Use plain values."
    )


def save_folder(path: Path, write: Callable[[Path], None]) -> None:
    """Let `write` fill the folder of an estimator, which is then whole or absent. It replaces an earlier estimator.

    Raises:
        ConfigError: something else is in that place.
        GenzooError: the disk is full or read-only.
    """
    if path.exists() and not (path / FILE).is_file():
        raise ConfigError(f"{path} exists and is no folder of an estimator. Choose another path, or remove it.")
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic_folder(path, write)


def write_file(folder: Path, content: EstimatorFile) -> None:
    """Write `estimator.json` into a folder."""
    write_json(folder / FILE, content.model_dump(mode="json"))


def read_file(folder: Path) -> EstimatorFile:
    """Read `estimator.json` in a folder.

    Raises:
        ArtifactError: it is missing, damaged or of another version.
    """
    return read_settings(folder / FILE, EstimatorFile)
