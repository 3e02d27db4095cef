"""The modalities: what one event can be, and all that genzoo knows about each, as data.

No other module asks for the name of a modality. Code asks for what it needs to know: whether an event has columns,
whether it has a picture, what one is called. As the other specs, this imports neither torch nor pydantic.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

TEXT_SUFFIXES = (".csv", ".tsv")


ARROW_SUFFIXES = (".arrow", ".feather")


TABLE_SUFFIXES = (*TEXT_SUFFIXES, ".parquet", *ARROW_SUFFIXES)
"""Suffixes of the tables that genzoo writes. They are defined here, so that checking a name needs no pyarrow."""


Modality = str
"""Name of a modality, a key of `MODALITIES`."""


@dataclass(frozen=True, slots=True)
class Shown:
    """How many events of one source a page shows.

    Arguments:
        least, most: fewest and most events.
        numbers: numbers that all events have together, at most, unless there are only the fewest events.
    """

    least: int
    most: int
    numbers: int

    def events(self, size: int) -> int:
        """Return how many events of `size` numbers are shown."""
        return max(self.least, min(self.most, self.numbers // size))


@dataclass(frozen=True, slots=True)
class ModalitySpec:
    """A modality, as plain data.

    Its references are `"package.module:attribute"` and are imported when they are first needed.

    Arguments:
        name: name of the modality in specs and files.
        plural: what several sets of data or events are called, in `Model 'a' takes tables`.
        dataset: what messages say about data, such as `is a table` or `holds images`.
        event, value: what messages call one event, and one of its values.
        rank: dimensions of an event's shape.
        columns: whether each value is a column with a feature of its own, so that an event is a row of a table. If
            not, all values share one feature. Defaults to false.
        ranged: whether values share a range and a grid, which are stated or found in the data, and which events must
            fit. Defaults to false.
        missing: whether values can be missing. Defaults to false.
        ended: whether events have different lengths: each is a sequence of codes with the code of the end after
            it, and its shape is the longest. Its values share one categorical feature, the symbols. Defaults to false.
        data: name of the dataset that models are trained on by default. Defaults to none: each model names its own.
        suffix: suffix of files of samples. Defaults to `.npy`.
        suffixes: suffixes of files that events can be written to; the empty one is a folder. Defaults to `.npy` and
            `.npz`.
        extractor: name of the extractor of features for metrics. Defaults to `columns`, which standardizes values.
        rates: names of the metrics that give a probability mass as a rate. Defaults to none.
        shown: how many events a page shows.
        picture: reference of `picture(events, data, *, columns) -> Image`, which draws events side by side. Defaults
            to none: events have no picture.
    """

    name: str
    plural: str
    dataset: str
    event: str
    value: str
    rank: int
    columns: bool = False
    ranged: bool = False
    missing: bool = False
    ended: bool = False
    data: str = ""
    suffix: str = ".npy"
    suffixes: tuple[str, ...] = (".npy", ".npz")
    extractor: str = "columns"
    rates: tuple[str, ...] = ()
    shown: Shown = field(default=Shown(50, 500, 100_000))
    picture: str = ""

    @property
    def events(self) -> str:
        """What messages call several events."""
        return f"{self.event}s"

    @property
    def values(self) -> str:
        """What messages call several values of an event."""
        return f"{self.value}s"

    @property
    def pictured(self) -> bool:
        """True if events have pictures."""
        return bool(self.picture)

    def feature_count(self, event_shape: tuple[int, ...]) -> int:
        """Return how many features an event of some shape has."""
        return event_shape[0] if self.columns else 1


MODALITIES: dict[str, ModalitySpec] = {
    "image": ModalitySpec(
        name="image",
        plural="images",
        dataset="holds images",
        event="image",
        value="pixel",
        rank=3,
        ranged=True,
        data="digits",
        suffix=".png",
        suffixes=("", ".png", ".npy", ".npz"),
        extractor="pixels",
        rates=("bits-per-dim",),
        shown=Shown(4, 36, 400_000),
        picture="genzoo.inference.image_grid:grid",
    ),
    "table": ModalitySpec(
        name="table",
        plural="tables",
        dataset="is a table",
        event="row",
        value="column",
        rank=1,
        columns=True,
        missing=True,
        data="iris",
        suffix=".csv",
        suffixes=(*TABLE_SUFFIXES, ".npy", ".npz"),
    ),
    "text": ModalitySpec(
        name="text",
        plural="texts",
        dataset="holds texts",
        event="text",
        value="symbol",
        rank=1,
        ended=True,
        data="numerals",
        suffix=".txt",
        suffixes=(".txt", ".npy", ".npz"),
        extractor="symbols",
        rates=("bits-per-byte",),
        shown=Shown(10, 40, 20_000),
    ),
}


def plurals(modalities: Iterable[Modality]) -> list[str]:
    """Return what messages call data of some modalities."""
    return [MODALITIES[name].plural for name in modalities]


def default_data(modalities: Iterable[Modality]) -> str:
    """Return the dataset that models of some modalities are trained on by default; empty if there is none."""
    return next((form.data for name, form in MODALITIES.items() if name in set(modalities) and form.data), "")


def unknown(modalities: Iterable[Modality]) -> list[str]:
    """Return the names that are no modalities, sorted."""
    return sorted(set(modalities).difference(MODALITIES))
