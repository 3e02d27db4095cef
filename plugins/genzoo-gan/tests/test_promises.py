"""The promises of every plugin, for `dcgan`."""

from genzoo.testing.keeping import keeps_promises


@keeps_promises("dcgan")
def test_dcgan(promise):
    promise()
