"""The interface of p(x | z), the distribution of an event given its latent vector."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn


class Observation(nn.Module, ABC):
    """A distribution p(x | z) of the D values of an event, which are independent given z.

    Shape:
        Events are `(N, D)`, in model space. The decoder's outputs for z are `given (..., width)`.

    Arguments:
        places: D.
    """

    def __init__(self, places: int) -> None:
        super().__init__()
        self.places = places

    @property
    @abstractmethod
    def width(self) -> int:
        """Number of the decoder's outputs for an event."""

    @property
    def shown(self) -> int:
        """Number of the encoder's inputs for an event."""
        return self.places

    @property
    def averaged(self) -> int:
        """Number of values of an expectation, E."""
        return self.places

    def show(self, x: Tensor, missing: Tensor | None) -> Tensor:
        """Convert events `(N, D)` to the encoder's inputs, `(N, shown)`; missing values are 0 in both."""
        return x

    @abstractmethod
    def log_prob(self, x: Tensor, given: Tensor) -> Tensor:
        """Compute the log-density or log-probability of each value of `x (N, D)`, `(..., D)`."""

    def narrow(self, given: Tensor) -> Tensor | None:
        """Return where a density is about as narrow as `least_scale` allows, for `given (N, width)`, `(N, D)` bool.

        Returns `None` if no value has such a density.
        """
        return None

    @abstractmethod
    def sample(self, given: Tensor) -> Tensor:
        """Sample one event for each `given (..., width)`, `(..., D)`."""

    @abstractmethod
    def expectation(self, given: Tensor) -> Tensor:
        """Return what can be averaged over latent vectors, `(..., E)`: means, or probabilities of levels."""

    def conclude(self, expectation: Tensor) -> Tensor:
        """Convert expectations `(..., E)` to events, `(..., D)`: means, or the most probable levels."""
        return expectation
