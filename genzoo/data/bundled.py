"""Small real data that scikit-learn carries; nothing is fetched."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn import datasets

from genzoo.data.dataset import Dataset
from genzoo.data.image import image_spec
from genzoo.spec import DataSpec, Feature


def digits() -> Dataset:
    """1,797 handwritten digits, 8×8 pixels of 17 levels (UCI, Alpaydin and Kaynak, 1998)."""
    bunch = datasets.load_digits()
    events = bunch.images.astype(np.uint8)[:, None]
    return Dataset("digits", image_spec(events, (0.0, 16.0), 1.0), events, bunch.target)


def _table(name: str, bunch: Any) -> Dataset:
    events = np.ascontiguousarray(bunch.data, np.float64)
    features = tuple(Feature(str(column)) for column in bunch.feature_names)
    spec = DataSpec((events.shape[1],), "table", features, storage="float64")
    return Dataset(name, spec, events, bunch.target)


def iris() -> Dataset:
    """150 irises of three species, four measurements in centimetres (Fisher, 1936)."""
    return _table("iris", datasets.load_iris())


def wine() -> Dataset:
    """178 wines of three cultivars, 13 chemical measurements (UCI)."""
    return _table("wine", datasets.load_wine())


def breast_cancer() -> Dataset:
    """569 tumours, benign or malignant, 30 measurements of cell nuclei (UCI, Wisconsin)."""
    return _table("breast-cancer", datasets.load_breast_cancer())


def diabetes() -> Dataset:
    """442 diabetes patients, 10 measurements in their own units (Efron et al., 2004)."""
    return _table("diabetes", datasets.load_diabetes(scaled=False))
