"""ICL of a comparison: converged to the digits that are printed."""

import numpy as np
import pytest

import genzoo


def overlapping(seed):
    """Draw clusters that overlap, so that EM converges slowly."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(400, 2)) + 2.2 * rng.integers(2, size=(400, 1))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_icl_and_bic_equal_those_of_a_run_to_the_end(seed):
    gmm = "gmm:n_components=2,covariance_type=diagonal,init_params=kmeans,training.n_init=1"
    row = genzoo.compare([gmm], overlapping(seed), precision="fp64").rows[0]
    end = genzoo.compare([f"{gmm},training.tol=1e-15,training.max_iter=20000"], overlapping(seed)).rows[0]
    assert row.icl == pytest.approx(end.icl, abs=0.005)
    assert row.bic == pytest.approx(end.bic, abs=0.005)


def test_a_coarse_tolerance_that_was_asked_for_stays_coarse():
    gmm = "gmm:n_components=2,covariance_type=diagonal,init_params=random,training.n_init=1,training.tol=0.01"
    coarse = genzoo.compare([gmm], overlapping(0)).rows[0]
    fine = genzoo.compare([gmm.replace("tol=0.01", "tol=1e-9")], overlapping(0)).rows[0]
    assert coarse.bic > fine.bic + 0.005
