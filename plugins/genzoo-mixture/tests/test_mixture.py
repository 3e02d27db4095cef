import numpy as np
import pytest
import torch
from mixture_cases import blocks, mixture, problem, run_passes, set_parameters
from scipy import stats
from sklearn.mixture import GaussianMixture as Reference

import genzoo
from genzoo.config.training import EMTraining
from genzoo.engine.em import EMEngine
from genzoo.models.factory import build_model
from genzoo.plugins.manager import get_registry
from genzoo_mixture.em import MixtureEM

NAMES = {"full": "full", "tied": "tied", "diagonal": "diag", "spherical": "spherical"}


def matched(x, name, components=3, iterations=25):
    """Return scikit-learn's and genzoo's mixtures from the same start, one EM step of scikit-learn."""
    reference = Reference(components, covariance_type=NAMES[name], max_iter=1, tol=0, random_state=0)
    with pytest.warns():
        reference.fit(x)
    generator = mixture(name, components, x.shape[1])
    set_parameters(generator, reference.weights_, reference.means_, reference.covariances_)
    full = Reference(
        components,
        covariance_type=NAMES[name],
        max_iter=iterations,
        tol=0,
        weights_init=reference.weights_,
        means_init=reference.means_,
        precisions_init=reference.precisions_,
    )
    with pytest.warns():
        full.fit(x)
    return generator, full


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("count", [1, 7])
def test_em_equals_scikit_learns_from_the_same_start(name, count):
    x = problem()
    generator, reference = matched(x, name)
    run_passes(generator, blocks(x, count=count), 25)
    ours = generator.log_prob(torch.as_tensor(x)).sum().item()
    assert ours == pytest.approx(reference.score(x) * len(x), rel=1e-8)
    k, n = generator.degrees_of_freedom, len(x)
    assert k == reference._n_parameters()
    assert 2 * k - 2 * ours == pytest.approx(reference.aic(x), rel=1e-8)
    assert k * np.log(n) - 2 * ours == pytest.approx(reference.bic(x), rel=1e-8)
    posterior = generator.log_posterior(torch.as_tensor(x)).exp().numpy()
    assert np.allclose(posterior, reference.predict_proba(x), atol=1e-6)


def test_one_gaussian_equals_the_closed_form(tmp_path):
    x = problem(components=1)
    run = genzoo.train("gaussian", x, reg_covar=0, precision="fp64", out=tmp_path / "run")
    split = run.config.split
    rows = genzoo.Dataset("x", run.data, x).split(split, 0).train
    train = x[rows]
    expected = stats.multivariate_normal(train.mean(0), np.cov(train.T, bias=True)).logpdf(x)
    assert np.allclose(run.log_prob(x), expected, rtol=1e-9)
    assert np.array_equal(run.load().log_posterior(x), np.zeros((len(x), 1)))


@pytest.mark.parametrize("name", NAMES)
def test_a_far_mean_costs_no_precision_in_float32(tmp_path, name):
    """Both dtypes give one fitted model the same log-likelihood, for data a thousand deviations from zero."""
    x = problem() + 1000.0
    fitted = genzoo.train(
        "gmm", x, n_components=3, covariance_type=name, precision="fp64", out=tmp_path / "run", seed=1
    ).load()
    exact = fitted.log_prob(x)
    fitted.generator.float()
    assert np.abs(fitted.log_prob(x) - exact).max() < 1e-4
    assert fitted.log_prob(x).mean() == pytest.approx(exact.mean(), rel=1e-7)


@pytest.mark.parametrize("name", NAMES)
def test_samples_follow_the_density(name):
    torch.manual_seed(0)
    generator, _ = matched(problem(), name)
    x = generator.sample(20_000)
    posterior = generator.log_posterior(x).exp().mean(0)
    assert torch.allclose(posterior, generator.log_weights.exp(), atol=0.015)
    for k in range(3):
        share = generator.log_posterior(x)[:, k].exp()
        mean = (share @ x) / share.sum()
        assert torch.allclose(mean, generator.emissions[0].means[k], atol=0.12)


