"""Estimators have the settings of their models as parameters, and the methods that the models are capable of."""

import copy
import dataclasses
import functools
import inspect
import pickle
import re
import sys
import types
from typing import ClassVar

import numpy as np
import pytest
import torch
from sklearn.base import clone, is_clusterer
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import genzoo
import genzoo.sklearn
from genzoo.errors import ConfigError, DataError
from genzoo.plugins.manager import get_registry
from genzoo.sklearn import estimator, factory
from genzoo.sklearn.parameters import layer_of, parameters_of

pandas = pytest.importorskip("pandas")

GMM = genzoo.sklearn.GMM
RNG = np.random.default_rng(0)
X = np.concatenate([RNG.normal(size=(120, 3)), RNG.normal(size=(80, 3)) * 0.5 + 4])
NETWORK = {"steps": 20, "batch_size": 16, "widths": (8,), "latent": 2, "n_components": 2, "precision": "fp32"}


def test_the_signature_has_every_option_with_the_values_of_the_recipe():
    spec = get_registry().models.get("vae").spec
    found = {name: each.default for name, each in inspect.signature(genzoo.sklearn.VAE).parameters.items()}
    assert found["activation"] == "silu"
    assert found["imputation_draws"] == 100
    assert found["steps"] == spec.training["steps"]
    assert found["lr"] == spec.training["optimizer"]["lr"]
    assert found["schedule"] == "cosine"
    assert found["objective"] == "elbo"
    assert found["objective_draws"] is None
    assert found["validation_fraction"] == 0.15
    assert {"random_state", "device", "precision", "batch_size", "patience", "ema"} <= set(found)
    assert {"max_iter", "n_init", "tol", "n_components"} <= set(inspect.signature(GMM).parameters)
    assert "lr" not in inspect.signature(GMM).parameters
    assert "log_every" not in found


def test_a_preset_gives_other_defaults_under_the_same_parameters():
    plain, tutorial = estimator("dcgan"), estimator("dcgan", preset="tutorial")
    assert list(inspect.signature(plain).parameters) == list(inspect.signature(tutorial).parameters)
    assert inspect.signature(tutorial).parameters["batch_size"].default == 256
    assert tutorial is estimator("genzoo-gan/dcgan", preset="tutorial")


def test_parameters_are_seen_by_get_set_clone_and_repr():
    given = GMM(n_components=3, covariance_type="tied")
    assert clone(given).get_params() == given.get_params()
    assert repr(given) == "GMM(covariance_type='tied', n_components=3)"
    assert given.set_params(tol=1e-3).tol == 1e-3
    with pytest.raises(ValueError, match="Invalid parameter 'lr'"):
        given.set_params(lr=1.0)
    with pytest.raises(TypeError, match=r"GMM: .*lr"):
        GMM(lr=1.0)
    with pytest.raises(TypeError, match=r"GMM: .*positional"):
        GMM(3)


def test_invalid_values_are_value_errors_of_fit():
    with pytest.raises(ValueError, match="n_components") as caught:
        GMM(n_components=0).fit(X)
    assert isinstance(caught.value, ConfigError)
    with pytest.raises(DataError):
        estimator("dcgan")(steps=1, precision="fp32").fit(X)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"batch_size": 1000}, r"Use batch_size=170 or less"),
        ({"lr": -1}, r"'vae': lr must be above 0"),
        ({"validation_fraction": 0.0}, r"^patience needs .*validation_fraction is 0.*: patience=None eval_steps=None"),
        ({"objective_draws": 0}, r"draws must be at least 1"),
        ({"random_state": -1}, r"random_state is -1"),
        ({"random_state": "x"}, r"random_state is 'x'; it must be a whole number"),
    ],
)
def test_errors_name_parameters_and_no_flags(given, words):
    with pytest.raises(ConfigError, match=words) as caught:
        genzoo.sklearn.VAE(precision="fp32", **given).fit(X)
    assert not re.search(r"--\w|-o |training\.", str(caught.value))


@pytest.mark.parametrize(
    ("name", "has", "lacks"),
    [
        ("gmm", "predict predict_proba fit_predict score_samples bic aic impute sample", "transform reconstruct"),
        ("gaussian", "transform inverse_transform bic score", "fit_predict reconstruct"),
        ("factor-analysis", "transform reconstruct inverse_transform bic", "fit_predict"),
        ("vae", "transform reconstruct inverse_transform score impute", "predict bic"),
        ("autoencoder", "transform reconstruct score_samples", "predict bic impute"),
        ("dcgan", "sample inverse_transform", "transform score score_samples predict bic impute"),
        ("toy", "score_samples", "bic transform predict"),
    ],
)
def test_an_estimator_has_the_methods_its_model_is_capable_of(name, has, lacks):
    made = estimator(name)()
    assert [method for method in has.split() if not hasattr(made, method)] == []
    assert [method for method in lacks.split() if hasattr(made, method)] == []
    assert is_clusterer(made) == hasattr(made, "fit_predict")


