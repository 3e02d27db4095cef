"""Mixtures of images: grayscale images with uniform noise over the cells of their grid, and black-and-white images."""

import math

import numpy as np
import pytest
import torch
from mixture_cases import begin, blocks, collect, mixture
from scipy import stats
from sklearn.metrics import adjusted_rand_score

import genzoo
from genzoo import DataSpec, Feature
from genzoo.data.builtin import digits
from genzoo.data.dequantize import Dequantizer
from genzoo.data.loading import open_dataset
from genzoo.plugins.manager import get_registry
from genzoo_mixture.build import build_classes, build_gaussian, build_mixture
from genzoo_mixture.options import ClassOptions, GaussianOptions, MixtureOptions

GRAY = DataSpec((1, 2, 3), "image", (Feature("pixel"),), (0.0, 16.0), 1.0, "uint8")
BINARY = DataSpec((1, 2, 3), "image", (Feature("pixel", "binary", ("0", "1")),), (0.0, 1.0), 1.0, "uint8")


def images(n=50, seed=0):
    return torch.as_tensor(np.random.default_rng(seed).normal(size=(n, 1, 2, 3)))


@pytest.mark.parametrize("noise", [False, True])
def test_an_image_is_its_pixels_in_a_row(noise):
    built = build_mixture(MixtureOptions(n_components=2, noise=noise, init_params="random"), GRAY).generator.double()
    x = images(200)
    begin(built, blocks(x.numpy()))
    plain = mixture("full", 2, 6, noise=noise)
    plain.load_state_dict(built.state_dict())
    rows = x.flatten(1)
    assert torch.equal(built.log_prob(x), plain.log_prob(rows))
    assert torch.equal(built.log_posterior(x), plain.log_posterior(rows))
    for name, value in collect(plain, blocks(rows.numpy())).items():
        assert torch.allclose(collect(built, blocks(x.numpy()))[name], value)
    if noise:
        assert torch.equal(built.covers(x), plain.covers(rows))
    missing = torch.as_tensor(np.random.default_rng(1).random(x.shape) < 0.2)
    filled = built.impute(x.masked_fill(missing, 0.0), missing)
    assert filled.shape == x.shape
    assert torch.equal(filled.flatten(1), plain.impute(rows.masked_fill(missing.flatten(1), 0), missing.flatten(1)))
    torch.manual_seed(0)
    drawn = built.sample(7)
    assert drawn.shape == (7, 1, 2, 3)
    torch.manual_seed(0)
    assert torch.equal(drawn.flatten(1), plain.sample(7))


def test_the_latent_vector_of_a_gaussian_of_images_inverts():
    generator = build_gaussian(GaussianOptions(), GRAY).generator.double()
    begin(generator, blocks(images(100).numpy()))
    z = generator.prior_sample(5)
    assert z.shape == (5, 6)
    assert generator.decode(z).shape == (5, 1, 2, 3)
    assert torch.allclose(generator.encode(generator.decode(z)), z)


def test_one_gaussian_of_digits_is_the_closed_form_of_the_noisy_digits(tmp_path):
    run = genzoo.train("gaussian", "digits", precision="fp64", reg_covar=0, out=tmp_path / "run")
    fitted, data = run.load(), digits()
    rows = data.split(run.config.split, 0).train
    spread = Dequantizer.of(fitted.generator, data.spec, run.config.seed)
    noisy = spread(torch.as_tensor(data.events[rows]), torch.as_tensor(rows)).flatten(1).numpy()
    expected = stats.multivariate_normal(noisy.mean(0), np.cov(noisy.T, bias=True))
    x = data.events[:5]
    at = Dequantizer.of(fitted.generator, data.spec, 3)
    terms = [expected.logpdf(at(torch.as_tensor(x), torch.arange(5), k).flatten(1).numpy()) for k in range(4)]
    wanted = np.logaddexp.reduce(terms) - math.log(4)
    assert np.allclose(fitted.log_prob_bound(x, draws=4, seed=3), wanted, rtol=1e-9)
    assert run.record["kept"]["fault"] is None, "pixels that never change have the variance of the noise"


def test_the_bound_of_a_gaussian_is_below_the_probability_of_the_rectangle(tmp_path):
    """The probability is exact, by the rectangle formula, for two correlated columns declared to lie on a grid."""
    rng = np.random.default_rng(0)
    covariance = np.array([[2.0, 1.2], [1.2, 1.5]])
    events = np.round(rng.multivariate_normal([5.0, -3.0], covariance, 3000))
    spec = DataSpec((2,), "table", (Feature("a"), Feature("b")), quantum=1.0, storage="float64")
    data = genzoo.Dataset("x", spec, events)
    fitted = genzoo.train("gaussian", data, precision="fp64", out=tmp_path / "run").load()
    emission = fitted.generator.emissions[0]
    mean = emission.means[0].numpy() + fitted.transform.shift.numpy()
    normal = stats.multivariate_normal(mean, (emission.scale[0] @ emission.scale[0].T).numpy())
    assert np.allclose(normal.cov, covariance + np.eye(2) / 6, atol=0.2), "rounding, and then the noise"
    x = np.repeat(np.unique(events, axis=0), 50, axis=0)
    corner = [normal.cdf(x + np.array(side)) for side in ((0.5, 0.5), (-0.5, 0.5), (0.5, -0.5), (-0.5, -0.5))]
    exact = np.log(corner[0] - corner[1] - corner[2] + corner[3])
    likely = exact > -12  # the rectangle formula cancels far outside
    gaps = [(fitted.log_prob_bound(x, draws=k) - exact)[likely].mean() for k in (1, 16, 256)]
    assert gaps == sorted(gaps)
    assert gaps[0] < -0.01
    assert abs(gaps[-1]) < 0.01


