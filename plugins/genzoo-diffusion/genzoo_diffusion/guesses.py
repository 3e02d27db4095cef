"""What outputs of the network mean: F of numbers, and probabilities of the levels of categories.

The numbers z of a category are one of few points, so the best guess of them is a mean over levels. Given a noisy
`x_t = a z + s e` of the category alone, level k has the log-odds `a gap x_t[k] / s^2`. The network's outputs are added
to these: they say what is known from the other columns. Cross-entropy trains them, which counts rare levels more than
squared errors do.

References:
    "Continuous diffusion for categorical data" (Dieleman et al., 2022), for probabilities trained by cross-entropy.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from genzoo_diffusion.column_numbers import SCALE, ColumnNumbers, gap

_LEAST = 1e-3
"""Smallest factor of the noise by which anything is divided."""


class Guesses:
    """Reads outputs `(N, E)` of a network that sees numbers `x (N, E)` with noise. Outputs for images are F.

    Arguments:
        values: what the numbers are.

    Attributes:
        numbers: places of the numbers that are no category's.
    """

    def __init__(self, values: ColumnNumbers) -> None:
        self._groups: list[tuple[slice, int]] = []
        self.numbers: list[int] = []
        end = 0
        for levels, size in zip(values.levels, values.sizes, strict=True):
            place, end = slice(end, end + size), end + size
            if levels > 1:
                self._groups.append((place, levels))
            else:
                self.numbers.append(place.start)

    @property
    def plain(self) -> bool:
        """Whether outputs are F."""
        return not self._groups

    def velocity(self, outputs: Tensor, x: Tensor, a: Tensor, s: Tensor) -> Tensor:
        """Return F in the shape of `x`.

        Arguments:
            a, s: factors of events and of noise, `(N,)`.
        """
        if self.plain:
            return outputs
        found = outputs.clone()
        a, s = a[:, None], s[:, None].clamp(min=_LEAST)
        variance = a.square() + s.square()
        for place, logits in self._logits(outputs, x, a, s):
            found[:, place] = (variance * _mean(logits) - a * x[:, place]) / (s * variance.sqrt())
        return found

    def errors(self, outputs: Tensor, x: Tensor, a: Tensor, s: Tensor, z: Tensor, squares: Tensor) -> Tensor:
        """Return the error of each column, `(N, C)`: cross-entropy of categories, and of others what is given.

        Arguments:
            a, s: factors of events and of noise, `(N,)`.
            z: numbers without noise, `(N, E)`.
            squares: squared errors of F, `(N, E)`.
        """
        found = [squares[:, self.numbers]] if self.numbers else []
        for place, logits in self._logits(outputs, x, a[:, None], s[:, None].clamp(min=_LEAST)):
            own = z[:, place]
            if logits.shape[1] == 1:
                found.append(F.binary_cross_entropy_with_logits(logits, (own > 0).to(own.dtype), reduction="none"))
            else:
                found.append(F.cross_entropy(logits, own.argmax(1), reduction="none")[:, None])
        return torch.cat(found, 1)

    def _logits(self, outputs: Tensor, x: Tensor, a: Tensor, s: Tensor) -> Iterator[tuple[slice, Tensor]]:
        """Yield place and log-odds of each category, `(N, L)`; of a binary one against its first level, `(N, 1)`."""
        for place, levels in self._groups:
            yield place, outputs[:, place] + a * gap(levels) / s.square() * x[:, place]


def _mean(logits: Tensor) -> Tensor:
    """Return the mean of a category's numbers, given log-odds of its levels."""
    if logits.shape[1] == 1:
        return SCALE * (logits / 2).tanh()
    levels = logits.shape[1]
    return (logits.softmax(1) - 1 / levels) * gap(levels)
