"""Read the rows of a table for a trained model, a block at a time, in memory that does not grow with the table."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from genzoo.config.data import DataSettings
from genzoo.data.align import apart_columns, is_read_as_text, match_table, matched_columns
from genzoo.data.columns.dates import are_times, is_text
from genzoo.data.dataset import BLOCK, Dataset, rows_at_once
from genzoo.data.loading import open_source
from genzoo.data.opening.sources import name_of
from genzoo.data.table import kept_names, read_columns
from genzoo.data.table_source import Asked, TableSource, value_type
from genzoo.plugins.registry import Registry
from genzoo.runtime.threads import thread_pool
from genzoo.spec.events import DataSpec, Feature

MOST_ROWS = 2**16
"""Largest number of rows of a block, which is a multiple of the number in which a model is asked."""


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

    @property
    def is_partitioned(self) -> bool:
        """Whether any block can be read without those before it."""
        return self.count is not None and not self.source.sequential

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
        if self.count is None:
            yield self._block(self.source, 0)
            return
        for number, part in enumerate(self.source.parts(self.columns, self.size, first, last)):
            yield self._block(part, first + number * self.size)

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
    opened = open_source(settings, registry, spec)
    if opened is None:
        return None
    needed = matched_columns(opened, settings, spec)
    kept = kept_names(opened.shown, opened.names, keep, ("row", *taken)) if keep else []
    others = [name for name in opened.names if name not in settings.drop] if whole else kept
    divided = _divided(opened, settings, needed, others, whole=whole)
    if divided is None and not small:
        return None
    source = divided or opened
    columns = tuple(dict.fromkeys([*needed, *apart_columns(settings), *others]))
    count, size = None if divided is None else divided.count(), block_rows(len(columns), rows_at_once(spec) or BLOCK)
    if count is not None and count <= size and not small:
        return None
    if count == 0:
        match_table(name_of(settings), source, settings, spec)  # raises an error: there are no rows
    return RowBlocks(source, settings, spec, count, size, columns, tuple(kept), whole, keep_unknown)


def _divided(
    source: TableSource, settings: DataSettings, needed: Mapping[str, Feature], others: Sequence[str], *, whole: bool
) -> TableSource | None:
    """Return a table that can be read in blocks; `None` if it is small, or a block does not show how to read it.

    Arguments:
        needed: the columns of the model, and their features.
        others: names of the columns to copy, which are read as text; of all columns, if the `whole` table is.
    """
    texts = [name for name, feature in needed.items() if is_read_as_text(feature) or name in settings.date_formats]
    asked: list[Asked] = [([*needed], texts)]
    if settings.label is not None:
        asked.append(([settings.label], [settings.label]))
    if others:
        asked.append((others, others))
    if whole:
        asked.append((others, texts))
    found = source.in_parts(asked)
    if found is None or not found.count():
        return found
    if whole and found.sequential and not all(_is_number(found.type_of(name)) for name in needed if name not in texts):
        return None  # whether values are kept as they are written is decided over all rows
    times = {name: feature for name, feature in needed.items() if feature.temporal}
    dates = {name: one for name, one in times.items() if name in texts or is_text(value_type(found.type_of(name)))}
    return found if not dates or _have_known_forms(found, settings, dates) else None


def _have_known_forms(source: TableSource, settings: DataSettings, dates: Mapping[str, Feature]) -> bool:
    """Return whether all texts of columns of dates have the form of training. Another one is found over all rows."""
    columns, formats = [*dict.fromkeys([*dates, *apart_columns(settings)])], settings.date_formats
    for part in source.parts(columns, MOST_ROWS, 0, source.count() or 0):
        table = read_columns(part, settings, [*dates], set())
        if not all(are_times(table.column(name), one, formats.get(name)) for name, one in dates.items()):
            return False
    return True


def _is_number(kind: Any) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_null(kind))


def _no_columns(rows: int) -> pa.Table:
    """Return a table without columns that has rows."""
    return pa.table({"": pa.nulls(rows)}).select([])


def block_rows(columns: int, multiple: int = BLOCK) -> int:
    """Return the number of rows of a block.

    Arguments:
        columns: number of columns.
        multiple: what the number is a multiple of. Defaults to the rows that are read at a time.
    """
    return max(1, min(MOST_ROWS, _VALUES // max(1, columns)) // multiple) * multiple
