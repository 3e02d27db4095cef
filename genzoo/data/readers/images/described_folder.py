"""Read folders of images with a table of metadata; see `Described`.

The column `file_name` names the images of the part `image`, and `right_file_name` images of the part `right`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from genzoo.config.data import DataSettings
from genzoo.data.readers.csv_files import read_csv
from genzoo.data.readers.images.described import Faults, given_settings
from genzoo.data.readers.images.files import ImageFile
from genzoo.data.readers.images.folder import SUFFIXES
from genzoo.data.readers.json_files import read_json
from genzoo.errors import DataError
from genzoo.spec.modality import METADATA

FILE_NAME, IMAGE = "file_name", "image"


class DescribedFolder:
    """A folder of images with a table of metadata; see `Described`.

    Raises:
        DataError: the table cannot be read, or has no column `file_name`.
    """

    def __init__(self, path: Path, settings: DataSettings) -> None:
        self._path = path
        table = next(path / name for name in METADATA if (path / name).is_file())
        reading = DataSettings(
            source=str(table), **given_settings(settings, ("header", "separator", "decimal", "thousands"))
        )
        self._table = (read_csv if table.suffix == ".csv" else read_json)(table, reading, (FILE_NAME,))
        self.shown = str(table)
        self.images = {_part_of(name): name for name in self._table.names if name.endswith(FILE_NAME)}
        if not self.images:
            raise DataError(f"{table} has no column {FILE_NAME!r}, which names the image of each line. Add it.")
        self.columns = [name for name in self._table.names if name not in self.images.values()]
        self._named = self._table.read(list(self.images.values()), list(self.images.values()))
        self.rows = len(self._named)

    def files(self, column: str, faults: Faults) -> Iterator[ImageFile | None]:
        root = self._path.resolve()
        for row, name in enumerate(self._named.column(column).to_pylist()):
            where = f"{self._table.where(row)} names {name!r}"
            if not name:
                yield None
            elif not (self._path / name).resolve().is_relative_to(root):
                faults.add(f"{where}, which lies outside the folder", [row])
                yield None
            elif not (self._path / name).is_file():
                faults.add(f"{where}, which is no file", [row])
                yield None
            else:
                yield ImageFile(self._path / name)

    def unnamed(self) -> list[str]:
        """Return the images in the folder that no line names, sorted."""
        named = {
            (self._path / name).resolve()
            for column in self.images.values()
            for name in self._named.column(column).to_pylist()
            if name
        }
        found = (file for file in self._path.rglob("*") if file.suffix.lower() in SUFFIXES)
        below = {file.relative_to(self._path): file for file in found}
        shown = [path for path in below if not any(part.startswith(".") for part in path.parts)]
        return sorted(path.as_posix() for path in shown if below[path].resolve() not in named)

    def read(self, columns: Sequence[str]) -> pa.Table:
        return self._table.read(list(columns))


def _part_of(column: str) -> str:
    """Return the name of the part that a column of names of files stands for."""
    return column.removesuffix(FILE_NAME).rstrip("_") or IMAGE
