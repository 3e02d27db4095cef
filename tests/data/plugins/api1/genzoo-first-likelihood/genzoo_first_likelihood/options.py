"""Options of the model; each field's description is what help and model card say of it."""

from __future__ import annotations

from pydantic import Field

from genzoo import Settings


class FlowOptions(Settings):
    """How deep and how wide the flow is."""

    layers: int = Field(default=6, ge=1, le=32, description="coupling layers; each changes every other column")
    width: int = Field(default=64, ge=1, le=1024, description="units in the hidden layers of each coupling's network")
