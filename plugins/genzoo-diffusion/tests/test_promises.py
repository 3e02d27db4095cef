"""The promises of every plugin, for `diffusion`."""

import pytest
from long_kinds import promises_in_full

from genzoo.testing.keeping import keeps_promises

TABLES = dict.fromkeys(("builds", "refuses-by-name"), "network=unet takes no tables, and its message names the option")
SLOW = {
    "bound-lies-below",
    "options-hold-at-bounds",
    "resumes",
    "samples-follow-conditions",
    "saves-and-loads",
    "traces",
}
KIT = keeps_promises("diffusion", options={"width": 32, "layers": 2})


@pytest.mark.parametrize("promise", promises_in_full(KIT, SLOW))
def test_perceptron(promise):
    promise()


@pytest.mark.full
@keeps_promises("diffusion", options={"width": 32, "layers": 2, "path": "edm"}, objective="denoise")
def test_edm(promise):
    promise()


@pytest.mark.full
@keeps_promises("diffusion", options={"width": 32, "layers": 2}, objective="mean-flow")
def test_mean_flow(promise):
    promise()


@pytest.mark.full
@pytest.mark.precision
@keeps_promises("diffusion", options={"network": "unet", "channels": [8, 8]}, data="digits", expected_failures=TABLES)
def test_unet(promise):
    promise()
