"""What a model of text reads and how it draws: tokens, and the options of sampling."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from genzoo.config.settings import Settings

Tokens = Literal["bytes", "characters", "bpe"]
"""What one symbol of a model of text is."""


class TokenOptions(Settings):
    """Options of a model of text: what its symbols are. Subclass it, and the core transforms texts accordingly."""

    tokens: Annotated[Tokens, Field(description="what one symbol is: a byte, a character, or a token of BPE")] = (
        "characters"
    )
    vocabulary: Annotated[int, Field(ge=257, le=65_536, description="number of tokens of BPE")] = 1024


class TextSampling(Settings):
    """Sampling options of models that draw one symbol after another."""

    temperature: Annotated[
        float, Field(gt=0, le=100, allow_inf_nan=False, description="below 1, probable symbols become more probable")
    ] = 1.0
    top_p: Annotated[
        float, Field(gt=0, le=1, description="draw among the most probable symbols that have this probability together")
    ] = 1.0
    top_k: Annotated[
        int, Field(ge=0, le=2**31, description="draw among this many most probable symbols; 0 for all")
    ] = 0
