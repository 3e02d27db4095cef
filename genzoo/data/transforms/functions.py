"""Fixed functions of each value: the logarithm, and the log-odds between two bounds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import torch
from torch import Tensor

from genzoo.config.settings import Settings
from genzoo.data.transforms.transform import NumberArray, Transform, summed
from genzoo.errors import DataError
from genzoo.spec.events import DataSpec
from genzoo.wording import Word, argument


class LogTransform(Transform):
    """`y = log x`, for positive numbers."""

    @classmethod
    def outlines(cls, _: Settings, __: DataSpec) -> dict[str, tuple[int, ...]]:
        return {}

    @classmethod
    def fit(cls, _: Settings, data: DataSpec, blocks: Iterable[NumberArray]) -> LogTransform:
        size = len(data.features)
        _check_between(data, blocks, np.zeros(size), np.full(size, np.inf), "log")
        return cls()

    @classmethod
    def restore(cls, _: Settings, __: DataSpec, ___: Mapping[str, Tensor]) -> LogTransform:
        return cls()

    def forward(self, x: Tensor) -> Tensor:
        return torch.where(x <= 0, 1.0, x).log()

    def inverse(self, y: Tensor) -> Tensor:
        return y.exp()

    def log_det(self, x: Tensor, without: Tensor | None = None) -> Tensor:
        return summed(torch.where(x <= 0, -torch.inf, -x.log()), without)


class LogitTransform(Transform):
    """`y = log((x - low) / (high - x))`, for numbers between two bounds.

    Arguments:
        low, high: the bounds in data units, `(C,)`, or `(1,)` for images.
    """

    low: Tensor
    high: Tensor

    def __init__(self, low: Tensor, high: Tensor) -> None:
        super().__init__()
        self.register_buffer("low", low.double())
        self.register_buffer("high", high.double())

    @classmethod
    def outlines(cls, _: Settings, data: DataSpec) -> dict[str, tuple[int, ...]]:
        return dict.fromkeys(("low", "high"), (len(data.features),))

    @classmethod
    def fit(cls, _: Settings, data: DataSpec, blocks: Iterable[NumberArray]) -> LogitTransform:
        ends = data.bounds or (0.0, 1.0)
        low = np.array([ends[0] if feature.low is None else feature.low for feature in data.features])
        high = np.array([ends[1] if feature.high is None else feature.high for feature in data.features])
        for feature, one, two in zip(data.features, low, high, strict=True):
            if not one < two:
                raise DataError(f"Column {feature.name!r} has no room between its bounds {one:g} and {two:g}.")
        _check_between(data, blocks, low, high, "logit")
        return cls(torch.from_numpy(low), torch.from_numpy(high))

    @classmethod
    def restore(cls, _: Settings, data: DataSpec, tensors: Mapping[str, Tensor]) -> LogitTransform:
        low, high = tensors["low"], tensors["high"]
        if any(part.shape != (len(data.features),) for part in (low, high)) or not (low < high).all():
            raise ValueError("bounds that are not two increasing numbers for each column")
        return cls(low, high)

    def forward(self, x: Tensor) -> Tensor:
        low, high = self.low.to(x.dtype), self.high.to(x.dtype)
        inside = torch.where((x <= low) | (x >= high), (low + high) / 2, x)
        return (inside - low).log() - (high - inside).log()

    def inverse(self, y: Tensor) -> Tensor:
        low, high = self.low.to(y.dtype), self.high.to(y.dtype)
        return low + (high - low) * y.sigmoid()

    def log_det(self, x: Tensor, without: Tensor | None = None) -> Tensor:
        low, high = self.low.to(x.dtype), self.high.to(x.dtype)
        slope = (high - low).log() - (x - low).log() - (high - x).log()
        return summed(torch.where((x <= low) | (x >= high), -torch.inf, slope), without)


def _check_between(
    data: DataSpec, blocks: Iterable[NumberArray], low: NumberArray, high: NumberArray, name: str
) -> None:
    """Check that all training values lie strictly between bounds, `(C,)` each.

    Raises:
        DataError: one does not.
    """
    table = data.form.columns
    size = len(data.features)
    outside, example = np.zeros(size, np.int64), np.full(size, np.nan)
    total = 0
    for block in blocks:
        values = np.asarray(block, np.float64)
        values = values if table else values.reshape(-1, 1)
        bad = (values <= low) | (values >= high)
        for place in np.flatnonzero(bad.any(axis=0) & (outside == 0)):
            example[place] = values[bad[:, place], place][0]
        outside += bad.sum(axis=0)
        total += len(values)
    if not outside.any():
        return
    worst = int(outside.argmax())
    feature = data.features[worst]
    who = f"Column {feature.name!r} has" if table else f"The {data.form.events} have"
    wanted = "above 0" if np.isinf(high[worst]) else f"between {low[worst]:g} and {high[worst]:g}, ends excluded"
    cure = argument("transforms", {feature.name: "marginal"}) if table else "another model"
    if name == "logit" and table:
        cure = f"{argument('bounds', Word(f'{feature.name}=LOW..HIGH'))} with wider bounds, or {cure}"
    raise DataError(
        f"{who} {outside[worst]} of {total} training values outside the support of {name}, such as "
        f"{example[worst]:g}; it takes numbers {wanted}. Use {cure}."
    )
