"""The scores behind a threshold count the weights of the validation rows."""

import numpy as np
import torch
from torch import nn

import genzoo
from genzoo.data.dataset import Dataset
from genzoo.data.transforms import AffineTransform
from genzoo.training.finalize import _validation_scores

TABLE = genzoo.DataSpec((1,), "table", (genzoo.Feature("a"),), storage="float64")


class Normal(genzoo.Generator, genzoo.Likelihood):
    """The standard normal."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones((), dtype=torch.float64))

    @property
    def degrees_of_freedom(self):
        return 0

    def sample(self, n, *, condition=None, **options):
        return torch.randn(n, 1, dtype=torch.float64)

    def log_prob(self, x):
        return torch.distributions.Normal(0.0, self.scale).log_prob(x).sum(1)


def scores(events, weights=None):
    model = genzoo.TrainedModel("n", Normal(), AffineTransform(torch.zeros(()), torch.ones(())), TABLE)
    data = Dataset("d", TABLE, events, weights=weights)
    return _validation_scores(model, data, np.arange(len(events)), 64)


def test_counts_repeat_the_scores_of_validation_rows():
    rng = np.random.default_rng(0)
    events, counts = rng.normal(size=(60, 1)), rng.integers(0, 4, 60)
    expected = scores(np.repeat(events, counts, axis=0))
    assert np.array_equal(scores(events, counts.astype(float)), expected)


def test_other_weights_give_the_quantiles_of_the_weighted_rows():
    rng = np.random.default_rng(1)
    events = rng.normal(size=(8000, 1))
    found = np.quantile(scores(events, np.exp(events[:, 0])), [0.25, 0.5])
    expected = np.quantile(scores(rng.normal(1.0, 1.0, (9000, 1))), [0.25, 0.5])
    assert np.allclose(found, expected, atol=0.15)
    assert not np.allclose(np.quantile(scores(events), [0.25, 0.5]), expected, atol=0.15)
