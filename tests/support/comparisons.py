"""Small comparisons, and their reports without what differs from run to run."""

import numpy as np

from genzoo.comparison.api import prepare_comparison

ONCE = {"n_init": 1}
"""Training for tests in which one start finds the maximum, or the maximum does not matter."""


def three(n=400, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 2)) + np.array([[0, 0], [9, 0], [0, 9]])[rng.integers(3, size=n)]


def timeless(report):
    content = report.as_dict()
    for row in content["rows"]:
        row.pop("seconds")
        row.pop("cost")
        row.pop("run")
    return content


def prepared(*wanted, **common):
    settings = {"by": None, "folds": 0, "seeds": 1, "jobs": 1, "threads": 1, "out": None}
    return prepare_comparison(wanted, (None, {"source": "iris"}), common, **settings)