@pytest.mark.parametrize("start", ["kmeans", "k-means++", "random", "random_from_data"])
def test_restarts_keep_the_best_and_report_all(start):
    torch.manual_seed(0)
    x = genzoo.Batch(torch.as_tensor(problem(n=300)))
    generator = mixture(start=start)
    settings = EMTraining(n_init=4, max_iter=200, tol=1e-9)
    engine = EMEngine(genzoo.Model(genzoo.Parts(generator)), MixtureEM(), settings, seed=3)
    last, step = None, 0
    while not engine.finished:
        step += 1
        begun = len(engine.ended)
        loss = engine.update([x], step, 0.0)["negative_log_likelihood"].item()
        assert last is None or loss <= last + 1e-9, "the likelihood never falls within a restart"
        last = None if len(engine.ended) > begun else loss
    best = max(restart["log_likelihood"] for restart in engine.ended)
    assert len(engine.ended) == 4
    assert generator.log_prob(x.x).mean().item() == pytest.approx(best, abs=1e-6)


def test_resuming_em_gives_the_bits_of_an_uninterrupted_run(tmp_path):
    from genzoo.training.resume import prepare_resume
    from genzoo.training.run_training import run_training

    settings = {"n_init": 3, "tol": 1e-7}
    whole = genzoo.train("gmm", n_components=3, out=tmp_path / "whole", training=settings)
    part = genzoo.train("gmm", n_components=3, out=tmp_path / "part", training={**settings, "steps": 7})
    assert part.record["steps"] == 7
    run, prepared, start = prepare_resume(str(part.path), {"steps": 10_000})
    run_training(prepared, run, (), start)
    assert run.record["weights"] == whole.record["weights"]


def test_a_collapsed_restart_is_kept_only_if_all_collapsed():
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(0, 1, (60, 2)), rng.normal(6, 1, (60, 2)), np.full((3, 2), 40.0)])
    generator = mixture(components=3, columns=2, start="random_from_data")
    engine = EMEngine(
        genzoo.Model(genzoo.Parts(generator)), MixtureEM(), EMTraining(n_init=8, max_iter=500, tol=1e-7), seed=0
    )
    step = 0
    while not engine.finished:
        step += 1
        engine.update([genzoo.Batch(torch.as_tensor(x))], step, 0.0)
    sound = [restart for restart in engine.ended if restart["fault"] is None]
    assert 0 < len(sound) < len(engine.ended), "some restarts of this problem collapse on the three equal rows"
    assert engine.kept == max(sound, key=lambda restart: restart["log_likelihood"])
    assert max(restart["log_likelihood"] for restart in engine.ended) > engine.kept["log_likelihood"]
    assert generator.log_prob(torch.as_tensor(x)).mean().item() == pytest.approx(
        engine.kept["log_likelihood"], abs=1e-5
    )


@pytest.mark.parametrize("steps", [30, 40, 55])
def test_a_budget_that_ends_within_a_restart_keeps_the_best_one(tmp_path, steps):
    settings = {"n_init": 50, "steps": steps, "tol": 1e-4}
    run = genzoo.train(
        "gmm", problem(), n_components=3, init_params="k-means++", out=tmp_path / "run", training=settings
    )
    record = run.record
    assert len(record["restarts"]) >= 2
    assert not record["restarts"][-1]["converged"]
    assert record["kept"] == max(record["restarts"], key=lambda restart: restart["log_likelihood"])
    train = genzoo.Dataset("x", run.data, problem()).split(run.config.split, 0).train
    assert run.log_prob(problem()[train]).mean() == pytest.approx(record["kept"]["log_likelihood"], abs=2e-2)


def test_em_raises_for_reduced_precision(tmp_path):
    with pytest.raises(genzoo.ConfigError, match="fp32 or fp64"):
        genzoo.train("gmm", problem(), precision="bf16", out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_variances_below_reg_covar_are_not_a_collapse(tmp_path):
    run = genzoo.train("gmm", problem() * 1e-5, n_components=2, reg_covar=1e-6, out=tmp_path / "run")
    assert "reg_covar" in run.record["kept"]["fault"]


@pytest.mark.parametrize(("columns", "components", "covariance"), [(64, 64, "diagonal"), (32, 16, "full")])
def test_a_gpu_takes_few_blocks_that_fit_in_memory(monkeypatch, columns, components, covariance):
    features = tuple(genzoo.Feature(f"x{i}") for i in range(columns))
    options = {"n_components": components, "covariance_type": covariance}
    entry = get_registry().models.get("gmm")
    model = genzoo.Model(build_model(entry, options, genzoo.DataSpec((columns,), "table", features)))
    on_cpu = MixtureEM().block(model)
    monkeypatch.setattr("genzoo_mixture.em._device", lambda _: "cuda")
    on_gpu = MixtureEM().block(model)
    assert 1024 <= on_cpu <= 16_384
    assert on_gpu > 4 * on_cpu
    assert on_gpu * components <= 2**25
