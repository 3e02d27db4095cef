"""The uniform component for outliers."""

import math
import shutil
import subprocess

import numpy as np
import pytest
import torch
from mixture_cases import OBJECTIVE, begin, blocks, knock_out, mixture, random_parameters, run_passes, set_parameters
from scipy import stats
from scipy.special import logsumexp
from sklearn.datasets import load_iris

import genzoo
from genzoo.config.training import EMTraining
from genzoo.engine.em import EMEngine
from genzoo_mixture.box import principal_box

NAMES = ["full", "tied", "diagonal", "spherical"]


def noisy(low, high, *, name="full", components=2, seed=0):
    generator = mixture(name, components, len(low), noise=True)
    generator.prepare(torch.tensor(low).double(), torch.tensor(high).double())
    return random_parameters(generator, seed)


def contaminated(seed=0, n=2000):
    """Draw two round clusters, and replace 5 % of their events by uniform ones over a wide square."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(2, size=n)
    x = np.array([[-3.0, 0.0], [3.0, 0.0]])[labels] + rng.normal(size=(n, 2))
    stray = rng.random(n) < 0.05
    x[stray] = rng.uniform(-20, 20, (stray.sum(), 2))
    return x, stray


def fitted(generator, parts, restarts=3):
    engine = EMEngine(
        genzoo.Model(genzoo.Parts(generator)),
        OBJECTIVE,
        EMTraining(n_init=restarts, max_iter=500, tol=1e-8),
        seed=0,
    )
    for step in range(1, 5001):
        engine.update(parts, step, 0.0)
        if engine.finished:
            return generator
    raise AssertionError("EM has not ended")


@pytest.mark.parametrize("name", NAMES)
def test_the_density_is_a_sum_with_a_uniform_one(name):
    generator = noisy([-3.0, -2.0, -4.0], [3.0, 5.0, 4.0], name=name)
    x = np.random.default_rng(0).uniform(-5, 6, (200, 3))
    inside = ((x >= [-3, -2, -4]) & (x <= [3, 5, 4])).all(1)
    assert inside.any()
    assert not inside.all()
    emission, weights = generator.emissions[0], generator.log_weights.numpy()
    joint, _ = emission.expect(torch.as_tensor(x), None)
    noise = np.where(inside, weights[-1] - math.log(6 * 7 * 8), -np.inf)
    expected = logsumexp(np.vstack([joint.numpy() + weights[:-1, None], noise]), 0)
    assert np.allclose(generator.log_prob(torch.as_tensor(x)), expected, rtol=1e-12)
    posterior = generator.log_posterior(torch.as_tensor(x)).exp().numpy()
    assert posterior.shape == (200, 3)
    assert np.allclose(posterior.sum(1), 1)
    reaching = weights[-1] - math.log(6 * 7 * 8)  # labels hold events outside against the noise, too
    everywhere = np.logaddexp(logsumexp(joint.numpy() + weights[:-1, None], 0), reaching)
    assert np.allclose(posterior[:, generator.outlier], np.exp(reaching - everywhere))
    assert generator.outlier == 2
    assert np.array_equal(generator.covers(torch.as_tensor(x)), inside)


@pytest.mark.parametrize("name", NAMES)
def test_degrees_of_freedom_count_the_weight_and_the_volume(name):
    plain, noise = mixture(name, 3, 4), mixture(name, 3, 4, noise=True)
    assert noise.degrees_of_freedom == plain.degrees_of_freedom + 2


def test_the_density_integrates_to_one():
    line = noisy([-1.0], [2.0])
    axis = torch.linspace(-40, 40, 400_001, dtype=torch.float64)
    total = torch.trapezoid(line.log_prob(axis[:, None]).exp(), axis).item()
    assert total == pytest.approx(1, abs=1e-4)  # the edges of the box are steps
    plane = noisy([-1.0, 0.0], [2.0, 3.0])
    axis = torch.linspace(-20, 20, 1601, dtype=torch.float64) + 1 / 80  # cells whose edges lie on the box's
    grid = torch.cartesian_prod(axis, axis)
    assert plane.log_prob(grid).exp().sum().item() / 40**2 == pytest.approx(1, abs=1e-6)


def test_only_observed_columns_count_in_the_volume():
    generator = noisy([0.0, 0.0, 0.0], [2.0, 3.0, 5.0])
    generator.log_weights.copy_(torch.tensor([1e-300, 1e-300, 1.0], dtype=torch.float64).log())  # noise alone
    x = torch.tensor([[1.0, 1.0, 1.0]] * 4 + [[0.0, 9.0, 1.0]]).double()
    missing = torch.tensor([[0, 0, 0], [0, 1, 0], [1, 1, 0], [1, 1, 1], [1, 0, 0]]).bool()
    found = generator.log_prob(x.masked_fill(missing, 0.0), missing)
    assert torch.allclose(found[:4].exp(), 1 / torch.tensor([30.0, 10.0, 5.0, 1.0]).double(), rtol=1e-10)
    assert found[4] < -600
    assert generator.covers(x, missing).tolist() == [True] * 4 + [False]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("hidden", [False, True])
def test_the_likelihood_never_falls(name, hidden):
    x, _ = contaminated(n=500)
    parts = blocks(x, knock_out(x) if hidden else None, count=2)
    found = run_passes(begin(mixture(name, 2, 2, "kmeans", 0.0, noise=True), parts), parts, 40)
    assert (np.diff(found) >= -1e-9 * abs(found[0])).all()


def test_outliers_are_found_and_do_not_move_the_means():
    x, stray = contaminated()
    parts = blocks(x, count=2)
    robust = fitted(mixture("full", 2, 2, "kmeans", noise=True), parts)
    assert robust.log_weights[-1].exp().item() == pytest.approx(stray.mean(), abs=0.012)
    label = robust.log_posterior(torch.as_tensor(x)).argmax(1).numpy()
    far = stray & (np.abs(x) > [8, 5]).any(1)
    assert far.sum() > 30
    assert (label[far] == robust.outlier).all()
    assert (label[~stray] == robust.outlier).mean() < 0.01
    truth = np.array([[-3.0, 0.0], [3.0, 0.0]])
    means = robust.emissions[0].means.numpy()
    assert np.abs(means[means[:, 0].argsort()] - truth).max() < 0.15
    plain = fitted(mixture("full", 2, 2, "kmeans"), parts)
    means = plain.emissions[0].means.numpy()
    assert np.abs(means[means[:, 0].argsort()] - truth).max() > 1
    scores = robust.log_prob(torch.as_tensor(x)).numpy()
    assert np.isin(scores.argsort()[: far.sum()], np.flatnonzero(label == robust.outlier)).all(), "outliers rank lowest"


def test_noise_is_sampled_at_its_weight_inside_the_box():
    torch.manual_seed(0)
    generator = noisy([-50.0, -40.0], [-45.0, -30.0])
    x = generator.sample(20_000)
    noise = generator.covers(x)
    weight = generator.log_weights[-1].exp().item()
    assert noise.double().mean().item() == pytest.approx(weight, abs=5 * math.sqrt(weight * (1 - weight) / 20_000))
    box = stats.uniform([-50, -40], [5, 10])
    for column in range(2):
        found = x[noise][:, column].numpy()
        assert stats.kstest(found, lambda v, i=column: box.cdf(np.stack([v, v], -1))[..., i]).pvalue > 1e-4


def test_missing_values_of_outliers_are_filled_from_the_box():
    torch.manual_seed(0)
    generator = mixture("full", 1, 2, noise=True)
    generator.prepare(torch.tensor([-100.0, 10.0]).double(), torch.tensor([100.0, 30.0]).double())
    set_parameters(generator, np.array([0.5, 0.5]), np.array([[0.0, 1.0]]), np.array([[[1.0, 0.6], [0.6, 1.0]]]))
    n = 5000
    missing = torch.tensor([[False, True]]).expand(n, 2)
    far = torch.tensor([[80.0, 0.0]]).double().expand(n, 2)
    assert torch.allclose(generator.impute(far, missing), torch.tensor([80.0, 20.0]).double())
    drawn = generator.impute(far, missing, draw=True)
    assert torch.equal(drawn[:, 0], far[:, 0])
    assert stats.kstest(drawn[:, 1].numpy(), stats.uniform(10, 20).cdf).pvalue > 1e-4
    near = torch.tensor([[0.5, 0.0]]).double().expand(n, 2)
    share = generator.log_posterior(near, missing)[0].exp()
    density = stats.norm(0, 1).pdf(0.5)
    assert share[0].item() == pytest.approx(density / (density + 1 / 200), rel=1e-10)
    expected = share[0].item() * (1 + 0.6 * 0.5) + share[1].item() * 20
    assert generator.impute(near, missing)[0, 1].item() == pytest.approx(expected, rel=1e-10)
    assert (generator.impute(near, missing, draw=True)[:, 1] >= 10).double().mean().item() == pytest.approx(
        share[1].item(), abs=0.01
    )


def test_a_constant_column_raises():
    x, _ = contaminated(n=100)
    x[:, 1] = 7.0
    with pytest.raises(genzoo.DataError, match=r"Column 'x1' .* drop=\['x1'\]"):
        begin(mixture("full", 2, 2, noise=True), blocks(x))
    missing = np.zeros(x.shape, bool)
    missing[:, 0] = True
    with pytest.raises(genzoo.DataError, match="Column 'x0'"):
        begin(mixture("full", 2, 2, noise=True), blocks(x, missing))


def test_the_extreme_training_events_lie_inside_the_box_in_float32():
    x, _ = contaminated(n=300)
    generator = mixture("full", 2, 2, "kmeans", noise=True).float()
    begin(generator, blocks(x.astype(np.float32)))
    assert generator.covers(torch.as_tensor(x.astype(np.float32))).all()
    assert generator.covers(torch.as_tensor(x)).all()


def tilted(n=500, columns=3, seed=0):
    """Draw events near a line that lies across the columns, so that the box along it is the smaller one."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 1)) * np.arange(1, columns + 1) + 0.1 * rng.normal(size=(n, columns))


