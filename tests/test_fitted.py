import numpy as np
import pytest
import torch
from scipy import stats
from toy_plugin import ToyGaussian

from genzoo import ConfigError, DataError, DataSpec, Feature
from genzoo.fitted import Fitted
from genzoo.transform import Affine

TABLE = DataSpec((2,), "table", (Feature("a"), Feature("b")), storage="float64")


def fitted(scale=(2.0, 0.5), shift=(10.0, -1.0)):
    generator = ToyGaussian((2,), 0.25).double()
    return Fitted("test/toy", generator, Affine(torch.tensor(shift), torch.tensor(scale)), TABLE)


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


def test_what_a_model_cannot_do_is_refused_by_name():
    with pytest.raises(ConfigError, match="'encoder'"):
        fitted().encode(np.zeros((1, 2)))
    with pytest.raises(ConfigError, match="at least 1"):
        fitted().sample(0)
    with pytest.raises(DataError, match=r"\(2,\)"):
        fitted().log_prob(np.zeros((1, 3)))


def test_using_a_model_leaves_its_mode_alone():
    model = fitted()
    model.generator.train()
    model.sample(2)
    assert model.generator.training
