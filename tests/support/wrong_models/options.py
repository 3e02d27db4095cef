from pydantic import BaseModel, Field, field_serializer

import genzoo


class Options(genzoo.Settings):
    share: float = Field(0.5, gt=0, lt=1, description="where the deviation begins")


class Symbols(genzoo.TokenOptions):
    share: float = Field(0.5, gt=0, lt=1, description="where the deviation begins")


class Swallowing(BaseModel):
    """Accepts any key."""

    share: float = Field(0.5, gt=0, lt=1, allow_inf_nan=False, description="where the deviation begins")


class Unbounded(Options):
    offset: float = Field(0.0, ge=0, description="has no largest value")


class Silent(Options):
    depth: int = Field(1, ge=1, le=3)


class Turning(Options):
    depth: int = Field(1, ge=1, le=3, description="comes back from a file as another number")

    @field_serializer("depth")
    def _written(self, depth: int) -> int:
        return 4 - depth


class Divided(Options):
    parts: int = Field(1, ge=0, le=3, description="what the builder divides by")


class Heat(genzoo.Settings):
    temperature: float = Field(1.0, gt=0, le=10, description="factor of the standard deviations")


class Rounds(Heat):
    rounds: int = Field(2, ge=1, le=4, description="rounds of sampling")


class CoolText(genzoo.TextSampling):
    temperature: float = Field(0.3, gt=0, le=100, allow_inf_nan=False, description="below 1 by default")


class Cold(genzoo.Settings):
    temperature: float = Field(0.7, gt=0, le=10, description="factor of the standard deviations")


class LossOptions(genzoo.Settings):
    pass
