"""Options of the model and the objectives. Help texts and model cards are generated from the descriptions."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, field_validator, model_validator

from genzoo import Settings

Width = Annotated[int, Field(ge=1, le=8192)]

_STAGES = 12
"""Most convolutions that halve or double the sides of an image."""


class DCGANOptions(Settings):
    """Options of `dcgan`."""

    latent: int = Field(64, ge=1, le=65_536, description="dimensions of the latent vector")
    width: Width = Field(
        32,
        description="channels next to the image in both networks; each layer away from it has twice as many, up to "
        "1,024; 128 for 64 pixels is the paper's",
    )
    generator_widths: tuple[Width, ...] | None = Field(
        None,
        min_length=1,
        max_length=_STAGES,
        description="channels of the generator's inner layers, from latent to image, instead of width; the last ones, "
        "as many as the discriminator has, double the sides",
    )
    discriminator_widths: tuple[Width, ...] | None = Field(
        None,
        min_length=1,
        max_length=_STAGES,
        description="channels of the discriminator's layers, from image to logit, instead of width; each halves the "
        "sides; by default 2 layers, and more while the shorter side stays at 4 pixels or above",
    )
    kernel: int = Field(3, ge=3, le=15, description="side of the convolution kernels, odd")
    slope: float = Field(0.3, ge=0, lt=1, description="slope of the leaky ReLU below zero")
    dropout: float = Field(0.0, ge=0, lt=1, description="share of activations dropped in both networks while training")
    normalize: bool = Field(True, description="batch normalization in the generator")

    @field_validator("kernel")
    @classmethod
    def _check_kernel(cls, kernel: int) -> int:
        if kernel % 2 == 0:
            raise ValueError("the side of a kernel must be odd")
        return kernel

    @model_validator(mode="after")
    def _check_widths(self) -> Self:
        generator, discriminator = self.generator_widths, self.discriminator_widths
        if generator is not None and discriminator is not None and len(generator) < len(discriminator):
            raise ValueError(
                f"generator_widths must have at least {len(discriminator)} entries, as many as discriminator_widths: "
                "the generator doubles sides as often as the discriminator halves them"
            )
        return self


class R3GANOptions(Settings):
    """Options of `r3gan`."""

    latent: int = Field(64, ge=1, le=65_536, description="dimensions of the latent vector")
    width: Width = Field(
        32, description="channels at the highest resolution; each halving of the sides doubles them, up to most_width"
    )
    most_width: Width = Field(128, description="largest number of channels at any resolution of images")
    row_width: Width = Field(128, description="width of the layers for rows of a table")
    waves: int = Field(
        0,
        ge=0,
        le=8192,
        description="number of sines and of cosines beside the numbers of a row, and of its latent vector, so that "
        "narrow modes are learned",
    )
    blocks: int = Field(1, ge=1, le=64, description="residual blocks at each resolution; for a table, in all")
    expansion: int = Field(2, ge=1, le=16, description="how many times as many channels a block has inside")
    group: int = Field(16, ge=1, le=8192, description="channels in a group of the convolutions inside of blocks")
    patch: int | None = Field(
        None,
        ge=1,
        le=64,
        description="side of the squares of pixels that form a place of the highest resolution, 1 if it does not "
        "divide the image's sides; by default 1 below 16 pixels, 2 below 96 and then 4",
    )
    embedding: int = Field(32, ge=1, le=65_536, description="dimensions of the embedding of a condition")


class AdversarialOptions(Settings):
    """Options that all adversarial objectives share."""

    r1: float = Field(
        0.0, ge=0, le=1e6, description="weight of R1: half the squared gradient of the discriminator at real data"
    )
    r2: float = Field(
        0.0, ge=0, le=1e6, description="weight of R2: half the squared gradient of the discriminator at samples"
    )
    penalty_every: int = Field(
        1,
        ge=1,
        le=1024,
        description="R1 and R2 are computed on one of so many events of a batch, which saves time; if they do not "
        "divide the batch, their largest common divisor counts",
    )
    augment: float = Field(
        0.0,
        ge=0,
        lt=0.5,
        description="probability of each random change of an image, for small data, or of noise on a row of a table, "
        "for narrow modes, before the discriminator sees it; below 0.5, samples do not show the changes",
    )
    augment_warmup: float = Field(
        0.5, ge=0, le=1, description="share of the budget in which the probability rises from 0 to augment"
    )
    simultaneous: bool = Field(
        False, description="compute both losses in one forward pass, before either network is updated"
    )


class NonSaturatingOptions(AdversarialOptions):
    """Options of `non-saturating`."""


class HingeOptions(AdversarialOptions):
    """Options of `hinge`."""

    margin: float = Field(1.0, gt=0, le=1e3, description="logit beyond which the discriminator has no loss")


class LeastSquaresOptions(AdversarialOptions):
    """Options of `least-squares`."""

    real: float = Field(
        1.0,
        ge=-1e3,
        le=1e3,
        description="target logit of real data for the discriminator, and of samples for the generator",
    )
    fake: float = Field(0.0, ge=-1e3, le=1e3, description="target logit of samples for the discriminator")


class RelativisticOptions(AdversarialOptions):
    """Options of `relativistic`."""

    gamma: float = Field(0.1, ge=0, le=1e6, description="weight of both R1 and R2, added to r1 and r2")


class WassersteinOptions(AdversarialOptions):
    """Options of `wasserstein-gp`."""

    penalty: float = Field(10.0, ge=0, le=1e6, description="weight of the gradient penalty between data and samples")
    discriminator_steps: int = Field(
        5, ge=1, le=100, description="discriminator updates per generator update, each on a fresh batch"
    )
