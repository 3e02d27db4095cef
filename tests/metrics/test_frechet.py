"""The Fréchet distance beside its closed form and an independent implementation."""

import mpmath
import numpy as np
import pytest
import scipy.linalg

from genzoo.metrics.frechet import frechet, frechet_distance
from genzoo.metrics.metric import MetricInput


def independent(x, y):
    """The usual formula on covariances, rooted by scipy's Schur method."""
    s, t = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    gap = x.mean(axis=0) - y.mean(axis=0)
    root = scipy.linalg.sqrtm(s @ t)
    return gap @ gap + np.trace(s) + np.trace(t) - 2 * np.trace(root).real


def exact(x, y):
    """In 60 digits: the trace of the root is the sum of the roots of the eigenvalues of S^½ T S^½, of any rank."""
    with mpmath.workdps(60):
        a, b = (mpmath.matrix((e - e.mean(axis=0)).tolist()) / mpmath.sqrt(len(e) - 1) for e in (x, y))
        inner = a * (b.T * b) * a.T  # has the eigenvalues of A Bᵀ B Aᵀ
        values = mpmath.eigsy(inner, eigvals_only=True)
        root = sum(mpmath.sqrt(v) for v in values if v > mpmath.mpf(10) ** -40)
        gap = x.mean(axis=0) - y.mean(axis=0)
        traces = sum(v**2 for v in a) + sum(v**2 for v in b)
        return float(gap @ gap + traces - 2 * root)


def test_it_is_the_closed_form_of_gaussians_with_those_moments():
    """Events that have exactly these moments, in one dimension and with covariances that commute."""
    rng = np.random.default_rng(0)
    turn = np.linalg.qr(rng.normal(size=(6, 6)))[0]

    def events(mean, deviations):
        z = rng.normal(size=(400, 6))
        z -= z.mean(axis=0)
        z @= np.linalg.inv(np.linalg.cholesky(np.cov(z, rowvar=False))).T
        return z * deviations @ turn + mean

    one, other = rng.uniform(0.1, 3, 6), rng.uniform(0.1, 3, 6)
    mean = rng.normal(size=6)
    value, _ = frechet_distance(events(mean, one), events(0.0, other))
    assert value == pytest.approx((mean**2).sum() + ((one - other) ** 2).sum(), rel=1e-10)


@pytest.mark.parametrize("seed", range(10))
def test_it_equals_an_independent_implementation(seed):
    rng = np.random.default_rng(seed)
    width = rng.integers(2, 40)
    mix = rng.normal(size=(width, width))
    x, y = rng.normal(size=(300, width)), rng.normal(size=(200, width)) @ mix + rng.normal()
    assert frechet_distance(x, y)[0] == pytest.approx(independent(x, y), rel=1e-8)


@pytest.mark.parametrize(("n", "m", "width", "rank"), [(8, 9, 12, 12), (6, 40, 12, 12), (40, 30, 10, 3), (30, 7, 9, 2)])
def test_few_events_and_dependent_features_cost_no_digits(n, m, width, rank):
    rng = np.random.default_rng(n)
    x = rng.normal(size=(n, rank)) @ rng.normal(size=(rank, width)) + 3
    y = rng.normal(size=(m, width))
    value, error = frechet_distance(x, y)
    assert value == pytest.approx(exact(x, y), rel=1e-9)
    assert np.isfinite(error)
    score = frechet.score(MetricInput(real_features=x, sample_features=y))
    assert bool(score.notes) == (min(n, m) <= width)
    if score.notes:
        assert f"{n} real events and {m} samples do not fill {width} dimensions" in score.notes[0]


def test_of_the_same_events_it_is_nothing():
    x = np.random.default_rng(0).normal(size=(50, 80)) + 1e4
    assert frechet_distance(x, x)[0] == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("shift", [0.0, 0.5])
def test_its_standard_error_is_its_spread_over_repeats(shift):
    rng = np.random.default_rng(1)

    def draw():
        return frechet_distance(rng.normal(size=(400, 5)), rng.normal(shift, 1.3, (300, 5)))

    values, errors = zip(*(draw() for _ in range(300)), strict=True)
    assert np.std(values) == pytest.approx(np.mean(errors), rel=0.2)
