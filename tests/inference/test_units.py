"""A change of the data's unit shifts likelihoods by a known constant, and changes nothing else."""

import math

import numpy as np
import pytest
import torch

import genzoo
from genzoo import DataSpec, Feature
from genzoo.data.builtin import breast_cancer
from genzoo.data.dataset import Dataset
from genzoo.data.transforms import AffineTransform
from genzoo.inference.row_likelihoods import kind_of, log_likelihoods
from genzoo.inference.trained_model import TrainedModel
from genzoo.plugins.manager import get_registry

OF_TABLES = [
    entry.id
    for entry in get_registry().models
    if "table" in entry.spec.modalities and entry.spec.capabilities & {"likelihood", "likelihood-bound"}
]


def table(n=400, columns=4, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, columns)) @ rng.normal(size=(columns, columns)) + 3.0
    x[: n // 2] += 5.0
    return x


def in_another_unit(fitted, factor):
    """Return the same fitted model for the data times `factor`."""
    transform = AffineTransform(fitted.transform.shift * factor, fitted.transform.scale * factor)
    return TrainedModel(fitted.model, fitted.generator, transform, fitted.data, fitted.missing)


@pytest.mark.parametrize(
    ("model", "options"),
    [
        ("gaussian", {}),
        *(("gmm", {"covariance_type": name}) for name in ("full", "tied", "diagonal", "spherical")),
        ("gmm", {"noise": True}),
        ("naive-bayes", {}),
    ],
)
def test_a_fitted_model_scores_metres_and_millimetres_alike(tmp_path, model, options):
    x = table()
    x[np.random.default_rng(1).random(x.shape) < 0.2] = math.nan
    x[7] = math.nan
    training = {"max_iter": 20}
    fitted = genzoo.train(model, x, precision="fp64", training=training, out=tmp_path / "run", **options).load()
    observed = (~np.isnan(x)).sum(1)
    assert len(set(observed)) == 5, "from rows without any value to whole ones"
    metres, millimetres = fitted.log_prob(x), in_another_unit(fitted, 1000.0).log_prob(x * 1000.0)
    assert np.abs(millimetres - metres + observed * math.log(1000.0)).max() < 1e-9


@pytest.mark.parametrize("model", OF_TABLES)
@pytest.mark.parametrize("holes", [False, True])
def test_models_trained_in_units_apart_by_1024_agree(tmp_path, model, holes):
    spec = get_registry().models.get(model).spec
    if spec.name == "mfa":
        pytest.skip("rounding moves it along flat directions of data without factors; see its own tests of units")
    if holes and not spec.missing:
        pytest.skip("takes no missing values")
    x = table()
    if holes:
        x[np.random.default_rng(1).random(x.shape) < 0.1] = math.nan
    direct = ("marginals-and-correlations", "adversarial-forest", "bandwidths", "kept-rows")
    kinds = {"em": {"max_iter": 60}, **{name: {} for name in direct}}
    budget = kinds.get(spec.objectives[0], {"steps": 10})
    options = {"autoregressive": True} if holes and spec.name == "flow" else {}
    runs = [
        genzoo.train(model, x * unit, precision="fp64", training=budget, out=tmp_path / str(unit), **options)
        for unit in (1.0, 1024.0)
    ]
    found = []
    for run, unit in zip(runs, (1.0, 1024.0), strict=True):
        data = Dataset("x", run.data, x * unit)
        found.append(log_likelihoods(run.load(), data, np.arange(len(x)), seed=0, draws=4))
    observed = (~np.isnan(x)).sum(1)
    assert np.nanmax(np.abs(found[1] - found[0] + observed * math.log(1024.0))) < 1e-9
    samples = [run.sample(50, seed=1) for run in runs]
    assert np.allclose(samples[1], samples[0] * 1024.0, rtol=1e-9)


@pytest.mark.parametrize("covariance", ["full", "diagonal"])
def test_columns_of_very_small_variance_fit_alike_in_any_unit(tmp_path, covariance):
    """The variances of breast-cancer start at 7e-6, and the eigenvalues of its full covariance far below."""
    x = breast_cancer().events
    found = []
    for unit in (1.0, 1024.0):
        run = genzoo.train(
            "gmm",
            x * unit,
            precision="fp64",
            covariance_type=covariance,
            training={"max_iter": 30},
            out=tmp_path / str(unit),
        )
        found.append(run.log_prob(x * unit))
    assert np.allclose(found[1] - found[0], -x.shape[1] * math.log(1024.0), atol=1e-6)


def image_data(quantum, top, storage):
    return DataSpec((1, 8, 8), "image", (Feature("pixel"),), (0.0, top), quantum, storage)


def test_the_probability_of_an_image_does_not_depend_on_its_range(tmp_path):
    fitted = genzoo.train(
        "gmm", "digits", n_components=3, precision="fp64", training={"max_iter": 5}, out=tmp_path / "run"
    ).load()
    levels = genzoo.Dataset("x", fitted.data, digit_images()[:300]).events
    scaled = in_another_unit(fitted, 1 / 16)
    shares = TrainedModel(fitted.model, fitted.generator, scaled.transform, image_data(1 / 16, 1.0, "float64"))
    one, two = fitted.log_prob_bound(levels, draws=4), shares.log_prob_bound(levels / 16.0, draws=4)
    assert kind_of(shares) == "lower bound (64 draws)"
    assert np.abs(one - two).max() < 1e-9


def digit_images():
    from genzoo.data.builtin import digits

    return digits().events


def test_the_same_grid_is_learned_alike_in_either_unit(tmp_path):
    events = digit_images()
    found = []
    for quantum, top, storage, unit in ((1.0, 16.0, "uint8", 1), (1 / 16, 1.0, "float64", 16.0)):
        data = genzoo.Dataset("x", image_data(quantum, top, storage), (events / unit).astype(storage))
        run = genzoo.train(
            "gmm", data, n_components=2, precision="fp64", training={"max_iter": 8}, out=tmp_path / storage
        )
        found.append(run.log_prob_bound(data.events[:200], draws=4))
    assert torch.allclose(*map(torch.as_tensor, found), rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", ["log_prob", "score", "log_posterior", "impute"])
def test_an_array_with_a_code_that_the_model_does_not_know_is_refused(tmp_path, name):
    features = (genzoo.Feature("a"), genzoo.Feature("town", "categorical", ("ash", "birch", "cedar")))
    rng = np.random.default_rng(0)
    events = np.stack([rng.normal(size=90), rng.integers(0, 3, 90)], axis=1)
    data = genzoo.Dataset("towns", genzoo.DataSpec((2,), "table", features, storage="float64"), events)
    model = genzoo.train("naive-bayes", data, n_components=2, out=tmp_path / "run").load()
    with pytest.raises(genzoo.DataError, match=r"holds 7 in event 1, column 'town', .* codes of its 3 levels, from 0"):
        getattr(model, name)(np.array([[0.0, 1.0], [0.0, 7.0]]))
