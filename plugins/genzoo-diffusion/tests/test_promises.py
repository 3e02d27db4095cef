"""The promises of every plugin, for `diffusion`."""

from genzoo.testing.keeping import keeps_promises


@keeps_promises("diffusion", options={"width": 32, "layers": 2})
def test_perceptron(promise):
    promise()
