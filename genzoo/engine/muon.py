"""Muon: steps of hidden matrices along their nearest orthogonal matrix, and AdamW for all other parameters."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw

_QUINTIC = (3.4445, -4.7750, 2.0315)
"""Coefficients of an odd polynomial, by the optimizer's authors.

Applied again and again, it moves numbers from (0, 1] quickly to between 0.7 and 1.2, and no closer to 1. The rest of
the spread of singular values does not slow training.
"""

_ITERATIONS, _ADAM_SIZE, _LEAST = 5, 0.2, 1e-8

_LONG = 8
"""Matrices with one side so many times the other are computed by products of their shorter side alone."""


def orthogonalized(matrices: Tensor, dtype: torch.dtype | None = None) -> Tensor:
    """Return matrices with the same singular vectors and singular values of about 1, by Newton-Schulz iteration.

    Singular values below about a thousandth of the largest are not yet near 1.

    Arguments:
        matrices: matrices of equal shape, `(K, A, B)`.
        dtype: type to compute in. Defaults to the type of the matrices; bfloat16 is exact enough. Matrices with a
            long side are computed in their own type, which is quicker for them.

    References:
        "Muon: An optimizer for hidden layers in neural networks" (Jordan and others, 2024).
    """
    shorter, longer = sorted(matrices.shape[1:])
    if longer >= _LONG * shorter:
        return _orthogonalized_long(matrices)
    a, b, c = _QUINTIC
    x = matrices if dtype is None else matrices.to(dtype)
    x = x.mT if x.shape[1] > x.shape[2] else x  # products of the shorter side are small
    x = x / torch.linalg.matrix_norm(x, keepdim=True).clamp(min=_LEAST)
    for _ in range(_ITERATIONS):
        square = x @ x.mT
        inner = torch.baddbmm(square, square, square, beta=b, alpha=c)
        x = torch.baddbmm(x, inner, x, beta=a)
    x = x.mT if matrices.shape[1] > matrices.shape[2] else x
    return x.to(matrices.dtype)


def _orthogonalized_long(matrices: Tensor) -> Tensor:
    """Return the same as `orthogonalized`: each iteration multiplies by a polynomial of the product of both sides."""
    a, b, c = _QUINTIC
    x = matrices.mT if matrices.shape[1] < matrices.shape[2] else matrices
    square = x.mT @ x
    size = square.diagonal(dim1=1, dim2=2).sum(1).sqrt().clamp(min=_LEAST)[:, None, None]
    square = square / size.square()
    unit = torch.eye(square.shape[1], dtype=x.dtype, device=x.device)
    turn = unit / size
    for _ in range(_ITERATIONS):
        factor = torch.baddbmm(square, square, square, beta=b, alpha=c) + a * unit
        turn, square = factor @ turn, factor @ square @ factor
    x = x @ turn
    return x.mT if matrices.shape[1] < matrices.shape[2] else x


def hidden_matrices(module: nn.Module) -> set[nn.Parameter]:
    """Return the matrices among a module's parameters, without the tables of embeddings."""
    tables = {table for part in module.modules() if isinstance(part, nn.Embedding) for table in part.parameters()}
    return {parameter for parameter in module.parameters() if parameter.ndim == 2 and parameter not in tables}


class Muon(torch.optim.Optimizer):
    """Muon for some matrices, and AdamW for all other parameters.

    The step of a matrix has the size that a step of AdamW usually has, so both share a learning rate and a weight
    decay. Matrices of equal shape are computed at once. torch's own Muon takes matrices only, one at a time.

    Arguments:
        parameters: all parameters.
        matrices: the parameters among them that Muon updates, of two dimensions each.
        lr: learning rate.
        betas: decay rates of the means of gradients, for Muon and AdamW, and of squared gradients, for AdamW.
        weight_decay: decoupled weight decay.
        fused: whether AdamW is fused. Defaults to `None`: torch's choice.
        dtype: type in which matrices are made orthogonal. Defaults to their own.

    References:
        "Muon is Scalable for LLM Training" (Liu and others, 2025), for the size of steps.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        matrices: Iterable[nn.Parameter],
        lr: float,
        betas: tuple[float, float],
        *,
        weight_decay: float = 0.0,
        fused: bool | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(parameters, {"lr": lr, "betas": betas, "weight_decay": weight_decay})
        self._matrices = set(matrices)
        self._fused, self._dtype = fused, dtype

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update all parameters that have a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            ready = [parameter for parameter in group["params"] if parameter.grad is not None]
            by_shape: dict[tuple[Any, ...], list[Tensor]] = {}
            for parameter in ready:
                if parameter in self._matrices:
                    key = (parameter.shape, parameter.dtype, parameter.device)
                    by_shape.setdefault(key, []).append(parameter)
            for matrices in by_shape.values():
                self._turn(matrices, group)
            self._adam([parameter for parameter in ready if parameter not in self._matrices], group)
        return loss

    def _turn(self, matrices: list[Tensor], group: dict[str, Any]) -> None:
        """Update matrices of equal shape."""
        beta, rate = group["betas"][0], group["lr"]
        means = [self._state_of(matrix, "momentum_buffer")["momentum_buffer"] for matrix in matrices]
        gradients = [matrix.grad for matrix in matrices if matrix.grad is not None]
        torch._foreach_lerp_(means, gradients, 1 - beta)
        # Nesterov's momentum: the mean as it would be if the same gradient came once more.
        ahead = torch._foreach_lerp(gradients, means, beta)
        steps = orthogonalized(torch.stack(tuple(ahead)), self._dtype)
        if group["weight_decay"]:
            torch._foreach_mul_(matrices, 1 - rate * group["weight_decay"])
        size = _ADAM_SIZE * math.sqrt(max(matrices[0].shape))
        torch._foreach_add_(matrices, steps.unbind(), alpha=-rate * size)

    def _adam(self, parameters: list[Tensor], group: dict[str, Any]) -> None:
        states = [self._state_of(parameter, "exp_avg", "exp_avg_sq", "step") for parameter in parameters]
        adamw(
            parameters,
            [parameter.grad for parameter in parameters if parameter.grad is not None],
            [state["exp_avg"] for state in states],
            [state["exp_avg_sq"] for state in states],
            [],
            [state["step"] for state in states],
            fused=self._fused,
            amsgrad=False,
            beta1=group["betas"][0],
            beta2=group["betas"][1],
            lr=group["lr"],
            weight_decay=group["weight_decay"],
            eps=_LEAST,
            maximize=False,
        )

    def _state_of(self, parameter: Tensor, *names: str) -> dict[str, Tensor]:
        """Return the state of a parameter, with zeros at first: a number for `step`, else numbers like its own."""
        state: dict[str, Tensor] = self.state[parameter]
        for name in names:
            if name not in state:
                state[name] = torch.zeros_like(parameter)
                if name == "step":  # as torch's AdamW has it: only if fused, it is read on the device
                    state[name] = torch.zeros((), device=parameter.device if self._fused else "cpu")
        return state
