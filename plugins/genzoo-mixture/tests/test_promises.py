"""The promises of every plugin, for the mixtures."""

import pytest

from genzoo.testing.keeping import keeps_promises

COUNTED = "as in mclust, the volume of the noise's box is counted, but it changes the density just as its weight does"


@keeps_promises("gaussian")
def test_gaussian(promise):
    promise()


@keeps_promises("gmm")
def test_gmm(promise):
    promise()


@keeps_promises("gmm", options={"covariance_type": "tied", "n_components": 3, "init_params": "k-means++"})
def test_gmm_with_one_covariance_for_all(promise):
    promise()


@keeps_promises("gmm", options={"covariance_type": "diagonal"})
def test_gmm_with_diagonal_covariances(promise):
    promise()


@pytest.mark.full  # the same code as with diagonal ones but for their mean
@keeps_promises("gmm", options={"covariance_type": "spherical"})
def test_gmm_with_spherical_covariances(promise):
    promise()


@keeps_promises("gmm", options={"noise": True}, expected_failures={"degrees-of-freedom": COUNTED})
def test_gmm_with_noise(promise):
    promise()


@keeps_promises("naive-bayes")
def test_naive_bayes(promise):
    promise()


@keeps_promises("t-mixture", options={"init_params": "kmeans"})
def test_t_mixture(promise):
    promise()


@pytest.mark.full  # each of its many fits searches for a start
@keeps_promises("t-mixture")
def test_t_mixture_from_many_starts(promise):
    promise()


@pytest.mark.full  # each of its many fits searches for a start
@keeps_promises("t-mixture", options={"covariance_type": "tied", "df": "shared", "n_components": 3})
def test_t_mixture_with_one_covariance_and_equal_tails(promise):
    promise()


@keeps_promises("t-mixture", options={"covariance_type": "diagonal", "df": 4.0, "init_params": "kmeans"})
def test_t_mixture_with_diagonal_covariances_and_fixed_tails(promise):
    promise()


@pytest.mark.full  # each of its many fits searches for a start
@keeps_promises("t-mixture", options={"covariance_type": "spherical"})
def test_t_mixture_with_spherical_covariances(promise):
    promise()


@keeps_promises("factor-analysis")
def test_factor_analysis(promise):
    promise()


@pytest.mark.full  # the same code as with two
@keeps_promises("factor-analysis", options={"n_factors": 1})
def test_factor_analysis_with_one_factor(promise):
    promise()


@keeps_promises("ppca")
def test_ppca(promise):
    promise()


@pytest.mark.full  # the same code as with two
@keeps_promises("ppca", options={"n_factors": 1})
def test_ppca_with_one_component(promise):
    promise()


@keeps_promises("mfa", options={"init_params": "kmeans"})
def test_mfa(promise):
    promise()


@pytest.mark.full  # each of its many fits searches for a start
@keeps_promises("mfa")
def test_mfa_from_many_starts(promise):
    promise()


@pytest.mark.full  # each of its many fits searches for a start
@keeps_promises("mfa", options={"n_factors": 1, "isotropic": True})
def test_mfa_with_equal_noise(promise):
    promise()
