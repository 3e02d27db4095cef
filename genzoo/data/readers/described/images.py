"""The images of a column, as a part of events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from genzoo.config.data import DataSettings
from genzoo.data.dataset import Dataset
from genzoo.data.readers.described.faults import Described, Faults, check_any, events_of_rows, shown_name
from genzoo.data.readers.images.decoding import decode, remarks_of
from genzoo.data.readers.images.files import ImageFile, ImagePage
from genzoo.data.readers.images.stack import Stack
from genzoo.data.value_range import found_spec
from genzoo.typing import Array


@dataclass(frozen=True, slots=True)
class ImageColumn:
    """The images of a column: those that can be read, and which one each row has.

    Arguments:
        pages: the images.
        which: number of the image of each row; -1 for none.
    """

    pages: list[ImagePage]
    which: Array

    @staticmethod
    def of(described: Described, column: str, settings: DataSettings, faults: Faults) -> ImageColumn:
        """Decode the images of a column, each file once."""
        places: dict[Path, int] = {}
        rows: list[int] = []

        def files() -> Iterator[ImageFile]:
            for file in described.files(column, faults):
                new = file is not None and file.path not in places
                rows.append(-1 if file is None else places.setdefault(file.path, len(places)))
                if new and file is not None:
                    yield file

        pages, bad = decode(Path(described.shown), files(), None, settings)
        owners = np.array(rows)
        first: dict[Path, ImagePage] = {}
        for page in pages:
            if page.of_several and page.number == 0:
                rows_of = np.flatnonzero(owners == places[page.file]).tolist()
                faults.add(f"{shown_name(page.file)} holds several images", rows_of)
            elif not page.of_several:
                first[page.file] = page
        for error in bad:
            rows_of = np.flatnonzero(owners == places[error.file]).tolist()
            faults.add(f"{shown_name(error.file)} cannot be read as an image ({error.reason})", rows_of)
        numbers = {places[file]: number for number, file in enumerate(first)}
        return ImageColumn(list(first.values()), np.array([numbers.get(place, -1) for place in rows]))

    def dataset(self, part: str, rows: Array, settings: DataSettings) -> Dataset:
        """Return the images of some rows as a part; NaN for rows that have none.

        Raises:
            DataError: no row has an image, or they do not fit into one array.
        """
        check_any(part, self.which[rows])
        stack = Stack.of(part, self.pages, settings)
        images = stack.filled()
        events = events_of_rows(images, self.which[rows])
        remarks = Counter(remark for page in self.pages for remark in page.remarks)
        spec = found_spec(images, stack.values)
        return Dataset(part, spec, events, range_from="data", notes=tuple(remarks_of(remarks)))
