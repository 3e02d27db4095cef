"""The spec of one event: its shape, modality, features and range.

These are frozen dataclasses that import neither torch nor pydantic, so that listing the zoo is fast. Each one checks
its fields when it is created, and raises `ValueError` if one is invalid.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, Literal

from genzoo.spec.modality import MODALITIES, Modality, ModalitySpec

MOST_NUMBERS = 2**26
"""Largest number of values in an event: a gray image of 8192 by 8192 pixels."""


MOST_NAMES = 100_000
"""Largest number of columns and categories of a table together; a model's file lists all their names."""


MOST_SYMBOLS = 2**14
"""Largest number of symbols of a text. Blocks of texts are as wide as the longest."""


MOST_RATE = 768_000
"""Largest number of samples of a sound in a second."""


Kind = Literal["continuous", "binary", "categorical", "count"]


StorageType = Literal["uint8", "int16", "int32", "int64", "float32", "float64"]


_MOST_CODES: Mapping[str, int] = {"uint8": 2**8 - 1, "int16": 2**15 - 1, "int32": 2**31 - 1, "int64": 2**63 - 1}


Library = Literal["pandas", "polars", "pyarrow"]


ColumnType = Literal[
    "bool",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "float32",
    "float64",
    "string",
    "dictionary",
    "date",
    "timestamp",
    "time",
    "duration",
]


TEMPORAL = ("date", "timestamp", "time", "duration")
"""Types of columns that hold dates or times, which models see as days or seconds."""


@dataclass(frozen=True, slots=True)
class Feature:
    """One column of a table, or all pixels of an image.

    Arguments:
        name: name of the column.
        kind: `continuous | binary | categorical | count`. Defaults to `continuous`.
        levels: the categories in the order of their codes, for a categorical or binary feature.
        type: type of the stored column, in the source and in files of samples; not compared. Defaults to `string` for
            a feature with levels, and `float64` for others.
        form: how a column of dates or times is stored: a type of Arrow, such as `timestamp[us, tz=UTC]`, or the format
            of its texts, such as `%d.%m.%Y`; not compared. Defaults to `None`.
        low, high: smallest and largest value in samples; not compared. Default to `None`: not limited.
        step: samples are whole multiples of it, such as 1 or 0.1; not compared. Defaults to `None`: any number.
        unseen: levels that no training row of a model has; not compared. Defaults to none.
        cell: width of the cells around its values, whose probability a model of a density is scored by; not compared.
            Defaults to `None`: it is scored by the density.
    """

    __pydantic_config__: ClassVar[Any] = {"extra": "forbid"}

    name: str
    kind: Kind = "continuous"
    levels: tuple[str, ...] | None = None
    type: ColumnType | None = field(default=None, repr=False, compare=False)
    form: str | None = field(default=None, repr=False, compare=False)
    low: float | None = field(default=None, repr=False, compare=False)
    high: float | None = field(default=None, repr=False, compare=False)
    step: float | None = field(default=None, repr=False, compare=False)
    unseen: tuple[str, ...] = field(default=(), repr=False, compare=False)
    cell: float | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        named = self.kind in ("binary", "categorical")
        if named != (self.levels is not None):
            raise ValueError(f"Feature {self.name!r} is {self.kind} and {'needs' if named else 'has no'} levels.")
        if self.levels is not None and len(set(self.levels)) != len(self.levels):
            raise ValueError(f"Feature {self.name!r} names a level twice.")
        if self.kind == "binary" and self.levels is not None and len(self.levels) != 2:
            raise ValueError(f"Feature {self.name!r} is binary and has {len(self.levels)} levels.")
        if self.levels is not None and not all(_could_be(self.stored, level) for level in self.levels):
            raise ValueError(f"The levels of feature {self.name!r} do not have its type, {self.type}.")
        if not set(self.unseen) <= set(self.levels or ()):
            raise ValueError(f"Feature {self.name!r} names unseen levels that are none of its levels.")
        if self.form is not None and self.type not in TEMPORAL:
            raise ValueError(f"Feature {self.name!r} is {self.stored} and has no form; only dates and times have one.")
        if self.temporal and self.kind != "continuous":
            raise ValueError(f"Feature {self.name!r} is {self.kind}, and dates and times are continuous.")
        _check_placing(self)
        if self.cell is not None and (self.discrete or not (math.isfinite(self.cell) and self.cell > 0)):
            raise ValueError(f"The cell {self.cell} of feature {self.name!r} is not a positive width of numbers.")

    @property
    def stored(self) -> ColumnType:
        """Type of the stored column."""
        return self.type or ("float64" if self.levels is None else "string")

    @property
    def temporal(self) -> bool:
        """True if the feature holds dates or times, in days or seconds."""
        return self.type in TEMPORAL

    @property
    def discrete(self) -> bool:
        """True if the feature holds codes or counts, which transforms leave unchanged."""
        return self.kind != "continuous"


