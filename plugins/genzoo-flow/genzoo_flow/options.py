"""Options of the model and its objective. Help texts and model cards are generated from the descriptions."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from genzoo import Settings

Width = Annotated[int, Field(ge=1, le=65_536)]


class FlowOptions(Settings):
    """Options of `flow`."""

    autoregressive: bool = Field(
        False,
        description="learn each column given any others, in random orders: for missing values and given columns; "
        "a sample then takes a pass for each column",
    )
    layers: int = Field(6, ge=1, le=64, description="number of couplings; not used with autoregressive=true")
    bins: int = Field(8, ge=2, le=256, description="pieces of each spline")
    widths: tuple[Width, ...] = Field(
        (64, 64), max_length=32, description="widths of the inner layers of each network; empty for linear ones"
    )
    dropout: float | None = Field(
        None,
        ge=0,
        lt=1,
        description="share of inner activations dropped while training; by default 0.3 exp(-(n / 2500)^2) for n "
        "training rows per column",
    )
    rotations: bool = Field(True, description="learn a rotation of the columns before each coupling")


class DensityOptions(Settings):
    """Options of `log-density`: none."""