def boxed(x, missing=None):
    return begin(mixture("full", 2, x.shape[1], noise=True), blocks(x, missing, count=3))


@pytest.mark.parametrize("unit", [1.0, 1e-3])
def test_the_volume_is_that_of_the_smaller_box(unit):
    x = tilted() * unit
    centered = x - x.mean(0)
    turned = centered @ np.linalg.svd(centered, full_matrices=False)[2].T
    straight, along = (np.log(np.ptp(z, axis=0)).sum() for z in (x, turned))
    assert along < straight - 1
    assert boxed(x).log_volume.item() == pytest.approx(along, abs=1e-9)
    square = np.random.default_rng(0).uniform(-1, 1, (500, 2))
    assert boxed(square).log_volume.item() == pytest.approx(np.log(np.ptp(square, axis=0)).sum(), abs=1e-12)


def test_the_volume_for_iris_is_hypvol_of_mclust():
    """mclust 6.0.0 prints 27.2412."""
    assert boxed(load_iris().data).log_volume.exp().item() == pytest.approx(27.2412, abs=5e-5)


@pytest.mark.full
@pytest.mark.parametrize("seed", range(5))
def test_the_volume_equals_hypvol_of_mclust(tmp_path, seed):
    program = shutil.which("Rscript")
    if program is None or subprocess.run([program, "-e", "library(mclust)"], capture_output=True).returncode:
        pytest.skip("there is no R with mclust")
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(80, 4)) @ rng.normal(size=(4, 4))
    np.savetxt(tmp_path / "x.csv", x, delimiter=",", fmt="%.17g")
    code = (
        f"suppressMessages(library(mclust)); cat(sprintf('%.12f', log(hypvol(read.csv('{tmp_path}/x.csv', header=F)))))"
    )
    found = subprocess.run([program, "-e", code], capture_output=True, text=True, check=True).stdout
    assert boxed(x).log_volume.item() == pytest.approx(float(found), abs=1e-9)


