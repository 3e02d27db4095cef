"""Options of `made` and its objective. Help texts and model cards are generated from the descriptions."""

from __future__ import annotations

from pydantic import Field

from genzoo import Settings


class MadeOptions(Settings):
    """Options of `made`."""

    any_order: bool | None = Field(
        None,
        description="learn each value given random others, for missing values and given columns, instead of the ones "
        "before it only; by default for tables",
    )
    width: int = Field(64, ge=1, le=4096, description="width of the network of each value")
    layers: int = Field(1, ge=0, le=32, description="residual layers of each network after its first layer")
    embedding: int = Field(8, ge=1, le=256, description="numbers that stand for a value in the networks of others")
    dropout: float | None = Field(
        None,
        ge=0,
        lt=1,
        description="share of inner activations dropped while training; by default 0.5 exp(-n / 10000), and at least "
        "0.1, for n training rows",
    )


class ConditionalOptions(Settings):
    """Options of `log-probability`: none."""
