"""The sounds of a column, as a part of events."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from genzoo.config.data import DataSettings
from genzoo.data.dataset import Dataset
from genzoo.data.readers.described.faults import Described, Faults, check_any, events_of_rows, shown_name
from genzoo.data.sounds.files import Sound, UnreadableSoundError, read_sound
from genzoo.data.sounds.folder import dataset_of
from genzoo.runtime.progress import Phase
from genzoo.typing import Array


@dataclass(frozen=True, slots=True)
class SoundColumn:
    """The sounds of a column: those that can be read, and which one each row has.

    Arguments:
        sounds: the sounds.
        which: number of the sound of each row; -1 for none.
    """

    sounds: list[Sound]
    which: Array

    @staticmethod
    def of(described: Described, column: str, _: DataSettings, faults: Faults) -> SoundColumn:
        """Read the sounds of a column, each file once."""
        paths = [None if file is None else file.path for file in described.files(column, faults)]
        sounds: dict[Path, Sound] = {}
        with Phase("reading sounds", described.rows, "files") as phase:
            for path in phase.over(dict.fromkeys(path for path in paths if path is not None), lambda _: 1):
                try:
                    sounds[path] = read_sound(path)
                except UnreadableSoundError as error:
                    rows = [row for row, own in enumerate(paths) if own == path]
                    faults.add(f"{shown_name(path)} cannot be read as a sound ({error.reason})", rows)
        numbers = {path: number for number, path in enumerate(sounds)}
        which = [-1 if path is None else numbers.get(path, -1) for path in paths]
        return SoundColumn(list(sounds.values()), np.array(which))

    def dataset(self, part: str, rows: Array, settings: DataSettings) -> Dataset:
        """Return the sounds of some rows as a part, at one rate and of one length; NaN for rows that have none.

        Raises:
            DataError: no row has a sound, or all are silent or too long.
        """
        check_any(part, self.which[rows])
        found = dataset_of(part, self.sounds, settings)
        events = events_of_rows(found.events, self.which[rows])
        return Dataset(part, found.spec, events, notes=found.notes)
