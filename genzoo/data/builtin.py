"""Built-in datasets: tables that come with scikit-learn, and synthetic points."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn import datasets

from genzoo.data.dataset import Dataset, category
from genzoo.data.images import image_spec
from genzoo.spec.composite import CompositeSpec
from genzoo.spec.events import DataSpec, Feature
from genzoo.typing import Array


def digits() -> Dataset:
    """1,797 handwritten digits, 8×8 pixels of 17 levels (UCI, Alpaydin and Kaynak, 1998)."""
    bunch = datasets.load_digits()
    events = bunch.images.astype(np.uint8)[:, None]
    return Dataset("digits", image_spec(events, (0.0, 16.0), 1.0), events, bunch.target)


def labeled_digits() -> Dataset:
    """The digits, each with its label: events of two parts."""
    whole = digits()
    label = DataSpec((1,), "table", (category("label", [str(digit) for digit in range(10)], "int64"),))
    spec = CompositeSpec.of({"image": whole.spec, "label": label})
    rows = np.concatenate([whole.events.reshape(len(whole), -1), np.asarray(whole.labels)[:, None]], 1)
    return Dataset("labeled-digits", spec, rows.astype(spec.storage), whole.labels)


def _table(name: str, bunch: Any, kind: str = "") -> Dataset:
    """Return a table of scikit-learn; `kind` is the name of its classes, if it has classes."""
    events = np.ascontiguousarray(bunch.data, np.float64)
    features = tuple(Feature(str(column)) for column in bunch.feature_names)
    spec = DataSpec((events.shape[1],), "table", features, storage="float64")
    label = category(kind, [str(level) for level in bunch.target_names]) if kind else None
    return Dataset(name, spec, events, bunch.target, label=label)


def iris() -> Dataset:
    """150 irises of three species, four measurements in centimetres (Fisher, 1936)."""
    return _table("iris", datasets.load_iris(), "species")


def wine() -> Dataset:
    """178 wines of three cultivars, 13 chemical measurements (UCI)."""
    return _table("wine", datasets.load_wine(), "cultivar")


def breast_cancer() -> Dataset:
    """569 tumours, benign or malignant, 30 measurements of cell nuclei (UCI, Wisconsin)."""
    return _table("breast-cancer", datasets.load_breast_cancer(), "diagnosis")


def diabetes() -> Dataset:
    """442 diabetes patients, 10 measurements in their own units (Efron et al., 2004)."""
    return _table("diabetes", datasets.load_diabetes(scaled=False))


_ROWS = 2_000


_SEED = 2_026


def _plane(name: str, events: Array, labels: Array) -> Dataset:
    spec = DataSpec((2,), "table", (Feature("x"), Feature("y")), storage="float64")
    return Dataset(name, spec, events, labels)


def moons() -> Dataset:
    """Two interleaved half circles of radius 1 with Gaussian noise of deviation 0.08."""
    rng = np.random.default_rng(_SEED)
    labels = rng.integers(2, size=_ROWS)
    angle = rng.uniform(0, np.pi, _ROWS)
    upper = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    lower = np.stack([1 - np.cos(angle), 0.5 - np.sin(angle)], axis=1)
    events = np.where(labels[:, None] == 0, upper, lower)
    return _plane("moons", events + rng.normal(0, 0.08, events.shape), labels)


def rings() -> Dataset:
    """Three concentric rings of radius 1, 2 and 3 with Gaussian noise of deviation 0.08."""
    rng = np.random.default_rng(_SEED)
    labels = rng.integers(3, size=_ROWS)
    angle = rng.uniform(0, 2 * np.pi, _ROWS)
    events = (labels[:, None] + 1) * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return _plane("rings", events + rng.normal(0, 0.08, events.shape), labels)


def pinwheel() -> Dataset:
    """Five Gaussian arms, bent by an angle that grows with the radius."""
    rng = np.random.default_rng(_SEED)
    labels = rng.integers(5, size=_ROWS)
    arm = rng.normal((1.0, 0.0), (0.3, 0.05), (_ROWS, 2))
    angle = labels * 2 * np.pi / 5 + 0.25 * np.exp(arm[:, 0])
    cosine, sine = np.cos(angle), np.sin(angle)
    events = np.stack([cosine * arm[:, 0] - sine * arm[:, 1], sine * arm[:, 0] + cosine * arm[:, 1]], axis=1)
    return _plane("pinwheel", 2 * events, labels)


def mixture() -> Dataset:
    """Four Gaussians of different weight, shape and direction."""
    rng = np.random.default_rng(_SEED)
    weights = (0.4, 0.3, 0.2, 0.1)
    means = np.array([[0.0, 0.0], [4.0, 1.0], [-3.0, 3.0], [0.0, -4.0]])
    roots = np.array([[[1, 0], [0.6, 0.5]], [[0.4, 0], [0, 1.2]], [[0.8, 0], [-0.7, 0.4]], [[0.5, 0], [0, 0.5]]])
    labels = rng.choice(4, _ROWS, p=weights)
    noise = rng.normal(size=(_ROWS, 2, 1))
    return _plane("mixture", means[labels] + (roots[labels] @ noise)[:, :, 0], labels)
