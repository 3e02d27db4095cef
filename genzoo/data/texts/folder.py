"""Read folders of texts: each file is one text, or is cut into windows."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from genzoo.config.data import DataSettings
from genzoo.data.dataset import Dataset, category
from genzoo.data.texts.content import about_returns, read_whole, windows_of
from genzoo.data.texts.flat import Texts
from genzoo.data.texts.symbols import BYTES, byte_spec, too_long
from genzoo.errors import DataError
from genzoo.runtime.progress import Phase
from genzoo.spec.events import MOST_SYMBOLS
from genzoo.text import counted

_ENDINGS = (".txt", ".txt.gz")


def read_folder(path: Path, settings: DataSettings) -> Dataset:
    """Read every `.txt` and `.txt.gz` file in a folder and its subfolders, in the order of their paths.

    Files and folders whose name begins with a dot are left out, and so are empty files and files of other types; notes
    count the last two. Each file is one text, and its subfolder its label; with `window`, each is cut into windows.
    Ends of lines are symbols, line feeds without a carriage return.

    Raises:
        DataError: a file cannot be read, is not UTF-8 or is too long, or there is no text.
    """
    every = sorted(file for file in path.rglob("*") if file.is_file() and not _is_hidden(file.relative_to(path)))
    files = [file for file in every if file.name.lower().endswith(_ENDINGS)]
    texts, kept, returned = [], [], 0
    with Phase("reading texts", len(files), "files") as phase:
        for file in phase.over(files, lambda _: 1):
            text, own = read_whole(file)
            returned += own
            if len(text) > MOST_SYMBOLS and settings.window is None:
                raise too_long(str(file), "the file", len(text))
            if len(text):
                texts.append(text)
                kept.append(file)
    empty, others = len(files) - len(kept), len(every) - len(files)
    if not texts:
        raise DataError(f"Folder {path} holds no texts: {counted(empty, 'file')}, and none with a character.")
    name = path.resolve().name
    notes = about_returns(returned, name)
    notes += (f"{counted(empty, 'empty file')} of {name} left out",) if empty else ()
    notes += (f"files of other types left out: {others}",) if others else ()
    if settings.window is not None:
        found = windows_of(name, name, texts, settings.window)
        return dataclasses.replace(found, notes=(*notes, *found.notes))
    parents = sorted({file.parent for file in kept})
    labels = np.array([parents.index(file.parent) for file in kept]) if len(parents) > 1 else None
    classes = [parent.relative_to(path).as_posix() for parent in parents]
    events = Texts.joined(texts, max(map(len, texts)), len(BYTES))
    return Dataset(
        name,
        byte_spec(events.shape[1]),
        events.as_array(),
        labels,
        notes=notes,
        label=None if labels is None else category("label", classes),
    )


def _is_hidden(file: Path) -> bool:
    return any(part.startswith(".") for part in file.parts)
