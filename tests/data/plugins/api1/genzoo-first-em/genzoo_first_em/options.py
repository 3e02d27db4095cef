"""Options of the model and its objective; each field's description is what help and model card say of it."""

from __future__ import annotations

from pydantic import Field

from genzoo import Settings


class MixtureOptions(Settings):
    """How many components there are, and how heavy their tails."""

    components: int = Field(default=2, ge=1, le=1000, description="components of the mixture")
    tail: float = Field(default=5.0, ge=1, le=1000, description="degrees of freedom of the t distributions")


class EMOptions(Settings):
    """Options of the objective: there are none."""
