"""The promises of every plugin, for `vae`."""

from genzoo.testing.keeping import keeps_promises


@keeps_promises("vae")
def test_vae_with_a_mixture_as_prior(promise):
    promise()


@keeps_promises("vae", options={"prior": "normal", "widths": [32]}, objective="iwae")
def test_vae_with_a_normal_prior(promise):
    promise()
