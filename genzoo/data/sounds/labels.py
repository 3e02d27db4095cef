"""Labels of sounds: from `metadata.csv`, from the names of files, or from their folders."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from genzoo.config.data import DataSettings
from genzoo.data.dataset import category
from genzoo.errors import DataError
from genzoo.spec.events import Feature
from genzoo.text import shown_first
from genzoo.typing import Array
from genzoo.wording import argument

METADATA = "metadata.csv"
"""Name of a table in a folder with a column `file_name`, by Hugging Face's convention."""


_FILE = "file_name"


_MARKS = re.compile(r"[_\-]")


@dataclass(frozen=True, slots=True)
class Labels:
    """Labels of each file, by the name of the label, in the order of the files.

    Arguments:
        columns: the texts, by name.
        files: the files that have them; others are left out.
    """

    columns: Mapping[str, Sequence[str]]
    files: Sequence[Path]

    def chosen(self, settings: DataSettings) -> tuple[Feature | None, Array | None]:
        """Return the label that a condition names, or the first one, and its codes `(N,)`; `None` if there is none."""
        name = next((name for name in settings.condition if name in self.columns), next(iter(self.columns), None))
        if name is None:
            return None, None
        texts = self.columns[name]
        levels = sorted(set(texts), key=lambda text: (not text.isdigit(), int(text) if text.isdigit() else 0, text))
        whole = all(text.isascii() and text.isdigit() and str(int(text)) == text for text in levels)
        places = {text: place for place, text in enumerate(levels)}
        return category(name, levels, "int64" if whole else None), np.array([places[text] for text in texts])


def labels_of(path: Path, files: Sequence[Path], settings: DataSettings) -> Labels:
    """Return the labels of the files in a folder.

    Raises:
        DataError: `metadata.csv` names files that do not exist or has no names of files; or the name of a file has
            another form than `fields` says.
    """
    if settings.fields is not None:
        return _of_names(path, files, settings.fields)
    if (path / METADATA).is_file():
        return _of_table(path, files)
    parents = [file.parent.relative_to(path).as_posix() for file in files]
    return Labels({"label": parents} if len(set(parents)) > 1 else {}, files)


def _of_names(path: Path, files: Sequence[Path], pattern: str) -> Labels:
    names = _MARKS.split(pattern)
    parts = [_MARKS.split(file.stem) for file in files]
    if bad := [file for file, own in zip(files, parts, strict=True) if len(own) != len(names)]:
        raise DataError(
            f"The names of {len(bad)} of {len(files)} files in {path} do not have the {len(names)} fields of "
            f"{argument('fields', pattern)}: {shown_first([file.name for file in bad])}. Rename or remove them."
        )
    columns = {name: [own[place] for own in parts] for place, name in enumerate(names)}
    return Labels({name: texts for name, texts in columns.items() if len(set(texts)) > 1}, files)


def _of_table(path: Path, files: Sequence[Path]) -> Labels:
    table = path / METADATA
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            rows = [row for row in csv.DictReader(file) if any(row.values())]
    except (UnicodeDecodeError, csv.Error, OSError) as error:
        raise DataError(f"{table} cannot be read as a table: {error}.") from error
    if not rows or _FILE not in rows[0]:
        raise DataError(f"{table} has no rows with a column {_FILE!r}, which names the file of each row.")
    known = {file.relative_to(path).as_posix(): file for file in files}
    if bad := [str(row[_FILE]) for row in rows if row[_FILE] not in known]:
        raise DataError(
            f"{table} names {len(bad)} files that are not in the folder, or are no sounds: {shown_first(bad)}. Add "
            f"them, or remove their rows."
        )
    named = [name for name in rows[0] if name and name != _FILE]
    columns = {name: [row[name] or "" for row in rows] for name in named}
    return Labels(columns, [known[row[_FILE]] for row in rows])
