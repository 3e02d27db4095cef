"""Information criteria beside scikit-learn's and closed forms."""

import math

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.mixture import GaussianMixture

from genzoo.metrics.information_criteria import CRITERIA, aic, aicc, akaike_weights, bic, criteria, icl, no_criteria


@pytest.mark.parametrize(("covariance", "k"), [("full", 44), ("tied", 24), ("diag", 26), ("spherical", 17)])
def test_aic_and_bic_equal_those_of_scikit_learn(covariance, k):
    x = load_iris().data
    peer = GaussianMixture(3, covariance_type=covariance, random_state=0).fit(x)
    total = float(peer.score_samples(x).sum())
    assert aic(total, k) == pytest.approx(peer.aic(x), rel=1e-12)
    assert bic(total, k, len(x)) == pytest.approx(peer.bic(x), rel=1e-12)


def test_values_equal_those_computed_by_hand():
    assert aic(-10.0, 3) == 26.0
    assert aicc(-10.0, 3, 10) == 26.0 + 24.0 / 6.0
    assert bic(-10.0, 3, math.exp(2)) == pytest.approx(26.0)
    assert icl(26.0, math.log(0.5) * 4) == pytest.approx(26.0 + 8 * math.log(2))


def test_icl_never_lies_below_bic_and_equals_it_where_nothing_is_doubtful():
    sure = criteria(-10.0, 3, 20, log_assigned=0.0)
    assert sure.icl == sure.bic
    doubtful = criteria(-10.0, 3, 20, log_assigned=-1.5)
    assert doubtful.icl == doubtful.bic + 3.0


def test_weights_sum_to_one_and_follow_the_likelihood_ratio():
    weights = akaike_weights([100.0, 102.0, 110.0])
    assert sum(weights) == pytest.approx(1)
    assert weights[1] / weights[0] == pytest.approx(math.exp(-1))
    assert weights[2] / weights[0] == pytest.approx(math.exp(-5))
    assert np.isfinite(akaike_weights([1e9, 0.0])).all()


@pytest.mark.parametrize(("n", "applies"), [(3, False), (4, False), (5, True)])
def test_the_small_sample_correction_needs_more_events_than_parameters(n, applies):
    found = criteria(-10.0, 3, n)
    assert (found.aicc is not None) == applies
    assert ("aicc" in found.reasons) != applies


def test_what_does_not_apply_is_none_with_a_reason():
    found = criteria(-10.0, 3, 50)
    assert found.icl is None
    assert "components" in found.reasons["icl"]
    assert set(no_criteria("because").reasons) == set(CRITERIA)
