"""Options of `gpt` and its objective. Help texts and model cards are generated from the descriptions."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from genzoo import Settings, TokenOptions


class GPTOptions(TokenOptions):
    """Options of `gpt`."""

    layers: int = Field(4, ge=1, le=256, description="number of layers, each with attention and a perceptron")
    heads: int = Field(4, ge=1, le=256, description="heads of attention in each layer")
    width: int = Field(128, ge=2, le=65_536, description="numbers that describe a place; an even number for each head")
    dropout: float = Field(0.0, ge=0, lt=1, description="share of what each layer adds that is dropped while training")
    attention_window: int = Field(
        0, ge=0, le=2**20, description="number of places that attention sees, the last one included; 0 for all before"
    )
    recent: int = Field(
        2, ge=0, le=16, description="number of places before that each layer takes in, number by number; 0 for none"
    )
    pieces: int = Field(
        1, ge=1, le=16, description="length of the longest pieces of symbols that have rows in a table; 1 for none"
    )
    piece_rows: int = Field(
        16_384, ge=1, le=2**24, description="largest number of rows of a table of pieces; if there are more, they share"
    )

    @model_validator(mode="after")
    def _check_heads(self) -> Self:
        if self.width % (2 * self.heads):
            raise ValueError(f"width {self.width} does not divide into even parts for {self.heads} heads")
        return self


class NextSymbolOptions(Settings):
    """Options of `next-symbol`: none."""
