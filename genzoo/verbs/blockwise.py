"""Ask a model about a table block by block: in this process, or in parts on the workers of a Dask cluster.

An answer for a block depends on nothing but the model, the settings and the rows of that block. So the answers are the
same wherever they are computed, on the same kind of CPU with as many threads.
"""

from __future__ import annotations

import contextlib
import functools
import threading
import uuid
from collections import deque
from collections.abc import Iterator
from concurrent.futures import CancelledError
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import pyarrow as pa

from genzoo.config.data import DataSettings
from genzoo.data.align import filled_table
from genzoo.data.loading import anchor
from genzoo.data.streams.rows import RowBlock, RowBlocks, open_blocks
from genzoo.errors import DataError, GenzooError
from genzoo.inference.rows.streamed import BlockScorer, BlockScores
from genzoo.inference.trained_model import TrainedModel
from genzoo.metrics import evaluate as by_row
from genzoo.models.local import LocalModel, local_models, register_again
from genzoo.persistence.open_run import load
from genzoo.plugins.manager import get_registry
from genzoo.runtime.cluster import AnyCluster, await_worker, connect, dask_library
from genzoo.runtime.cluster_versions import check_same, check_workers, versions_here
from genzoo.runtime.progress import Phase
from genzoo.typing import Array
from genzoo.verbs.filling import Filled, filled_events
from genzoo.wording import FrontEnd, argument, front_end, speaking

AnswerT = TypeVar("AnswerT", covariant=True)

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
class OnCluster:
    """Where answers are computed, if not in this process.

    Arguments:
        run: path of the run or model folder, which all workers can read, as they can read the table.
        on: the cluster, as for `connect`.
    """

    run: Path
    on: AnyCluster


@dataclass(frozen=True, slots=True)
class _Part(Generic[AnswerT]):
    """What a worker needs to answer for a part of a table.

    Arguments:
        run: path of the run or model folder.
        settings: how the table is read, as JSON.
        keep, whole, keep_unknown: as for `open_blocks`.
        count: number of rows of the table.
        device: kind of device that answers.
        versions: versions that a worker must have.
        own: the model, if it is a class of the user's.
        question: what is asked.
        reader: whom messages are for.
        command: different for each command, as a later one may find another model under the same path.
    """

    run: str
    settings: str
    keep: tuple[str, ...]
    whole: bool
    keep_unknown: bool
    count: int
    device: str
    versions: frozenset[tuple[str, str]]
    own: tuple[LocalModel, ...]
    question: AboutBlock[AnswerT]
    reader: FrontEnd
    command: str = field(default_factory=lambda: uuid.uuid4().hex)


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
            yield from _on_cluster(question, fitted, blocks, blocks.count, cluster, phase)
            return
        for block in blocks.read():
            yield question.answer(fitted, block)
            phase.advance(len(block.dataset))


def _on_cluster(
    question: AboutBlock[AnswerT],
    fitted: TrainedModel,
    blocks: RowBlocks,
    count: int,
    cluster: OnCluster,
    phase: Phase,
) -> Iterator[AnswerT]:
    settings = anchor(blocks.settings, get_registry()).model_dump_json()
    device, own = fitted.device.type, local_models(iter([fitted.model]))
    reading = (blocks.keep, blocks.whole, blocks.keep_unknown, count)
    terms = (device, frozenset(versions_here().items()), own)
    part = _Part(str(cluster.run.absolute()), settings, *reading, *terms, question, front_end())
    step = _BLOCKS * blocks.size
    with connect(cluster.on) as client, _explained():
        await_worker(client, phase, _load_this)
        check_workers(client, device)
        ahead = 2 * max(1, sum(client.nthreads().values()))  # bounds the answers that wait in memory
        phase.describe(f"dashboard {client.dashboard_link}")
        waiting: deque[tuple[Any, int]] = deque()
        try:
            for first in range(0, count, step):
                last = min(first + step, count)
                waiting.append((client.submit(_answer_part, part, first, last, pure=False), last - first))
                if len(waiting) >= ahead:
                    yield from _taken(waiting, phase)
            while waiting:
                yield from _taken(waiting, phase)
        finally:
            with contextlib.suppress(Exception):  # the scheduler may be gone
                client.cancel([future for future, _ in waiting])


def _taken(waiting: deque[tuple[Any, int]], phase: Phase) -> Iterator[Any]:
    """Yield the answers of the part that has waited longest."""
    future, rows = waiting.popleft()
    found = future.result()
    if isinstance(found, GenzooError):
        raise found
    yield from found
    phase.advance(rows)


_ONE_AT_A_TIME = threading.Lock()
"""Torch's random numbers are shared by all threads of a worker."""


def _load_this() -> None:
    """Do nothing. A worker that runs this imports what it needs."""


def _answer_part(part: _Part[AnswerT], first: int, last: int) -> list[AnswerT] | GenzooError:
    """Return the answers for the blocks of a part of a table. It runs on a worker.

    An error that is for the reader is returned. Dask would print one that is raised, with its traceback.
    """
    try:
        with _ONE_AT_A_TIME, speaking(part.reader):
            fitted, blocks = _opened(part)
            return [part.question.answer(fitted, block) for block in blocks.read(first, last)]
    except GenzooError as error:
        return error


@functools.lru_cache(maxsize=1)
def _opened(part: _Part[Any]) -> tuple[TrainedModel, RowBlocks]:
    # A worker that has joined meanwhile was not checked before.
    check_same(versions_here(), "A worker", dict(part.versions))
    for model in part.own:
        register_again(model)
    fitted = load(part.run, part.device)
    settings = DataSettings.model_validate_json(part.settings)
    reading: dict[str, Any] = {"keep": part.keep, "whole": part.whole, "keep_unknown": part.keep_unknown}
    blocks = open_blocks(settings, fitted.data, get_registry(), small=True, **reading)
    if blocks is None or blocks.count != part.count:
        raise DataError(
            f"{settings.source} has {part.count} rows where this command began, and {blocks and blocks.count} on a "
            f"worker. Put the table where all workers see the same file."
        )
    return fitted, blocks


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    """Turn errors of the cluster into ones that say what to do. Errors of the work itself stay as they are."""
    library = dask_library()
    try:
        yield
    except library.KilledWorker as error:
        raise GenzooError(
            "Several workers died while they computed the same rows, most likely because memory ran out. Nothing was "
            "written. Give the workers more memory."
        ) from error
    except (CancelledError, library.comm.CommClosedError) as error:
        raise GenzooError(
            f"The scheduler is gone, and nothing was written. Start it again, or leave out {argument('on')}."
        ) from error
