"""Numbers without a distribution: the outputs are the values themselves, and the error is squared."""

from __future__ import annotations

from torch import Tensor

from genzoo_vae.observation.head import Head
from genzoo_vae.observation.poisson import LARGEST_LOG_MEAN


class SquaredError(Head):
    """Continuous values. The decoder gives the values.

    Arguments:
        places: D.
        bounded: whether values lie between 0 and 1. Outputs beyond are then cut off, except in the error. Defaults to
            False.
    """

    def __init__(self, places: int, *, bounded: bool = False) -> None:
        super().__init__(places)
        self.bounded = bounded

    @property
    def width(self) -> int:
        return self.places

    def error(self, x: Tensor, given: Tensor) -> Tensor:
        return (x - given).square()

    def sample(self, given: Tensor) -> Tensor:
        return self.expectation(given)

    def expectation(self, given: Tensor) -> Tensor:
        return given.clamp(0.0, 1.0) if self.bounded else given


class SquaredLogError(Head):
    """Counts. Both networks see log(1 + count), so that one large count does not outweigh all others."""

    @property
    def width(self) -> int:
        return self.places

    def show(self, x: Tensor, missing: Tensor | None) -> Tensor:
        return x.log1p()

    def error(self, x: Tensor, given: Tensor) -> Tensor:
        return (x.log1p() - given).square()

    def sample(self, given: Tensor) -> Tensor:
        return self.expectation(given).round()

    def expectation(self, given: Tensor) -> Tensor:
        return given.clamp(0.0, LARGEST_LOG_MEAN).expm1()
