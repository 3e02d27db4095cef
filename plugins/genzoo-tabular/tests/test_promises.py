"""The promises of every plugin, for `copula`."""

import pytest

from genzoo.testing.keeping import keeps_promises


@keeps_promises("copula")
def test_copula(promise):
    promise()


@pytest.mark.full
@keeps_promises("copula", options={"marginals": "parametric", "by": "none"})
def test_copula_with_parametric_marginals(promise):
    promise()
