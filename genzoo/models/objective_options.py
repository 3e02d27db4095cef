"""Options of the core's own objectives."""

from __future__ import annotations

from pydantic import Field

from genzoo.config.settings import Settings


class LikelihoodOptions(Settings):
    """Options of `maximum-likelihood`: there are none."""


class BoundOptions(Settings):
    """Options of `maximum-bound`."""

    draws: int = Field(1, ge=1, le=10_000, description="draws that the bound of each event is made of")
