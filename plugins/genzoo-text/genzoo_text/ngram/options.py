"""Options of `ngram` and of its fit."""

from __future__ import annotations

from pydantic import Field

from genzoo import Settings, TokenOptions


class NgramOptions(TokenOptions):
    """Options of `ngram`."""

    order: int = Field(
        6, ge=1, le=12, description="symbols of the longest pieces: a symbol depends on one less before it"
    )


class CountOptions(Settings):
    """Options of the objective `kneser-ney`, which has none."""
