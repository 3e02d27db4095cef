"""Estimators for scikit-learn: `genzoo.sklearn.GMM(n_components=3)`, or `estimator("gmm")` for any registered model."""

from __future__ import annotations

from typing import Any

from genzoo.sklearn.factory import class_names, estimator
from genzoo.sklearn.imputer import Imputer
from genzoo.sklearn.loading import load
from genzoo.sklearn.outliers import OutlierDetector

__all__ = ["Imputer", "OutlierDetector", "estimator", "load"]


def __getattr__(name: str) -> Any:
    """Return the class of a model."""
    model = None if name.startswith("_") else class_names().get(name)
    if model is None:
        raise AttributeError(f"module 'genzoo.sklearn' has no class {name!r}; estimator(MODEL) makes one of any model.")
    return estimator(model)


def __dir__() -> list[str]:
    return sorted([*__all__, *class_names()])
