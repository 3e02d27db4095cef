"""The promises of every plugin, for `pixelcnn`."""

import pytest
from long_kinds import promises_in_full

from genzoo.testing.keeping import keeps_promises

SLOW = {
    "log-prob-agrees-with-samples",
    "resumes",
    "same-seed",
    "sample-shape",
    "samples-follow-conditions",
    "saves-and-loads",
    "traces",
}
KIT = keeps_promises("pixelcnn", options={"width": 8, "layers": 1})


@pytest.mark.parametrize("promise", promises_in_full(KIT, SLOW))
def test_pixelcnn(promise):
    promise()


@pytest.mark.full
@keeps_promises("pixelcnn", options={"width": 8, "layers": 1, "likelihood": "logistic-mixture"})
def test_mixture_of_logistics(promise):
    promise()
