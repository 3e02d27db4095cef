"""The interface of a head: what a network is shown of an event, and what its outputs mean."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn


class Head(nn.Module, ABC):
    """How an encoder sees the D values of an event, and how the decoder's outputs stand for them.

    Shape:
        Events are `(N, D)`, in model space. The decoder's outputs for a latent vector are `given (..., width)`.

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
    def error(self, x: Tensor, given: Tensor) -> Tensor:
        """Compute how badly the outputs stand for each value of `x (N, D)`, `(..., D)`; lower is better."""

    @abstractmethod
    def sample(self, given: Tensor) -> Tensor:
        """Sample one event for each `given (..., width)`, `(..., D)`."""

    @abstractmethod
    def expectation(self, given: Tensor) -> Tensor:
        """Return what can be averaged over latent vectors, `(..., E)`: means, or probabilities of levels."""

    def conclude(self, expectation: Tensor) -> Tensor:
        """Convert expectations `(..., E)` to events, `(..., D)`: means, or the most probable levels."""
        return expectation
