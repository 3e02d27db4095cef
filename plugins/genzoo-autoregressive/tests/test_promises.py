"""The promises of every plugin, for the models and transforms of this distribution."""

import pytest
from long_kinds import promises_in_full

from genzoo.testing.keeping import keeps_promises

SMALL = {"width": 8, "embedding": 4}

# Integrals over toys of mixed kinds, compared with many draws.
SLOW = {"log-prob-agrees-with-samples"}


@pytest.mark.parametrize("promise", promises_in_full(keeps_promises("made", options=SMALL), SLOW))
def test_made(promise):
    promise()


@pytest.mark.full
@keeps_promises("made", options={**SMALL, "any_order": False})
def test_made_in_a_fixed_order(promise):
    promise()


@keeps_promises("bins", kind="transform")
def test_bins(promise):
    promise()
