"""The promises of every plugin, for `made` and the transform `bins`."""

import pytest
from long_kinds import promises_in_full

from genzoo.testing.keeping import keeps_promises

SMALL = {"width": 8, "embedding": 4}

# They train or draw on many toys.
SLOW = {
    "answers-to-odd-batches",
    "conditions-change-answers",
    "imputation-draws",
    "imputation-keeps-observed",
    "log-prob-agrees-with-samples",
    "options-hold-at-bounds",
    "resumes",
    "same-seed",
    "sample-range",
    "sample-shape",
    "samples-follow-conditions",
    "saves-and-loads",
    "traces",
}


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
