"""The promises of every plugin, for `vae` and `autoencoder`."""

from genzoo.testing.keeping import keeps_promises


@keeps_promises("vae")
def test_vae_with_a_mixture_as_prior(promise):
    promise()


@keeps_promises("vae", options={"prior": "normal", "widths": [32]}, objective="iwae")
def test_vae_with_a_normal_prior(promise):
    promise()


@keeps_promises("autoencoder")
def test_autoencoder(promise):
    promise()


@keeps_promises("autoencoder", options={"widths": [], "latent": 1, "input_dropout": 0.1})
def test_linear_autoencoder_with_one_dimension(promise):
    promise()
