"""Score a table block by block: each block on its own, by a pure function, and then all of them together.

The scores of a row are the ones that it has in a table that is scored whole, bit for bit.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from genzoo.data.columns.unseen import NAMED, unseen_levels
from genzoo.data.dataset import Dataset, Rows
from genzoo.errors import ConfigError
from genzoo.inference.description.contributions import no_contributions
from genzoo.inference.row_likelihoods import ScoreName, is_estimate, kind_of, meaning_of, score_of, uncovered
from genzoo.inference.rows.scores import ExplainedRow, ScoreSummary
from genzoo.inference.rows.scoring import (
    Scored,
    count_explained,
    explained_rows,
    score_values,
    threshold_of,
)
from genzoo.inference.rows.threshold import Threshold
from genzoo.typing import Array


@dataclass(frozen=True, slots=True)
class Worst:
    """The least likely rows so far, the least likely first.

    Arguments:
        rows: their numbers in the whole table, `(n,)`.
        ranks: their scores, low for unusual rows, `(n,)`.
        dataset: the rows.
        unseen: levels that no training row has, by number in the whole table.
        kept: columns to copy to a result.
    """

    rows: Rows
    ranks: Array
    dataset: Dataset
    unseen: Mapping[int, str]
    kept: pa.Table

    def taken(self, places: Rows) -> Worst:
        """Return some of the rows, in the order of `places`."""
        given = self.dataset
        numbers = {int(place): new for new, place in enumerate(places)}
        chosen = dataclasses.replace(
            given,
            events=np.asarray(given.events[places]),
            conditions=None if given.conditions is None else given.conditions[places],
            unknown={numbers[place]: text for place, text in given.unknown.items() if place in numbers},
            labels=None,
        )
        rows = self.rows[places]
        unseen = {row: self.unseen[row] for row in map(int, rows) if row in self.unseen}
        return Worst(rows, self.ranks[places], chosen, unseen, self.kept.take(pa.array(places)))

    def lowest(self, count: int) -> Worst:
        """Return the `count` least likely rows; of equal ones, those that come first."""
        known = np.flatnonzero(~np.isnan(self.ranks))
        if len(known) > 4 * count:  # sorting all rows of a block takes longer than this
            limit = np.partition(self.ranks[known], count)[count]
            known = known[self.ranks[known] <= limit]
        return self.taken(known[np.argsort(self.ranks[known], kind="stable")[:count]])

    def with_later(self, other: Worst, count: int) -> Worst:
        """Return the `count` least likely of these rows and of later ones."""
        first, later = self.dataset, other.dataset
        shifted = {len(first) + place: text for place, text in later.unknown.items()}
        both = dataclasses.replace(
            first,
            events=np.concatenate([first.events, later.events]),
            conditions=None
            if first.conditions is None or later.conditions is None
            else np.concatenate([first.conditions, later.conditions]),
            unknown={**first.unknown, **shifted},
        )
        return Worst(
            np.concatenate([self.rows, other.rows]),
            np.concatenate([self.ranks, other.ranks]),
            both,
            {**self.unseen, **other.unseen},
            pa.concat_tables([self.kept, other.kept], promote_options="permissive"),
        ).lowest(count)


@dataclass(frozen=True, slots=True)
class BlockScores:
    """Scores of a block of rows.

    Arguments:
        table: its kept columns, scores, and the levels that no training row has, a row for each.
        rows: number of rows.
        total: sum of the scores of rows that have a value.
        unobserved, impossible, uncovered: numbers of such rows in the whole table.
        count_flagged, count_unseen: numbers of flagged rows, and of rows with unseen levels.
        unseen: the first of these levels, by row in the whole table.
        worst: the least likely rows.
    """

    table: pa.Table
    rows: int
    total: float
    unobserved: Rows
    impossible: Rows
    uncovered: Rows
    count_flagged: int
    count_unseen: int
    unseen: Mapping[int, str]
    worst: Worst


@dataclass(frozen=True, slots=True)
class BlockScorer:
    """Scores blocks of rows. What it finds for one depends on nothing but that block.

    Arguments:
        fitted: the model.
        threshold: what rows are flagged by, or `None`.
        explained: number of least likely rows to explain.
    """

    fitted: Scored
    threshold: Threshold | None
    explained: int

    @staticmethod
    def of(fitted: Scored, quantile: float | None, explained: int) -> BlockScorer | None:
        """Return a scorer; `None` if the rows have to be scored together, as estimates and texts are.

        Raises:
            ConfigError: the model has no scores, or no stored scores of held-out rows.
        """
        if score_of(fitted) is None:
            raise ConfigError(
                f"Model {fitted.model!r} cannot do this: it has neither a 'likelihood' nor an 'anomaly-score'."
            )
        if is_estimate(kind_of(fitted)) or fitted.data.form.ended:
            return None
        return BlockScorer(fitted, None if quantile is None else threshold_of(fitted, quantile), explained)

    @property
    def name(self) -> ScoreName:
        """What the scores are."""
        name = score_of(self.fitted)
        assert name is not None
        return name

    @property
    def most(self) -> int:
        """Largest number of rows that may be explained."""
        return self.explained if self.threshold is None else count_explained(self.fitted, self.explained, 2**62)

    def __call__(self, dataset: Dataset, kept: pa.Table, first: int) -> BlockScores:
        """Score a block.

        Arguments:
            kept: columns to copy to the result.
            first: number of the first row, as for `log_likelihoods`.

        Raises:
            DataError: the rows do not match the model's training data.
        """
        values = score_values(self.fitted, dataset, first)
        rows = np.arange(len(values))
        unseen = unseen_levels(self.fitted.data, dataset, rows)
        gone = np.isnan(values)
        table = kept.append_column(self.name, pa.array(values, from_pandas=True))
        ranks = -values if self.name == "anomaly_score" else values
        worst = Worst(first + rows, ranks, dataset, {first + row: text for row, text in unseen.items()}, kept)
        return BlockScores(
            table.append_column("unseen", _sparse(unseen, len(values))),
            len(values),
            float(values[~gone].sum()),
            first + np.flatnonzero(gone),
            first + np.flatnonzero(np.isinf(values)),
            first + uncovered(self.fitted, dataset, rows),
            0 if self.threshold is None else int(self.threshold.flags(values).sum()),
            len(unseen),
            dict(itertools.islice(worst.unseen.items(), NAMED)),
            worst.lowest(self.most),
        )


@dataclass(slots=True)
class ScoreTally:
    """What the scores of blocks say together. Blocks are added in their order.

    Arguments:
        scorer: what scored them.
    """

    scorer: BlockScorer
    rows: int = 0
    count_flagged: int = 0
    count_unseen: int = 0
    _totals: list[float] = field(default_factory=list)
    _row_lists: tuple[list[Rows], list[Rows], list[Rows]] = field(default_factory=lambda: ([], [], []))
    _unseen: dict[int, str] = field(default_factory=dict)
    _worst: Worst | None = None

    def add(self, block: BlockScores) -> None:
        """Add the next block."""
        self.rows += block.rows
        self.count_flagged += block.count_flagged
        self.count_unseen += block.count_unseen
        self._totals.append(block.total)
        for known, new in zip(self._row_lists, (block.unobserved, block.impossible, block.uncovered), strict=True):
            known.append(new)
        if len(self._unseen) < NAMED:
            self._unseen |= block.unseen
        worst = block.worst
        self._worst = worst if self._worst is None else self._worst.with_later(worst, self.scorer.most)

    def finish(self) -> StreamedScores:
        """Explain the least likely rows, and return what there is to say of all rows. There was at least one block."""
        scorer, fitted = self.scorer, self.scorer.fitted
        unobserved, impossible, outside = (np.concatenate(rows) for rows in self._row_lists)
        count = self.rows - len(unobserved)
        assert self._worst is not None
        most = count_explained(fitted, scorer.explained, self.count_flagged)
        worst = self._worst.taken(np.arange(min(most, len(self._worst.rows))))
        summary = ScoreSummary(
            scorer.name,
            self.rows,
            meaning_of(fitted, fitted.bound_draws),
            math.fsum(self._totals) / count if count else None,
            None,
            scorer.threshold,
            None if scorer.threshold is None else self.count_flagged,
            impossible,
            outside,
            unobserved,
            self._unseen,
            self.count_unseen,
            _explained(scorer, worst),
            no_contributions(fitted),
        )
        return StreamedScores(summary, worst.kept)


def _sparse(texts: Mapping[int, str | None], count: int) -> pa.Array:
    """Return a column of `count` texts, most of them null."""
    if not texts:
        return pa.nulls(count, pa.string())
    column = np.full(count, None, object)
    column[list(texts)] = list(texts.values())
    return pa.array(column, pa.string())


def _explained(scorer: BlockScorer, worst: Worst) -> tuple[ExplainedRow, ...]:
    """Return rows with the columns that make them unlikely, by their numbers in the whole table."""
    values = -worst.ranks if scorer.name == "anomaly_score" else worst.ranks
    unseen = {place: worst.unseen[row] for place, row in enumerate(map(int, worst.rows)) if row in worst.unseen}
    found = explained_rows(scorer.fitted, worst.dataset, values, unseen, len(worst.rows))
    return tuple(dataclasses.replace(one, row=int(worst.rows[one.row])) for one in found)


@dataclass(frozen=True, slots=True)
class StreamedScores:
    """Scores of the rows of a large table.

    Arguments:
        summary: what there is to say of all rows together.
        kept: columns that were copied, of the rows in `summary.unlikely`.
    """

    summary: ScoreSummary
    kept: pa.Table

    def completed(self, table: pa.Table, first: int) -> pa.Table:
        """Return scores of a block as they are written: with numbers of rows, flags and explanations.

        Arguments:
            table: `table` of its `BlockScores`.
            first: number of its first row.
        """
        known, count = self.summary, table.num_rows
        found = table.drop_columns("unseen").add_column(0, "row", pa.array(np.arange(first, first + count)))
        if known.threshold is not None:
            flags = known.threshold.flags(table.column(known.name).to_numpy())
            found = found.append_column("flagged", pa.array(flags))
        if known.unexplained is None and known.unlikely:
            near = {one.row - first: one.because for one in known.unlikely if first <= one.row < first + count}
            found = found.append_column("because", _sparse(near, count))
        return found.append_column("unseen", table.column("unseen")) if known.count_unseen else found
