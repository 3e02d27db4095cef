"""The threshold of unusual rows is conformal: it holds for any model and any number of rows."""

import math

import numpy as np
import pytest

from genzoo.inference.rows.threshold import conformal_threshold


@pytest.mark.parametrize("n", [9, 19, 41, 99, 100, 500])
@pytest.mark.parametrize("q", [0.01, 0.05, 0.1, 0.29])
def test_new_rows_score_below_it_as_rarely_as_stated(n, q):
    """Averaged over 20,000 sets of n rows, and any distribution of scores: here a skewed one with a known tail."""
    rng = np.random.default_rng(n)
    smallest = np.array(
        [conformal_threshold(-(rng.standard_exponential(n) ** 2), q, "validation").value for _ in range(20_000)]
    )
    below = np.exp(-np.sqrt(-smallest))  # probability that minus the square of an exponential is smaller
    share, error = below.mean(), below.std() / math.sqrt(len(below))
    assert share <= q + 4 * error
    assert share == pytest.approx(math.floor(round(q * (n + 1), 9)) / (n + 1), abs=4 * error + 1e-12)


@pytest.mark.parametrize(
    ("n", "q", "place"), [(99, 0.01, 1), (98, 0.01, 0), (9, 0.1, 1), (99, 0.29, 29), (199, 0.07, 14)]
)
def test_its_place_is_exact(n, q, place):
    scores = np.random.default_rng(0).permutation(n).astype(float)
    found = conformal_threshold(scores, q, "validation")
    assert found.place == place
    assert found.value == (place - 1 if place else -math.inf)
    surprise = np.sort(-scores)
    wanted = n + 1 - place  # ceil((n + 1) (1 - q))
    assert -found.value == (surprise[wanted - 1] if wanted <= n else math.inf)


@pytest.mark.parametrize("n", range(1, 130, 8))
def test_fewer_rows_than_one_in_the_quantile_are_a_warning(n):
    for q in (0.01, 0.02, 0.1, 0.5):
        found = conformal_threshold(np.arange(float(n)), q, "validation")
        assert (found.warning is not None) == (n < 1 / q)
        if found.warning is not None:
            assert f"needs {round(1 / q)}" in found.warning
            assert ("no row is flagged" in found.warning) == (found.value == -math.inf)


def test_rows_that_calibrate_it_are_named():
    assert "which also chose the model's best step" in conformal_threshold(np.arange(50.0), 0.1, "selection").describe()
    assert "held out" in conformal_threshold(np.arange(50.0), 0.1, "comparison").describe()
    assert "at most 0.1" in conformal_threshold(np.arange(50.0), 0.1, "validation").describe()
    for calibration in ("selection", "comparison"):
        assert "about 0.1" in conformal_threshold(np.arange(50.0), 0.1, calibration).describe()


def test_a_density_of_zero_is_below_no_other_one():
    scores = np.array([np.finfo(np.float64).min] * 3 + [-1.0] * 16)
    assert not (np.array([-math.inf, -1.0]) < conformal_threshold(scores, 0.1, "validation").value).any()


@pytest.mark.parametrize("q", [0.01, 0.05, 0.29])
def test_new_rows_have_a_higher_anomaly_score_as_rarely_as_stated(q):
    rng, n = np.random.default_rng(1), 99
    found = np.array(
        [conformal_threshold(rng.standard_exponential(n), q, "validation", above=True).value for _ in range(20_000)]
    )
    above = np.exp(-found)  # probability that an exponential is larger
    assert above.mean() == pytest.approx(q, abs=4 * above.std() / math.sqrt(len(above)))


def test_high_anomaly_scores_are_flagged_and_the_sentences_say_so():
    scores = np.arange(19.0)
    found = conformal_threshold(scores, 0.1, "validation", above=True)
    assert found.value == 17.0, "the second largest of 19"
    assert found.flags(np.array([16.0, 17.0, 18.0, np.nan, math.inf])).tolist() == [False, False, True, False, True]
    assert "score above it" in found.describe()
    few = conformal_threshold(scores, 0.04, "validation", above=True)
    assert few.value == math.inf
    assert "no row is flagged" in few.warning
