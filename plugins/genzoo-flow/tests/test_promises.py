"""The promises of every plugin, for `flow`."""

from genzoo.testing.keeping import keeps_promises


@keeps_promises("flow", options={"layers": 2, "widths": [16]})
def test_couplings(promise):
    promise()


@keeps_promises("flow", options={"autoregressive": True, "widths": [16]})
def test_conditionals(promise):
    promise()
