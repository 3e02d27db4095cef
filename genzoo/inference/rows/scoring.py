"""Score rows, flag unusual ones and say which columns make them so."""

from __future__ import annotations

import numbers
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, Protocol

import numpy as np

from genzoo.config.counts import check_count
from genzoo.data.columns.unseen import unseen_levels
from genzoo.data.dataset import Conditioned, Dataset, ModelEvents
from genzoo.errors import ConfigError
from genzoo.inference.data_units import DataUnits
from genzoo.inference.description.contributions import no_contributions, unlikely_rows, usual_count
from genzoo.inference.description.figures import Contribution
from genzoo.inference.row_likelihoods import (
    Scorable,
    estimate_kind,
    estimates,
    is_estimate,
    kind_of,
    meaning_of,
    row_scores,
    score_of,
    uncovered,
)
from genzoo.inference.rows.scores import ExplainedRow, ScoreResult
from genzoo.inference.rows.threshold import Calibration, Threshold, conformal_threshold
from genzoo.inference.texts.lines import per_byte, rate_name, unlikely_texts
from genzoo.inference.usable import impossible
from genzoo.models.measure import measures_of
from genzoo.typing import Array
from genzoo.wording import argument

EXPLAINED = 10
"""Default number of least likely rows that are explained."""

_MOST_FLAGGED = 1_000
"""Largest number of flagged rows that are explained, if leaving out a column is cheap."""

_COLUMNS = 3
"""Largest number of columns that are named for a row."""

_STANDS_OUT, _SHARE = 1.0, 0.25
"""Smallest surprise of a column that is named, in nats of a likelihood, and as a share of the row's largest one."""


class Scored(Scorable, Protocol):
    """What `score` and `cluster` need of a trained model; `TrainedModel` has it all."""

    @property
    def validation_scores(self) -> Array | None: ...
    @property
    def calibration(self) -> Calibration: ...
    @property
    def bound_draws(self) -> int: ...
    @property
    def units(self) -> DataUnits: ...
    def log_posterior(self, x: ModelEvents) -> Array: ...
    def sample(self, n: int, *, seed: int = 0, output: Literal["array"], condition: Any = None) -> Array: ...


def score(
    fitted: Scored,
    dataset: Dataset,
    quantile: float | None = None,
    explained: int = EXPLAINED,
    *,
    estimate: bool = False,
) -> ScoreResult:
    """Compute the log-likelihood of every row; for a model without a likelihood, its anomaly score.

    Arguments:
        quantile: flag at most this share of new rows, by the scores of held-out rows that are stored with the model.
            Defaults to `None`: no row is flagged.
        explained: number of least likely rows to explain. If the model leaves out columns at little cost, flagged rows
            are explained, too.
        estimate: whether to estimate log-likelihoods, even if the model has a bound. Defaults to false.

    Raises:
        ConfigError: the model has neither, or no stored scores of held-out rows; or `explained` is negative.
        DataError: the rows do not match the model's training data.
    """
    name = score_of(fitted)
    if name is None:
        raise ConfigError(
            f"Model {fitted.model!r} cannot do this: it has neither a 'likelihood' nor an 'anomaly-score'."
        )
    check_count("explained", explained, 0)
    if estimate or is_estimate(kind_of(fitted)):
        return _estimated(fitted, dataset, quantile, explained)
    threshold = None if quantile is None else threshold_of(fitted, quantile)
    rows = np.arange(len(dataset))
    if not len(rows):
        return _of_no_rows(fitted, dataset, threshold, explained)
    values = score_values(fitted, dataset)
    unseen = unseen_levels(fitted.data, dataset, rows)
    flagged = 0 if threshold is None else int(threshold.flags(values).sum())
    most = count_explained(fitted, explained, flagged)
    result = ScoreResult(
        name,
        values,
        meaning_of(fitted, fitted.bound_draws),
        threshold,
        uncovered(fitted, dataset, rows),
        dataset.weights,
        unseen,
        () if fitted.data.form.ended else explained_rows(fitted, dataset, values, unseen, most),
        no_contributions(fitted),
    )
    return _of_texts(fitted, dataset, result, explained) if fitted.data.form.ended else result


def _estimated(fitted: Scored, dataset: Dataset, quantile: float | None, explained: int) -> ScoreResult:
    """Return estimates of the log-likelihoods of rows.

    Raises:
        ConfigError: the model has none for such data, or its stored scores are no estimates.
    """
    if "likelihood-estimate" not in fitted.capabilities:
        raise ConfigError(
            f"Model {fitted.model!r} has no estimate of the likelihood of such data. Leave out "
            f"{argument('estimate', True)}."
        )
    if quantile is not None and not is_estimate(kind_of(fitted)):
        raise ConfigError(
            f"The stored scores of held-out rows are of another kind than estimates. Leave out "
            f"{argument('threshold')} or {argument('estimate', True)}."
        )
    threshold = None if quantile is None else threshold_of(fitted, quantile)
    rows = np.arange(len(dataset))
    values, errors = estimates(fitted, dataset, rows, seed=0)
    values[impossible(values) & ~np.isnan(values)] = -np.inf
    values[list(dataset.unknown)] = -np.inf
    unseen = unseen_levels(fitted.data, dataset, rows)
    known = np.flatnonzero(~np.isnan(values))
    lowest = known[np.argsort(values[known], kind="stable")[:explained]]
    return ScoreResult(
        "log_likelihood",
        values,
        estimate_kind(fitted),
        threshold,
        rows[:0],
        dataset.weights,
        unseen,
        tuple(ExplainedRow(int(row), float(values[row]), (), unseen.get(int(row))) for row in lowest),
        "estimates take too long to leave out columns",
        errors=errors,
    )


