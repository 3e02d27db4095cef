"""Change events at random before the discriminator sees them.

Changed images cannot be memorized, if there are few. Rows of a table get noise of various sizes, so that the
discriminator has a slope between narrow modes, which leads samples to modes that have too few.

Real events and samples change in the same ways. That does not leak into samples if the distribution of changed events
determines the distribution of the events themselves. Here it does: each change happens with a probability p < 1/2, on
its own, and leaves an event exactly as it is otherwise. It so turns a distribution P into (1 - p) P + p S(P), with S
any random change. For two distributions at a distance d, the results differ by at least (1 - 2p) d, because S cannot
enlarge the distance: they are equal only if the two are.

References:
    "Diffusion-GAN: Training GANs with Diffusion" (Wang et al., 2022), for noise of various sizes;
    "Training Generative Adversarial Networks with Limited Data" (Karras et al., 2020);
    "Differentiable Augmentation for Data-Efficient GAN Training" (Zhao et al., 2020).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from genzoo import full_precision

_SHIFT, _ZOOM, _TURN = 1 / 8, 0.2, math.pi / 8
"""Deviations of shifts, in sides of the image, of the logarithm to base 2 of the scale, and of angles."""

_LEAST_NOISE, _MOST_NOISE = 0.1, 0.5
"""Smallest and largest deviation of the noise of rows, in deviations of a column."""

_LIGHT, _CONTRAST, _SATURATION = 0.2, 0.5, 1.0
"""Deviations of brightness, in halves of the range, and of logarithms to base 2 of the contrast and the saturation."""


@dataclass(frozen=True, slots=True)
class Augmentation:
    """Changes events at random, in ways that do not leak into samples.

    Arguments:
        probability: probability of each change at the end of the warm-up, below 1/2.
        warmup: share of the budget in which the probability rises from 0. Defaults to 0.
    """

    probability: float
    warmup: float = 0.0

    def __call__(self, x: Tensor, fraction: Tensor) -> Tensor:
        """Return images `x (N, C, H, W)` or rows of a table `x (N, C)`, some of them changed.

        Arguments:
            fraction: share of the budget spent, `()`.
        """
        x = x.to(torch.promote_types(x.dtype, torch.float32))  # samples of autocast
        rise = (fraction / self.warmup).clamp(max=1.0) if self.warmup else torch.ones_like(fraction)
        probability = self.probability * rise
        for change in CHANGES if x.ndim == 4 else (noised,):
            changes = torch.rand(len(x), *[1] * (x.ndim - 1), device=x.device) < probability
            x = torch.where(changes, change(x), x)
        return x


def reflected(x: Tensor) -> Tensor:
    """Mirror images `x (N, C, H, W)` along both sides, and transpose square ones, each by a fair coin."""
    for axis in (-1, -2):
        x = torch.where(_coin(x), x.flip(axis), x)
    return torch.where(_coin(x), x.transpose(-1, -2), x) if x.shape[-1] == x.shape[-2] else x


def moved(x: Tensor) -> Tensor:
    """Shift, scale and turn images `x (N, C, H, W)`; their mirror images continue them outside."""
    height, width = x.shape[-2:]
    scale = torch.exp2(_normal(x, _ZOOM))
    angle = _normal(x, _TURN)
    cosine, sine = scale * angle.cos(), scale * angle.sin()
    # Coordinates run from -1 to 1 along both sides, so turns of images that are not square depend on their form.
    ratio = height / width
    across = torch.stack([cosine, -sine * ratio, _normal(x, 2 * _SHIFT)], 1)
    down = torch.stack([sine / ratio, cosine, _normal(x, 2 * _SHIFT)], 1)
    with full_precision(x):  # in bfloat16, places would be rounded
        grid = F.affine_grid(torch.stack([across, down], 1), list(x.shape), align_corners=False)
        return F.grid_sample(x, grid, padding_mode="reflection", align_corners=False)


def tinted(x: Tensor) -> Tensor:
    """Change brightness and contrast of images `x (N, C, H, W)`, and the saturation of images with colors."""
    gray = x.mean(1, keepdim=True)
    saturation, contrast = (torch.exp2(_normal(x, scale)) for scale in (_SATURATION, _CONTRAST))
    x = gray + (x - gray) * _spread(saturation)
    return x * _spread(contrast) + _spread(_normal(x, _LIGHT))


def noised(x: Tensor) -> Tensor:
    """Add normal noise to rows `x (N, C)`; the logarithm of its deviation is uniform, and one for all of a row."""
    share = torch.rand(len(x), 1, device=x.device, dtype=x.dtype)
    return x + _LEAST_NOISE * (_MOST_NOISE / _LEAST_NOISE) ** share * torch.randn_like(x)


CHANGES: tuple[Callable[[Tensor], Tensor], ...] = (reflected, moved, tinted)
"""The changes of images, in their order."""


def _coin(x: Tensor) -> Tensor:
    return torch.rand(len(x), 1, 1, 1, device=x.device) < 0.5


def _normal(x: Tensor, scale: float) -> Tensor:
    """Draw a number for each image, `(N,)`."""
    return torch.randn(len(x), device=x.device, dtype=x.dtype) * scale


def _spread(x: Tensor) -> Tensor:
    return x[:, None, None, None]
