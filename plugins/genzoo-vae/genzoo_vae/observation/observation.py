"""What a decoder speaks of: the distribution of an event given its latent vector."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn


class Observation(nn.Module, ABC):
    """A distribution of `D` places, independent of each other given the numbers that a decoder says of an event.

    Shape:
        events `(N, D)` in model space; what the decoder says, `given (..., width)`.

    Arguments:
        places: D.
    """

    def __init__(self, places: int) -> None:
        super().__init__()
        self.places = places

    @property
    @abstractmethod
    def width(self) -> int:
        """How many numbers the decoder says of an event."""

    @property
    def shown(self) -> int:
        """How many numbers an encoder sees of an event."""
        return self.places

    @property
    def averaged(self) -> int:
        """How many numbers an expectation holds, E."""
        return self.places

    def show(self, x: Tensor, missing: Tensor | None) -> Tensor:
        """Events `(N, D)` as an encoder sees them, `(N, shown)`; 0 where a value is missing, as in `x`."""
        return x

    @abstractmethod
    def log_prob(self, x: Tensor, given: Tensor) -> Tensor:
        """Log-density or log-probability of each place of `x (N, D)`, `(..., D)` with `given (..., width)`."""

    @abstractmethod
    def sample(self, given: Tensor) -> Tensor:
        """One event for each `given (..., width)`, `(..., D)`."""

    @abstractmethod
    def expectation(self, given: Tensor) -> Tensor:
        """What of `given (..., width)` may be averaged over latent vectors, `(..., E)`: means, or probabilities."""

    def conclude(self, expectation: Tensor) -> Tensor:
        """The events of expectations `(..., E)`, `(..., D)`: the means, or the most probable levels."""
        return expectation
