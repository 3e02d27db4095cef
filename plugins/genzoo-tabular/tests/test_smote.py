"""`smote` against scikit-learn's neighbors."""

import numpy as np
import torch
from sklearn.neighbors import NearestNeighbors

from genzoo import Feature
from genzoo_tabular.smote.model import Interpolation

FEATURES = (Feature("a"), Feature("b"), Feature("c", "categorical", ("l", "m")), Feature("d", "count"))


def kept(data, features=FEATURES, neighbors=5):
    model = Interpolation(features, neighbors).double()
    model.points = torch.as_tensor(data)
    model.log_weights = torch.zeros(len(data)).double()
    return model


def test_neighbors_are_those_of_scikit_learn():
    x = np.random.default_rng(0).normal(size=(60, 2))
    model = kept(x, FEATURES[:2])
    scaled = x / x.std(0, ddof=1)
    want = NearestNeighbors(n_neighbors=6).fit(scaled).kneighbors(scaled, return_distance=False)[:, 1:]
    np.testing.assert_array_equal(np.sort(model.nearest(torch.arange(60)).numpy(), 1), np.sort(want, 1))


def test_samples_lie_between_a_row_and_a_neighbor():
    rng = np.random.default_rng(0)
    data = np.column_stack([rng.normal(size=(50, 2)), rng.integers(0, 2, 50), rng.integers(0, 9, 50)]).astype(float)
    model = kept(data)
    torch.manual_seed(0)
    drawn = model.sample(200).numpy()
    near = model.nearest(torch.arange(50)).numpy()
    first, second = data[:, None], data[near]
    for row in drawn:
        direction = (second - first)[..., :2]
        share = (((row - first)[..., :2] * direction).sum(-1) / (direction**2).sum(-1))[..., None]
        on_line = np.abs(first[..., :2] + share * direction - row[:2]).max(-1) < 1e-9
        assert (on_line & (share[..., 0] > -1e-9) & (share[..., 0] < 1 + 1e-9)).any()
    assert set(drawn[:, 2]) <= {0.0, 1.0}
    assert (drawn[:, 3] == drawn[:, 3].round()).all()


def test_a_single_row_is_copied():
    model = kept(np.array([[1.0, 2.0]]), FEATURES[:2])
    assert (model.sample(3) == torch.tensor([1.0, 2.0])).all()
