"""Options of `made` and its objective. Help texts and model cards are generated from the descriptions."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from genzoo import Settings

_MOST_OWN = 400
"""Largest number of values that have networks of their own by default, such as 20 x 20 pixels."""


class MadeOptions(Settings):
    """Options of `made`."""

    any_order: bool | None = Field(
        None,
        description="learn each value given random others, for missing values and given columns, instead of the ones "
        "before it only; by default for tables",
    )
    share: bool | None = Field(
        None,
        description="share hidden units between values, which follow a fixed order, instead of a network for each; by "
        f"default for more than {_MOST_OWN} pixels",
    )
    width: int | None = Field(
        None, ge=1, le=4096, description="width of the network of each value; by default 64, and 5 if units are shared"
    )
    layers: int | None = Field(
        None,
        ge=0,
        le=32,
        description="residual layers of each network after its first layer; by default 1, and 0 if units are shared",
    )
    embedding: int | None = Field(
        None,
        ge=1,
        le=256,
        description="numbers that stand for a value in the networks of others; by default 8, and if units are shared "
        "4, or 1 for two levels",
    )
    dropout: float | None = Field(
        None,
        ge=0,
        lt=1,
        description="share of inner activations dropped while training; by default 0.5 exp(-n / 10000), and at least "
        "0.1, for n training rows",
    )

    def shares(self, values: int, *, orderless: bool) -> bool:
        """Return whether values share hidden units."""
        return not orderless and values > _MOST_OWN if self.share is None else self.share

    def network(self, *, shared: bool, levels: int) -> dict[str, Any]:
        """Return the sizes and the dropout of the network, with the defaults for its form.

        Arguments:
            levels: largest number of codes of a value.
        """
        width, layers, embedding = (5, 0, 1 if levels == 2 else 4) if shared else (64, 1, 8)
        return {
            "width": self.width or width,
            "layers": layers if self.layers is None else self.layers,
            "embedding": self.embedding or embedding,
            "dropout": self.dropout,
        }


class ConditionalOptions(Settings):
    """Options of `log-probability`: none."""
