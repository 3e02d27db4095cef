"""Options of `smote`."""

from __future__ import annotations

from pydantic import Field

from genzoo import Settings


class NeighborOptions(Settings):
    """Options of `smote`."""

    neighbors: int = Field(5, ge=1, le=1_000, description="number of nearest rows that a row is interpolated with")


class KeepOptions(Settings):
    """Options of `kept-rows`: there are none."""
