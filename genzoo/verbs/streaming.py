"""Answer for the rows of a table too large for memory: read blocks of rows, and write their answers to a file."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from genzoo.config.data import DataSettings
from genzoo.data.align import filled_table
from genzoo.data.columns.unseen import NAMED, unseen_levels
from genzoo.data.dataset import BLOCK, Dataset
from genzoo.data.streams.rows import RowBlock, RowBlocks, block_rows, open_blocks
from genzoo.inference.export import samples_table
from genzoo.inference.rows.scoring import SCORE_COLUMNS
from genzoo.inference.rows.streamed import BlockScorer, ScoreTally, StreamedScores
from genzoo.inference.trained_model import TrainedModel
from genzoo.metrics import evaluate as by_row
from genzoo.plugins.manager import get_registry
from genzoo.runtime.progress import Phase
from genzoo.spec.modality import TEXT_SUFFIXES
from genzoo.storage.blocks import BLOCK_SUFFIXES, Spool, write_blocks
from genzoo.storage.temporary import temporary_folder
from genzoo.typing import Array
from genzoo.verbs.filling import filled_events

Seen = Callable[[RowBlock], None]
"""Takes the first block, before anything is computed for it: its dataset says how the table was read."""


def stream_scores(
    fitted: TrainedModel,
    settings: DataSettings,
    out: Path | None,
    *,
    threshold: float | None,
    explained: int,
    keep: Sequence[str],
    escape_formulas: bool = False,
    seen: Seen | None = None,
    small: bool = False,
) -> StreamedScores | None:
    """Score the rows of a large table, and write the scores; `None` if they have to be scored in memory.

    Arguments:
        settings: how the table is read.
        out: file of the scores; `None` for none.
        threshold, explained, keep: as for `score`.
        escape_formulas: as for `write_table`. Defaults to false.
        seen: takes the first block. Defaults to `None`: nobody looks.
        small: as for `open_blocks`. Defaults to false.

    Raises:
        ConfigError, DataError: as `score`.
        GenzooError: the disk is full or read-only.
    """
    scorer = BlockScorer.of(fitted, threshold, explained) if _is_written_in_blocks(out) else None
    if scorer is None or out is None:
        return None
    reading: dict[str, Any] = {"keep": keep, "taken": SCORE_COLUMNS, "keep_unknown": True, "small": small}
    blocks = open_blocks(settings, fitted.data, get_registry(), **reading)
    if blocks is None:
        return None
    tally = ScoreTally(scorer)
    with temporary_folder(out.parent) as folder, Spool(folder) as spool:
        for block in _shown(blocks, "scoring", seen):
            scored = scorer(block.dataset, block.kept, block.first)
            tally.add(scored)
            spool.add(scored.table)
        found = tally.finish()
        with Phase(f"writing {out.name}"):
            write_blocks(out, _completed(found, spool), escape_formulas=escape_formulas)
    return found


def stream_latent(
    fitted: TrainedModel, settings: DataSettings, out: Path | None, *, seen: Seen | None = None, small: bool = False
) -> tuple[int, int] | None:
    """Embed the rows of a large table, and write their latent vectors. Return the numbers of rows and of dimensions.

    Arguments:
        settings, out, seen, small: as for `stream_scores`.

    Returns:
        `None` if the rows have to be embedded in memory.

    Raises:
        ConfigError, DataError: as `embed`.
        GenzooError: the disk is full or read-only.
    """
    blocks = open_blocks(settings, fitted.data, get_registry(), small=small) if _is_written_in_blocks(out) else None
    if blocks is None or out is None:
        return None
    size = 0

    def tables(found: RowBlocks) -> Iterator[pa.Table]:
        nonlocal size
        for block in _shown(found, "embedding", seen):
            z = by_row.embed(fitted, block.dataset)
            size = z.shape[1]
            columns = {"row": np.arange(block.first, block.first + len(z))}
            columns |= {f"z{dimension}": z[:, dimension] for dimension in range(size)}
            yield pa.table({name: pa.array(column, from_pandas=True) for name, column in columns.items()})

    return write_blocks(out, tables(blocks)), size


@dataclass(slots=True)
class Filled:
    """What was filled in.

    Arguments:
        missing: number of missing values of each column of the model, `(C,)`.
        rows: number of rows.
        unseen: columns and levels that no training row has, by row; the first ones, if there are many rows.
        count_unseen: number of rows with such levels.
    """

    missing: Array
    rows: int = 0
    unseen: dict[int, str] = field(default_factory=dict)
    count_unseen: int = 0

    def add(self, fitted: TrainedModel, dataset: Dataset, first: int, most: int | None = None) -> None:
        """Count what is missing from rows.

        Arguments:
            first: number of the first row.
            most: largest number of rows with unseen levels to name. Defaults to `None`: all.
        """
        missing = np.isnan(np.asarray(dataset.events[:])).reshape(len(dataset), -1)
        found = unseen_levels(fitted.data, dataset, np.flatnonzero(missing.any(axis=1)))
        named = {first + row: text for row, text in found.items()}
        room = None if most is None else max(0, most - len(self.unseen))
        self.missing = self.missing + missing.sum(axis=0)
        self.unseen |= dict(itertools.islice(named.items(), room))
        self.rows += len(dataset)
        self.count_unseen += len(found)


def stream_filled(
    fitted: TrainedModel,
    settings: DataSettings,
    out: Path,
    *,
    draw: bool,
    seed: int,
    escape_formulas: bool = False,
    seen: Seen | None = None,
    small: bool = False,
) -> Filled | None:
    """Fill in the missing values of a large table, and write it; `None` if this has to be done in memory.

    Arguments:
        settings, out, escape_formulas, seen, small: as for `stream_scores`.
        draw, seed: as for `impute`.

    Raises:
        ConfigError, DataError: as `impute`.
        GenzooError: the disk is full or read-only.
    """
    registry = get_registry()
    known = _is_written_in_blocks(out)
    blocks = open_blocks(settings, fitted.data, registry, whole=True, small=small) if known else None
    if blocks is None:
        return None
    as_written = out.suffix.lower() in TEXT_SUFFIXES
    filled = Filled(np.zeros(fitted.data.size, np.int64))
    with temporary_folder(out.parent) as folder, Spool(folder) as spool:
        for block in _shown(blocks, "filling in values", seen):
            events = filled_events(fitted, block.dataset, draw=draw, seed=seed, first=block.first)
            filled.add(fitted, block.dataset, block.first, NAMED)
            spool.add(filled_table(block.source, settings, fitted.data, events, as_written=as_written))
        with Phase(f"writing {out.name}"):
            write_blocks(out, spool.tables(), escape_formulas=escape_formulas)
    return filled


Draw = Callable[[int, int], tuple[Array, Array | None]]
"""Takes a number of samples and the number of the first one; returns events and their conditions."""


def stream_samples(fitted: TrainedModel, count: int, out: Path, draw: Draw, *, escape_formulas: bool) -> bool:
    """Draw many samples of a table and write them a block at a time. Return false if they are drawn in memory.

    Arguments:
        count: number of samples.
        out: file of the samples.
        draw: draws some of them; they are the same if all are drawn at once.
        escape_formulas: as for `write_table`.

    Raises:
        GenzooError: the disk is full or read-only.
    """
    data = fitted.data
    size = block_rows(data.size + len(data.condition), math.lcm(BLOCK, fitted.sampling.group))
    if not data.form.columns or not _is_written_in_blocks(out) or count <= size:
        return False

    def tables(phase: Phase) -> Iterator[pa.Table]:
        for first in range(0, count, size):
            events, conditions = draw(min(size, count - first), first)
            phase.advance(len(events))
            yield samples_table(events, conditions, data)

    with Phase("sampling", count, "rows") as phase:
        write_blocks(out, tables(phase), escape_formulas=escape_formulas)
    return True


def _completed(found: StreamedScores, spool: Spool) -> Iterator[pa.Table]:
    first = 0
    for table in spool.tables():
        yield found.completed(table, first)
        first += table.num_rows


def _is_written_in_blocks(out: Path | None) -> bool:
    return out is not None and out.suffix.lower() in BLOCK_SUFFIXES


def _shown(blocks: RowBlocks, work: str, seen: Seen | None) -> Iterator[RowBlock]:
    """Yield blocks, with the display of progress."""
    with Phase(work, blocks.count, "rows") as phase:
        for block in blocks.read():
            if not block.first and seen is not None:
                seen(block)
            yield block
            phase.advance(len(block.dataset))
