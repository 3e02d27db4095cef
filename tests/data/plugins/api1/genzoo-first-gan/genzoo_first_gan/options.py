"""Options of the model and its objective; each field's description is what help and model card say of it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from genzoo import Settings


class GANOptions(Settings):
    """How large the two networks are."""

    latent: int = Field(default=16, ge=1, le=1024, description="dimensions of the latent vector")
    width: int = Field(default=128, ge=1, le=1024, description="units in each hidden layer of both networks")


class AdversarialOptions(Settings):
    """What the two networks play for."""

    loss: Literal["non-saturating", "hinge"] = Field(
        default="non-saturating", description="what each network minimises"
    )
    noise: float = Field(default=0.1, ge=0, le=10, description="deviation of the noise on all that the critic sees")
