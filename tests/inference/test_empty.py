"""Every question about no events has an answer without events, and no model is asked about none."""

import numpy as np
import pytest
import torch

import genzoo
from genzoo import DataSpec, Decoder, Encoder, Feature, Imputation, Likelihood, LikelihoodBound
from genzoo.data.transforms import AffineTransform
from genzoo.inference.trained_model import TrainedModel

pandas = pytest.importorskip("pandas")

TABLE = DataSpec((2,), "table", (Feature("a"), Feature("b")), storage="float32")
IMAGE = DataSpec((1, 4, 3), "image", (Feature("pixel"),), (0.0, 255.0), None, "uint8")
OWN = ("log_prob", "log_prob_bound", "anomaly_score", "covers", "reconstruct", "impute", "decode")


class Watched(
    genzoo.Generator,
    Likelihood,
    LikelihoodBound,
    Decoder,
    Encoder,
    genzoo.Reconstruction,
    genzoo.AnomalyScore,
    genzoo.Outliers,
    Imputation,
):
    """A generator with every capability, which notes the events that its methods get."""

    outlier, latent, degrees_of_freedom, score_meaning = 4, 3, 2, "distance"

    def __init__(self, shape):
        super().__init__()
        self.shape = shape
        self.asked = []

    def _note(self, name, x, width=()):
        self.asked.append((name, len(x)))
        return torch.zeros(len(x), *width)

    def sample(self, n, *, condition=None, **options):
        return torch.rand(n, *self.shape)

    def prior_sample(self, n):
        return torch.zeros(n, 3)

    def log_prob(self, x, missing=None):
        return self._note("log_prob", x)

    def log_prob_bound(self, x, missing=None, *, draws=1):
        return self._note("log_prob_bound", x)

    def anomaly_score(self, x, missing=None):
        return self._note("anomaly_score", x)

    def covers(self, x, missing=None):
        return self._note("covers", x) == 0

    def decode(self, z):
        return self._note("decode", z, self.shape)

    def encode(self, x, missing=None):
        return self._note("encode", x, (3,))

    def log_posterior(self, x, missing=None):
        return self._note("log_posterior", x, (5,)) - 1

    def reconstruct(self, x, missing=None):
        return self._note("reconstruct", x, self.shape)

    def impute(self, x, missing, *, draw=False):
        return self._note("impute", x, self.shape)


def fitted(data):
    one = torch.ones(())
    return TrainedModel("test/watched", Watched(data.event_shape), AffineTransform(0 * one, one), data, missing=True)


def asked(model, name, given):
    """Ask about given events, and return the answer and the numbers of events that the generator got."""
    model.generator.asked.clear()
    return getattr(model, name)(given), [count for _, count in model.generator.asked]


ASKED = [(name, data) for name in (*OWN, "encode", "log_posterior") for data in (TABLE, IMAGE)]


@pytest.mark.parametrize(
    ("name", "data"),
    [case for case in ASKED if case != ("impute", IMAGE)],
    ids=lambda part: getattr(part, "modality", part),
)
def test_no_events_have_an_answer_of_the_usual_form(name, data):
    model = fitted(data)
    shape = (3,) if name == "decode" else data.event_shape
    some = getattr(model, name)(np.zeros((2, *shape), np.float32))
    answer, counts = asked(model, name, np.zeros((0, *shape), np.float32))
    assert answer.shape == (0, *some.shape[1:])
    assert answer.dtype == some.dtype
    assert counts == ([] if name in OWN else [1])  # one event shows the width


def test_no_rows_have_no_scores_and_no_clusters():
    model = fitted(TABLE)
    none = np.empty((0, 2))
    assert model.score(none).values.shape == (0,)
    assert model.score(none).mean is None
    assert model.cluster(none).label.shape == (0,)
    assert repr(model.cluster(none)) == "<ClusterResult of 0 rows>"
    assert model.describe(none).rows == 0
    assert model.floors(none) == []
    assert model.prior_sample(0).shape == (0, 3)
    assert "log_prob" not in {name for name, _ in model.generator.asked if name != "log_posterior"}


@pytest.mark.parametrize("name", ["log_prob", "encode", "reconstruct", "log_posterior", "impute", "score", "cluster"])
def test_a_table_without_rows_has_the_columns_of_any_answer(name):
    model = fitted(TABLE)
    frame = pandas.DataFrame({"b": [1.0, 2.0], "a": [0.0, 1.0]})
    some, none = getattr(model, name)(frame), getattr(model, name)(frame.iloc[:0])
    assert none.shape == (0, *some.shape[1:])
    if some.ndim == 2:
        assert list(none.columns) == list(some.columns)


def test_no_rows_of_another_shape_are_refused():
    with pytest.raises(genzoo.DataError, match="shape"):
        fitted(TABLE).log_prob(np.empty((0, 3)))
