"""Options of the core's own objectives."""

from __future__ import annotations

from pydantic import Field

from genzoo.config.settings import Settings


class LikelihoodOptions(Settings):
    """Options of `maximum-likelihood`; it has none."""


class BoundOptions(Settings):
    """Options of `maximum-bound`."""

    draws: int = Field(1, ge=1, le=10_000, description="number of draws for the bound of each event")
