"""Options of the model and its objectives. Help texts and model cards are generated from the descriptions."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from genzoo import Settings

NetworkName = Literal["auto", "mlp", "convolutional", "residual"]
ActivationName = Literal["relu", "leaky-relu", "elu", "gelu", "silu", "tanh"]
LikelihoodName = Literal["auto", "bernoulli", "categorical", "gaussian", "discretized-logistic", "neighbor-logistic"]
CountsName = Literal["poisson", "negative-binomial"]
PriorName = Literal["mixture", "normal", "given-mixture"]
SpreadName = Literal["shared", "place", "network"]
GradientName = Literal["standard", "doubly-reparameterized"]

Width = Annotated[int, Field(ge=1, le=65_536)]


class NetworkOptions(Settings):
    """Options of encoder and decoder, for every model of this distribution."""

    network: NetworkName | None = Field(
        None,
        description="type of encoder and decoder; by default residual for images with 1,024 or more values, and mlp "
        "otherwise; auto is the earlier default: convolutional for images with 1,024 or more values, and mlp otherwise",
    )
    latent: int | None = Field(
        None,
        ge=1,
        le=65_536,
        description="dimensions of the latent vector; by default 24 for images with 256 or more values, else 12",
    )
    widths: tuple[Width, ...] | None = Field(
        None,
        max_length=32,
        description="widths of an mlp's inner layers, from data to latent vector; empty for linear networks; by "
        "default 512, 512 for images with 256 or more values, else 256, 256",
    )
    channels: tuple[Width, ...] | None = Field(
        None,
        min_length=1,
        max_length=12,
        description="channels of the convolutions; each of a residual network halves the sides of the image, and each "
        "but the first of a convolutional one; by default 32, 64 and then 128, down to 4 to 7 pixels, for residual, "
        "and 16, 32 for convolutional",
    )
    dense: int = Field(256, ge=1, le=65_536, description="width of the layer between convolutions and latent vector")
    activation: ActivationName = Field("silu", description="activation function after each inner layer")
    encoder_dropout: float | None = Field(
        None,
        ge=0,
        lt=1,
        description="share of the encoder's inner activations dropped while training; by default 0 for images with 256 "
        "or more values, and 0.1 otherwise",
    )
    decoder_dropout: float | None = Field(
        None,
        ge=0,
        lt=1,
        description="share of the decoder's inner activations dropped while training; by default as encoder_dropout",
    )
    input_dropout: float = Field(
        0.0, ge=0, lt=1, description="share of a row's values hidden from the encoder while training"
    )


class AutoencoderOptions(NetworkOptions):
    """Options of `autoencoder`."""

    n_components: int = Field(
        10, ge=1, le=10_000, description="number of normals in the mixture that samples of latent vectors come from"
    )


class VAEOptions(NetworkOptions):
    """Options of `vae`."""

    prior: PriorName | None = Field(
        None,
        description="distribution of latent vectors: a standard normal, a learned mixture of normals, or a mixture "
        "that depends on the condition; by default given-mixture for a conditional model, and mixture otherwise",
    )
    n_components: int | None = Field(
        None,
        ge=1,
        le=10_000,
        description="number of normals in the mixture; by default 50, or 10 for each condition of given-mixture",
    )
    likelihood: LikelihoodName = Field(
        "auto",
        description="distribution of the data given a latent vector; auto follows the kind of data: for levels of gray "
        "or color, neighbor-logistic with 256 or more values and discretized-logistic with fewer",
    )
    counts: CountsName = Field("negative-binomial", description="distribution of count columns")
    spread: SpreadName = Field(
        "network",
        description="scale of Gaussians and logistics: one for all, one per column or pixel, or from the decoder",
    )
    least_scale: float = Field(
        0.01,
        gt=0,
        le=1,
        description="smallest deviation of a Gaussian, relative to its column's deviation or the range of pixels",
    )
    imputation_draws: int = Field(
        100, ge=1, le=10_000, description="latent vectors drawn for each row with missing values to fill in"
    )


class ReconstructionErrorOptions(Settings):
    """Options of `reconstruction-error`: none."""


class ELBOOptions(Settings):
    """Options of `elbo`."""

    beta: float = Field(1.0, ge=0, le=1e4, description="weight of the KL divergence; 1 gives the bound itself")
    warmup: float = Field(0.0, ge=0, le=1, description="share of the budget over which the weight rises from 0 to beta")
    free_bits: float = Field(
        0.0, ge=0, le=100, description="KL divergence per latent dimension, in nats, below which the loss does not fall"
    )
    draws: int = Field(1, ge=1, le=1000, description="latent vectors drawn for each row")


class IWAEOptions(Settings):
    """Options of `iwae`."""

    draws: int = Field(8, ge=1, le=1000, description="number K of latent vectors drawn for each row")
    gradient: GradientName = Field(
        "standard",
        description="estimator of the encoder's gradient; doubly-reparameterized is less noisy with many draws",
    )