@dataclass(frozen=True, slots=True)
class FrameForm:
    """The kind of table in memory that a model was trained on, and that its samples come back as.

    Arguments:
        library: `pandas | polars | pyarrow`.
        types: types that do not follow from the features, by the name of the column, as the library names them.
            Defaults to none.
        numbered: whether the columns have whole numbers as names, as pandas allows. Defaults to false.
    """

    __pydantic_config__: ClassVar[Any] = {"extra": "forbid"}

    library: Library
    types: Mapping[str, str] = field(default_factory=dict)
    numbered: bool = False


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of an event, and its place among all values of the event.

    Arguments:
        name: name of the part; empty if it is the whole event.
        spec: describes the part.
        places: where its values stand in a row of all values of an event.
    """

    name: str
    spec: DataSpec
    places: slice

    def take(self, events: Any) -> Any:
        """Return the part of an array or a tensor of events `(N, *event)`, `(N, *part)`."""
        return events[:, self.places].reshape(len(events), *self.spec.event_shape) if self.name else events


@dataclass(frozen=True, slots=True)
class DataSpec:
    """The shape, kind and range of one event: an image, a row of a table, or a text.

    Arguments:
        event_shape: `(C, H, W)` for an image, `(C,)` for a table of `C` columns, `(T,)` for texts of at most `T`
            symbols and for sounds of `T` samples.
        modality: what an event is, `image | table | text | audio`.
        features: one feature for each column of a table, or a single one for all pixels or symbols.
        bounds: smallest and largest possible value, in data units. Defaults to `None`: not declared.
        quantum: step of the grid that values lie on, in data units (1 for 8-bit pixels). Defaults to `None`: no grid.
        storage: number type of events and samples. Defaults to `float32`.
        missing: whether values may be missing. Defaults to false.
        frame: kind of table in memory that the data came from; not compared. Defaults to `None`: an array or a file.
        condition: what events are conditional on, one feature for each column of conditions. Defaults to none.
        windows: whether texts are windows of longer texts; not compared. Defaults to false.
        rate: samples of a sound in a second. Defaults to `None`: events are no sounds.
    """

    __pydantic_config__: ClassVar[Any] = {"extra": "forbid"}

    event_shape: tuple[int, ...]
    modality: Modality
    features: tuple[Feature, ...]
    bounds: tuple[float, float] | None = None
    quantum: float | None = None
    storage: StorageType = "float32"
    missing: bool = False
    frame: FrameForm | None = field(default=None, repr=False, compare=False)
    condition: tuple[Feature, ...] = field(default=(), repr=False)
    windows: bool = field(default=False, repr=False, compare=False)
    rate: int | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.modality not in MODALITIES:
            raise ValueError(f"{self.modality!r} is no modality. Known: {', '.join(MODALITIES)}.")
        if any(side > MOST_NUMBERS for side in self.event_shape) or self.size > MOST_NUMBERS:
            raise ValueError(f"An event holds at most {MOST_NUMBERS} numbers.")
        named = (*self.features, *self.condition)
        if len(named) + sum(len(feature.levels or ()) for feature in named) > MOST_NAMES:
            raise ValueError(f"A table has at most {MOST_NAMES} columns and categories together.")
        if not self.form.fits(self.event_shape):
            raise ValueError(
                f"An event of modality {self.modality!r} has the shape ({', '.join(self.form.axes)}), with sides of at "
                f"least 1, not {self.event_shape}."
            )
        if len(self.features) != self.form.feature_count(self.event_shape):
            raise ValueError(f"{len(self.features)} features do not describe an event of shape {self.event_shape}.")
        _check_condition(self)
        _check_ended(self)
        if self.form.timed != (self.rate is not None) or not (self.rate is None or 1 <= self.rate <= MOST_RATE):
            raise ValueError(
                f"{self.rate} is no rate of {self.form.plural}, which is a whole number up to {MOST_RATE}."
            )
        if self.bounds is not None and not _increasing(self.bounds):
            raise ValueError(f"The bounds {self.bounds} are not two increasing finite numbers.")
        if self.quantum is not None and not (math.isfinite(self.quantum) and self.quantum > 0):
            raise ValueError(f"The quantization step {self.quantum} is not a positive number.")
        if self.quantum is not None and self.bounds is not None and not _divides(self.quantum, self.bounds):
            raise ValueError(f"The quantization step {self.quantum} does not fit the range {self.bounds}.")

    @property
    def form(self) -> ModalitySpec:
        """What genzoo knows about such events: what they are called, whether they have columns or pictures."""
        return MODALITIES[self.modality]

    @property
    def size(self) -> int:
        """Number of values of one event."""
        return math.prod(self.event_shape)

    @property
    def end(self) -> int | None:
        """The code at all places after the end of a text: the number of symbols. `None` if events have no end."""
        return len(self.features[0].levels or ()) if self.form.ended else None

    @property
    def condition_size(self) -> int:
        """Number of values of a condition as models see it: one for each level of a category, and one for a number."""
        return sum(1 if feature.levels is None else len(feature.levels) for feature in self.condition)

    @property
    def discrete(self) -> tuple[int, ...]:
        """Indices of a table's columns that hold codes or counts."""
        return tuple(i for i, feature in enumerate(self.features) if self.form.columns and feature.discrete)

    @property
    def places(self) -> tuple[Feature, ...]:
        """The feature of each value of a flattened event: the columns of a table, or one feature many times."""
        return self.features if self.form.columns else self.features * self.size

    @property
    def pieces(self) -> tuple[Piece, ...]:
        """The parts of an event. An event that is one whole is its only part, and has no name."""
        return (Piece("", self, slice(None)),)

    @property
    def has_parts(self) -> bool:
        """True if an event has named parts, false if it is one whole."""
        return bool(self.pieces[0].name)

    @property
    def seen_later(self) -> bool:
        """True if models may see events, or parts of them, in another form: it depends on a fitted transform."""
        return self.form.ended or any(piece.spec.form.seen_as for piece in self.pieces)

    @property
    def repeats(self) -> tuple[int, ...]:
        """Number of values that each feature describes."""
        return (1,) * len(self.features) if self.form.columns else (self.size,)

    @property
    def grids(self) -> tuple[float | None, ...]:
        """Step of the grid that the values of each feature lie on; `None` for no grid."""
        return (self.quantum,) * len(self.features)

    def of_parts(self, specs: Sequence[DataSpec]) -> DataSpec:
        """Return the spec of events whose parts, in their order, are such; of one whole, its own."""
        (own,) = specs
        return own

    def value_name(self, place: int) -> str:
        """Return what messages call a value of a flattened event: `column 'age'` or `pixel 3`."""
        return f"{self.form.value} {repr(self.features[place].name) if self.form.columns else place}"

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON. Only windows and sounds say that they are, as in earlier versions."""
        content = asdict(self)
        for name in ("windows", "rate"):
            if not content[name]:
                del content[name]
        return content

    def describe(self) -> str:
        """Describe one event in words, such as `image 1×28×28, uint8 in 0..255, step 1`."""
        text = f"{self.modality} {'×'.join(map(str, self.event_shape))}, {self.storage}"
        if self.end is not None:
            longest = self.event_shape[0]
            what = "window of a text" if self.windows else self.modality
            text = f"{what} of at most {longest} symbol{'s'[: longest != 1]}, {self.end} different ones"
        elif self.rate is not None:
            text = f"{self.modality} of {self.size / self.rate:g} s, {self.rate} Hz, {self.storage}"
        elif not self.form.columns and self.features[0].discrete:
            text = f"{self.features[0].kind} {text}"
        if self.bounds is not None:
            text += f" in {self.bounds[0]:g}..{self.bounds[1]:g}"
        if self.quantum is not None:
            text += f", step {self.quantum:g}"
        text += ", values may be missing" if self.missing else ""
        return text + (f", given {', '.join(feature.name for feature in self.condition)}" if self.condition else "")


def _check_condition(data: DataSpec) -> None:
    """Check that the columns of conditions have names of their own."""
    names = [feature.name for feature in data.condition]
    taken = {feature.name for feature in data.features} if data.form.columns else set()
    if len(set(names)) < len(names) or not taken.isdisjoint(names):
        raise ValueError("A column of conditions has the name of another column.")


def _check_ended(data: DataSpec) -> None:
    """Check that texts are sequences of codes of one categorical feature, with room for the code of the end."""
    if not data.form.ended:
        if data.windows:
            raise ValueError(f"{data.form.plural.capitalize()} are no windows of texts.")
        return
    if data.features[0].kind != "categorical" or not data.features[0].levels:
        raise ValueError(f"The symbols of {data.form.plural} are levels of a categorical feature.")
    if any("\ud800" <= letter <= "\udfff" for name in data.features[0].levels for letter in name):
        raise ValueError(f"A symbol of {data.form.plural} is half of a surrogate pair, which no text holds.")
    if data.event_shape[0] > MOST_SYMBOLS:
        raise ValueError(f"A {data.form.event} has at most {MOST_SYMBOLS} symbols.")
    if data.bounds is not None or data.quantum is not None or data.missing:
        raise ValueError(f"{data.form.plural.capitalize()} have neither bounds nor a grid or missing values.")
    if data.storage in ("float32", "float64") or len(data.features[0].levels) > _MOST_CODES[data.storage]:
        raise ValueError(f"{data.storage} cannot store {len(data.features[0].levels)} symbols and the end.")


def _check_placing(feature: Feature) -> None:
    """Check the range and the step of a feature's samples."""
    ends = [end for end in (feature.low, feature.high) if end is not None]
    if not all(map(math.isfinite, ends)) or (len(ends) == 2 and ends[0] > ends[1]):
        raise ValueError(f"The range {feature.low} to {feature.high} of feature {feature.name!r} is none.")
    if feature.step is not None and not (math.isfinite(feature.step) and feature.step > 0):
        raise ValueError(f"The step {feature.step} of feature {feature.name!r} is not a positive number.")


def _could_be(stored: ColumnType, level: str) -> bool:
    if stored in ("string", "dictionary"):
        return True
    if stored in TEMPORAL:
        return False
    if stored == "bool":
        return level in ("false", "true")
    try:
        return math.isfinite(int(level) if "int" in stored else float(level))
    except (ValueError, OverflowError):
        return False


def _increasing(bounds: tuple[float, float]) -> bool:
    return all(map(math.isfinite, bounds)) and bounds[0] < bounds[1] and math.isfinite(bounds[1] - bounds[0])


def _divides(quantum: float, bounds: tuple[float, float]) -> bool:
    return quantum <= bounds[1] - bounds[0] < quantum * 2**53
