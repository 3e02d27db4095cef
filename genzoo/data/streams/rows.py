"""Read the rows of a table for a trained model, a block at a time, in memory that does not grow with the table."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa

from genzoo.config.data import DataSettings
from genzoo.data.align import match_table, needed_columns
from genzoo.data.dataset import BLOCK, Dataset
from genzoo.data.loading import open_source
from genzoo.data.opening.sources import name_of
from genzoo.data.streams.block import TableBlock
from genzoo.data.table import kept_names
from genzoo.data.table_source import TableSource
from genzoo.plugins.registry import Registry
from genzoo.runtime.threads import thread_pool
from genzoo.spec.events import DataSpec

MOST_ROWS = 2**16
"""Rows of a block of a narrow table. It is a multiple of every size in which models are asked."""


_VALUES = 2**22
"""Values of a block of a wide table."""


@dataclass(frozen=True, slots=True)
class RowBlock:
    """Consecutive rows of a table.

    Arguments:
        first: number of the first row, from 0.
        dataset: the rows in the form that a model was trained on.
        source: the rows as they were read.
        kept: columns to copy to a result.
    """

    first: int
    dataset: Dataset
    source: TableSource
    kept: pa.Table


@dataclass(frozen=True, slots=True)
class RowBlocks:
    """The rows of a table for a trained model, read in blocks.

    Arguments:
        source: the table.
        settings: how it is read.
        spec: the form that the model was trained on.
        count: number of rows; `None` if the table can only be read whole, as one block.
        size: rows of a block; only the last one has fewer.
        columns: names of the columns that are read.
        keep: names of the columns to copy to a result.
        whole: whether all columns are read, except dropped ones.
        keep_unknown: as for `match_table`.
    """

    source: TableSource
    settings: DataSettings
    spec: DataSpec
    count: int | None
    size: int
    columns: tuple[str, ...]
    keep: tuple[str, ...]
    whole: bool
    keep_unknown: bool

    def read(self, first: int = 0, last: int | None = None) -> Iterator[RowBlock]:
        """Yield blocks of rows. The next block is read while the caller works on one.

        Arguments:
            first: number of the first row, a multiple of `size`. Defaults to 0.
            last: number of the row to stop before. Defaults to the number of rows.

        Raises:
            ConfigError, DataError: as `match_table`.
        """
        count = self.count or 0
        blocks = self._blocks(first, count if last is None else min(last, count))
        with thread_pool() as pool:
            coming = pool.submit(next, blocks, None)
            while (block := coming.result()) is not None:
                coming = pool.submit(next, blocks, None)
                yield block

    def fingerprint(self) -> str:
        """Return a digest by which another process notices that it reads other rows, without a pass over all of them.

        It covers the first and the last rows, and what the source knows of all rows, such as the statistics of each
        row group of Parquet. `count` must be known.
        """
        assert self.count is not None
        digest = hashlib.sha256(self.source.fingerprint())
        for first in sorted({0, max(0, self.count - BLOCK)}):
            for table in self.source.blocks(self.columns, BLOCK, first, min(first + BLOCK, self.count)):
                sink = pa.BufferOutputStream()
                with pa.ipc.new_stream(sink, table.schema) as writer:
                    writer.write_table(table.combine_chunks())
                digest.update(sink.getvalue())
        return digest.hexdigest()

    def _blocks(self, first: int, last: int) -> Iterator[RowBlock]:
        if self.source.count() is None:
            yield self._block(self.source, 0)
            return
        for table in self.source.blocks(self.columns, self.size, first, last):
            yield self._block(TableBlock(self.source, table, first), first)
            first += table.num_rows

    def _block(self, block: TableSource, first: int) -> RowBlock:
        name = name_of(self.settings)
        dataset = match_table(name, block, self.settings, self.spec, keep_unknown=self.keep_unknown)
        kept = block.with_nested(block.read(self.keep, self.keep)) if self.keep else _no_columns(len(dataset))
        return RowBlock(first, dataset, block, kept)


def open_blocks(
    settings: DataSettings,
    spec: DataSpec,
    registry: Registry,
    *,
    keep: Sequence[str] = (),
    taken: Sequence[str] = (),
    keep_unknown: bool = False,
    whole: bool = False,
    small: bool = False,
) -> RowBlocks | None:
    """Open a table to read it in blocks; `None` if it is small, no table, or can only be read whole.

    Arguments:
        keep: columns to copy to a result. Defaults to none.
        taken: names of the result's own columns. Defaults to none.
        keep_unknown: as for `match_table`. Defaults to false.
        whole: whether all columns are read, except dropped ones. Defaults to false.
        small: whether tables that fit into one block, or can only be read whole, are opened, too. Defaults to false.

    Raises:
        ConfigError, DataError: as `open_matching`; or a column to keep is unknown.
    """
    if settings.text is not None or settings.weight is not None or settings.drop_missing or not spec.form.columns:
        return None
    source = open_source(settings, registry, spec)
    if source is None or (source.count() is None and not small):
        return None
    count = source.count()
    needed = needed_columns(source, settings, spec)
    kept = kept_names(source.shown, source.names, keep, ("row", *taken)) if keep else []
    others = [name for name in source.names if name not in settings.drop] if whole else kept
    columns = tuple(dict.fromkeys([*needed, *others]))
    size = block_rows(len(columns))
    if count is not None and count <= size and not small:
        return None
    if count == 0:
        match_table(name_of(settings), source, settings, spec)  # raises an error: there are no rows
    return RowBlocks(source, settings, spec, count, size, columns, tuple(kept), whole, keep_unknown)


def _no_columns(rows: int) -> pa.Table:
    """Return a table without columns that has rows."""
    return pa.table({"": pa.nulls(rows)}).select([])


def block_rows(columns: int, multiple: int = BLOCK) -> int:
    """Return the number of rows of a block.

    Arguments:
        columns: number of columns.
        multiple: what the number is a multiple of. Defaults to the rows that scores are computed for at a time.
    """
    return max(1, min(MOST_ROWS, _VALUES // max(1, columns)) // multiple) * multiple
