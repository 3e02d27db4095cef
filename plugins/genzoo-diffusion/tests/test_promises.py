"""The promises of every plugin, for `diffusion`."""

import pytest
from long_kinds import promises_in_full

from genzoo.testing.keeping import keeps_promises

TABLES = dict.fromkeys(("builds", "refuses-by-name"), "network=unet takes no tables, and its message names the option")
BOUND = {
    "bound-lies-below": "the bound is for samples that take noise at each step, and others differ after few steps of "
    "training"
}

SLOW = {
    "bound-lies-below",
    "options-hold-at-bounds",
    "resumes",
    "samples-follow-conditions",
    "saves-and-loads",
    "traces",
}
KIT = keeps_promises("diffusion", options={"width": 32, "layers": 2}, expected_failures=BOUND)


@pytest.mark.parametrize("promise", promises_in_full(KIT, SLOW))
def test_perceptron(promise):
    promise()


@pytest.mark.full
@keeps_promises(
    "diffusion", options={"width": 32, "layers": 2, "path": "edm"}, objective="denoise", expected_failures=BOUND
)
def test_edm(promise):
    promise()


@pytest.mark.full
@keeps_promises("diffusion", options={"width": 32, "layers": 2}, objective="mean-flow")
def test_mean_flow(promise):
    promise()


@pytest.mark.full
@keeps_promises("diffusion", options={"network": "unet", "channels": [8, 8]}, data="digits", expected_failures=TABLES)
def test_unet(promise):
    promise()
