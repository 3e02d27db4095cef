"""Conditions as models see them: one-hot categories and standardized numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from genzoo.data.dataset import Dataset, Rows
from genzoo.errors import ConfigError
from genzoo.spec.events import Feature
from genzoo.typing import Array
from genzoo.wording import shown_given


class ConditionTransform(nn.Module):
    """Maps conditions in data units `(N, K)` to model space `(N, D)`, and draws the categories of training rows.

    Arguments:
        features: the K columns of conditions.
        shift, scale: mean and deviation of numbers, `(K,)`; 0 and 1 for categories.
        combinations: the combinations of categories that training rows have, `(M, categories)` codes. Defaults to
            `None`: no column holds categories.
        counts: how many training rows have each, or their weight, `(M,)`. Defaults to `None`.
    """

    shift: Tensor
    scale: Tensor
    combinations: Tensor
    counts: Tensor

    def __init__(
        self,
        features: Sequence[Feature],
        shift: Tensor,
        scale: Tensor,
        combinations: Tensor | None = None,
        counts: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.features = tuple(features)
        self.register_buffer("shift", shift.double())
        self.register_buffer("scale", scale.double())
        if combinations is not None and counts is not None:
            self.register_buffer("combinations", combinations.long())
            self.register_buffer("counts", counts.double())

    @property
    def categories(self) -> list[int]:
        """Numbers of the columns that hold categories."""
        return categories_of(self.features)

    def forward(self, conditions: Tensor) -> Tensor:
        """Map conditions `(N, K)` in data units to model space, `(N, D)`."""
        numbers = (conditions - self.shift.to(conditions.dtype)) / self.scale.to(conditions.dtype)
        parts = []
        for place, feature in enumerate(self.features):
            if feature.levels is None:
                parts.append(numbers[:, place : place + 1])
            else:
                parts.append(F.one_hot(conditions[:, place].long(), len(feature.levels)).to(conditions.dtype))
        return torch.cat(parts, 1)

    def draw(self, n: int, given: Mapping[int, float]) -> Array:
        """Draw conditions in data units, `(n, K)` float64: categories by their counts in the training rows.

        Arguments:
            given: values that are known, by number of the column. Others are drawn given these.

        Raises:
            ConfigError: a number is not given, or no training row has the given categories.
        """
        conditions = np.empty((n, len(self.features)))
        for place, value in given.items():
            conditions[:, place] = value
        self._check_numbers(given)
        categories = self.categories
        if not set(categories) <= given.keys():
            drawn = self._draw_combinations(n, given)
            for column, place in enumerate(categories):
                conditions[:, place] = drawn[:, column]
        return conditions

    def _check_numbers(self, given: Mapping[int, float]) -> None:
        for place, feature in enumerate(self.features):
            if feature.levels is None and place not in given:
                raise ConfigError(
                    f"The model was trained given the number {feature.name!r}, whose values are not stored with it. "
                    f"Say which to sample under: {shown_given(feature.name, 'NUMBER')}."
                )

    def _draw_combinations(self, n: int, given: Mapping[int, float]) -> Array:
        combinations, counts = self.combinations.cpu().numpy(), self.counts.cpu().numpy()
        fits = np.ones(len(counts), bool)
        for column, place in enumerate(self.categories):
            if place in given:
                fits &= combinations[:, column] == given[place]
        if not fits.any():
            raise ConfigError(
                f"No training row has {self.describe(given)}, so the other conditions cannot be drawn. Give all."
            )
        sums = counts[fits].cumsum()
        chosen = np.searchsorted(sums, torch.rand(n, dtype=torch.float64).numpy() * sums[-1], side="right")
        return np.asarray(combinations[fits][chosen.clip(0, len(sums) - 1)])

    def usual(self) -> dict[int, float]:
        """Return the combination of categories that most training rows have, and numbers at their mean, by column."""
        found = {place: float(value) for place, value in enumerate(self.shift) if self.features[place].levels is None}
        categories = self.categories
        if categories:
            most = self.combinations[int(self.counts.argmax())].tolist()
            found |= dict(zip(categories, map(float, most), strict=True))
        return found

    def describe(self, given: Mapping[int, float]) -> str:
        """Return conditions in words, such as `species=setosa`."""
        return ", ".join(f"{self.features[place].name}={self._shown(place, value)}" for place, value in given.items())

    def _shown(self, place: int, value: float) -> str:
        levels = self.features[place].levels
        return f"{value:g}" if levels is None else levels[int(value)]


def categories_of(features: Sequence[Feature]) -> list[int]:
    """Return the numbers of the features that hold categories."""
    return [place for place, feature in enumerate(features) if feature.levels is not None]


def most_combinations(features: Sequence[Feature]) -> int:
    """Return how many combinations of categories are possible."""
    return math.prod(len(features[place].levels or ()) for place in categories_of(features))


def condition_tensors(transform: ConditionTransform | None) -> dict[str, Tensor]:
    """Return the tensors to store of a transform, `condition.*`; none if there is no transform."""
    return {} if transform is None else {f"condition.{name}": value for name, value in transform.state_dict().items()}


def fit_condition(dataset: Dataset, rows: Rows) -> ConditionTransform | None:
    """Fit the transform of a dataset's conditions on its training rows; `None` if it has no conditions."""
    if dataset.conditions is None:
        return None
    features = dataset.spec.condition
    values = np.asarray(dataset.conditions[rows], np.float64)
    weights = np.ones(len(rows)) if dataset.weights is None else dataset.weights[rows]
    categories = categories_of(features)
    mean = np.average(values, axis=0, weights=weights)
    deviation = np.sqrt(np.average((values - mean) ** 2, axis=0, weights=weights))
    # A number that never changes stays as it is: it can be learned given, but says nothing.
    deviation[deviation == 0] = 1.0
    mean[categories], deviation[categories] = 0.0, 1.0
    shift, scale = torch.from_numpy(mean), torch.from_numpy(deviation)
    if not categories:
        return ConditionTransform(features, shift, scale)
    codes = values[:, categories].astype(np.int64)
    combinations, place = np.unique(codes, axis=0, return_inverse=True)
    counts = np.bincount(place.reshape(-1), weights=weights, minlength=len(combinations))
    seen = counts > 0
    return ConditionTransform(
        features, shift, scale, torch.from_numpy(combinations[seen]), torch.from_numpy(counts[seen])
    )
