"""What every plugin promises, of the adversarial networks."""

from genzoo.testing.keeping import keeps_promises


@keeps_promises("dcgan")
def test_dcgan(promise):
    promise()
