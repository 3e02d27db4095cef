"""The promises of every plugin, for `dcgan` and `r3gan`."""

import pytest
from long_kinds import promises_in_full

from genzoo.testing.keeping import keeps_promises

SLOW = {"options-hold-at-bounds", "resumes", "samples-follow-conditions", "saves-and-loads", "traces"}
RESIDUAL = keeps_promises("r3gan", options={"width": 8, "most_width": 16, "row_width": 32})


@keeps_promises("dcgan")
def test_dcgan(promise):
    promise()


@pytest.mark.parametrize("promise", promises_in_full(RESIDUAL, SLOW))
def test_r3gan(promise):
    promise()
