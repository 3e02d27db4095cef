"""The promises of every plugin, for `gpt`; the slowest ones in the full suite only."""

import pytest
from long_kinds import promises_in_full

from genzoo.testing.keeping import keeps_promises

SLOW = {"log-prob-agrees-with-samples", "options-hold-at-bounds", "resumes", "tokens-keep-probabilities", "traces"}
KIT = keeps_promises("gpt", options={"layers": 1, "heads": 2, "width": 8, "pieces": 3, "piece_rows": 64})


@pytest.mark.parametrize("promise", promises_in_full(KIT, SLOW))
def test_gpt(promise):
    promise()
