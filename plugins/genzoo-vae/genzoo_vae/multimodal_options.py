"""Options of `mvae` and its objective."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from genzoo import Settings
from genzoo_vae.options import VAEOptions

ExpertsName = Literal["product", "mixture-of-products"]


class MVAEOptions(VAEOptions):
    """Options of `mvae`; encoder, decoder and likelihood of each part are as for `vae`."""

    experts: ExpertsName = Field(
        "product",
        description="how the encoders of the parts are joined: a product, or a mixture of the products of all subsets",
    )


class SubsetELBOOptions(Settings):
    """Options of `subset-elbo`."""

    subsets: int | None = Field(
        None,
        ge=0,
        le=64,
        description="random subsets of the parts of each event whose latent vectors are trained, too; by default each "
        "part alone for events of up to 4 parts, and 1 random subset for others",
    )
    left_out: float = Field(
        1.0,
        ge=0,
        le=1e4,
        description="weight of the parts that a subset leaves out: its latent vectors learn to explain these, too; 0 "
        "gives the bound of the subset alone",
    )
    balance: int = Field(
        256,
        ge=0,
        le=10**9,
        description="number of values from which on a part weighs less in training: one with more has the weight "
        "balance / number of values; 0 gives all parts the weight 1",
    )
    beta: float = Field(1.0, ge=0, le=1e4, description="weight of the KL divergence; 1 gives the bound itself")
    warmup: float = Field(0.0, ge=0, le=1, description="share of the budget over which the weight rises from 0 to beta")
