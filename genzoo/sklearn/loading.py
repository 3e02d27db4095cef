"""Read estimators from folders, which may come from anywhere."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

from genzoo.errors import ArtifactError, ConfigError
from genzoo.persistence.format1 import upgrade_model
from genzoo.persistence.model_folder import ModelFile
from genzoo.persistence.open_run import is_model_folder
from genzoo.persistence.open_run import load as load_model
from genzoo.sklearn.estimator import ModelEstimator
from genzoo.sklearn.factory import estimator
from genzoo.sklearn.fitting import FitOutcome
from genzoo.sklearn.imputer import Imputer
from genzoo.sklearn.inner import set_columns
from genzoo.sklearn.outliers import OutlierDetector
from genzoo.sklearn.storing import FILE, EstimatorFile, read_file
from genzoo.storage.json_files import read_settings
from genzoo.storage.paths import contains, user_path


def load(path: str | Path, device: str = "cpu") -> Any:
    """Load a fitted estimator from a folder that `save` wrote.

    Only installed plugins run, and nothing in the folder does. Every number is checked, so the folder may come from
    anybody, which is not true of a pickle.

    Arguments:
        device: where the model computes: `auto | cpu | cuda | cuda:N | mps`.

    Raises:
        ArtifactError: the folder is damaged, or no installed plugin has its model.
    """
    folder = user_path(str(path))
    if not contains(folder, FILE) and contains(folder, "config.json"):
        kind = "model folder" if is_model_folder(folder) else "run"
        raise ArtifactError(
            f"{path} is a {kind} of genzoo, and no estimator. genzoo.load reads its model; estimators are folders that "
            f"their save has written."
        )
    content = read_file(folder)
    if content.kind == "model":
        return _load_model(folder, content, device)
    inner = _load_model(folder / "estimator", read_file(folder / "estimator"), device)
    made = _with_parameters(OutlierDetector if content.kind == "outlier-detector" else Imputer, content, folder)
    if not isinstance(made.estimator, str):
        made.estimator = type(inner)(**inner.get_params(deep=False))
    made.estimator_ = inner
    set_columns(made, inner)
    if isinstance(made, OutlierDetector):
        made._restore(content)
    return made


def _load_model(folder: Path, content: EstimatorFile, device: str) -> ModelEstimator:
    if content.kind != "model":
        raise ArtifactError(f"{folder} holds no estimator of a model.")
    model = load_model(folder / "model", device)
    described = read_settings(folder / "model" / "config.json", ModelFile, upgrade_model)
    try:
        cls = estimator(model.model, preset=content.preset)
    except ConfigError as error:
        raise ArtifactError(f"{folder}: {error}") from error
    columns = content.columns
    if columns is not None and len(columns) != model.data.event_shape[0]:
        raise ArtifactError(f"{folder} names {len(columns)} columns, and its model has {model.data.event_shape[0]}.")
    made: ModelEstimator = _with_parameters(cls, content, folder)
    steps = (content.steps, content.converged, content.lower_bound)
    made._restore(FitOutcome(model, described.options, described.training, *steps), columns)
    return made


def _with_parameters(cls: type[Any], content: EstimatorFile, folder: Path) -> Any:
    """Return an unfitted estimator with the parameters of a file; lists become tuples, as in the recipe."""
    known = inspect.signature(cls).parameters
    if strange := sorted(set(content.parameters) - set(known)):
        raise ArtifactError(f"{folder}: {cls.__name__} has no parameter {strange[0]!r}.")
    listed = {name: tuple(value) if isinstance(value, list) else value for name, value in content.parameters.items()}
    try:
        return cls(**listed)
    except TypeError as error:  # a required parameter is missing
        raise ArtifactError(f"{folder}: {error}.") from error
