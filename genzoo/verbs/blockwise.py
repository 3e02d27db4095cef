"""Ask a model about a table block by block: in this process, or in parts on the workers of a Dask cluster.

An answer for a block depends on nothing but the model, the settings and the rows of that block. So the answers are the
same wherever they are computed, on the same kind of CPU with as many threads.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, Protocol

import pyarrow as pa

from genzoo.config.data import DataSettings
from genzoo.data.align import filled_table
from genzoo.data.loading import anchor
from genzoo.data.streams.rows import RowBlock, RowBlocks, open_blocks
from genzoo.errors import DataError
from genzoo.inference.rows.streamed import BlockScorer, BlockScores
from genzoo.inference.texts.prompts import Watch
from genzoo.inference.trained_model import TrainedModel
from genzoo.metrics import evaluate as by_row
from genzoo.plugins.manager import get_registry
from genzoo.runtime.progress import Phase
from genzoo.typing import Array
from genzoo.verbs.filling import Filled, filled_events
from genzoo.verbs.on_cluster import AnswerT, OnCluster, answers_on_cluster

_BLOCKS = 16
"""Blocks of a part of the table that a worker answers for at a time."""


class AboutBlock(Protocol[AnswerT]):
    """What a model is asked about a block of rows. It has a hash, and can be sent to other processes."""

    def answer(self, fitted: TrainedModel, block: RowBlock) -> AnswerT: ...


@dataclass(frozen=True, slots=True)
class ScoreBlock:
    """Ask for scores. `BlockScorer.of` explains the arguments."""

    quantile: float | None
    explained: int

    def answer(self, fitted: TrainedModel, block: RowBlock) -> BlockScores:
        scorer = BlockScorer.of(fitted, self.quantile, self.explained)
        assert scorer is not None
        return scorer(block.dataset, block.kept, block.first)


@dataclass(frozen=True, slots=True)
class EmbedBlock:
    """Ask for latent vectors."""

    def answer(self, fitted: TrainedModel, block: RowBlock) -> Array:
        return by_row.embed(fitted, block.dataset)


@dataclass(frozen=True, slots=True)
class FillBlock:
    """Ask for rows without missing values.

    Arguments:
        settings: how the table is read, as JSON.
        draw, seed: as for `impute`.
        as_written: as for `filled_table`.
    """

    settings: str
    draw: bool
    seed: int
    as_written: bool

    def answer(self, fitted: TrainedModel, block: RowBlock) -> tuple[pa.Table, Filled]:
        settings = DataSettings.model_validate_json(self.settings)
        events = filled_events(fitted, block.dataset, draw=self.draw, seed=self.seed, first=block.first)
        table = filled_table(block.source, settings, fitted.data, events, as_written=self.as_written)
        return table, Filled.of(fitted, block.dataset, block.first)


@dataclass(frozen=True, slots=True)
class _TableRows(Generic[AnswerT]):
    """Ask about the rows of a table that a worker reads itself.

    Arguments:
        settings: how the table is read, as JSON.
        keep, whole, keep_unknown: as for `open_blocks`.
        count: number of rows of the table.
        fingerprint: of the table, as `RowBlocks.fingerprint` returns it.
        question: what is asked about each block.
    """

    settings: str
    keep: tuple[str, ...]
    whole: bool
    keep_unknown: bool
    count: int
    fingerprint: str
    question: AboutBlock[AnswerT]

    def opened(self, fitted: TrainedModel) -> Callable[[int, int], Iterator[AnswerT]]:
        """Open the table.

        Raises:
            DataError: the worker finds other rows.
        """
        settings = DataSettings.model_validate_json(self.settings)
        reading: dict[str, Any] = {"keep": self.keep, "whole": self.whole, "keep_unknown": self.keep_unknown}
        blocks = open_blocks(settings, fitted.data, get_registry(), small=True, **reading)
        if blocks is None or blocks.count != self.count:
            raise DataError(
                f"{settings.source} has {self.count} rows where this command began, and {blocks and blocks.count} on a "
                f"worker. {_SAME}"
            )
        if blocks.fingerprint() != self.fingerprint:
            raise DataError(
                f"{settings.source} has {self.count} rows on a worker, too, but they are other rows, or in other "
                f"files, than where this command began. {_SAME}"
            )
        found = blocks

        def answer(first: int, last: int) -> Iterator[AnswerT]:
            return (self.question.answer(fitted, block) for block in found.read(first, last))

        return answer


_SAME = "Put the table where all workers see the same file."


@dataclass(frozen=True, slots=True)
class SampleRows:
    """Ask for samples. `TrainedModel.sample` explains the arguments.

    Arguments:
        seed, mean, prompt: as there.
        given: known conditions and columns, as pairs.
        options: sampling options, as JSON.
    """

    seed: int
    mean: bool = False
    given: tuple[tuple[str, str], ...] = ()
    options: str = "{}"
    prompt: str | None = None

    def draw(
        self, fitted: TrainedModel, count: int, first: int = 0, watch: Watch | None = None
    ) -> tuple[Array, Array | None]:
        """Return samples from number `first` on, and their conditions."""
        how: dict[str, Any] = {"mean": self.mean, "given": dict(self.given), "options": json.loads(self.options)}
        return fitted.sample_given(count, seed=self.seed, prompt=self.prompt, watch=watch, first=first, **how)

    def opened(self, fitted: TrainedModel) -> Callable[[int, int], Iterator[tuple[Array, Array | None]]]:
        """Return a function that draws some of the samples, as one block."""

        def answer(first: int, last: int) -> Iterator[tuple[Array, Array | None]]:
            yield self.draw(fitted, last - first, first)

        return answer


def answers(
    question: AboutBlock[AnswerT], fitted: TrainedModel, blocks: RowBlocks, work: str, cluster: OnCluster | None
) -> Iterator[AnswerT]:
    """Yield the answer for each block, in the order of the rows, and show the progress.

    Arguments:
        work: what is done, for the display of progress.
        cluster: where the answers are computed. `None` for this process.

    Raises:
        ConfigError, DataError: as for a table that is read whole.
        GenzooError: the cluster cannot be reached, or is gone.
    """
    with Phase(work, blocks.count, "rows") as phase:
        if cluster is not None and blocks.count is not None:
            settings = anchor(blocks.settings, get_registry()).model_dump_json()
            reading = (blocks.keep, blocks.whole, blocks.keep_unknown, blocks.count, blocks.fingerprint())
            rows = _TableRows(settings, *reading, question)
            yield from answers_on_cluster(rows, fitted, blocks.count, _BLOCKS * blocks.size, cluster, phase)
            return
        for block in blocks.read():
            yield question.answer(fitted, block)
            phase.advance(len(block.dataset))


def samples(
    question: SampleRows, fitted: TrainedModel, count: int, size: int, cluster: OnCluster | None
) -> Iterator[tuple[Array, Array | None]]:
    """Yield blocks of samples with their conditions, and show the progress.

    Arguments:
        count: number of samples.
        size: samples of a block, a multiple of what `TrainedModel.sample_given` asks for.
        cluster: draws the samples. `None` for this process.

    Raises:
        ConfigError: as `TrainedModel.sample`.
        GenzooError: the cluster cannot be reached, or is gone.
    """
    with Phase("sampling", count, "rows") as phase:
        if cluster is not None:
            yield from answers_on_cluster(question, fitted, count, size, cluster, phase)
            return
        for first in range(0, count, size):
            yield question.draw(fitted, min(size, count - first), first)
            phase.advance(min(size, count - first))
