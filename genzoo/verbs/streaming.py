"""Answer for the rows of a table too large for memory: read blocks of rows, and write their answers to a file."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from genzoo.config.data import DataSettings
from genzoo.data.columns.unseen import NAMED
from genzoo.data.dataset import BLOCK
from genzoo.data.streams.rows import RowBlock, RowBlocks, block_rows, open_blocks
from genzoo.errors import ConfigError
from genzoo.inference.export import samples_table
from genzoo.inference.row_likelihoods import scored_as_density
from genzoo.inference.rows.scores import SCORE_COLUMNS
from genzoo.inference.rows.streamed import BlockScorer, ScoreTally, StreamedScores
from genzoo.inference.trained_model import TrainedModel
from genzoo.plugins.manager import get_registry
from genzoo.runtime.cluster import AnyCluster
from genzoo.runtime.progress import Phase
from genzoo.spec.modality import TEXT_SUFFIXES
from genzoo.storage.blocks import BLOCK_SUFFIXES, Spool, write_blocks
from genzoo.storage.temporary import temporary_folder
from genzoo.typing import Array
from genzoo.verbs.blockwise import EmbedBlock, FillBlock, SampleRows, ScoreBlock, answers, samples
from genzoo.verbs.filling import Filled
from genzoo.verbs.on_cluster import OnCluster
from genzoo.wording import argument


def cluster_of(run: str | Path | None, on: AnyCluster | None) -> OnCluster | None:
    """Return where a model is asked; `None` for this process.

    Arguments:
        run: path of the run or model folder; `None` if the model is in memory.
        on: the cluster, or `None`.

    Raises:
        ConfigError: the model is in memory, where workers cannot load it.
    """
    if on is None:
        return None
    if run is None:
        raise ConfigError(
            f"{argument('on')} needs a run or model folder that all workers can read, and this model is in memory. "
            f"Name its path."
        )
    return OnCluster(Path(run), on)


def check_partitioned(on: AnyCluster | None) -> None:
    """Raise an error if a cluster was asked for, and the work can only be done in this process.

    Raises:
        ConfigError: it was.
    """
    if on is not None:
        raise ConfigError(
            f"{argument('on', 'dask')} computes parts of Parquet files, in the order of their rows, for a table in "
            f"{argument('out', 'FILE')} ({', '.join(BLOCK_SUFFIXES)}). Convert the data, or leave it out."
        )


def check_drawn_here(on: OnCluster | None) -> None:
    """Raise an error if a cluster was asked for, and samples can only be drawn in this process.

    Raises:
        ConfigError: it was.
    """
    if on is not None:
        raise ConfigError(
            f"{argument('on', 'dask')} draws parts of a table for {argument('out', 'FILE')} "
            f"({', '.join(BLOCK_SUFFIXES)}). Name such a file for a model of a table, or leave it out."
        )


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
    cluster: OnCluster | None = None,
) -> StreamedScores | None:
    """Score the rows of a large table, and write the scores; `None` if they have to be scored in memory.

    Arguments:
        settings: how the table is read.
        out: file of the scores; `None` for none.
        threshold, explained, keep: as for `score`.
        escape_formulas: as for `write_table`. Defaults to false.
        seen: takes the first block. Defaults to `None`: nobody looks.
        small: as for `open_blocks`. Defaults to false.
        cluster: where to compute. Defaults to `None`: in this process.

    Raises:
        ConfigError, DataError: as `score`.
        GenzooError: the disk is full or read-only.
    """
    scorer = BlockScorer.of(fitted, threshold, explained) if _is_written_in_blocks(out) else None
    if scorer is None or out is None:
        return None
    reading: dict[str, Any] = {"keep": keep, "taken": SCORE_COLUMNS, "keep_unknown": True, "small": small}
    blocks = open_blocks(settings, fitted.data, get_registry(), **reading)
    if blocks is None or (cluster is not None and not blocks.is_partitioned):
        return None
    tally = ScoreTally(scorer)
    with temporary_folder(out.parent) as folder, Spool(folder) as spool:
        _show_first(blocks, seen)
        for scored in answers(ScoreBlock(threshold, explained), fitted, blocks, "scoring", cluster):
            tally.add(scored)
            spool.add(scored.table)
        found = tally.finish()
        with Phase(f"writing {out.name}"):
            # Sums of the masses of categories repeat often.
            distinct = ("row", scorer.name) if scored_as_density(fitted) else ("row",)
            write_blocks(out, _completed(found, spool), escape_formulas=escape_formulas, distinct=distinct)
    return found


def stream_latent(
    fitted: TrainedModel,
    settings: DataSettings,
    out: Path | None,
    *,
    seen: Seen | None = None,
    small: bool = False,
    cluster: OnCluster | None = None,
) -> tuple[int, int] | None:
    """Embed the rows of a large table, and write their latent vectors. Return the numbers of rows and of dimensions.

    Arguments:
        settings, out, seen, small, cluster: as for `stream_scores`.

    Returns:
        `None` if the rows have to be embedded in memory.

    Raises:
        ConfigError, DataError: as `embed`.
        GenzooError: the disk is full or read-only.
    """
    blocks = open_blocks(settings, fitted.data, get_registry(), small=small) if _is_written_in_blocks(out) else None
    if blocks is None or out is None or (cluster is not None and not blocks.is_partitioned):
        return None
    size = 0

    def tables(found: RowBlocks) -> Iterator[pa.Table]:
        nonlocal size
        first = 0
        for z in answers(EmbedBlock(), fitted, found, "embedding", cluster):
            size = z.shape[1]
            columns = {"row": np.arange(first, first + len(z))}
            columns |= {f"z{dimension}": z[:, dimension] for dimension in range(size)}
            first += len(z)
            yield pa.table({name: pa.array(column, from_pandas=True) for name, column in columns.items()})

    _show_first(blocks, seen)
    return write_blocks(out, tables(blocks), distinct=("row",)), size


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
    cluster: OnCluster | None = None,
) -> Filled | None:
    """Fill in the missing values of a large table, and write it; `None` if this has to be done in memory.

    Arguments:
        settings, out, escape_formulas, seen, small, cluster: as for `stream_scores`.
        draw, seed: as for `impute`.

    Raises:
        ConfigError, DataError: as `impute`.
        GenzooError: the disk is full or read-only.
    """
    registry = get_registry()
    known = _is_written_in_blocks(out)
    blocks = open_blocks(settings, fitted.data, registry, whole=True, small=small) if known else None
    if blocks is None or (cluster is not None and not blocks.is_partitioned):
        return None
    as_written = out.suffix.lower() in TEXT_SUFFIXES
    question = FillBlock(settings.model_dump_json(), draw, seed, as_written)
    filled = Filled.of(fitted)
    with temporary_folder(out.parent) as folder, Spool(folder) as spool:
        _show_first(blocks, seen)
        for table, counted in answers(question, fitted, blocks, "filling in values", cluster):
            filled.add(counted, NAMED)
            spool.add(table)
        with Phase(f"writing {out.name}"):
            write_blocks(out, spool.tables(), escape_formulas=escape_formulas)
    return filled


Checked = Callable[[TrainedModel, Array], Array]
"""Returns samples if they can be used, and raises an error otherwise."""


def stream_samples(
    fitted: TrainedModel,
    question: SampleRows,
    count: int,
    out: Path,
    checked: Checked,
    *,
    escape_formulas: bool,
    cluster: OnCluster | None = None,
) -> bool:
    """Draw many samples of a table and write them a block at a time. Return false if they are drawn in memory.

    Arguments:
        question: how they are drawn. They are the same if all are drawn at once.
        count: number of samples.
        out: file of the samples.
        checked: checks each block of events.
        escape_formulas: as for `write_table`.
        cluster: draws the samples, also if they are few. Defaults to `None`: this process does.

    Raises:
        GenzooError: the disk is full or read-only.
    """
    data = fitted.data
    size = block_rows(data.size + len(data.condition), math.lcm(BLOCK, fitted.sampling.group))
    if not data.form.columns or not _is_written_in_blocks(out) or (count <= size and cluster is None):
        return False
    found = samples(question, fitted, count, size, cluster)
    tables = (samples_table(checked(fitted, events), conditions, data) for events, conditions in found)
    write_blocks(out, tables, escape_formulas=escape_formulas)
    return True


def _completed(found: StreamedScores, spool: Spool) -> Iterator[pa.Table]:
    first = 0
    for table in spool.tables():
        yield found.completed(table, first)
        first += table.num_rows


def _is_written_in_blocks(out: Path | None) -> bool:
    return out is not None and out.suffix.lower() in BLOCK_SUFFIXES


def _show_first(blocks: RowBlocks, seen: Seen | None) -> None:
    """Read the first block to see how the table is read."""
    if seen is not None:
        seen(next(blocks.read(0, blocks.size)))
