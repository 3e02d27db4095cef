import math

import numpy as np
import pandas
import pytest
import torch
from scipy import stats
from toy_plugin import ToyGaussian

import genzoo
from genzoo import (
    ConfigError,
    DataError,
    DataSpec,
    Decoder,
    Encoder,
    Feature,
    Imputation,
    LikelihoodBound,
    Reconstruction,
)
from genzoo.data.transforms import AffineTransform
from genzoo.inference.trained_model import TrainedModel

TABLE = DataSpec((2,), "table", (Feature("a"), Feature("b")), storage="float64")


def fitted(scale=(2.0, 0.5), shift=(10.0, -1.0)):
    generator = ToyGaussian((2,), 0.25).double()
    return TrainedModel("test/toy", generator, AffineTransform(torch.tensor(shift), torch.tensor(scale)), TABLE)


def test_log_prob_is_the_density_in_data_units():
    x = np.random.default_rng(0).normal(size=(700, 2)) * 3 + 5
    mean = np.array([10.0, -1.0]) + 0.25 * np.array([2.0, 0.5])
    expected = stats.norm(mean, [2.0, 0.5]).logpdf(x).sum(axis=1)
    assert np.allclose(fitted().log_prob(x), expected, rtol=1e-12)


def test_metres_and_millimetres_differ_by_the_exact_shift():
    x = np.random.default_rng(0).normal(size=(50, 2))
    metres = fitted((2.0, 0.5), (10.0, -1.0)).log_prob(x)
    millimetres = fitted((2000.0, 500.0), (10_000.0, -1000.0)).log_prob(x * 1000)
    assert np.allclose(millimetres - metres, -2 * np.log(1000), atol=1e-9)


def test_samples_are_in_data_units_and_a_function_of_the_seed():
    model = fitted()
    torch.manual_seed(0)
    before = torch.get_rng_state()
    first, again, other = model.sample(1300, seed=4), model.sample(1300, seed=4), model.sample(1300, seed=5)
    assert torch.equal(torch.get_rng_state(), before)
    assert first.dtype == np.float64
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert len(np.unique(first, axis=0)) == 1300, "chunks must not repeat each other"
    assert stats.kstest(first[:, 0], stats.norm(10.5, 2).cdf).pvalue > 1e-3


def test_events_may_be_a_view_in_reverse():
    model, x = fitted(), np.random.default_rng(0).normal(size=(700, 2))
    assert np.array_equal(model.log_prob(x[::-1]), model.log_prob(x)[::-1])
    assert np.allclose(model.log_prob(x[:, ::-1]), model.log_prob(x[:, ::-1].copy()))


def test_events_and_latent_vectors_may_be_read_only():
    x = np.random.default_rng(0).normal(size=(5, 2))
    x.flags.writeable = False
    torch.set_warn_always(True)  # otherwise it warns once in a process
    try:
        assert fitted().log_prob(x).shape == (5,)
        lines = Lines((2,), 0.0).double()
        model = TrainedModel("test/lines", lines, AffineTransform(torch.zeros(2), torch.ones(2)), TABLE)
        assert np.array_equal(model.decode(x), x)
    finally:
        torch.set_warn_always(False)


def test_a_missing_capability_raises_with_its_name():
    with pytest.raises(ConfigError, match="'encoder'"):
        fitted().encode(np.zeros((1, 2)))
    with pytest.raises(ConfigError, match="at least 1"):
        fitted().sample(0)
    with pytest.raises(DataError, match=r"\(2,\)"):
        fitted().log_prob(np.zeros((1, 3)))


def test_no_sample_of_a_conditional_model_is_an_error_of_numbers(tmp_path):
    rows = pandas.DataFrame({"a": np.arange(20.0) % 7, "kind": ["x", "y"] * 10})
    model = genzoo.train(
        "vae", rows, condition=["kind"], steps=1, network="mlp", precision="fp32", out=tmp_path / "run"
    )
    for given in ({}, {"kind": "x"}):
        with pytest.raises(ConfigError, match="at least 1"):
            model.sample(0, given=given)


def test_using_a_model_leaves_its_mode_alone():
    model = fitted()
    model.generator.train()
    model.sample(2)
    assert model.generator.training


class Marginals(ToyGaussian, Imputation, Encoder, Reconstruction):
    """Independent normals that skip missing values."""

    def log_prob(self, x, missing=None):
        z = (x - self.mean) / self.log_deviation.exp()
        places = -0.5 * z.square() - self.log_deviation - 0.5 * math.log(2 * math.pi)
        return (places if missing is None else places.masked_fill(missing, 0.0)).sum(1)

    def impute(self, x, missing, *, draw=False):
        assert (x[missing] == 0).all()
        return torch.where(missing, torch.randn_like(x) if draw else self.mean.expand_as(x), x + 1e-9)

    def encode(self, x, missing=None):
        return x if missing is None else (~missing).to(x.dtype)

    def reconstruct(self, x, missing=None):
        return x if missing is None else x.masked_fill(missing, 1.0)


