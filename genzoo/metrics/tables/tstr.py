"""Train on synthetic rows, test on real ones: what samples are good for, for a named target.

The same classifier, or regression for a number, is trained twice to predict the target from the other columns: on
samples, and on the rows that the model was trained on, which are as many. Both predict the held-out rows. The score is
the ratio of the first result to the second. Copies of training rows have a ratio of 1, so the score stands only beside
`memorization`.

References:
    "Real-Valued (Medical) Time Series Generation with Recurrent Conditional GANs" (Esteban et al., 2017).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from genzoo.errors import DataError
from genzoo.metrics.halves.half_samples import Flags, HalfSpread, random_halves
from genzoo.metrics.metric import Direction, Metric, MetricInput, Need, Score, check_events
from genzoo.spec.events import Feature
from genzoo.spec.modality import Modality
from genzoo.typing import Array

_LEAST = 20

_MOST_LEVELS = 100
"""Largest number of levels of a target: each adds a tree to every step."""

_SURE = 2.0
"""Number of standard errors by which a prediction must be better than chance."""

_MOST_CATEGORIES = 255
"""Largest number of levels of a column that trees can split in any way; codes of others are numbers."""

_TREES: Mapping[str, Any] = {
    "max_iter": 100,
    "learning_rate": 0.1,
    "max_leaf_nodes": 31,
    "min_samples_leaf": 20,
    "early_stopping": False,
    "random_state": 0,
}

_STATED = "100 steps of trees with at most 31 leaves of at least 20 rows, learning rate 0.1"


class TrainOnSynthetic(Metric):
    """Ratio of a result after training on samples to the result after training on the real training rows.

    The result is the macro F1 of a classifier, or R² for a number; both are parts of the score. The standard error is
    over the held-out rows, for the two predictors as they were trained.
    """

    name = "tstr"
    direction: Direction = "higher"
    needs: frozenset[Need] = frozenset({"target"})
    modalities: tuple[Modality, ...] = ("table",)
    weighted = True
    beside = ("memorization",)

    def score(self, given: MetricInput) -> Score:
        target, train, synthetic, test = _tables(given)
        predictor = _Numbers(target) if target.feature.levels is None else _Levels(target)
        predictor.check(train, test)
        real_guess = predictor.trained(train, given.train_weights, test)
        guess = predictor.trained(synthetic, None, test)
        truth, weights = test[:, target.place], given.weights_of_real
        real = _better_than_chance(predictor, truth, real_guess, weights, given.seed)
        value = predictor.result(truth, guess, weights)

        def gap(rows: Flags) -> float:
            """Return a difference whose spread is the spread of the ratio times `real`; no half divides by 0."""
            one, other = (predictor.result(truth[rows], own[rows], weights[rows]) for own in (guess, real_guess))
            return one - value / real * other

        spread = _spread(gap, len(truth), given.seed)
        return Score(
            self.name,
            value / real,
            self.direction,
            spread.error / real,
            {"figure": predictor.figure, "classifier": predictor.stated},
            parts={"synthetic": value, "real": real},
            shared=tuple(part / real for part in spread.shared),
        )


@dataclass(frozen=True, slots=True)
class Target:
    """The column to predict.

    Arguments:
        place: its number among the columns, with the conditions at the end.
        features: all of these columns.
    """

    place: int
    features: tuple[Feature, ...]

    @property
    def feature(self) -> Feature:
        """The column itself."""
        return self.features[self.place]

    def others(self, table: Array) -> Array:
        """Return the columns to predict from."""
        return np.delete(table, self.place, axis=1)

    def categories(self) -> Array:
        """Return which of the other columns are categories to the trees."""
        return np.array(
            [
                feature.levels is not None and len(feature.levels) <= _MOST_CATEGORIES
                for place, feature in enumerate(self.features)
                if place != self.place
            ]
        )


def _tables(given: MetricInput) -> tuple[Target, Array, Array, Array]:
    """Return the target, and the training, synthetic and held-out rows with their conditions, `(N, C + K)`.

    Raises:
        DataError: there are too few rows, numbers are not finite, or there is no other column.
    """
    assert given.data is not None
    features = (*given.data.features, *given.data.condition)
    place = next(place for place, feature in enumerate(features) if feature.name == given.target)
    tables = []
    for name, events, conditions in (
        ("training events", given.train, given.train_conditions),
        ("samples", given.synthetic, given.train_conditions),
        ("real events", given.real, given.conditions),
    ):
        assert events is not None
        table = np.asarray(events, np.float64)
        tables.append(table if conditions is None else np.concatenate([table, conditions], axis=1))
        check_events(name, tables[-1], _LEAST)
    if len(features) == 1:
        raise DataError(f"There is no other column to predict {given.target!r} from.")
    train, synthetic, test = tables
    return Target(place, features), train, synthetic, test


class _Predictor(ABC):
    """How a target is predicted.

    Arguments:
        figure: name of the result.
        stated: the predictor, as protocols state it.
    """

    figure: str
    stated: str

    def __init__(self, target: Target) -> None:
        self.target = target

    @abstractmethod
    def check(self, train: Array, test: Array) -> None:
        """Check that there is something to predict.

        Raises:
            DataError: there is not.
        """

    @abstractmethod
    def trained(self, table: Array, weights: Array | None, test: Array) -> Array:
        """Train on the rows of a table, and predict the target of others, `(N,)`."""

    @abstractmethod
    def result(self, truth: Array, guess: Array, weights: Array) -> float:
        """Return how good a prediction is."""

    @abstractmethod
    def chance(self, truth: Array, guess: Array, weights: Array) -> float:
        """Return how good the same prediction would be for rows in a random order."""


class _Levels(_Predictor):
    figure = "macro F1"
    stated = f"HistGradientBoostingClassifier of scikit-learn: {_STATED}"

    def check(self, train: Array, test: Array) -> None:
        name = self.target.feature.name
        for where, table in (("training", train), ("held-out", test)):
            if len(np.unique(table[:, self.target.place])) < 2:
                raise DataError(f"All {where} rows have the same {name!r}, so there is nothing to predict.")
        count = len(np.unique(train[:, self.target.place]))
        if count > _MOST_LEVELS:
            raise DataError(f"The target {name!r} has {count} levels, and at most {_MOST_LEVELS} can be predicted.")

    def trained(self, table: Array, weights: Array | None, test: Array) -> Array:
        from sklearn.ensemble import HistGradientBoostingClassifier  # heavy, and only this metric needs it

        codes = table[:, self.target.place].astype(np.int64)
        if (codes == codes[0]).all():  # a model may have lost the other levels
            return np.full(len(test), float(codes[0]))
        trees = HistGradientBoostingClassifier(**_TREES, categorical_features=self.target.categories())
        trees.fit(self.target.others(table), codes, weights)
        return np.asarray(trees.predict(self.target.others(test)), np.float64)

    def result(self, truth: Array, guess: Array, weights: Array) -> float:
        """Return the mean F1 over the levels that the held-out rows have."""
        assert self.target.feature.levels is not None
        count = len(self.target.feature.levels)
        own, theirs = (np.bincount(codes.astype(np.int64), weights, count) for codes in (truth, guess))
        right = np.bincount(truth.astype(np.int64), weights * (truth == guess), count)
        there = own > 0
        return float((2 * right[there] / (own + theirs)[there]).mean())

    def chance(self, truth: Array, guess: Array, weights: Array) -> float:
        assert self.target.feature.levels is not None
        count = len(self.target.feature.levels)
        own, theirs = (np.bincount(codes.astype(np.int64), weights, count) / weights.sum() for codes in (truth, guess))
        there = own > 0
        return float((2 * (own * theirs)[there] / (own + theirs)[there]).mean())


class _Numbers(_Predictor):
    figure = "R²"
    stated = f"HistGradientBoostingRegressor of scikit-learn: {_STATED}"

    def check(self, train: Array, test: Array) -> None:
        for where, table in (("training", train), ("held-out", test)):
            if not np.ptp(table[:, self.target.place]) > 0:
                raise DataError(
                    f"All {where} rows have the same {self.target.feature.name!r}, so there is nothing to predict."
                )

    def trained(self, table: Array, weights: Array | None, test: Array) -> Array:
        from sklearn.ensemble import HistGradientBoostingRegressor  # heavy, and only this metric needs it

        trees = HistGradientBoostingRegressor(**_TREES, categorical_features=self.target.categories())
        trees.fit(self.target.others(table), table[:, self.target.place], weights)
        return np.asarray(trees.predict(self.target.others(test)), np.float64)

    def result(self, truth: Array, guess: Array, weights: Array) -> float:
        """Return R², the explained share of the variance of the held-out rows."""
        w = weights / weights.sum()
        rest = w @ (truth - guess) ** 2
        whole = w @ (truth - w @ truth) ** 2
        return float(1 - rest / whole) if whole > 0 else 0.0

    def chance(self, truth: Array, guess: Array, weights: Array) -> float:
        return 0.0


def _better_than_chance(predictor: _Predictor, truth: Array, guess: Array, weights: Array, seed: int) -> float:
    """Return the result of a prediction.

    Raises:
        DataError: it is no better than chance; a ratio to it would be 1 for samples that are worth nothing.
    """
    found, chance = predictor.result(truth, guess, weights), predictor.chance(truth, guess, weights)
    spread = _spread(lambda rows: predictor.result(truth[rows], guess[rows], weights[rows]), len(truth), seed)
    if found - chance > _SURE * spread.error:
        return found
    raise DataError(
        f"Even after training on the real rows, the other columns do not predict {predictor.target.feature.name!r} "
        f"better than chance: {predictor.figure} is {found:.2g} ± {spread.error:.2g}, and {chance:.2g} by chance."
    )


def _spread(statistic: Callable[[Flags], float], count: int, seed: int) -> HalfSpread:
    """Return the spread of a statistic of held-out rows, which takes the rows of a half, `(N,)`."""
    halves = random_halves(count, seed, 0)
    first, second = np.array([(statistic(half), statistic(~half)) for half in halves]).T
    return HalfSpread.of(first, second)


tstr = TrainOnSynthetic()
