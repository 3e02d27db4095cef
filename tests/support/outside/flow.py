"""A neural spline flow of the package zuko."""

from typing import Annotated, ClassVar

import zuko
from pydantic import Field

from genzoo import Generator, Likelihood

Transforms = Annotated[int, Field(ge=1, le=20, description="autoregressive transforms")]
Bins = Annotated[int, Field(ge=2, le=64, description="bins of each spline")]
Width = Annotated[int, Field(ge=1, le=1024, description="units of each hidden layer")]


class Flow(Generator, Likelihood):
    """Neural spline flow (Durkan, Bekasov, Murray and Papamakarios, 2019)."""

    degrees_of_freedom = None
    conditional = True
    dequantized = True
    modalities, kinds = ("table",), ("continuous",)
    training: ClassVar = {"steps": 200, "batch_size": 128, "optimizer": {"lr": 0.002}, "schedule": {"name": "cosine"}}

    def __init__(self, data, transforms: Transforms = 3, bins: Bins = 8, width: Width = 64):
        super().__init__()
        self.flow = zuko.flows.NSF(
            data.size, context=data.condition_size, transforms=transforms, bins=bins, hidden_features=(width, width)
        )

    def log_prob(self, x, *, condition=None):
        return self.flow(condition).log_prob(x)

    def sample(self, n, *, condition=None):
        drawn = self.flow(condition)
        return drawn.sample((n,)) if condition is None else drawn.sample()
