"""What the shapes of covariance have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn


class Covariance(nn.Module, ABC):
    """The covariances of K Gaussians over C columns, held as scales: how a standard normal is stretched.

    Arguments:
        components: K.
        columns: C.
        reg_covar: added to every variance when the covariances are set.
    """

    def __init__(self, components: int, columns: int, reg_covar: float) -> None:
        super().__init__()
        self.components = components
        self.columns = columns
        self.reg_covar = reg_covar

    @property
    @abstractmethod
    def degrees_of_freedom(self) -> int:
        """How many free parameters all covariances have."""

    @abstractmethod
    def distances(self, x: Tensor, means: Tensor) -> Tensor:
        """Squared Mahalanobis distances of events `x (N, C)` to `means (K, C)`, `(N, K)`."""

    @abstractmethod
    def log_det(self) -> Tensor:
        """Half the log-determinant of each covariance, `(K,)`."""

    @abstractmethod
    def stretch(self, noise: Tensor, component: Tensor) -> Tensor:
        """Standard normal `noise (N, C)` as deviations from the mean of `component (N,)`, `(N, C)`."""

    @abstractmethod
    def scatter(self, x: Tensor, means: Tensor, share: Tensor) -> Tensor:
        """Sums, weighted by `share (N, K)`, of what `maximise` needs of the deviations of `x` from `means`; float64."""

    @abstractmethod
    def maximise(self, scatter: Tensor, counts: Tensor, shift: Tensor) -> None:
        """Set the covariances to the most likely ones.

        Arguments:
            scatter: what `scatter` gave, summed over all events.
            counts: the weight of each component, `(K,)` float64, positive.
            shift: how far each mean moves from where `scatter` took it, `(K, C)` float64.
        """
