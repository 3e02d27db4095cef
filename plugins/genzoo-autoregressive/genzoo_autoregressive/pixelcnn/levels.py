"""Distributions of the levels of one value, such as the brightness of a pixel.

References:
    "PixelCNN++: Improving the PixelCNN with Discretized Logistic Mixture Likelihood" (Salimans et al., 2017).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor
from torch.nn import functional as F

_SHARPEST = 1 / 32
"""Smallest scale of a logistic, in steps of the grid. All but 2e-7 of it then lies in the cell around its center."""

_WIDEST = 20.0
"""Largest logarithm of a scale over the smallest one. Any wider logistic is flat, too."""

_FIRST = 0.25
"""Scale of a logistic when training starts, as a share of half the range."""


class Levels(ABC):
    """A distribution of one of `count` levels, given some parameters.

    Shape:
        codes of levels `(...)` int64, parameters `(..., width)`.
    """

    def __init__(self, count: int) -> None:
        self.count = count

    @property
    @abstractmethod
    def width(self) -> int:
        """Number of parameters."""

    def start(self) -> Tensor:
        """Return what is added to the parameters, which are near 0 when training starts, `(width,)`."""
        return torch.zeros(self.width)

    @abstractmethod
    def log_prob(self, codes: Tensor, given: Tensor) -> Tensor:
        """Return log-probabilities in nats, `(...)`."""

    @abstractmethod
    def sample(self, given: Tensor) -> Tensor:
        """Draw codes, `(...)`."""


class CategoricalLevels(Levels):
    """A probability for each level; the parameters are logits."""

    @property
    def width(self) -> int:
        return self.count

    def log_prob(self, codes: Tensor, given: Tensor) -> Tensor:
        losses = F.cross_entropy(given.reshape(-1, self.count), codes.reshape(-1), reduction="none")
        return -losses.view(codes.shape)

    def sample(self, given: Tensor) -> Tensor:
        return torch.multinomial(given.reshape(-1, self.count).softmax(1), 1).view(given.shape[:-1])


class LogisticMixture(Levels):
    """A mixture of logistics on an axis on which levels go from -1 to 1. A level has the mass of the cell around it.

    The first and the last cell also have the tails. The parameters are the logits of the components, their centers,
    and their log-scales.

    Arguments:
        count: number of levels, at least 2.
        components: number of logistics.
    """

    def __init__(self, count: int, components: int) -> None:
        super().__init__(count)
        self.components = components
        self._step = 2 / (count - 1)
        self._least = math.log(_SHARPEST * self._step)

    @property
    def width(self) -> int:
        return 3 * self.components

    def start(self) -> Tensor:
        centers = torch.linspace(-1, 1, 2 * self.components + 1)[1::2]
        above = math.log(max(_FIRST, self._step)) - self._least
        scales = torch.full_like(centers, above + math.log(-math.expm1(-above)))  # softplus gives `above`
        return torch.cat([torch.zeros_like(centers), centers, scales])

    def log_prob(self, codes: Tensor, given: Tensor) -> Tensor:
        shares, centers, scales = self._split(given)
        x = (self._step * codes.to(given.dtype) - 1)[..., None]
        lower = (x - 0.5 * self._step - centers) / scales
        upper = (x + 0.5 * self._step - centers) / scales
        # With the sigmoid s, s(b) - s(a) = s(b) s(-a) (1 - exp(a - b)), and nothing cancels on the right.
        below = F.logsigmoid(upper).masked_fill(codes[..., None] == self.count - 1, 0.0)
        above = F.logsigmoid(-lower).masked_fill(codes[..., None] == 0, 0.0)
        inner = (codes > 0) & (codes < self.count - 1)
        sides = torch.where(inner[..., None], self._step / scales, torch.inf)
        masses = below + above + torch.log(-torch.expm1(-sides))
        return torch.logsumexp(shares.log_softmax(-1) + masses, -1)

    def sample(self, given: Tensor) -> Tensor:
        shares, centers, scales = self._split(given)
        chosen = torch.multinomial(shares.reshape(-1, self.components).softmax(1), 1).view(*given.shape[:-1], 1)
        center, scale = centers.gather(-1, chosen)[..., 0], scales.gather(-1, chosen)[..., 0]
        x = center + scale * torch.rand_like(center).logit()
        return ((x + 1) / self._step).round().clamp(0, self.count - 1).long()

    def _split(self, given: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        shares, centers, raw = given.chunk(3, -1)
        return shares, centers, (F.softplus(raw.clamp(max=_WIDEST)) + self._least).exp()
