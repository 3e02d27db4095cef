"""Conditional models and joint models asked for events given conditions, against closed forms."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file
from scipy import stats

import genzoo
from genzoo.data.dataset import Conditioned
from genzoo.errors import ArtifactError, ConfigError, DataError, Interrupted
from genzoo.inference.conditional_view import as_conditional
from genzoo.inference.given import value_of
from genzoo.storage.tensors import digest

QUIET = {"progress": False, "seed": 0, "precision": "fp32"}


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(5)
    kind = rng.integers(2, size=400)
    x = np.array([[-3.0, 1.0], [4.0, 2.0]])[kind] + rng.normal(size=(400, 2)) * np.array([[1.0, 0.5], [0.5, 2.0]])[kind]
    return pd.DataFrame({"x": x[:, 0], "y": x[:, 1], "kind": np.array(["left", "right"])[kind]})


@pytest.fixture(scope="module")
def conditional(rows, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "vae"
    return genzoo.train(
        "vae", rows, condition=["kind"], steps=1000, latent=2, widths=(16,), out=out, lr=5e-3, ema=0.0, **QUIET
    )


@pytest.fixture(scope="module")
def joint(tmp_path_factory):
    rng = np.random.default_rng(1)
    x = rng.multivariate_normal([1, 2, 3], [[2, 0.8, 0.3], [0.8, 1, -0.4], [0.3, -0.4, 1.5]], 500)
    table = pd.DataFrame(x, columns=["a", "b", "c"])
    return genzoo.train("gaussian", table, out=tmp_path_factory.mktemp("runs") / "g", **QUIET).load()


def test_samples_given_a_level_have_its_mean_and_spread(conditional, rows):
    model = conditional.load()
    for level in ("left", "right"):
        own = rows[rows.kind == level][["x", "y"]].to_numpy()
        drawn = model.sample(2_000, given={"kind": level}, output="array")
        error = own.std(axis=0) * np.sqrt(1 / len(own) + 1 / 2_000)
        assert (abs(drawn.mean(axis=0) - own.mean(axis=0)) < 5 * error).all()
        assert drawn.std(axis=0) == pytest.approx(own.std(axis=0), rel=0.3)


def test_a_table_of_samples_has_the_columns_of_conditions(conditional, rows):
    drawn = conditional.sample(300)
    assert list(drawn.columns) == ["x", "y", "kind"]
    assert (drawn.kind == "left").mean() == pytest.approx((rows.kind == "left").mean(), abs=0.1)
    assert (drawn[drawn.kind == "left"].x < drawn[drawn.kind == "right"].x.mean()).all()


def test_fewer_samples_are_the_first_of_more(conditional):
    few, more = (conditional.sample(count, seed=3, output="array") for count in (70, 200))
    assert np.array_equal(few, more[:70])


def test_tables_and_arrays_with_conditions_score_alike(conditional, rows):
    model, events = conditional.load(), rows[["x", "y"]].to_numpy()
    by_table = model.log_prob_bound(rows, draws=4).to_numpy()
    levels, codes = rows.kind.to_numpy(), (rows.kind == "right").to_numpy().astype(int)
    for condition in (levels, codes, rows[["kind"]], levels[:, None]):
        assert np.array_equal(model.log_prob_bound(events, condition=condition, draws=4), by_table)
    other = model.log_prob_bound(events, condition=levels[::-1], draws=4)
    assert other.mean() < by_table.mean() - 1
    assert model.encode(rows).shape == (400, 2)
    score = genzoo.score(conditional, rows.head(5))
    assert next(iter(score.columns)) == "log_likelihood"


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda model: model.sample(3, given={"kind": "lefft"}), "Did you mean 'left'"),
        (lambda model: model.sample(3, given={"kin": "left"}), "Did you mean 'kind'"),
        (lambda model: model.log_prob_bound(np.zeros((2, 2))), "condition="),
        (lambda model: model.log_prob_bound(np.zeros((2, 2)), condition=["up", "left"]), "no level 'up'"),
        (lambda model: model.log_prob_bound(np.zeros((2, 2)), condition=[2, 0]), "codes from 0 to 1"),
        (lambda model: model.log_prob_bound(np.zeros((2, 2)), condition=["left"]), r"shape \(2, 1\)"),
        (lambda model: model.decode(np.zeros((2, 2))), r"given=\{'kind': VALUE\}"),
    ],
)
def test_conditions_that_do_not_fit_are_explained(conditional, ask, said):
    with pytest.raises((ConfigError, DataError), match=said):
        ask(conditional.load())


def test_a_model_that_is_not_conditional_says_what_to_use(rows):
    with pytest.raises(
        DataError, match=r"'naive-bayes' is not conditional.*\(diffusion, flow, made, r3gan, vae\).*joint=True.*given="
    ):
        genzoo.train("naive-bayes", rows, condition=["kind"], **QUIET)
    with pytest.raises(ConfigError, match="not conditional"):
        genzoo.train("gaussian", rows[["x", "y"]], **QUIET).load().log_prob(np.zeros((1, 2)), condition=[1])


def test_the_measure_is_of_events_given_conditions(conditional):
    score = conditional.evaluate(metrics=["log-likelihood"]).scores["log-likelihood"]
    assert score.protocol["measure"] == "density given kind"


def test_pages_and_descriptions_of_conditional_models_are_made(conditional, tmp_path):
    assert conditional.report(tmp_path / "r.html", metrics=["log-likelihood"]).path.exists()
    assert conditional.describe().rows == 400


@pytest.mark.parametrize("resident", [True, False])
def test_a_resumed_conditional_run_has_the_same_bits(rows, tmp_path, monkeypatch, resident):
    from genzoo.engine import resident

    if not resident:
        monkeypatch.setattr(resident, "_RESIDENT_SHARE", 0.0)
    terms = {"condition": ["kind"], "latent": 2, "widths": (8,), **QUIET}
    whole = genzoo.train("vae", rows, steps=30, out=tmp_path / "whole", **terms)
    with pytest.raises(Interrupted):
        genzoo.train("vae", rows, steps=30, out=tmp_path / "stopped", callbacks=[_stop_after(11)], **terms)
    resumed = genzoo.resume(tmp_path / "stopped", rows, progress=False)
    assert np.array_equal(
        whole.sample(8, given={"kind": "left"}, output="array"),
        resumed.sample(8, given={"kind": "left"}, output="array"),
    )


def _stop_after(number):
    import os
    import signal

    def stop(step):
        if step.number == number:
            os.kill(os.getpid(), signal.SIGINT)

    return stop


def test_conditional_draws_of_a_gaussian_have_its_closed_form(joint):
    mean = joint.sample(60_000, seed=9, output="array").astype(float)
    mu, sigma = mean.mean(axis=0), np.cov(mean.T)
    drawn = joint.sample(20_000, given={"b": 3.5}, output="array")
    gain = sigma[[0, 2], 1] / sigma[1, 1]
    wanted = mu[[0, 2]] + gain * (3.5 - mu[1])
    spread = sigma[np.ix_([0, 2], [0, 2])] - np.outer(gain, sigma[1, [0, 2]])
    assert (drawn[:, 1] == 3.5).all()
    assert drawn[:, [0, 2]].mean(axis=0) == pytest.approx(wanted, abs=0.06)
    assert np.cov(drawn[:, [0, 2]].T) == pytest.approx(spread, abs=0.15)


def test_joint_log_probabilities_given_columns_are_exact(joint):
    data = genzoo.DataSpec((2,), "table", joint.data.features[:2], condition=joint.data.features[2:], storage="float64")
    view = as_conditional(joint, data)
    rng = np.random.default_rng(0)
    x = rng.normal(2, 1, (50, 3))
    found = view.log_prob(Conditioned(x[:, :2], x[:, 2:]))
    anchor = np.zeros((1, 3))
    step = np.eye(3)
    # A log-density of a normal is a quadratic, which its values at few points determine.
    f = joint.log_prob
    centre = f(anchor)[0]
    hessian = np.array(
        [
            [f((step[i] + step[j])[None])[0] - f(step[i][None])[0] - f(step[j][None])[0] + centre for j in range(3)]
            for i in range(3)
        ]
    )
    slope = np.array([f(step[i][None])[0] - centre - hessian[i, i] / 2 for i in range(3)])
    sigma = np.linalg.inv(-hessian)
    mu = sigma @ slope
    whole = stats.multivariate_normal(mu, sigma).logpdf(x)
    alone = stats.norm(mu[2], np.sqrt(sigma[2, 2])).logpdf(x[:, 2])
    assert found == pytest.approx(whole - alone, abs=2e-4)


def test_columns_that_cannot_be_given_are_explained(joint):
    with pytest.raises(ConfigError, match="Did you mean"):
        joint.sample(3, given={"bb": 1})
    with pytest.raises(ConfigError, match="holds numbers"):
        joint.sample(3, given={"b": "high"})


@pytest.mark.parametrize("wrong", ["shape", "code", "count", "scale", "absent", "strange"])
def test_a_damaged_file_of_conditions_is_refused(conditional, tmp_path, wrong):
    import shutil

    shutil.copytree(conditional.model, tmp_path / "model")
    path = tmp_path / "model" / "model.safetensors"
    tensors = load_file(path)
    if wrong == "shape":
        tensors["condition.combinations"] = torch.zeros(3, 1, dtype=torch.int64)
        tensors["condition.counts"] = torch.ones(3, dtype=torch.float64)
    elif wrong == "code":
        tensors["condition.combinations"] += 5
    elif wrong == "count":
        tensors["condition.counts"] *= -1
    elif wrong == "scale":
        tensors["condition.scale"] *= 0
    elif wrong == "absent":
        del tensors["condition.counts"]
    else:
        tensors["condition.more"] = torch.ones(2)
    save_file(tensors, path)
    config = json.loads((tmp_path / "model" / "config.json").read_text(encoding="utf-8"))
    config["tensors"] = digest(path)
    (tmp_path / "model" / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(ArtifactError, match="condition"):
        genzoo.load(tmp_path / "model")


@pytest.fixture(scope="module")
def given_a_number(rows, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "number"
    return genzoo.train("vae", rows, condition=["y"], steps=3, latent=2, widths=(8,), out=out, **QUIET)


def test_a_model_given_a_number_trains_and_has_a_page(given_a_number, rows, tmp_path):
    first = pd.read_csv(sorted(given_a_number.samples.iterdir())[0])
    assert first.y.nunique() == 1
    assert first.y[0] == pytest.approx(rows.y.mean(), abs=0.5)
    assert given_a_number.report(tmp_path / "r.html", metrics=["log-likelihood"]).path.exists()
    with pytest.raises(ConfigError, match=r"given=\{'y': NUMBER\}"):
        given_a_number.sample(3)


def test_a_number_too_far_to_compute_with_is_an_error_that_names_it(given_a_number, joint, monkeypatch):
    for model, name in ((given_a_number.load(), "y"), (joint, "a")):
        with pytest.raises(ConfigError, match=rf"given '{name}' = 1e\+308 cannot be computed.*nearer"):
            model.sample(3, given={name: 1e308})
        assert np.isfinite(model.sample(3, given={name: 5.0}, output="array")).all()
    far = given_a_number.load()
    with pytest.raises(ConfigError, match=r"given 'y' = -1e\+308 cannot be computed.*nearer"):
        far.sample(3, condition=[0.5, -1e308, 2.0])
    assert np.isfinite(far.sample(3, condition=[0.5, -1.0, 2.0], output="array")).all()
    monkeypatch.setattr(joint.generator, "impute", lambda *_, **__: 1 / 0)
    with pytest.raises(ArtifactError, match="ZeroDivisionError"):  # and numbers are not to blame
        joint.sample(3, given={"a": 1.0})


def test_samples_of_training_are_of_the_conditions_beside_them(conditional):
    last = pd.read_csv(sorted(conditional.samples.iterdir())[-1])
    assert last[last.kind == "left"].x.mean() == pytest.approx(-3, abs=0.7)
    assert last[last.kind == "right"].x.mean() == pytest.approx(4, abs=0.7)


def test_a_column_is_given_together_with_all_conditions(conditional):
    with pytest.raises(ConfigError, match=r"how 'kind' depends on 'x'.*given=\{'kind': LEVEL\}"):
        conditional.sample(3, given={"x": -3})
    drawn = conditional.sample(3, given={"x": -3, "kind": "left"})
    assert (drawn.x == -3).all()
    assert (drawn.kind == "left").all()


def test_means_given_a_column_are_an_error_that_says_how_to_fill_them_in(joint):
    with pytest.raises(ConfigError, match=r"Leave out mean=True\. .* genzoo impute: it fills in the means"):
        joint.sample(3, given={"a": 1.0}, mean=True)
    means = joint.impute(pd.DataFrame({"a": [1.0, 1.0], "b": np.nan, "c": np.nan}))
    assert (means.a == 1).all()
    assert (means.iloc[0] == means.iloc[1]).all()
    assert np.allclose(means[["b", "c"]], [2, 3], atol=0.3), "at the mean of a, the means of b and c"


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"given": "kind=left"}, "given is a mapping"),
        ({"given": ["kind"]}, "given is a mapping"),
        ({"given": {"kind": "left"}, "condition": ["left"] * 3}, "Both given and condition hold 'kind'"),
        ({"given": {"kin": "left"}}, "no column or condition of model"),
    ],
)
def test_what_is_given_is_a_mapping_and_given_once(conditional, how, said):
    with pytest.raises(ConfigError, match=said):
        conditional.sample(3, **how)


def test_levels_are_given_as_python_or_a_shell_writes_them():
    flag = genzoo.Feature("flag", "binary", ("false", "true"))
    spaced = genzoo.Feature("spaced", "categorical", (" a", "b"))
    assert [value_of(flag, one) for one in (True, np.False_, "True", "false", " true ")] == [1, 0, 1, 0, 1]
    assert [value_of(spaced, one) for one in (" a", "b", "b ")] == [0, 1, 1]
    with pytest.raises(ConfigError, match="no level 'A'"):
        value_of(spaced, "A")


def test_a_mixture_given_a_column_has_the_log_density_of_scipy(tmp_path):
    rng = np.random.default_rng(0)
    centers = np.array([[0.0, 0, 0], [4, 1, 2], [-3, 5, 1]])
    x = centers[rng.integers(3, size=400)] + rng.normal(size=(400, 3)) @ np.array(
        [[1, 0.4, 0], [0, 1, 0.6], [0, 0, 0.7]]
    )
    run = genzoo.train("gmm", x, n_components=3, covariance_type="full", out=tmp_path / "run", **QUIET)
    model = run.load()
    state = {name: value.double().numpy() for name, value in model.generator.state_dict().items()}
    means = state["emissions.0.means"] + model.transform.shift.numpy()
    roots, weights = state["emissions.0.scale"], np.exp(state["log_weights"])
    covariances = roots @ roots.transpose(0, 2, 1)
    assert float(model.transform.scale) == 1.0
    at = rng.normal(1, 2, (40, 3))
    whole, alone = 0.0, 0.0
    for weight, mean, covariance in zip(weights, means, covariances, strict=True):
        whole = whole + weight * stats.multivariate_normal(mean, covariance).pdf(at)
        alone = alone + weight * stats.norm(mean[2], covariance[2, 2] ** 0.5).pdf(at[:, 2])
    features = model.data.features
    data = genzoo.DataSpec((2,), "table", features[:2], condition=features[2:], storage="float64")
    found = as_conditional(model, data).log_prob(Conditioned(at[:, :2], at[:, 2:]))
    assert found == pytest.approx(np.log(whole) - np.log(alone), abs=1e-4)
    shares = weights * stats.norm(means[:, 2], covariances[:, 2, 2] ** 0.5).pdf(1.0)
    gains = covariances[:, :2, 2] / covariances[:, 2:, 2]
    wanted = (shares / shares.sum()) @ (means[:, :2] + gains * (1.0 - means[:, 2:]))
    drawn = model.sample(20_000, given={features[2].name: 1.0}, output="array")
    assert drawn[:, :2].mean(axis=0) == pytest.approx(wanted, abs=0.1)


def test_scores_explain_rows_that_are_unusual_for_their_condition(conditional):
    strange = pd.DataFrame({"x": [4.0, -3.0], "y": [2.0, 1.0], "kind": ["left", "left"]})
    scored = genzoo.score(conditional, strange)
    assert scored.because[0].startswith("x")
    assert scored.log_likelihood[0] < scored.log_likelihood[1] - 5
