"""Read Parquet files of images with further columns, as Hugging Face's datasets hold them; see `Described`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from genzoo.data.partitions.files import PartFile
from genzoo.data.readers.described.faults import Faults
from genzoo.data.readers.images.files import ImageFile
from genzoo.data.readers.images.in_parquet import image_columns, label_names
from genzoo.data.readers.images.shards import rows_at_once, undamaged
from genzoo.data.table_source import check_whole, without_views
from genzoo.errors import DataError


class DescribedParquet:
    """Parquet files of images and columns; see `Described`.

    Arguments:
        shown: what names the files, for messages.
        files: the files, in order.

    Raises:
        DataError: a file cannot be read, or lacks a column of the first.
    """

    def __init__(self, shown: str, files: Sequence[PartFile]) -> None:
        self.shown, self._files, self.rows = shown, files, 0
        names: list[str] = []
        for file in files:
            with undamaged(file), parquet.ParquetFile(file.opened()) as content:
                schema = content.schema_arrow
                self.rows += content.metadata.num_rows
            if not names:
                names, images = list(schema.names), image_columns(schema)
            if lacking := [name for name in names if name not in schema.names]:
                raise DataError(f"{file.shown} has no column {lacking[0]!r}, which the first file has. Leave it out.")
        self.media, self.sounds = {name: name for name in images}, frozenset[str]()
        self.columns = [name for name in names if name not in images]

    def files(self, column: str, faults: Faults) -> Iterator[ImageFile | None]:
        row = 0
        for file in self._files:
            for batch in self._batches(file, [column]):
                for place, image in enumerate(batch.column(column).to_pylist()):
                    known = image is not None and image["bytes"] is not None
                    yield ImageFile(Path(file.path) / f"row {row + place}", image["bytes"]) if known else None
                row += len(batch)

    def unnamed(self) -> list[str]:
        return []

    def read(self, columns: Sequence[str]) -> pa.Table:
        tables = []
        for file in self._files:
            batches = list(self._batches(file, columns))
            with undamaged(file):
                whole = parquet.read_schema(file.opened())
                schema = pa.schema([whole.field(name) for name in columns], whole.metadata)
                table = pa.Table.from_batches(batches, schema)
                check_whole(table, file.shown)
                tables.append(_with_names(without_views(table)))
        try:
            return pa.concat_tables(tables, promote_options="permissive")
        except pa.ArrowException as error:
            raise DataError(f"{self.shown}: the files have columns of different types: {error}.") from error

    def _batches(self, file: PartFile, columns: Sequence[str]) -> Iterator[Any]:
        with undamaged(file), parquet.ParquetFile(file.opened(), pre_buffer=file.system is not None) as content:
            for batch in content.iter_batches(rows_at_once(file, content.metadata), columns=list(columns)):
                batch.validate(full=True)
                yield batch


def _with_names(table: pa.Table) -> pa.Table:
    """Return a table with the names of classes in the place of their numbers, if the file names its classes."""
    for place, name in enumerate(table.column_names):
        names = label_names(table.schema, name)
        if names and pa.types.is_integer(table.column(place).type):
            values = [
                names[value] if value is not None and 0 <= value < len(names) else value
                for value in table.column(place).to_pylist()
            ]
            shown = [None if value is None else str(value) for value in values]
            table = table.set_column(place, name, pa.array(shown, pa.string()))
    return table