def test_the_likelihood_of_dequantized_digits_never_falls_or_collapses(tmp_path):
    run = genzoo.train(
        "gmm",
        "digits",
        n_components=10,
        precision="fp64",
        training={"n_init": 2, "log_every": 1, "max_iter": 60, "tol": 1e-5},
        out=tmp_path / "run",
    )
    restarts = run.record["restarts"]
    assert [restart["fault"] for restart in restarts] == [None, None]
    assert run.record["kept"]["converged"]
    fitted, data = run.load(), digits()
    test = data.split(run.config.split, 0).test
    gaussian = genzoo.train("gaussian", "digits", precision="fp64", out=tmp_path / "one").load()
    bounds = [model.log_prob_bound(data.events[test], draws=16).mean() for model in (fitted, gaussian)]
    assert bounds[0] > bounds[1] + 8
    assert adjusted_rand_score(data.labels, fitted.log_posterior(data.events).argmax(1)) > 0.45
    drawn = fitted.sample(64)
    assert (drawn.dtype, drawn.shape) == (np.uint8, (64, 1, 8, 8))
    assert drawn.max() <= 16


def test_few_events_of_a_component_make_no_singular_covariance(tmp_path):
    """There are forty components with 31 events each on average, in 64 dimensions."""
    data, held_out = digits(), {}
    for name, added in (("noise", None), ("nothing", 1e-6)):
        options = {"n_components": 40, "init_params": "kmeans", "reg_covar": added, "training": {"max_iter": 5}}
        run = genzoo.train("gmm", "digits", precision="fp64", out=tmp_path / name, **options)
        test = data.split(run.config.split, 0).test
        held_out[name] = run.load().log_prob_bound(data.events[test], draws=2).mean()
        assert (run.record["kept"]["fault"] is None) == (name == "noise")
    assert held_out["noise"] > -300
    assert held_out["nothing"] < -10_000


@pytest.mark.parametrize("model", ["gaussian", "gmm"])
def test_a_gaussian_raises_for_binary_images(model, tmp_path):
    with pytest.raises(genzoo.DataError, match=r"takes continuous pixels. Use a model that takes it .*naive-bayes"):
        genzoo.train(model, {"source": "digits", "binarize": True}, out=tmp_path / "run")


def test_latent_classes_of_binary_images_are_products_of_bernoullis(tmp_path):
    settings = {"source": "digits", "binarize": True}
    run = genzoo.train("naive-bayes", settings, n_components=4, precision="fp64", out=tmp_path / "run")
    fitted = run.load()
    assert fitted.capabilities >= {"likelihood"}, "the probability of two levels is known exactly"
    emission, weights = fitted.generator.emissions[0], fitted.generator.log_weights.exp().numpy()
    share = emission.log_probability.view(4, 64, 2)[:, :, 1].exp().numpy()
    x = open_dataset(run.config.data, get_registry()).events[:100].reshape(100, 64)
    each = stats.bernoulli(share[:, None]).logpmf(x[None]).sum(2) + np.log(weights)[:, None]
    assert np.allclose(fitted.log_prob(x.reshape(-1, 1, 8, 8)), np.logaddexp.reduce(each), rtol=1e-9)
    assert set(np.unique(fitted.sample(50))) == {0, 1}


def test_levels_are_encoded_the_same_together_and_by_column():
    alike = build_classes(ClassOptions(n_components=2), BINARY).generator.double().emissions[0]
    x = torch.as_tensor(np.random.default_rng(0).integers(0, 2, (20, 6))).double()
    missing = torch.as_tensor(np.random.default_rng(1).random((20, 6)) < 0.3)
    found = alike.indicate(x, missing).view(20, 6, 2)
    for row, column in np.ndindex(20, 6):
        expected = np.zeros(2) if missing[row, column] else np.eye(2)[int(x[row, column])]
        assert found[row, column].tolist() == expected.tolist()


def test_constant_pixels_off_a_grid_raise(tmp_path):
    with pytest.raises(genzoo.DataError, match=r"Pixel '\(0, 0, 0\)' of array never changes .* whole numbers"):
        genzoo.train("gaussian", digits().events / 16.0, out=tmp_path / "run")