def gappy(data=TABLE):
    transform = AffineTransform(torch.tensor([10.0, -1.0]), torch.tensor([2.0, 0.5]))
    return TrainedModel("test/marginals", Marginals((2,), 0.25).double(), transform, data, missing=True)


X = np.random.default_rng(0).normal(size=(700, 2)) * 3 + 5
HOLES = np.where(np.random.default_rng(1).random(X.shape) < 0.3, np.nan, X)


def test_log_prob_with_missing_values_is_the_density_of_observed_values():
    mean = np.array([10.0, -1.0]) + 0.25 * np.array([2.0, 0.5])
    expected = np.nan_to_num(stats.norm(mean, [2.0, 0.5]).logpdf(HOLES)).sum(axis=1)
    assert np.allclose(gappy().log_prob(HOLES), expected, rtol=1e-12)
    assert np.array_equal(gappy().log_prob(X), fitted().log_prob(X))


def test_every_capability_gets_the_mask_only_if_values_are_missing():
    assert np.array_equal(gappy().encode(HOLES), ~np.isnan(HOLES))
    assert np.allclose(gappy().encode(X), (X - [10, -1]) / [2, 0.5])
    assert np.allclose(gappy().reconstruct(HOLES), np.where(np.isnan(HOLES), [12.0, -0.5], HOLES))


def test_imputing_keeps_observed_values_to_the_bit():
    filled = gappy().impute(HOLES)
    gone = np.isnan(HOLES)
    assert np.array_equal(filled[~gone], HOLES[~gone])
    assert np.allclose(filled[gone], np.broadcast_to([10.5, -0.875], HOLES.shape)[gone])
    draws = [gappy().impute(HOLES, draw=True, seed=seed) for seed in (1, 1, 2)]
    assert np.array_equal(draws[0], draws[1])
    assert not np.array_equal(draws[0], draws[2])
    assert np.array_equal(gappy().impute(X), X)


def test_imputed_codes_are_codes():
    data = DataSpec((2,), "table", (Feature("a"), Feature("b", "binary", ("no", "yes"))), storage="float64")
    transform = AffineTransform(torch.tensor([10.0, 0.0]), torch.tensor([2.0, 1.0]))
    model = TrainedModel("test/marginals", Marginals((2,), 0.7).double(), transform, data, missing=True)
    assert model.impute(np.array([[np.nan, np.nan]])).tolist() == [[pytest.approx(11.4), 1.0]]


def test_missing_values_raise_for_a_model_that_needs_complete_data():
    with pytest.raises(
        DataError,
        match=r"'test/toy' does not accept them. Leave such rows out .* train a model that accepts them \(.*gmm",
    ):
        fitted().log_prob(HOLES)
    with pytest.raises(DataError, match="inf in event 1, column 'b'"):
        gappy().log_prob(np.array([[0.0, np.nan], [0.0, np.inf]]))


class Lines(ToyGaussian, Decoder):
    """Latent vectors are the events themselves."""

    latent = 2

    def prior_sample(self, n):
        return torch.randn(n, 2, dtype=torch.float64)

    def decode(self, z):
        return z

    def sample(self, n, *, condition=None, **options):
        return self.prior_sample(n)


@pytest.mark.parametrize("n", [1, 3, 17, 64, 65, 130])
def test_fewer_samples_are_the_first_of_many_and_decoded_prior_samples(n):
    model = TrainedModel("test/lines", Lines((2,), 0.0).double(), AffineTransform(torch.zeros(2), torch.ones(2)), TABLE)
    found = model.sample(n, seed=2)
    assert np.array_equal(found, model.sample(1000, seed=2)[:n])
    assert np.array_equal(found, model.decode(model.prior_sample(n, seed=2)))


class Guess(ToyGaussian, LikelihoodBound, Imputation):
    """Its answers are random."""

    def log_prob_bound(self, x, missing=None, *, draws=1):
        return torch.randn(draws, len(x), dtype=x.dtype).logsumexp(0)

    def impute(self, x, missing, *, draw=False):
        return torch.where(missing, torch.randn_like(x), x)


@pytest.mark.parametrize("n", [1, 5, 64, 70, 515])
def test_draws_for_an_event_do_not_depend_on_later_events(n):
    model = TrainedModel(
        "test/guess", Guess((2,), 0.0).double(), AffineTransform(torch.zeros(2), torch.ones(2)), TABLE, missing=True
    )
    x = np.random.default_rng(0).normal(size=(700, 2))
    bound = model.log_prob_bound(x, draws=3, seed=1)
    assert np.array_equal(model.log_prob_bound(x[:n], draws=3, seed=1), bound[:n])
    assert len(np.unique(bound)) == 700
    x[:, 1] = np.nan
    assert np.array_equal(model.impute(x[:n], draw=True, seed=1), model.impute(x, draw=True, seed=1)[:n])
