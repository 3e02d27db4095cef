"""The modalities: what one event can be, and all that genzoo knows about each, as data.

No other module asks for the name of a modality. Code asks for what it needs to know: whether an event has columns,
whether it has a picture, what one is called. As the other specs, this imports neither torch nor pydantic.

A new modality is an entry here, a module that reads its files and a module that shows its events in reports. The entry
names both by references.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

TEXT_SUFFIXES = (".csv", ".tsv")


ARROW_SUFFIXES = (".arrow", ".feather")


TABLE_SUFFIXES = (*TEXT_SUFFIXES, ".parquet", *ARROW_SUFFIXES)
"""Suffixes of the tables that genzoo writes. They are defined here, so that checking a name needs no pyarrow."""


ARRAY_SUFFIXES = (".npy", ".npz")
"""Suffixes of files of arrays, which hold events of any modality with `layouts`."""


SOUND_SUFFIXES = (".wav", ".flac", ".ogg", ".opus", ".mp3", ".aif", ".aiff", ".au")
"""Suffixes of files in folders of sounds."""


PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm")
"""Suffixes of files in folders of images."""


METADATA = ("metadata.csv", "metadata.jsonl")
"""Names of the tables that describe the images of a folder, a line for each."""


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
class SourceSpec:
    """A kind of file or folder that holds events of one modality.

    Arguments:
        name: what messages call several, such as `folders of images`.
        reader: reference of `read(path, settings) -> Dataset`. If events have columns, it is
            `read(path, settings, expected) -> TableSource`, in which a line that holds all names in `expected` is a
            header.
        endings: ends of the names of such files, in lower case. Defaults to none.
        folder: whether it is a folder. Defaults to false.
        inside: ends of the names of the files in such a folder. A folder is of the first kind that it has files of.
            Defaults to none.
        piped: whether it is standard input. Defaults to false.
        settings: names of the settings in `DataSettings` that only such sources have. Defaults to none.
        holds: reference of `holds(file) -> bool`, which looks into a file whose name ends like that: files of the same
            format may hold events of other modalities. Defaults to none: the name decides.
        ranged: whether the reader takes a file behind a URL, and reads only what it needs. Defaults to false: the file
            is copied first.
        together: reference of `read(shown, files, settings) -> Dataset`, which reads several files. Defaults to none:
            only files of tables are read together, by `reader`.
    """

    name: str
    reader: str
    endings: tuple[str, ...] = ()
    folder: bool = False
    inside: tuple[str, ...] = ()
    piped: bool = False
    settings: tuple[str, ...] = ()
    holds: str = ""
    ranged: bool = False
    together: str = ""


@dataclass(frozen=True, slots=True)
class ModalitySpec:
    """A modality, as plain data.

    Its references are `"package.module:attribute"` and are imported when they are first needed.

    Arguments:
        name: name of the modality in specs and files.
        plural: what several sets of data or events are called, in `Model 'a' takes tables`.
        dataset: what messages say about data, such as `is a table` or `holds images`.
        event, value: what messages call one event, and one of its values.
        axes: what messages call the sides of an event's shape, such as `("C", "H", "W")`.
        layouts: shapes of arrays that hold such events, such as `(N, H, W)`. No other modality has a layout with as
            many sides. Defaults to none: an array never holds such events.
        array: reference of `of_array(name, events, labels, shown, declared) -> Dataset`, which takes an array of one
            of the layouts. Defaults to none, if there are no layouts.
        sources: kinds of files and folders that hold such events. Defaults to none.
        settings: names of the settings in `DataSettings` that only such events have. Defaults to none.
        columns: whether each value is a column with a feature of its own, so that an event is a row of a table. If
            not, all values share one feature. Defaults to false.
        ranged: whether values share a range and a grid, which are stated or found in the data, and which events must
            fit. Defaults to false.
        mirrors: whether an event can be mirrored along the last axis, as a photograph left to right. Defaults to false.
        missing: whether values can be missing. Defaults to false.
        ended: whether events have different lengths: each is a sequence of codes with the code of the end after
            it, and its shape is the longest. Its values share one categorical feature, the symbols. Defaults to false.
        timed: whether an event is a sound: samples at a rate. Defaults to false.
        seen_as: transforms by which models of other modalities take such events too, by the modality that they see;
            the first that a model takes counts. Defaults to none.
        data: name of the dataset that models are trained on by default. Defaults to none: each model names its own.
        suffix: suffix of files of samples. Defaults to `.npy`.
        suffixes: suffixes of files that events can be written to; the empty one is a folder. Defaults to `.npy` and
            `.npz`.
        extractor: name of the extractor of features for metrics. Defaults to `columns`, which standardizes values.
        rates: names of the metrics that give a probability mass as a rate. Defaults to none.
        shown: how many events a page shows.
        report: reference of the `ModalityReport` that shows events in reports. Defaults to one that shows their first
            values as rows of a table.
        picture: reference of `picture(events, data, *, columns) -> Image`, which draws events side by side. Defaults
            to none: events have no picture.
    """

    name: str
    plural: str
    dataset: str
    event: str
    value: str
    axes: tuple[str, ...]
    layouts: tuple[str, ...] = ()
    array: str = ""
    sources: tuple[SourceSpec, ...] = ()
    settings: tuple[str, ...] = ()
    columns: bool = False
    ranged: bool = False
    mirrors: bool = False
    missing: bool = False
    ended: bool = False
    timed: bool = False
    seen_as: Mapping[str, str] = field(default_factory=dict)
    data: str = ""
    suffix: str = ".npy"
    suffixes: tuple[str, ...] = ARRAY_SUFFIXES
    extractor: str = "columns"
    rates: tuple[str, ...] = ()
    shown: Shown = field(default=Shown(50, 500, 100_000))
    report: str = "genzoo.reports.modalities.values:VALUES"
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

    @property
    def rank(self) -> int:
        """Number of sides of an event's shape."""
        return len(self.axes)

    def fits(self, event_shape: tuple[int, ...]) -> bool:
        """Return whether an event can have some shape: a size of at least 1 along each axis."""
        return len(event_shape) == len(self.axes) and all(side >= 1 for side in event_shape)

    @property
    def array_ranks(self) -> frozenset[int]:
        """Numbers of sides of arrays that hold such events."""
        return frozenset(layout.count(",") + 1 for layout in self.layouts)

    def feature_count(self, event_shape: tuple[int, ...]) -> int:
        """Return how many features an event of some shape has."""
        return event_shape[0] if self.columns else 1


