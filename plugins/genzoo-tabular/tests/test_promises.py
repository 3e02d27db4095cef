"""The promises of every plugin, for `copula`."""

from genzoo.testing.keeping import keeps_promises


@keeps_promises("copula")
def test_copula(promise):
    promise()


@keeps_promises("copula", options={"marginals": "parametric", "by": "none"})
def test_copula_with_parametric_marginals(promise):
    promise()
