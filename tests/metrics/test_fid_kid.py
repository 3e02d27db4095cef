"""`fid` and `kid` beside the formulas of torch-fidelity, derived again, and the features that they are defined for."""

import itertools

import numpy as np
import pytest
import scipy.linalg

from genzoo.errors import ArtifactError, ConfigError
from genzoo.features import convert_inception, inception
from genzoo.metrics.evaluation.choice import find_metrics
from genzoo.metrics.frechet import fid, frechet
from genzoo.metrics.metric import MetricInput
from genzoo.metrics.mmd import kernel_distance, kid
from genzoo.plugins.manager import get_registry


def features(n, m, width, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, width)), rng.normal(0.2, 1.1, size=(m, width)) @ np.diag(rng.uniform(0.5, 1.5, width))


def subset_kid(x, y):
    """The unbiased squared MMD of equally many features, with degree 3, gamma 1 / d and coef0 1."""
    n, width = x.shape
    a, b, c = ((u @ v.T / width + 1) ** 3 for u, v in ((x, x), (y, y), (x, y)))
    return (a.sum() - np.trace(a) + b.sum() - np.trace(b)) / (n * (n - 1)) - 2 * c.sum() / n**2


def test_fid_is_the_formula_with_the_root_of_a_product():
    x, y = features(300, 400, 24)
    s, t = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    gap = x.mean(0) - y.mean(0)
    expected = gap @ gap + np.trace(s) + np.trace(t) - 2 * np.trace(scipy.linalg.sqrtm(s @ t)).real
    score = fid.score(MetricInput(real_features=x, sample_features=y))
    assert score.metric == "fid"
    assert score.value == pytest.approx(expected, rel=1e-9)


def test_kid_is_the_mean_over_all_subsets():
    x, y = features(6, 6, 5)
    chosen = list(map(list, itertools.combinations(range(6), 4)))
    expected = np.mean([subset_kid(x[one], y[other]) for one in chosen for other in chosen])
    score = kid.score(MetricInput(real_features=x, sample_features=y))
    assert score.metric == "kid"
    assert score.value == pytest.approx(expected, rel=1e-10)


@pytest.mark.full
def test_kid_is_near_the_mean_over_100_subsets_of_1000():
    (x, y), rng = features(1200, 1300, 8), np.random.default_rng(1)
    pairs = ((rng.choice(1200, 1000, replace=False), rng.choice(1300, 1000, replace=False)) for _ in range(100))
    found = np.array([subset_kid(x[one], y[other]) for one, other in pairs])
    value = kid.score(MetricInput(real_features=x, sample_features=y)).value
    assert abs(found.mean() - value) < 4 * found.std(ddof=1) / 10


def test_both_share_the_work_of_the_distances_of_any_features():
    x, y = features(50, 60, 4)
    given = MetricInput(real_features=x, sample_features=y)
    assert frechet.score(given).value == fid.score(given).value
    assert kernel_distance.score(given).value == kid.score(given).value


def test_both_are_defined_for_inceptions_features_alone():
    zoo = get_registry()
    both = {"fid", "kid"}
    assert both.isdisjoint(metric.name for metric in find_metrics(zoo))
    assert both.isdisjoint(metric.name for metric in find_metrics(zoo, features="efficientnet-lite0"))
    assert both <= {metric.name for metric in find_metrics(zoo, features="inception")}
    assert [metric.name for metric in find_metrics(zoo, ["kid"], "inception")] == ["kid"]
    with pytest.raises(
        ConfigError, match=r"'fid' is defined for the features 'inception' alone.*features=inception=FILE"
    ):
        find_metrics(zoo, ["fid"], "pixels")


def test_only_the_published_weights_of_inception_are_unpickled(tmp_path, capsys):
    other = tmp_path / "weights.pth"
    other.write_bytes(b"PK\3\4 something else")
    assert convert_inception.main([]) == 2
    assert inception.URL in capsys.readouterr().err
    assert convert_inception.main([str(other)]) == ArtifactError.exit_code
    assert len(capsys.readouterr().err.splitlines()) == 1
