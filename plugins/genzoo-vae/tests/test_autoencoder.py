"""`autoencoder` against principal components, errors computed by hand, and injected outliers."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from scipy.special import expit, log_softmax
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.decomposition import PCA
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from vae_cases import BINARY, IMAGE, MIXED, table

import genzoo
from genzoo.cli.main import main
from genzoo.inference.rows.scoring import score
from genzoo_vae.autoencoder import build
from genzoo_vae.objectives import reconstruction_error
from genzoo_vae.options import AutoencoderOptions, ReconstructionErrorOptions
from genzoo_vae.prior import LatentDensity

HOLES = dataclasses.replace(MIXED, missing=True)
ALL = {"test": 0.0, "validation": 0.0}


def made(data, **options):
    torch.manual_seed(0)
    return build(AutoencoderOptions(**options), data).generator.double().eval()


def trained(data, tmp_path, steps=2000, split=ALL, **options):
    """Train for fewer steps than by default, and so without their average, but faster."""
    training = {"steps": steps, "ema": 0.0, "optimizer": {"lr": 0.01}, "patience": None}
    if split is ALL:
        training["eval_steps"] = None
    return genzoo.train(
        "autoencoder", data, out=tmp_path / "run", seed=0, precision="fp32", split=split, training=training, **options
    ).load()


def standardized(x):
    return (x - x.mean(0)) / x.std(0)


def pca_errors(train, x, latent):
    """Return the mean squared error of each row of `x` for the principal components of `train`."""
    pca = PCA(latent).fit(train)
    return np.square(x - pca.inverse_transform(pca.transform(x))).mean(1)


def weights(network):
    """Return the matrix and the shift of a network of one layer."""
    (layer,) = network
    return layer.weight.detach().numpy(), layer.bias.detach().numpy()


@pytest.mark.parametrize(
    ("data", "latent"), [("iris", 1), ("iris", 3), ("wine", 2), pytest.param("digits", 10, marks=pytest.mark.full)]
)
def test_a_linear_autoencoder_finds_the_principal_components(data, latent, tmp_path):
    x = {"iris": load_iris, "wine": load_wine, "digits": load_digits}[data]().data
    scaled = x / 16 if data == "digits" else standardized(x)
    fitted = trained(data, tmp_path, 3000, latent=latent, widths=[])
    events = x.reshape(-1, 1, 8, 8) if data == "digits" else x
    mine, best = fitted.anomaly_score(events).mean(), pca_errors(scaled, scaled, latent).mean()
    assert best * (1 - 1e-4) <= mine <= best * 1.01


def test_scores_of_a_mixed_table_are_the_errors_computed_by_hand():
    model = made(HOLES, latent=2, widths=())
    rng = np.random.default_rng(0)
    x = np.stack(
        [rng.integers(0, 2, 9), rng.normal(size=9), rng.integers(0, 3, 9), rng.poisson(3, 9), rng.normal(size=9)], 1
    )
    missing = rng.random(x.shape) < 0.3
    missing[0], missing[1] = True, False
    x[missing] = 0.0
    # The heads are in the order in which their kinds appear in the table.
    one_hot = (x[:, [2]] == np.arange(3)) & ~missing[:, [2]]
    shown = np.concatenate([x[:, [0, 1, 4]], one_hot, np.log1p(x[:, [3]]), missing], 1)
    order = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]
    encode, shift = weights(model.encoder)
    assert encode.shape == (2, len(order))
    z = shown[:, order] @ encode.T + shift
    decode, center = weights(model.decoder)
    out = z @ decode.T + center  # smokes, height, weight, three towns, log(1 + visits)
    errors = np.stack(
        [
            -np.log(expit(np.where(x[:, 0] == 1, out[:, 0], -out[:, 0]))),
            (x[:, 1] - out[:, 1]) ** 2,
            -np.take_along_axis(log_softmax(out[:, 3:6], 1), x[:, [2]].astype(int), 1)[:, 0],
            (np.log1p(x[:, 3]) - out[:, 6]) ** 2,
            (x[:, 4] - out[:, 2]) ** 2,
        ],
        1,
    )
    known = ~missing
    expected = np.where(known, errors, 0).sum(1) / np.maximum(known.sum(1), 1)
    given = torch.from_numpy(x), torch.from_numpy(missing)
    assert np.allclose(model.encode(*given).detach().numpy(), z, rtol=0, atol=1e-12)
    assert np.allclose(model.anomaly_score(*given).detach().numpy(), expected, rtol=0, atol=1e-12)
    again = np.stack([expit(out[:, 0]), out[:, 1], out[:, 3:6].argmax(1), np.expm1(out[:, 6].clip(0)), out[:, 2]], 1)
    assert np.allclose(model.reconstruct(*given).detach().numpy(), again, rtol=0, atol=1e-12)
    loss = reconstruction_error(ReconstructionErrorOptions()).loss(genzoo.Model(genzoo.Parts(model)), *given)
    assert loss.item() == pytest.approx(expected.mean(), abs=1e-12)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (IMAGE, "squared errors of pixels from 0 to 1"),
        (BINARY, "cross-entropies of pixels in nats"),
        (table(2), "squared errors of numbers in standard deviations"),
        (
            MIXED,
            "squared errors of numbers in standard deviations, cross-entropies of categories in nats, "
            "squared errors of log(1 + count)",
        ),
    ],
)
def test_the_score_says_what_it_is(data, words):
    assert made(data).score_meaning == f"reconstruction error, the mean of {words}"


def test_pixels_on_a_grid_of_categories_have_a_cross_entropy():
    data = dataclasses.replace(
        IMAGE, features=(genzoo.Feature("pixel", "categorical", ("a", "b", "c")),), bounds=(0.0, 2.0)
    )
    model = made(data)
    drawn = model.sample(50).detach()
    assert set(np.unique(drawn)) <= {0.0, 0.5, 1.0}
    assert (model.anomaly_score(drawn) > 0).all()


@pytest.mark.full
def test_outliers_are_found_as_by_principal_components(tmp_path):
    x = load_breast_cancer().data
    rng = np.random.default_rng(0)
    odd = np.stack([rng.permutation(column) for column in x[:60].T], 1)  # usual in each column, not together
    both, label = np.concatenate([x, odd]), np.arange(len(x) + 60) >= len(x)
    mean, deviation = x.mean(0), x.std(0)
    reference = pca_errors((x - mean) / deviation, (both - mean) / deviation, 5)
    expected = roc_auc_score(label, reference)
    assert expected > 0.9
    linear = trained(x, tmp_path / "linear", latent=5, widths=[])
    assert roc_auc_score(label, linear.anomaly_score(both)) == pytest.approx(expected, abs=0.01)
    deep = trained(x, tmp_path / "deep", latent=5)
    assert roc_auc_score(label, deep.anomaly_score(both)) > expected - 0.02


@pytest.mark.full
def test_two_dimensions_keep_digits_apart_better_than_principal_components(tmp_path):
    x, digit = load_digits(return_X_y=True)
    z = trained("digits", tmp_path, latent=2).encode(x.reshape(-1, 1, 8, 8))
    found, linear = (
        cross_val_score(KNeighborsClassifier(5), points, digit, cv=5).mean() for points in (z, PCA(2).fit_transform(x))
    )
    assert found > linear + 0.1


def test_the_mixture_of_codes_changes_nothing_in_the_networks(tmp_path):
    one, ten = (
        trained("iris", tmp_path / str(count), steps=50, n_components=count, latent=2).generator for count in (1, 10)
    )
    for name in ("encoder", "decoder"):
        first, second = (getattr(model, name).state_dict() for model in (one, ten))
        assert all(torch.equal(first[key], second[key]) for key in first)


def test_samples_have_the_moments_of_reconstructions(tmp_path):
    rng = np.random.default_rng(0)
    x = 50 + 20 * rng.normal(size=(1000, 2)) @ rng.normal(size=(2, 5)) + rng.normal(size=(1000, 5))
    fitted = trained(x, tmp_path, steps=4000, latent=2, widths=[])
    again, drawn = fitted.reconstruct(x), fitted.sample(20_000, output="array")
    assert np.allclose(drawn.mean(0), again.mean(0), rtol=0, atol=0.1 * x.std(0))
    scale = np.outer(x.std(0), x.std(0))
    assert np.allclose(np.cov(drawn.T) / scale, np.cov(again.T) / scale, rtol=0, atol=0.1)


def test_moments_of_codes_are_right_from_the_first_batch():
    density = LatentDensity(3, 2).double()
    z = torch.randn(64, 3, dtype=torch.float64) * torch.tensor([0.1, 1.0, 50.0]) + torch.tensor([5.0, 0.0, -7.0])
    for _ in range(3):
        density.loss(z)
        mean, variance = density._moments()
        assert np.allclose(mean, z.numpy().mean(0), rtol=1e-10)
        assert np.allclose(variance, z.numpy().var(0, ddof=1), rtol=1e-10)


def test_rows_with_holes_are_scored_and_rows_with_nothing_are_not(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 1)) + 0.1 * rng.normal(size=(300, 4))
    x[rng.random(x.shape) < 0.2] = np.nan
    x[np.isnan(x).all(1), 0] = 0.0
    x[7] = np.nan
    data = genzoo.Dataset("holes", table(4, missing=True), x)
    fitted = trained(data, tmp_path, steps=500, split={}, latent=1)
    scored = score(fitted, data, 0.1)
    assert scored.unobserved.tolist() == [7]
    assert np.isfinite(np.delete(scored.values, 7)).all()
    assert not scored.flagged[7]
    assert np.array_equal(scored.flagged, scored.values > scored.threshold.value)
    strange = np.array([[3.0, -3.0, 3.0, np.nan]])
    assert fitted.anomaly_score(strange)[0] > scored.threshold.value
    assert np.isfinite(fitted.reconstruct(x)).all()


@pytest.mark.precision
def test_commands_of_a_run(capsys, tmp_path):
    def cli(*words):
        code = main([str(word) for word in words])
        return code, capsys.readouterr().out

    run = tmp_path / "run"
    assert cli("train", "autoencoder", "--data", "iris", "--steps", "50", "--out", run)[0] == 0
    code, out = cli("score", run, "--data", "iris", "--threshold", "0.1", "--json")
    found = json.loads(out)
    assert (code, found["score"], len(found["anomaly_score"])) == (0, "anomaly_score", 150)
    assert found["kind"] == "reconstruction error, the mean of squared errors of numbers in standard deviations"
    assert found["count_flagged"] == sum(value > found["threshold"] for value in found["anomaly_score"])
    again = tmp_path / "again.npy"
    assert cli("reconstruct", run, "--data", "iris", "--out", again)[0] == 0
    assert np.array_equal(np.load(again), genzoo.load(run).reconstruct(load_iris().data))
    code, out = cli("score", run, "--data", "iris", "--threshold", "0.1", "--out", tmp_path / "scores.csv")
    assert code == 0
    assert "rows are flagged: they score above" in out
    assert (tmp_path / "scores.csv").read_text("utf-8").startswith("row,anomaly_score,flagged,because\n")
    absurd = np.array([[1e20, 3.5, 1.4, 0.2], *load_iris().data[:2]])
    np.save(tmp_path / "absurd.npy", absurd)
    code, out = cli("score", run, "--data", tmp_path / "absurd.npy", "--threshold", "0.1", "--json")
    found = json.loads(out)
    assert (code, found["flagged"][0], found["anomaly_score"][0]) == (0, True, None)
    assert np.allclose(found["anomaly_score"][1:], genzoo.load(run).anomaly_score(absurd)[1:])


@pytest.mark.precision
def test_a_comparison_shows_no_likelihood_of_it():
    report = genzoo.compare(["autoencoder:latent=1,training.steps=40", "gaussian"], data="iris")
    row = report["autoencoder:latent=1,training.steps=40"]
    assert row.status == "ok"
    assert row.bic is None
    assert row.log_likelihood.test is None
    assert {"coverage", "mmd"} <= set(row.metrics)
    assert report.best == "gaussian"


@pytest.mark.precision
def test_weighted_rows_and_imputation_are_errors(tmp_path):
    data = genzoo.Dataset("t", table(2), np.random.default_rng(0).normal(size=(50, 2)), weights=np.ones(50))
    with pytest.raises(genzoo.ConfigError, match="weighted rows"):
        genzoo.train("autoencoder", data, out=tmp_path / "run")
    fitted = trained("iris", tmp_path / "iris", steps=2)
    with pytest.raises(genzoo.ConfigError, match="no 'imputation'"):
        fitted.impute(load_iris().data)
    with pytest.raises(genzoo.ConfigError, match="no 'likelihood'"):
        fitted.log_prob(load_iris().data)