def test_scores_and_criteria_agree_with_scikit_learn_at_the_same_optimum():
    own = GMM(n_components=2, reg_covar=0, tol=1e-13).fit(X)
    other = GaussianMixture(2, reg_covar=0, tol=1e-13, max_iter=5000, n_init=5, random_state=0).fit(X)
    assert own.score_samples(X) == pytest.approx(other.score_samples(X), rel=1e-6)
    assert own.bic(X) == pytest.approx(other.bic(X), rel=1e-9)
    assert own.aic(X) == pytest.approx(other.aic(X), rel=1e-9)
    assert own.score(X) == pytest.approx(own.lower_bound_, abs=1e-9)
    assert own.converged_
    same = own.predict(X) == other.predict(X)
    assert same.all() or not same.any()


def test_weights_count_rows():
    weights = RNG.integers(0, 3, len(X))
    weighted = GMM(n_components=1).fit(X, sample_weight=weights)
    repeated = GMM(n_components=1).fit(np.repeat(X, weights, axis=0))
    assert weighted.score_samples(X) == pytest.approx(repeated.score_samples(X), rel=1e-6)
    assert "sample_weight" not in inspect.signature(genzoo.sklearn.VAE().fit).parameters


def test_rows_of_the_noise_component_are_labeled_minus_one():
    labels = GMM(n_components=2, noise=True).fit_predict(np.concatenate([X, [[60.0, -60.0, 60.0]]]))
    assert labels[-1] == -1
    assert set(labels[:-1]) <= {-1, 0, 1}


