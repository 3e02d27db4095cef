"""Options of the model; each field's description is what help and model card say of it."""

from __future__ import annotations

from pydantic import Field

from genzoo import Settings


class VAEOptions(Settings):
    """How large the two networks are."""

    latent: int = Field(default=2, ge=1, le=1024, description="dimensions of the latent vector")
    width: int = Field(default=64, ge=1, le=1024, description="units in each hidden layer of both networks")
