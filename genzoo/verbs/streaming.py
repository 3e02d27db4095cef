"""Answer for the rows of a table too large for memory: read blocks of rows, and write their answers to a file."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from genzoo.config.data import DataSettings
from genzoo.data.streams.rows import RowBlock, RowBlocks, open_blocks
from genzoo.inference.rows.scoring import SCORE_COLUMNS
from genzoo.inference.rows.streamed import BlockScorer, ScoreTally, StreamedScores
from genzoo.inference.trained_model import TrainedModel
from genzoo.plugins.manager import get_registry
from genzoo.runtime.progress import Phase
from genzoo.storage.blocks import BLOCK_SUFFIXES, Spool, write_blocks
from genzoo.storage.temporary import temporary_folder

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
    escape_formulas: bool,
    seen: Seen,
) -> StreamedScores | None:
    """Score the rows of a large table, and write the scores; `None` if they have to be scored in memory.

    Arguments:
        settings: how the table is read.
        out: file of the scores; `None` for none.
        threshold, explained, keep: as for `score`.
        escape_formulas: as for `write_table`.
        seen: takes the first block.

    Raises:
        ConfigError, DataError: as `score`.
        GenzooError: the disk is full or read-only.
    """
    scorer = BlockScorer.of(fitted, threshold, explained) if _is_written_in_blocks(out) else None
    if scorer is None or out is None:
        return None
    blocks = open_blocks(settings, fitted.data, get_registry(), keep=keep, taken=SCORE_COLUMNS, keep_unknown=True)
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


def _completed(found: StreamedScores, spool: Spool) -> Iterator[pa.Table]:
    first = 0
    for table in spool.tables():
        yield found.completed(table, first)
        first += table.num_rows


def _is_written_in_blocks(out: Path | None) -> bool:
    return out is not None and out.suffix.lower() in BLOCK_SUFFIXES


def _shown(blocks: RowBlocks, work: str, seen: Seen) -> Iterator[RowBlock]:
    """Yield blocks, with the display of progress."""
    with Phase(work, blocks.count, "rows") as phase:
        for block in itertools.chain(blocks.read()):
            if not block.first:
                seen(block)
            yield block
            phase.advance(len(block.dataset))