def test_a_fit_prints_nothing_and_writes_nothing(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    genzoo.sklearn.VAE(**NETWORK).fit(X).sample(3)
    assert capfd.readouterr() == ("", "")
    assert list(tmp_path.iterdir()) == []


def test_em_that_does_not_converge_warns():
    with pytest.warns(ConvergenceWarning, match="not converged after 1 pass"):
        assert not GMM(max_iter=1, tol=0).fit(X).converged_


def test_frames_go_in_and_come_out():
    frame = pandas.DataFrame(X, columns=["a", "b", "c"], index=range(5, 205))
    fitted = genzoo.sklearn.FactorAnalysis(n_factors=1).fit(frame)
    assert list(fitted.feature_names_in_) == ["a", "b", "c"]
    assert list(fitted.sample(4).columns) == ["a", "b", "c"]
    assert list(fitted.reconstruct(frame).index) == list(frame.index)
    assert type(fitted.score_samples(frame)) is np.ndarray
    assert type(fitted.transform(frame)) is np.ndarray
    latent = fitted.set_output(transform="pandas").transform(frame)
    assert list(latent.columns) == list(fitted.get_feature_names_out()) == ["z0"]
    assert list(latent.index) == list(frame.index)
    assert list(fitted.inverse_transform(latent).columns) == ["a", "b", "c"]
    with pytest.raises(ValueError, match="feature names"):
        fitted.transform(frame.rename(columns={"a": "z"}))


def test_categories_of_a_frame_are_learned_and_sampled():
    frame = pandas.DataFrame({"n": X[:, 0], "color": np.where(X[:, 0] > 2, "red", "blue")})
    fitted = genzoo.sklearn.NaiveBayes(n_components=2).fit(frame)
    assert set(fitted.sample(50)["color"]) == {"red", "blue"}
    assert np.isfinite(fitted.score_samples(frame)).all()


def test_estimators_work_in_pipelines_searches_and_column_transformers():
    frame = pandas.DataFrame(X, columns=["a", "b", "c"]).assign(d=np.where(X[:, 0] > 2, "x", "y"))
    columns = ColumnTransformer(
        [
            ("latent", genzoo.sklearn.PPCA(n_factors=2), ["a", "b", "c"]),
            ("d", OneHotEncoder(sparse_output=False), ["d"]),
        ]
    )
    out = columns.set_output(transform="pandas").fit_transform(frame)
    assert list(out.columns) == ["latent__z0", "latent__z1", "d__d_x", "d__d_y"]
    steps = make_pipeline(StandardScaler(), GMM())
    search = GridSearchCV(steps, {"gmm__n_components": np.arange(1, 4)}, cv=3).fit(X)
    assert search.best_params_["gmm__n_components"] == 2
    assert cross_val_score(GMM(n_components=2), X, cv=3).shape == (3,)


@pytest.mark.full
def test_processes_of_joblib_fit_estimators():
    found = GridSearchCV(GMM(), {"n_components": [1, 2]}, cv=2, n_jobs=2).fit(X)
    assert found.best_params_ == {"n_components": 2}


@pytest.mark.parametrize("made", [GMM(n_components=2), genzoo.sklearn.VAE(**NETWORK)], ids=["gmm", "vae"])
def test_copies_and_pickles_answer_alike(made, monkeypatch):
    fitted = made.fit(X)
    for other in (copy.deepcopy(fitted), pickle.loads(pickle.dumps(fitted))):
        assert type(other) is type(fitted)
        assert (other.score_samples(X) == fitted.score_samples(X)).all()
    stored = pickle.dumps(fitted)
    monkeypatch.setattr(factory, "_made", functools.cache(factory._made.__wrapped__))  # as in another process
    assert (pickle.loads(stored).score_samples(X) == fitted.score_samples(X)).all()


def test_random_states_are_seeds_generators_and_none():
    fitted = GMM().fit(X)
    assert (fitted.sample(3) == fitted.sample(3)).all()
    assert (fitted.sample(3, random_state=1) != fitted.sample(3)).any()
    for drawn in (np.random.RandomState(0), np.random.default_rng(0)):
        assert (fitted.sample(3, random_state=drawn) != fitted.sample(3, random_state=drawn)).any()
    assert (fitted.sample(np.int64(3)) == fitted.sample(3)).all()
    assert GMM(random_state=None).fit(X).score(X) == pytest.approx(fitted.score(X), abs=1e-3)


def test_images_are_fitted_and_sampled():
    images = RNG.integers(0, 256, (64, 1, 8, 8)).astype(np.uint8)
    fitted = genzoo.sklearn.DCGAN(steps=2, batch_size=16, precision="fp32").fit(images)
    assert fitted.n_iter_ == 2
    assert fitted.sample(3).shape == (3, 1, 8, 8)


def test_a_budget_replaces_that_of_the_recipe():
    assert genzoo.sklearn.VAE(**{**NETWORK, "steps": None, "epochs": 1}, validation_fraction=0.2).fit(X).n_iter_ == 10


def test_an_unfitted_estimator_says_so():
    with pytest.raises(NotFittedError):
        GMM().sample(2)
    with pytest.raises(AttributeError, match="estimator"):
        _ = genzoo.sklearn.Nothing
    with pytest.raises(ConfigError, match="gmm"):
        estimator("gmn")


class ClashingOptions(genzoo.Settings):
    """Options of a model that are named like a setting of a training, a setting of a run and a method."""

    steps: int = 7
    device: str = "any"
    fit: bool = True


def test_an_option_keeps_its_name_and_settings_of_that_name_get_another(monkeypatch):
    monkeypatch.setitem(sys.modules, "clashing", types.SimpleNamespace(Options=ClashingOptions))
    entry = get_registry().models.get("toy")
    entry = dataclasses.replace(entry, spec=dataclasses.replace(entry.spec, config="clashing:Options", presets={}))
    found = {each.name: each for each in parameters_of(get_registry(), entry, None, frozenset({"fit"}))}
    assert {"steps", "training_steps", "option_fit", "device", "run_device"} <= set(found)
    assert (found["steps"].default, found["training_steps"].default) == (7, 30)
    values = {name: each.default for name, each in found.items()} | {"steps": 9, "training_steps": 5}
    layer = layer_of(tuple(found.values()), values, {})
    assert layer == {"options": {"steps": 9}, "training": {"steps": 5}}


def test_help_shows_the_types_of_parameters():
    text = GMM.__doc__
    assert "n_components : int, default=2" in text
    assert "max_iter : int, default=1000" in text
    assert "n_components: int = 2" in str(inspect.signature(GMM))


def test_an_estimator_has_no_public_name_besides_its_interface():
    own = {name for name in dir(GMM) if not name.startswith("_")}
    assert not own & {"beneath", "parameters", "rebuild", "restore", "write", "weighted"}


def test_a_table_with_two_columns_of_one_name_is_an_error_in_our_words():
    import pandas as pd

    table = pd.DataFrame(np.zeros((9, 2)), columns=["a", "a"])
    with pytest.raises(DataError, match="several columns named 'a'"):
        GMM().fit(table)


def test_what_load_cannot_read_is_named(tmp_path):
    run = genzoo.train("gmm", "iris", out=tmp_path / "run")
    for path, words in ((run.path, "is a run of genzoo"), (run.model, "is a model folder of genzoo")):
        with pytest.raises(genzoo.ArtifactError, match=words):
            genzoo.sklearn.load(path)


class Spread(genzoo.Generator, genzoo.Likelihood):
    """A class of the user's, with an option and a sampling option."""

    degrees_of_freedom = None
    training: ClassVar = {"steps": 2, "batch_size": 8}

    def __init__(self, data, spread: float = 1.0):
        super().__init__()
        self.mean = torch.nn.Parameter(torch.zeros(data.event_shape))
        self.spread = spread

    def log_prob(self, x):
        return torch.distributions.Normal(self.mean, self.spread).log_prob(x).sum(1)

    def sample(self, n, temperature: float = 1.0):
        return self.mean + temperature * self.spread * torch.randn(n, len(self.mean), dtype=self.mean.dtype)


def test_a_class_of_the_users_is_an_estimator_with_its_sampling_options():
    x = np.random.default_rng(0).normal(size=(40, 2))
    cls = estimator(Spread)
    assert estimator(Spread) is cls
    fitted = clone(cls(spread=2.0, precision="fp32")).fit(x)
    assert fitted.get_params()["spread"] == 2.0
    still = fitted.sample(3, options={"temperature": 0.0})
    assert (still == still[0]).all()


def test_samples_are_drawn_given_a_column():
    x = np.random.default_rng(0).normal(size=(60, 2))
    drawn = estimator("gaussian")().fit(x).sample(3, given={"x0": 1.5})
    assert (drawn[:, 0] == 1.5).all()
