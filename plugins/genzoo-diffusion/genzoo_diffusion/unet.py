"""The network of images: convolutions that halve the sides and double them again, with bridges between equal sides.

References:
    "U-Net: Convolutional Networks for Biomedical Image Segmentation" (Ronneberger, Fischer and Brox, 2015);
    "Denoising Diffusion Probabilistic Models" (Ho, Jain and Abbeel, 2020).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from torch import Tensor, addcmul, cat, channels_last, group_norm, nn, randn
from torch.nn import functional as F

from genzoo_diffusion.network import Context

_CONTEXT = 4
"""Length of the vector of time and condition, as a multiple of the first number of channels."""

_HEAD = 32
"""Channels of a head of attention."""

_FEW = 256
"""Most places whose attention a CPU computes by plain products. Fused kernels save memory, and take longer there."""

_GROUPS, _LEAST_GROUP = 8, 4
"""Most groups that channels are normalized in, and fewest channels of a group."""


class UNet(nn.Module):
    """A U-Net. Squares of `patch` pixels are the channels of one place; images of any size are padded, and cropped.

    Arguments:
        event_shape: shape of an image, `(C, H, W)`.
        channels: channels at each size, from the largest.
        patch: side of a square.
        given: size of a condition, 0 for none.
        attention: whether the places of the smallest size see each other.
        dropout: share of inner activations dropped while training.

    Shape:
        `x (N, C, H, W)`, to the same shape.
    """

    def __init__(
        self,
        event_shape: Sequence[int],
        channels: Sequence[int],
        patch: int,
        given: int,
        *,
        attention: bool,
        dropout: float,
    ) -> None:
        super().__init__()
        colors, height, width = event_shape
        part = patch * 2 ** (len(channels) - 1)
        self._patch, self._padding = patch, (0, -width % part, 0, -height % part)
        described = _CONTEXT * channels[0]
        self.context = Context(described, given)
        self.first = nn.Conv2d(colors * patch**2, channels[0], 3, padding=1)
        self.down = nn.ModuleList(_Block(wide, wide, described, dropout) for wide in channels[:-1])
        pairs = list(itertools.pairwise(channels))
        self.shrink = nn.ModuleList(nn.Conv2d(wide, narrow, 3, 2, 1) for wide, narrow in pairs)
        self.places = _Places(described, channels[-1], (-(-height // part), -(-width // part)))
        self.middle = _Block(channels[-1], channels[-1], described, dropout)
        self.attention = _Attention(channels[-1]) if attention else nn.Identity()
        self.second = _Block(channels[-1], channels[-1], described, dropout)
        self.enlarge = nn.ModuleList(nn.Conv2d(narrow, 4 * wide, 1) for wide, narrow in reversed(pairs))
        self.up = nn.ModuleList(_Block(2 * wide, wide, described, dropout) for wide in reversed(channels[:-1]))
        self.norm = _Norm(channels[0])
        self.last = nn.Conv2d(channels[0], colors * patch**2, 3, padding=1)

    def forward(
        self,
        x: Tensor,
        a: Tensor,
        s: Tensor,
        condition: Tensor | None = None,
        kept: Tensor | None = None,
        span: Tensor | None = None,
    ) -> Tensor:
        context = self.context(a, s, condition, kept, span)
        y = self.first(F.pixel_unshuffle(F.pad(x, self._padding), self._patch))
        bridges = []
        for block, halve in zip(self.down, self.shrink, strict=True):
            y = block(y, context)
            bridges.append(y)
            y = halve(y)
        y = self.middle(self.places(y, context), context)
        y = self.second(self.attention(y), context)
        for block, double in zip(self.up, self.enlarge, strict=True):
            y = block(cat([F.pixel_shuffle(double(y), 2), bridges.pop()], 1), context)
        found = F.pixel_shuffle(self.last(F.silu(self.norm(y))), self._patch)
        return found[:, :, : x.shape[2], : x.shape[3]]


class _Places(nn.Module):
    """Adds learned images of the smallest size, one for each channel, times what the context makes of them.

    Convolutions and the modulation of channels alone take long to learn where the shapes of a condition are, as neither
    knows places. The images have no effect at first.
    """

    def __init__(self, context: int, channels: int, sides: tuple[int, int]) -> None:
        super().__init__()
        self.images = nn.Parameter(randn(channels, *sides))
        self.shares = nn.Linear(context, channels)
        nn.init.zeros_(self.shares.weight)
        nn.init.zeros_(self.shares.bias)

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        return addcmul(x, self.shares(context)[:, :, None, None], self.images.to(x.dtype))


class _Block(nn.Module):
    """Two convolutions, with the context between them, beside what they change."""

    def __init__(self, inputs: int, outputs: int, context: int, dropout: float) -> None:
        super().__init__()
        self.first = nn.Sequential(_Norm(inputs), nn.SiLU(), nn.Conv2d(inputs, outputs, 3, padding=1))
        self.modulation = nn.Linear(context, 2 * outputs)
        self.norm = _Norm(outputs)
        self.second = nn.Sequential(nn.SiLU(), nn.Dropout(dropout), nn.Conv2d(outputs, outputs, 3, padding=1))
        self.beside = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        scale, shift = self.modulation(context)[:, :, None, None].chunk(2, 1)
        y = addcmul(shift, self.norm(self.first(x)), 1 + scale)
        found: Tensor = self.beside(x) + self.second(y)
        return found


class _Attention(nn.Module):
    """Each place sees all places."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self._heads = max(heads for heads in range(1, max(1, channels // _HEAD) + 1) if channels % heads == 0)
        self.norm = _Norm(channels)
        self.inputs = nn.Conv2d(channels, 3 * channels, 1)
        self.outputs = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        n, channels, height, width = x.shape
        parts = self.inputs(self.norm(x)).view(n, 3 * self._heads, channels // self._heads, height * width)
        query, key, value = parts.mT.chunk(3, 1)  # (N, heads, places, channels of a head)
        seen = attended(query, key, value).mT.reshape(n, channels, height, width)
        found: Tensor = x + self.outputs(seen)
        return found


def attended(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Return the mean of values that each query sees, `(N, heads, places, channels)` like all three arguments."""
    if query.device.type != "cpu" or query.shape[2] > _FEW:
        return F.scaled_dot_product_attention(query, key, value)
    weights: Tensor = (query * query.shape[3] ** -0.5 @ key.mT).softmax(3)
    return weights @ value


class _Norm(nn.GroupNorm):
    """Group normalization that also takes a single value, as an image of one place and one channel has."""

    def __init__(self, channels: int) -> None:
        super().__init__(math.gcd(_GROUPS, max(1, channels // _LEAST_GROUP)), channels)

    def forward(self, x: Tensor) -> Tensor:
        # Kernels of CPUs take 16 times as long for channels-last images in half precision as for others.
        turned = x.device.type == "cpu" and x.itemsize == 2 and x.is_contiguous(memory_format=channels_last)
        inside = x.contiguous() if turned else x
        found: Tensor = group_norm(inside, self.num_groups, self.weight, self.bias, self.eps)
        return found.contiguous(memory_format=channels_last) if turned else found
