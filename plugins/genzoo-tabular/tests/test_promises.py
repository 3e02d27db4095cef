"""The promises of every plugin, for the models of this distribution."""

import pytest
from long_kinds import promises_in_full

from genzoo.testing.keeping import keeps_promises

# Integrals over toys of mixed kinds, compared with many draws.
SLOW = {"log-prob-agrees-with-samples"}


@pytest.mark.parametrize("promise", promises_in_full(keeps_promises("copula"), SLOW))
def test_copula(promise):
    promise()


@pytest.mark.full
@keeps_promises("copula", options={"marginals": "parametric", "by": "none"})
def test_copula_with_parametric_marginals(promise):
    promise()


@pytest.mark.parametrize("promise", promises_in_full(keeps_promises("arf", options={"trees": 10}), SLOW))
def test_arf(promise):
    promise()


@pytest.mark.full
@keeps_promises("arf")
def test_arf_with_many_trees(promise):
    promise()


@pytest.mark.parametrize("promise", promises_in_full(keeps_promises("kde"), SLOW))
def test_kde(promise):
    promise()


@keeps_promises("smote")
def test_smote(promise):
    promise()
