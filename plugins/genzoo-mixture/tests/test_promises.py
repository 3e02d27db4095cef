"""The promises of every plugin, for the mixtures."""

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


@keeps_promises("gmm", options={"covariance_type": "spherical"})
def test_gmm_with_spherical_covariances(promise):
    promise()


@keeps_promises("gmm", options={"noise": True}, expected_failures={"degrees-of-freedom": COUNTED})
def test_gmm_with_noise(promise):
    promise()


@keeps_promises("naive-bayes")
def test_naive_bayes(promise):
    promise()
