"""The promises of every plugin, for `dcgan`."""

from genzoo.testing.keeping import keeps_promises


@keeps_promises("dcgan")
def test_dcgan(promise):
    promise()


@keeps_promises("r3gan", options={"width": 8, "most_width": 16, "row_width": 32})
def test_r3gan(promise):
    promise()
