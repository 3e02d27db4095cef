"""The promises of every plugin, for `gpt`; the slowest ones in the full suite only."""

import pytest

from genzoo.testing.keeping import keeps_promises

SLOW = {"log-prob-agrees-with-samples", "options-hold-at-bounds", "resumes", "traces"}
KIT = keeps_promises("gpt", options={"layers": 1, "heads": 2, "width": 8}).args[1]


def marked(one):
    return pytest.param(*one.values, id=one.id, marks=[*one.marks, *[pytest.mark.full] * (one.id in SLOW)])


@pytest.mark.parametrize("promise", [marked(one) for one in KIT])
def test_gpt(promise):
    promise()
