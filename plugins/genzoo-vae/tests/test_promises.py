"""The promises of every plugin, for `vae` and `autoencoder`."""

import pytest
from long_kinds import promises_in_full

from genzoo.testing.keeping import keeps_promises


@pytest.mark.parametrize("promise", promises_in_full(keeps_promises("vae"), {"bound-lies-below"}))
def test_vae_with_a_mixture_as_prior(promise):
    promise()


@keeps_promises("vae", options={"prior": "normal", "widths": [32]}, objective="iwae")
def test_vae_with_a_normal_prior(promise):
    promise()


@keeps_promises("autoencoder")
def test_autoencoder(promise):
    promise()


@pytest.mark.full  # the same code as with layers
@keeps_promises("autoencoder", options={"widths": [], "latent": 1, "input_dropout": 0.1})
def test_linear_autoencoder_with_one_dimension(promise):
    promise()


@keeps_promises("mvae", options={"widths": [32]})
def test_mvae_with_a_product_of_experts(promise):
    promise()


@pytest.mark.full  # the same code, but for the posterior
@keeps_promises("mvae", options={"experts": "mixture-of-products", "widths": [32], "prior": "normal"})
def test_mvae_with_a_mixture_of_products(promise):
    promise()
