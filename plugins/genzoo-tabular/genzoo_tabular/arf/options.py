"""Options of `arf`."""

from __future__ import annotations

from pydantic import Field

from genzoo import Settings


class ForestOptions(Settings):
    """Options of `arf`."""

    trees: int = Field(30, ge=1, le=1_000, description="number of trees")


class GrowingOptions(Settings):
    """Options of `adversarial-forest`."""

    leaf_rows: int | None = Field(
        None,
        ge=2,
        le=1_000_000,
        description="smallest number of training rows in a leaf; by default 5, or a 2000th of all rows if that is more",
    )
    prior_rows: float = Field(
        0.3,
        ge=0.01,
        le=1_000,
        description="number of rows that the other rows with values in the range of a leaf count as, beside its own",
    )
    rounds: int = Field(5, ge=1, le=1_000, description="largest number of forests that are grown, one after another")
