"""The model inside an `OutlierDetector` or `Imputer`: given by its name, or as an estimator."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.utils.validation import has_fit_parameter

from genzoo.errors import ConfigError
from genzoo.sklearn.estimator import ModelEstimator
from genzoo.sklearn.factory import estimator


def made(given: Any, random_state: Any, method: str) -> Any:
    """Return a new estimator.

    Arguments:
        given: name or id of a model, or an estimator, which is cloned.
        random_state: seed for a model that is given by its name.
        method: method that it must have.

    Raises:
        ConfigError: it has no such method, or is neither.
    """
    if isinstance(given, str):
        inner: Any = estimator(given)(random_state=random_state)
    elif hasattr(given, "fit") and not inspect.isclass(given):
        inner = clone(given)
    else:
        raise ConfigError(f"estimator is {given!r}; it is the name of a model, or an estimator such as GMM().")
    if not hasattr(inner, method):
        name = repr(given) if isinstance(given, str) else type(given).__name__
        raise ConfigError(f"{name} has no method {method!r}, which is needed here. Choose another model.")
    return inner


def weights_for(inner: Any, sample_weight: Any) -> dict[str, Any]:
    """Return the arguments of `fit` that hand weights to an estimator; none if there are no weights.

    Raises:
        ConfigError: it takes no weights.
    """
    if sample_weight is None:
        return {}
    if not has_fit_parameter(inner, "sample_weight"):
        raise ConfigError(f"{type(inner).__name__} takes no sample_weight. Leave it out, or use another model.")
    return {"sample_weight": np.asarray(sample_weight, np.float64)}


def accepts_missing(given: Any) -> bool:
    """Return whether an estimator, or the model with a name, takes missing values."""
    if isinstance(given, str):
        return estimator(given).spec.missing
    tags = getattr(given, "__sklearn_tags__", None)
    return tags is not None and bool(tags().input_tags.allow_nan)


def set_columns(outer: Any, inner: Any) -> None:
    """Give an estimator the number and names of the columns that its inner estimator was fitted to."""
    for name in ("n_features_in_", "feature_names_in_"):
        if hasattr(inner, name):
            setattr(outer, name, getattr(inner, name))
        elif hasattr(outer, name):  # of an earlier fit
            delattr(outer, name)


def write_inner(inner: Any, folder: Path) -> None:
    """Write a fitted estimator into the subfolder `estimator` of a folder.

    Raises:
        ConfigError: it is none of genzoo's.
    """
    if not isinstance(inner, ModelEstimator):
        raise ConfigError(f"A {type(inner).__name__} is no estimator of genzoo, and cannot be saved as a folder.")
    (folder / "estimator").mkdir()
    inner._write(folder / "estimator")