def test_a_turned_box_holds_the_training_events_and_all_samples():
    x = tilted(columns=2)
    generator = boxed(x)
    assert generator.covers(torch.as_tensor(x)).all()
    corner = torch.as_tensor([[x[:, 0].min(), x[:, 1].max()]])
    assert not generator.covers(corner).any(), "the box along the columns would hold it"
    generator.log_weights.copy_(torch.tensor([1e-300, 1e-300, 1.0], dtype=torch.float64).log())  # noise alone
    torch.manual_seed(0)
    drawn = generator.sample(20_000)
    assert generator.covers(drawn).all()
    axes, low, high = principal_box(blocks(x))
    share = ((drawn @ axes - low) / (high - low)).numpy()
    for column in share.T:
        assert stats.kstest(column, stats.uniform.cdf).pvalue > 1e-4
    axis = torch.linspace(-14, 14, 2801, dtype=torch.float64)
    total = generator.log_prob(torch.cartesian_prod(axis, axis)).exp().sum().item() / 100**2
    assert total == pytest.approx(1, abs=5e-3)


def test_rows_that_miss_values_use_the_box_along_the_columns():
    x = tilted()
    missing = np.zeros(x.shape, bool)
    missing[3, 1] = True
    kept = np.where(missing, np.nan, x)
    expected = np.log(np.nanmax(kept, 0) - np.nanmin(kept, 0)).sum()
    assert boxed(x, missing).log_volume.item() == pytest.approx(expected, abs=1e-12)


def test_events_in_a_plane_have_the_box_along_the_columns():
    x = tilted(columns=2)
    x = np.column_stack([x, x.sum(1)])
    assert boxed(x).log_volume.item() == pytest.approx(np.log(np.ptp(x, axis=0)).sum(), abs=1e-12)