_DELIMITED = (*TEXT_SUFFIXES, ".data", ".dat", ".tab")


_TEXTS = (".txt", ".txt.gz")


_SOUND_FORMAT = ("rate", "seconds", "fields", "skip_bad")


_TEXT_FORMAT = ("header", "decimal", "thousands")


_IMAGE_FORMAT = ("size", "crop", "color", "skip_bad")


_TABLES = (*_DELIMITED, *(f"{suffix}.gz" for suffix in _DELIMITED))


MODALITIES: dict[str, ModalitySpec] = {
    "image": ModalitySpec(
        name="image",
        plural="images",
        dataset="holds images",
        event="image",
        value="pixel",
        axes=("C", "H", "W"),
        layouts=("(N, H, W)", "(N, H, W, C)", "(N, C, H, W)"),
        array="genzoo.data.readers.arrays:images_of_array",
        sources=(
            SourceSpec(
                name="folders of images",
                reader="genzoo.data.readers.images.folder:read_folder",
                folder=True,
                inside=PICTURE_SUFFIXES,
                settings=(*_IMAGE_FORMAT, "cache"),
            ),
            SourceSpec(
                name="tar files of images",
                reader="genzoo.data.readers.images.shards:read_shard",
                endings=(".tar",),
                settings=_IMAGE_FORMAT,
                together="genzoo.data.readers.images.shards:read_shards",
            ),
            SourceSpec(
                name="Parquet files of images",
                reader="genzoo.data.readers.images.shards:read_shard",
                endings=(".parquet",),
                settings=_IMAGE_FORMAT,
                holds="genzoo.data.readers.images.in_parquet:holds_images",
                ranged=True,
                together="genzoo.data.readers.images.shards:read_shards",
            ),
            SourceSpec(
                name="idx files",
                reader="genzoo.data.readers.images.idx:read_idx",
                endings=tuple(f"{end}{packed}" for end in ("-ubyte", ".ubyte", ".idx") for packed in ("", ".gz")),
            ),
        ),
        settings=("range", "binarize"),
        ranged=True,
        mirrors=True,
        data="digits",
        suffix=".png",
        suffixes=("", ".png", *ARRAY_SUFFIXES),
        extractor="pixels",
        rates=("bits-per-dim",),
        shown=Shown(4, 36, 400_000),
        report="genzoo.reports.modalities.images:IMAGES",
        picture="genzoo.inference.image_grid:grid",
    ),
    "table": ModalitySpec(
        name="table",
        plural="tables",
        dataset="is a table",
        event="row",
        value="column",
        axes=("columns",),
        layouts=("(N, columns)",),
        array="genzoo.data.readers.arrays:table_of_array",
        sources=(
            SourceSpec(
                name=".csv and .tsv files",
                reader="genzoo.data.readers.csv_files:read_csv",
                endings=_TABLES,
                settings=("separator", *_TEXT_FORMAT),
            ),
            SourceSpec(
                name="spreadsheets",
                reader="genzoo.data.readers.spreadsheet:spreadsheet",
                endings=(".xlsx",),
                settings=_TEXT_FORMAT,
            ),
            SourceSpec(
                name="JSON files",
                reader="genzoo.data.readers.json_files:read_json",
                endings=(".json", ".jsonl", ".ndjson", ".json.gz", ".jsonl.gz"),
            ),
            SourceSpec(
                name="Parquet, Arrow and Feather files",
                reader="genzoo.data.readers.arrow.parquet:read_arrow",
                endings=(".parquet", *ARROW_SUFFIXES, ".ipc"),
                ranged=True,
            ),
            SourceSpec(
                name="tables on standard input",
                reader="genzoo.data.readers.piped:read_piped",
                piped=True,
                settings=("separator", *_TEXT_FORMAT),
            ),
        ),
        settings=(
            *("columns", "drop", "kinds", "label", "weight", "drop_missing", "missing"),
            *("date_formats", "bounds", "whole", "round", "transforms"),
        ),
        columns=True,
        missing=True,
        data="iris",
        suffix=".csv",
        suffixes=(*TABLE_SUFFIXES, *ARRAY_SUFFIXES),
        report="genzoo.reports.modalities.tables:TABLES",
    ),
    "parts": ModalitySpec(
        name="parts",
        plural="events of several parts",
        dataset="holds events of several parts",
        event="event",
        value="value",
        axes=("values",),
        settings=("parts",),
        missing=True,
        suffix=".npz",
        suffixes=(".npz",),
        shown=Shown(4, 36, 100_000),
        report="genzoo.reports.modalities.parts:PARTS",
    ),
    "text": ModalitySpec(
        name="text",
        plural="texts",
        dataset="holds texts",
        event="text",
        value="symbol",
        axes=("symbols",),
        sources=(
            SourceSpec(
                name=".txt files",
                reader="genzoo.data.texts.lines:read_texts",
                endings=(*_TEXTS, ".log", ".log.gz"),
            ),
            SourceSpec(
                name="folders of .txt files", reader="genzoo.data.texts.folder:read_folder", folder=True, inside=_TEXTS
            ),
        ),
        settings=("window", "text"),
        ended=True,
        data="numerals",
        suffix=".txt",
        suffixes=(".txt", *ARRAY_SUFFIXES),
        extractor="ngrams",
        rates=("bits-per-byte",),
        shown=Shown(32, 256, 50_000),
        report="genzoo.reports.modalities.texts:TEXTS",
    ),
    "audio": ModalitySpec(
        name="audio",
        plural="sounds",
        dataset="holds sounds",
        event="sound",
        value="amplitude",
        axes=("T",),
        sources=(
            SourceSpec(
                name="folders of sounds",
                reader="genzoo.data.sounds.folder:read_folder",
                folder=True,
                inside=SOUND_SUFFIXES,
                settings=_SOUND_FORMAT,
            ),
        ),
        timed=True,
        seen_as={"image": "log-mel", "text": "mu-law"},
        data="spoken-digits",
        suffix=".wav",
        suffixes=("", ".wav", ".png", *ARRAY_SUFFIXES),
        extractor="log-mel",
        rates=("bits-per-sample",),
        shown=Shown(4, 36, 400_000),
        report="genzoo.reports.modalities.sounds:SOUNDS",
        picture="genzoo.inference.spectrograms:spectrograms",
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


def endings() -> tuple[str, ...]:
    """Return the ends of the names of all files that events are read from, in lower case."""
    sources = (source for form in MODALITIES.values() for source in form.sources)
    return (*dict.fromkeys(ending for source in sources for ending in source.endings), *ARRAY_SUFFIXES)


def layouts() -> str:
    """Return the layouts of arrays in words: `images are (N, H, W) or (N, H, W, C), and tables are (N, columns)`."""
    parts = [f"{form.plural} are {' or '.join(form.layouts)}" for form in MODALITIES.values() if form.layouts]
    return ", and ".join(parts)