def _of_texts(fitted: Scored, dataset: Dataset, result: ScoreResult, most: int) -> ScoreResult:
    """Return scores of texts with their rates, and the `most` unlikely texts, by their rates if they have any."""
    rates = None if result.name == "anomaly_score" else per_byte(result.values, dataset)
    ranks = result.values if rates is None else rates
    highest = np.argsort(-ranks, kind="stable")[:most].tolist()
    texts = unlikely_texts(fitted.units, dataset, highest, rates)
    unlikely = [
        ExplainedRow(row, float(result.values[row]), text=text) for row, text in zip(highest, texts, strict=True)
    ]
    known = "autoregressive" in fitted.capabilities
    return replace(
        result,
        unlikely=tuple(unlikely),
        unexplained=None if known else "the model does not know the probability of each symbol",
        per_byte=rates,
        rate=rate_name(fitted.data),
    )


def _of_no_rows(fitted: Scored, dataset: Dataset, threshold: Threshold | None, explained: int) -> ScoreResult:
    """Return the scores of no rows, with the columns that scores of rows have."""
    name, none = score_of(fitted), np.empty(0)
    assert name is not None
    meaning = meaning_of(fitted, fitted.bound_draws)
    unexplained = no_contributions(fitted) if explained else "explanations of 0 rows were asked for"
    rows = np.empty(0, np.int64)
    result = ScoreResult(name, none, meaning, threshold, rows, dataset.weights, unexplained=unexplained)
    return _of_texts(fitted, dataset, result, explained) if fitted.data.form.ended else result


def score_values(fitted: Scored, dataset: Dataset, first: int = 0) -> Array:
    """Return the score of each row, `(N,)`: infinite if it is impossible, NaN if all its values are missing.

    Arguments:
        first: number of the first row, if the rows are a part of more; a multiple of `BLOCK`. Defaults to 0.
    """
    above = score_of(fitted) == "anomaly_score"
    values = row_scores(fitted, dataset, np.arange(len(dataset)), seed=0, draws=fitted.bound_draws, first=first)
    worst = np.inf if above else -np.inf
    values[impossible(-values if above else values) & ~np.isnan(values)] = worst
    values[list(dataset.unknown)] = worst
    return values


def count_explained(fitted: Scored, explained: int, flagged: int) -> int:
    """Return the number of rows to explain: flagged rows, too, if the model leaves out columns at little cost.

    Arguments:
        explained: number of rows that were asked for.
        flagged: number of flagged rows.
    """
    cheap = fitted.leaves_out and "likelihood" in fitted.capabilities
    return max(explained, min(flagged, _MOST_FLAGGED)) if explained and cheap else explained


def explained_rows(
    fitted: Scored, dataset: Dataset, values: Array, unseen: Mapping[int, str], most: int
) -> tuple[ExplainedRow, ...]:
    """Return the `most` least likely rows with the columns that make them so."""
    usual = -values if score_of(fitted) == "anomaly_score" else values
    known = np.flatnonzero(~np.isnan(usual))
    lowest = known[np.argsort(usual[known], kind="stable")[:most]]
    columns: dict[int, tuple[Contribution, ...]] = {}
    plain = [int(row) for row in lowest if int(row) not in dataset.unknown]  # unknown categories have a stand-in's code
    if plain and no_contributions(fitted) is None:
        chosen = np.full(len(usual), np.nan)
        chosen[plain] = usual[plain]
        events = dataset.events
        given = events if dataset.conditions is None else Conditioned(events, dataset.conditions)
        measures = measures_of(fitted.generator, fitted.data)
        found = unlikely_rows(fitted, given, chosen, len(plain), measures, 0, _typical(fitted))
        least = 0.0 if score_of(fitted) == "anomaly_score" else _STANDS_OUT
        columns = {row.row: _standing_out(row.contributions, least) for row in found}
    return tuple(
        ExplainedRow(int(row), float(values[row]), columns.get(int(row), ()), unseen.get(int(row))) for row in lowest
    )


def _typical(fitted: Scored) -> ModelEvents:
    """Return samples of the model: rows to score may all be unusual, or a single one."""
    count = usual_count(fitted)
    conditions = fitted.units.usual_conditions(count)
    samples = np.asarray(fitted.sample(count, seed=0, output="array", condition=conditions), np.float64)
    finite = np.isfinite(samples).all(axis=1)
    return samples[finite] if conditions is None else Conditioned(samples, conditions)[finite]


def _standing_out(contributions: Sequence[Contribution], least: float) -> tuple[Contribution, ...]:
    """Return the contributions that make a row unlikely, of all in the order of their surprise.

    Arguments:
        least: smallest surprise.
    """
    if not contributions:
        return ()
    limit = max(least, _SHARE * contributions[0].surprise)
    return tuple(one for one in contributions[:_COLUMNS] if one.surprise > 0 and one.surprise >= limit)


def threshold_of(fitted: Scored, quantile: float) -> Threshold:
    """Return the score beyond which at most a share `quantile` of new rows lie, by the stored scores of held-out rows.

    Raises:
        ConfigError: it is no share, or the model has no such scores.
    """
    if isinstance(quantile, bool) or not isinstance(quantile, numbers.Real) or not 0 < quantile < 1:
        raise ConfigError(f"A threshold of {quantile!r} is not a share. Use a number between 0 and 1, such as 0.01.")
    if fitted.validation_scores is None:
        raise ConfigError(
            f"A threshold needs scores of rows that were held out, and this {fitted.model!r} model has none stored. "
            f"Train it with validation rows ({argument('split.validation', 0.15)}), or compare models with "
            f"{argument('folds', 5)}."
        )
    above = score_of(fitted) == "anomaly_score"
    return conformal_threshold(fitted.validation_scores, quantile, fitted.calibration, above=above)
