"""Options of the model, of its samplers and of its objectives. Help and model cards show the descriptions."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from genzoo import Settings

NetworkName = Literal["auto", "mlp", "unet"]
PathName = Literal["flow", "edm"]
SamplerName = Literal["auto", "heun", "euler", "dpm++", "jump", "ancestral"]
SamplingPrecision = Literal["auto", "fp32"]
TimesName = Literal["logit-normal", "uniform"]

Channels = Annotated[int, Field(ge=1, le=4096)]

STEPS, JUMPS, ANCESTRAL_STEPS, GUIDANCE = 20, 1, 50, 1.0
SAMPLER: SamplerName = "auto"
PRECISION: SamplingPrecision = "auto"
"""Defaults of the sampling options: steps of solvers, of `jump` and of `ancestral`."""


class DiffusionOptions(Settings):
    """Options of `diffusion`."""

    path: PathName = Field(
        "flow",
        description="how events turn into noise: flow is a straight line, edm adds noise of a growing deviation",
    )
    network: NetworkName = Field(
        "auto", description="type of network; auto is unet for images with 256 or more values, and mlp otherwise"
    )
    width: int = Field(256, ge=1, le=65_536, description="width of the layers of an mlp")
    layers: int = Field(3, ge=1, le=64, description="inner layers of an mlp")
    channels: tuple[Channels, ...] = Field(
        (32, 64), min_length=1, max_length=8, description="channels of a unet; all but the first halve the sides"
    )
    patch: int | None = Field(
        None,
        ge=1,
        le=64,
        description="side of the squares of pixels that a unet sees as one place; by default 1 below 16 pixels, 2 "
        "below 96 and then 4",
    )
    attention: bool = Field(True, description="whether the smallest places of a unet see each other")
    dropout: float = Field(0.0, ge=0, lt=1, description="share of inner activations dropped while training")
    condition_dropout: float = Field(
        0.1, ge=0, le=1, description="share of conditions hidden while training, which guidance needs"
    )


class DiffusionSampling(Settings):
    """How samples are drawn."""

    sampler: SamplerName = Field(
        SAMPLER,
        description="solver; heun evaluates the network twice a step, euler and dpm++ (2M) once, and so does jump, "
        "which follows what mean-flow learns; ancestral takes new noise at each step, needs many, and draws what the "
        "bound belongs to; auto is jump after training by mean-flow, and heun otherwise",
    )
    steps: int | None = Field(
        None,
        ge=1,
        le=10_000,
        description="steps from noise to an event; fewer are faster; by default 1 for jump, 50 for ancestral, and 20 "
        "otherwise",
    )
    guidance: float = Field(
        GUIDANCE,
        ge=1,
        le=100,
        description="strength of classifier-free guidance; 1 draws the learned distribution given the condition, and "
        "more exaggerates it",
    )
    precision: SamplingPrecision = Field(
        PRECISION,
        description="precision of a unet; auto is bf16 if the device has it natively, which takes about half as long, "
        "and fp32 otherwise",
    )


class PathOptions(Settings):
    """Options that all objectives share."""

    times: TimesName = Field("logit-normal", description="distribution of the times on the path while training")
    location: float | None = Field(
        None,
        ge=-10,
        le=10,
        description="mean of logit-normal times, as the logarithm of noise over signal; by default -1 for tables and "
        "for velocity, and 0 otherwise",
    )
    spread: float | None = Field(
        None,
        gt=0,
        le=10,
        description="standard deviation of logit-normal times, in the same unit; by default 1.4 for tables, 1.3 for "
        "velocity of images, and 1 otherwise",
    )


class VelocityOptions(PathOptions):
    """Options of `velocity`."""


class DenoiseOptions(PathOptions):
    """Options of `denoise`."""


class MeanFlowOptions(PathOptions):
    """Options of `mean-flow`."""

    jumps: float = Field(
        0.5, gt=0, le=1, description="share of training events that learn a mean velocity, and not the velocity itself"
    )
    guidance: float = Field(
        GUIDANCE,
        ge=1,
        le=100,
        description="strength of classifier-free guidance that the model learns, as jumps cannot be guided later; 1 is "
        "none",
    )
