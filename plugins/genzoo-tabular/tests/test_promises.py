"""The promises of every plugin, for the models of this distribution."""

import pytest

from genzoo.testing.keeping import keeps_promises


@keeps_promises("copula")
def test_copula(promise):
    promise()


@pytest.mark.full
@keeps_promises("copula", options={"marginals": "parametric", "by": "none"})
def test_copula_with_parametric_marginals(promise):
    promise()


@keeps_promises("arf", options={"trees": 10})
def test_arf(promise):
    promise()


@pytest.mark.full
@keeps_promises("arf")
def test_arf_with_many_trees(promise):
    promise()


@keeps_promises("kde")
def test_kde(promise):
    promise()


@keeps_promises("smote")
def test_smote(promise):
    promise()
