"""Read folders of images and sounds with a table of metadata; see `Described`.

The column `file_name` names the images of the part `image`, or the sounds of the part `sound`, and `right_file_name`
the files of the part `right`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from genzoo.config.data import DataSettings
from genzoo.data.readers.csv_files import read_csv
from genzoo.data.readers.described.dataset import given_settings
from genzoo.data.readers.described.faults import Faults
from genzoo.data.readers.images.files import ImageFile
from genzoo.data.readers.images.folder import SUFFIXES
from genzoo.data.readers.json_files import read_json
from genzoo.errors import DataError
from genzoo.spec.modality import METADATA, SOUND_SUFFIXES

FILE_NAME, IMAGE, SOUND = "file_name", "image", "sound"


class DescribedFolder:
    """A folder of images and sounds with a table of metadata; see `Described`.

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
        files = [name for name in self._table.names if name.endswith(FILE_NAME)]
        if not files:
            raise DataError(f"{table} has no column {FILE_NAME!r}, which names the file of each line. Add it.")
        self.columns = [name for name in self._table.names if name not in files]
        self._named = self._table.read(files, files)
        self.sounds = frozenset(name for name in files if _any_sound(self._named.column(name)))
        self.media = {_part_of(name, SOUND if name in self.sounds else IMAGE): name for name in files}
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
        """Return the images in the folder that no line names, and the sounds if lines name any, sorted."""
        suffixes = SUFFIXES.union(SOUND_SUFFIXES if self.sounds else ())
        named = {
            (self._path / name).resolve()
            for column in self.media.values()
            for name in self._named.column(column).to_pylist()
            if name
        }
        found = (file for file in self._path.rglob("*") if file.suffix.lower() in suffixes)
        below = {file.relative_to(self._path): file for file in found}
        shown = [path for path in below if not any(part.startswith(".") for part in path.parts)]
        return sorted(path.as_posix() for path in shown if below[path].resolve() not in named)

    def read(self, columns: Sequence[str]) -> pa.Table:
        return self._table.read(list(columns))


def _any_sound(names: pa.ChunkedArray) -> bool:
    """Return whether a column of names of files names a sound."""
    return any(name is not None and name.lower().endswith(SOUND_SUFFIXES) for name in names.to_pylist())


def _part_of(column: str, usual: str) -> str:
    """Return the name of the part that a column of names of files stands for; `usual` if it is plain `file_name`."""
    return column.removesuffix(FILE_NAME).rstrip("_") or usual
