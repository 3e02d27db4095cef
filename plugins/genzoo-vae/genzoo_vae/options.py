"""Options of the model and of its objectives; each field's description is what help and model card say of it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from genzoo import Settings

NetworkName = Literal["auto", "mlp", "convolutional"]
ActivationName = Literal["relu", "leaky-relu", "elu", "gelu", "silu", "tanh"]
LikelihoodName = Literal["auto", "bernoulli", "categorical", "gaussian", "discretized-logistic"]
CountsName = Literal["poisson", "negative-binomial"]
PriorName = Literal["mixture", "normal"]
SpreadName = Literal["shared", "place", "network"]
GradientName = Literal["standard", "doubly-reparameterized"]

Width = Annotated[int, Field(ge=1, le=65_536)]


class VAEOptions(Settings):
    """Options of `vae`."""

    network: NetworkName = Field(
        "auto", description="kind of encoder and decoder; auto takes convolutions for images of 1,024 pixels or more"
    )
    latent: int = Field(12, ge=1, le=65_536, description="dimensions of the latent vector")
    prior: PriorName = Field(
        "mixture", description="where latent vectors come from: a normal, or a mixture learnt along"
    )
    n_components: int = Field(50, ge=1, le=10_000, description="normals in the mixture")
    widths: tuple[Width, ...] = Field(
        (256, 256), max_length=32, description="inner layers of an mlp, from event to latent vector; none is linear"
    )
    channels: tuple[Width, ...] = Field(
        (16, 32),
        min_length=1,
        max_length=12,
        description="channels of convolutions; all but the first halve the sides of the image",
    )
    dense: int = Field(256, ge=1, le=65_536, description="width of the layer between convolutions and latent vector")
    activation: ActivationName = Field("silu", description="what follows each inner layer")
    encoder_dropout: float = Field(
        0.1, ge=0, lt=1, description="share of the encoder's inner activations dropped while training"
    )
    decoder_dropout: float = Field(
        0.1, ge=0, lt=1, description="share of the decoder's inner activations dropped while training"
    )
    input_dropout: float = Field(
        0.0, ge=0, lt=1, description="share of an event's values hidden from the encoder while training"
    )
    likelihood: LikelihoodName = Field("auto", description="what the decoder speaks of; auto goes by the kind of data")
    counts: CountsName = Field("negative-binomial", description="distribution of columns of counts")
    spread: SpreadName = Field(
        "network",
        description="how Gaussians and logistics learn their scale: one for all, one for each place, or by the decoder",
    )
    least_scale: float = Field(
        0.01, gt=0, le=1, description="least deviation of a Gaussian, in deviations of its column or ranges of pixels"
    )
    imputation_draws: int = Field(
        100, ge=1, le=10_000, description="latent vectors drawn for each event whose missing values are filled in"
    )


class ELBOOptions(Settings):
    """Options of `elbo`."""

    beta: float = Field(1.0, ge=0, le=1e4, description="weight of the divergence from the prior; 1 for the bound")
    warmup: float = Field(
        0.0, ge=0, le=1, description="share of the budget over which that weight rises from 0 to beta"
    )
    free_bits: float = Field(
        0.0, ge=0, le=100, description="divergence of a latent dimension, in nats, that costs nothing extra"
    )
    draws: int = Field(1, ge=1, le=1000, description="latent vectors drawn for each event")


class IWAEOptions(Settings):
    """Options of `iwae`."""

    draws: int = Field(8, ge=1, le=1000, description="latent vectors drawn for each event, K")
    gradient: GradientName = Field(
        "standard", description="of the encoder; doubly-reparameterised stays precise as draws grow"
    )
