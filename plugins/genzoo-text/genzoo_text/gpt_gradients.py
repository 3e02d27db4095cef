"""Parts of the transformer whose gradients are written by hand.

torch's own gradients of norms, rotations, squares and sums over places go over memory about twice as often. On a CPU
that multiplies matrices in bfloat16, this takes longer than all products. On other devices, and while torch compiles,
the plain formulas are as quick.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from genzoo import full_precision

_TINY = 1e-7
"""What keeps the norm of nothing from dividing by 0. torch's own choice is large in bfloat16."""

Turns = tuple[Tensor, Tensor]
"""Cosines and sines of the angles at places, `(L, size / 2)` each."""


def computes_by_hand(x: Tensor) -> bool:
    """Return whether numbers lie on a CPU and nothing traces them."""
    return type(x) is Tensor and x.device.type == "cpu" and not torch.compiler.is_compiling()


def normalized(x: Tensor) -> Tensor:
    """Return vectors `(..., D)` with a mean square of 1."""
    if not computes_by_hand(x):
        return F.rms_norm(x, x.shape[-1:], eps=_TINY)
    found: Tensor = _Normalized.apply(x)  # type: ignore[no-untyped-call]
    return found


def squared_relu(x: Tensor) -> Tensor:
    """Return the squares of positive numbers, and 0 for all others."""
    if not computes_by_hand(x):
        positive = x.relu()
        return positive * positive  # `square` computes in single precision under autocast
    found: Tensor = _SquaredReLU.apply(x)  # type: ignore[no-untyped-call]
    return found


def attention_parts(x: Tensor, turns: Turns) -> tuple[Tensor, Tensor, Tensor]:
    """Return queries, keys and values `(n, L, heads, size)`; queries and keys are normalized, then rotated.

    On a CPU they are in single precision at least, as attention is there.

    Arguments:
        x: all three, `(n, L, 3, heads, size)`.
        turns: angles of the places.
    """
    cosine, sine = (turn[:, None, None] for turn in turns)
    if computes_by_hand(x):
        by_hand: tuple[Tensor, Tensor, Tensor] = _AttentionParts.apply(x, cosine, sine)  # type: ignore[no-untyped-call]
        return by_hand
    query, key, value = x.unbind(2)
    one, two = normalized(torch.stack([query, key], 2)).chunk(2, dim=-1)
    turned = torch.cat([one * cosine - two * sine, two * cosine + one * sine], dim=-1).to(x.dtype)
    return turned[:, :, 0], turned[:, :, 1], value


def with_places_before(x: Tensor, weights: Tensor) -> Tensor:
    """Return `x (n, L, D)` plus what stands 1, 2, ... places before, each number times its weight `(reach, 1, D)`."""
    if computes_by_hand(x):
        found: Tensor = _WithPlacesBefore.apply(x, weights)  # type: ignore[no-untyped-call]
        return found
    y = x
    for back, weight in enumerate(weights.to(x.dtype), start=1):
        y = y + F.pad(x, (0, 0, back, 0))[:, : x.shape[1]] * weight
    return y


class _Normalized(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        with full_precision(x):
            scale = _scale(x)
            y = x * scale
        ctx.save_for_backward(y, scale)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return _along_sphere(gradient, *ctx.saved_tensors)


class _SquaredReLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        positive = x.relu()
        ctx.save_for_backward(positive)
        with full_precision(x):
            return positive.square()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (positive,) = ctx.saved_tensors
        slope: Tensor = (gradient * positive).mul_(2)
        return slope


class _WithPlacesBefore(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weights: Tensor) -> Tensor:
        ctx.save_for_backward(x, weights)
        y = x.clone()
        for back, weight in enumerate(weights.to(x.dtype), start=1):
            y[:, back:].addcmul_(x[:, :-back], weight)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        x, weights = ctx.saved_tensors
        by_x, by_weights = gradient.clone(), torch.empty_like(weights)
        for back, weight in enumerate(weights.to(x.dtype), start=1):
            later = gradient[:, back:]
            by_x[:, :-back].addcmul_(later, weight)
            by_weights[back - 1] = (later * x[:, :-back]).sum((0, 1), dtype=weights.dtype)
        return by_x, by_weights


class _AttentionParts(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, cosine: Tensor, sine: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        with full_precision(x):
            wide = x.to(torch.promote_types(x.dtype, torch.float32))
            scale = _scale(wide[:, :, :2])
            y = _rotated(wide[:, :, :2], cosine, sine).mul_(scale)
        ctx.save_for_backward(y, scale, cosine, sine)
        ctx.dtype = x.dtype
        return y[:, :, 0], y[:, :, 1], wide[:, :, 2]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        y, scale, cosine, sine = ctx.saved_tensors
        n, places, _, heads, size = y.shape
        found: Tensor = y.new_empty(n, places, 3, heads, size, dtype=ctx.dtype)
        for part in (0, 1):
            across = _along_sphere(gradients[part], y[:, :, part], scale[:, :, part])
            found[:, :, part] = _rotated(across, cosine[:, 0], -sine[:, 0])
        found[:, :, 2] = gradients[2]
        return found, None, None


def _scale(x: Tensor) -> Tensor:
    """Return what makes the mean square of vectors 1, `(..., 1)`."""
    wide = torch.promote_types(x.dtype, torch.float32)
    norms: Tensor = torch.linalg.vector_norm(x, dim=-1, keepdim=True, dtype=wide)
    return norms.square_().div_(x.shape[-1]).add_(_TINY).rsqrt_().to(x.dtype)


def _along_sphere(gradient: Tensor, y: Tensor, scale: Tensor) -> Tensor:
    """Return the gradient by vectors, from the gradient by their normalized form `y`."""
    outward = (gradient * y).sum(-1, keepdim=True).div_(-y.shape[-1])
    return torch.addcmul(gradient, y, outward).mul_(scale)


def _rotated(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    y = torch.empty(x.shape, dtype=x.dtype, device=x.device)
    half = x.shape[-1] // 2
    one, two = x[..., :half], x[..., half:]
    torch.mul(one, cosine, out=y[..., :half]).addcmul_(two, sine, value=-1)
    torch.mul(two, cosine, out=y[..., half:]).addcmul_(one, sine)
    return y
