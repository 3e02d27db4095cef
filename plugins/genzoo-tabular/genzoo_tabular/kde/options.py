"""Options of `kde`."""

from __future__ import annotations

from pydantic import Field

from genzoo import Settings


class KernelOptions(Settings):
    """Options of `kde`."""

    most_rows: int = Field(
        10_000, ge=2, le=1_000_000, description="largest number of training rows that it keeps; of more, random ones"
    )


class BandwidthOptions(Settings):
    """Options of `bandwidths`."""

    adaptive: bool = Field(
        True,
        description="whether kernels may be wider in sparse regions; they are if that predicts rows left out better",
    )
    tried_rows: int = Field(
        400, ge=10, le=100_000, description="largest number of rows that are left out to choose bandwidths"
    )
    search_rows: int = Field(
        2_000,
        ge=10,
        le=1_000_000,
        description="largest number of kept rows among which bandwidths are searched and sparse regions found; "
        "with more, random ones, and only small steps are tried among all",
    )
