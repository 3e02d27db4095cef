"""Hand the data of a comparison to another process, which opens them once and divides them in the same way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from genzoo.comparison.splits import SplitPlan
from genzoo.config.data import DataSettings, SplitSettings
from genzoo.data.dataset import Dataset
from genzoo.data.loading import open_dataset
from genzoo.data.texts.flat import Texts
from genzoo.data.texts.windows import Windows
from genzoo.plugins.manager import get_registry
from genzoo.spec.events import DataSpec
from genzoo.typing import Array

_EVENTS = "events"

_PIECES = "pieces"
"""Name of the array of the long texts that windows belong to."""

_BESIDE = ("weights", "groups", "times", "conditions", "buckets", "gray", "gray_range")
"""Arrays of a dataset in memory, besides its events, that a worker needs."""


@dataclass(frozen=True, slots=True)
class DataLocation:
    """Where another process finds the data, and how it divides them.

    Arguments:
        settings: JSON of the data settings, if the process can open the data from them; otherwise `None`, and it is
            given arrays.
        name, spec, test_rows: of a dataset in memory.
        mapped: whether its rows are memory-mapped.
        split: JSON of the split settings.
        seed, folds: of the comparison.
        digest: SHA-256 of the data, as `Dataset.digest` returns it. Defaults to `None`: nobody needs it.
    """

    settings: str | None
    name: str
    spec: DataSpec
    test_rows: int
    mapped: bool
    split: str
    seed: int
    folds: int
    digest: str | None = None

    @staticmethod
    def of(
        dataset: Dataset, division: SplitPlan, settings: DataSettings | None, digest: str | None = None
    ) -> DataLocation:
        """Describe data that are open in this process.

        Arguments:
            settings: settings that the other process can open the data from; `None` if it is given arrays.
            digest: as for the class.
        """
        return DataLocation(
            None if settings is None else settings.model_dump_json(),
            dataset.name,
            dataset.spec,
            dataset.test_rows,
            type(dataset.events) is not np.ndarray,
            division.settings.model_dump_json(),
            division.seed,
            0 if division.fold is None else int(division.fold.max()) + 1,
            digest,
        )

    def open(self, arrays: Mapping[str, Array] | None = None) -> tuple[Dataset, SplitPlan]:
        """Return the data, and which rows each fit uses.

        Arguments:
            arrays: as `arrays_of` returns them; `None` if the settings say where the data are.

        Raises:
            GenzooError: the data cannot be opened.
        """
        split = SplitSettings.model_validate_json(self.split)
        if self.settings is not None:
            dataset = open_dataset(DataSettings.model_validate_json(self.settings), get_registry(), split)
        else:
            assert arrays is not None
            dataset = self._of_arrays(arrays)
        return dataset, SplitPlan.of(dataset, split, self.seed, self.folds)

    def _of_arrays(self, arrays: Mapping[str, Array]) -> Dataset:
        events = arrays[_EVENTS]
        if _PIECES in arrays and self.spec.end is not None:
            texts = Texts.of(events, self.spec.end, self.name)
            events = Windows.of_texts(texts, arrays[_PIECES]).as_array()
        elif self.mapped and not isinstance(events, np.memmap):
            # Rows that are on disk here were sent. They must be read in the same order as rows on disk.
            events = events.view(np.memmap)
        beside: dict[str, Any] = {name: arrays[name] for name in _BESIDE if name in arrays}
        events = events if self.mapped else np.asarray(events)
        return Dataset(self.name, self.spec, events, test_rows=self.test_rows, **beside)


def arrays_of(dataset: Dataset) -> dict[str, Array]:
    """Return everything of a dataset that fits depend on, as arrays by name. Rows on disk are read."""
    found = {_EVENTS: dataset.events[:]}
    if isinstance(dataset.events, Windows):
        found[_PIECES] = dataset.events.pieces
    return found | {name: values for name in _BESIDE if (values := getattr(dataset, name)) is not None}


def save_arrays(dataset: Dataset, folder: Path) -> None:
    """Write the arrays of a dataset into a folder, one file each."""
    for name, values in arrays_of(dataset).items():
        np.save(folder / f"{name}.npy", values)


def load_arrays(folder: Path) -> dict[str, Array]:
    """Return the arrays that `save_arrays` wrote; events and gray images are mapped from their files."""
    return {
        path.stem: np.load(path, mmap_mode="r" if path.stem in (_EVENTS, "gray") else None)
        for path in sorted(folder.glob("*.npy"))
    }
