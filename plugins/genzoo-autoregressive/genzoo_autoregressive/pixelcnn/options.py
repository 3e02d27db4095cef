"""Options of the model and its objective. Help texts and model cards are generated from the descriptions."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from genzoo import Settings

LikelihoodName = Literal["auto", "categorical", "logistic-mixture"]


class PixelCNNOptions(Settings):
    """Options of `pixelcnn`."""

    width: int = Field(32, ge=1, le=4096, description="channels of each layer")
    layers: int = Field(5, ge=1, le=64, description="gated layers; each one sees a pixel further")
    first: int = Field(
        3, ge=1, le=64, description="pixels that the first layer sees to the left, to the right and upwards"
    )
    likelihood: LikelihoodName = Field(
        "auto",
        description="distribution of a value given the ones before it; auto is categorical up to 256 levels",
    )
    n_components: int = Field(10, ge=1, le=1000, description="number of logistics in a mixture")
    dropout: float = Field(
        0.2, ge=0, lt=1, description="share of the channels of a layer that are dropped while training"
    )


class NextPixelOptions(Settings):
    """Options of `next-pixel`: none."""
