"""Declarations: the spec of an event, and the entries of the zoo.

These are frozen dataclasses that import neither torch nor pydantic, so that listing the zoo is fast. Each one checks
its fields when it is created, and raises `ValueError` if one is invalid.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, Literal, get_args

API_VERSION = 2
"""Version of the plugin API. A plugin module states the version it was written for as `GENZOO_API`."""


MOST_NUMBERS = 2**26
"""Largest number of values in an event: a gray image of 8192 by 8192 pixels."""


MOST_NAMES = 100_000
"""Largest number of columns and categories of a table together; a model's file lists all their names."""


Kind = Literal["continuous", "binary", "categorical", "count"]


Modality = Literal["image", "table"]


ObjectiveKind = Literal["gradient", "em", "direct"]
InputSpace = Literal["raw", "centered", "standardized", "unit", "signed-unit"]


StorageType = Literal["uint8", "int16", "int32", "int64", "float32", "float64"]


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


CAPABILITIES = frozenset(
    {
        "likelihood",
        "likelihood-bound",
        "decoder",
        "encoder",
        "reconstruction",
        "anomaly-score",
        "components",
        "outliers",
        "imputation",
    }
)
"""The capabilities that a generator can have, named after the classes of `genzoo.models.base`, in kebab case."""


_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


_REFERENCE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


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
        step: samples are whole multiples of it; not compared. Defaults to `None`: any number.
        unseen: levels that no training row of a model has; not compared. Defaults to none.
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
class DataSpec:
    """The shape, kind and range of one event: an image, or a row of a table.

    Arguments:
        event_shape: `(C, H, W)` for an image, `(C,)` for a table of `C` columns.
        modality: `image | table`.
        features: one feature for each column of a table, or a single one for all pixels.
        bounds: smallest and largest possible value, in data units. Defaults to `None`: not declared.
        quantum: step of the grid that values lie on, in data units (1 for 8-bit pixels). Defaults to `None`: no grid.
        storage: number type of events and samples. Defaults to `float32`.
        missing: whether values may be missing. Defaults to false.
        frame: kind of table in memory that the data came from; not compared. Defaults to `None`: an array or a file.
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

    def __post_init__(self) -> None:
        rank = 3 if self.modality == "image" else 1
        if any(side > MOST_NUMBERS for side in self.event_shape) or self.size > MOST_NUMBERS:
            raise ValueError(f"An event holds at most {MOST_NUMBERS} numbers.")
        if len(self.features) + sum(len(feature.levels or ()) for feature in self.features) > MOST_NAMES:
            raise ValueError(f"A table has at most {MOST_NAMES} columns and categories together.")
        if len(self.event_shape) != rank or any(side < 1 for side in self.event_shape):
            raise ValueError(f"An event of modality {self.modality!r} cannot have the shape {self.event_shape}.")
        if len(self.features) != (1 if self.modality == "image" else self.event_shape[0]):
            raise ValueError(f"{len(self.features)} features do not describe an event of shape {self.event_shape}.")
        if self.bounds is not None and not _increasing(self.bounds):
            raise ValueError(f"The bounds {self.bounds} are not two increasing finite numbers.")
        if self.quantum is not None and not (math.isfinite(self.quantum) and self.quantum > 0):
            raise ValueError(f"The quantization step {self.quantum} is not a positive number.")
        if self.quantum is not None and self.bounds is not None and not _divides(self.quantum, self.bounds):
            raise ValueError(f"The quantization step {self.quantum} does not fit the range {self.bounds}.")

    @property
    def size(self) -> int:
        """Number of values of one event."""
        return math.prod(self.event_shape)

    @property
    def discrete(self) -> tuple[int, ...]:
        """Indices of a table's columns that hold codes or counts."""
        return tuple(i for i, feature in enumerate(self.features) if self.modality == "table" and feature.discrete)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)

    def describe(self) -> str:
        """Describe one event in words, such as `image 1×28×28, uint8 in 0..255, step 1`."""
        text = f"{self.modality} {'×'.join(map(str, self.event_shape))}, {self.storage}"
        if self.modality == "image" and self.features[0].discrete:
            text = f"{self.features[0].kind} {text}"
        if self.bounds is not None:
            text += f" in {self.bounds[0]:g}..{self.bounds[1]:g}"
        if self.quantum is not None:
            text += f", step {self.quantum:g}"
        return text + (", values may be missing" if self.missing else "")


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


def is_name(text: object) -> bool:
    """Return whether a text is lower-case words joined by hyphens, as all names of the zoo are."""
    return isinstance(text, str) and _NAME.fullmatch(text) is not None


def _check_name(kind: str, name: object) -> None:
    if not is_name(name):
        raise ValueError(f"{kind} name {name!r} is not lower-case words joined by hyphens.")


def _check_line(kind: str, name: object, field_name: str, value: object) -> None:
    if not isinstance(value, str) or not value.isprintable():
        raise ValueError(f"{kind} {name!r}: {field_name} is not one line of text.")


def _check_names(kind: str, name: object, field_name: str, value: object) -> None:
    if isinstance(value, str):
        raise ValueError(f"{kind} {name!r}: {field_name} must be a collection of names, not a text.")
    if not isinstance(value, Iterable) or not all(isinstance(item, str) for item in value):
        raise ValueError(f"{kind} {name!r}: {field_name} is not a collection of names.")


def _plain(kind: str, name: object, field_name: str, value: object) -> Any:
    """Return a copy of settings, after checking that they hold only values that JSON can hold."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return type(value)([_plain(kind, name, field_name, item) for item in value])
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {key: _plain(kind, name, field_name, item) for key, item in value.items()}
    raise ValueError(f"{kind} {name!r}: {field_name} holds a {type(value).__name__}; settings are plain data.")


def _plain_settings(kind: str, name: object, field_name: str, value: object) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError(f"{kind} {name!r}: {field_name} must map names to settings, not be a {type(value).__name__}.")
    settings = _plain(kind, name, field_name, value)
    assert isinstance(settings, dict)
    return settings


def _check_entry(kind: str, name: object, summary: object, **references: object) -> None:
    """Check the fields that every entry has: a name, a summary, and references to objects of its plugin."""
    _check_name(kind, name)
    if not isinstance(summary, str) or not summary.strip():
        raise ValueError(f"{kind} {name!r} has no summary. Listings need one sentence.")
    _check_line(kind, name, "summary", summary)
    for field_name, reference in references.items():
        if not isinstance(reference, str) or not _REFERENCE.fullmatch(reference):
            raise ValueError(f"{kind} {name!r}: {field_name} {reference!r} is not 'package.module:attribute'.")


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A model of the zoo, as plain data.

    Arguments:
        name: name of the model, as users type it.
        family: `gan | mixture | vae | flow ...`, for grouping in listings.
        summary: one line with the paper's authors and year.
        builder: `"package.module:attribute"` of `build(config, data) -> Parts`.
        config: `"package.module:attribute"` of the pydantic class of its options.
        objectives: names of the objectives it can be trained with, the default first.
        capabilities: names of capability classes in kebab case (`decoder`, `likelihood` ...). Defaults to none.
        input: the space that events are transformed to, or a mapping from modality to space. Defaults to
            `standardized`.
        modalities: the kinds of data it accepts. Defaults to images and tables.
        kinds: the kinds of features it accepts. Defaults to all.
        missing: whether it accepts missing values. Defaults to false.
        data: the dataset it is trained on by default. Defaults to `digits`.
        options: option values that differ from the defaults of the config class.
        objective_options: for each objective, option values that differ from the objective's defaults.
        training: its recipe: settings of `GradientTraining` or `EMTraining`.
        presets: named alternatives: `{"options": ..., "objective": ..., "training": ...}`.
        reference: the paper, as "Title (Authors, year)".
        extra: the extra of its distribution that installs packages that only this model needs, such as `audio`.
        renamed: names of options in earlier versions, `{"former": "current"}`, and names of their values,
            `{"option=former": "current"}` with the option's current name. Stored runs and command lines may use the
            former names.
    """

    name: str
    family: str
    summary: str
    builder: str
    config: str
    objectives: tuple[str, ...]
    capabilities: frozenset[str] = frozenset()
    input: InputSpace | Mapping[Modality, InputSpace] = "standardized"
    modalities: tuple[Modality, ...] = ("image", "table")
    kinds: tuple[Kind, ...] = get_args(Kind)
    missing: bool = False
    data: str = "digits"
    options: Mapping[str, Any] = field(default_factory=dict)
    objective_options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    presets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    reference: str = ""
    extra: str = ""
    renamed: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_entry("Model", self.name, self.summary, builder=self.builder, config=self.config)
        for text in ("family", "reference", "data"):
            _check_line("Model", self.name, text, getattr(self, text))
        if self.extra != "":
            _check_name("Extra", self.extra)
        for names in ("capabilities", "objectives", "modalities", "kinds"):
            _check_names("Model", self.name, names, getattr(self, names))
        for settings in ("options", "objective_options", "training", "presets", "renamed"):
            copied = _plain_settings("Model", self.name, settings, getattr(self, settings))
            object.__setattr__(self, settings, copied)
        if not isinstance(self.missing, bool):
            raise ValueError(f"Model {self.name!r}: missing is {self.missing!r}, and must be True or False.")
        object.__setattr__(self, "capabilities", frozenset(self.capabilities))
        for names in ("objectives", "modalities", "kinds"):
            object.__setattr__(self, names, tuple(getattr(self, names)))
        _check_choices(self)
        _check_presets(self)
        _check_renamed("Model", self.name, self.renamed)

    def input_of(self, modality: Modality) -> InputSpace:
        """Return the space to which events of an accepted modality are transformed."""
        return self.input[modality] if isinstance(self.input, Mapping) else self.input


def _check_choices(spec: ModelSpec) -> None:
    """Check that capabilities, objectives, modalities and kinds exist."""
    if strange := sorted(spec.capabilities - CAPABILITIES):
        raise ValueError(f"Model {spec.name!r}: unknown capabilities {strange}.")
    if not spec.objectives:
        raise ValueError(f"Model {spec.name!r} names no objective to train with.")
    if strange := sorted(set(spec.modalities).difference(get_args(Modality))):
        raise ValueError(f"Model {spec.name!r}: unknown modalities {strange}.")
    if strange := sorted(set(spec.kinds).difference(get_args(Kind))):
        raise ValueError(f"Model {spec.name!r}: unknown kinds of features {strange}.")


def check_input(spec: ModelSpec) -> None:
    """Check the input space of a model.

    This happens at registration, not in `ModelSpec`, because registration first translates names of the earlier plugin
    API.

    Raises:
        ValueError: there is no such space.
    """
    for modality in spec.modalities:
        space = spec.input.get(modality) if isinstance(spec.input, Mapping) else spec.input
        if space not in get_args(InputSpace):
            raise ValueError(f"Model {spec.name!r}: input {spec.input!r} is not one of {get_args(InputSpace)}.")


def _check_renamed(owner: str, name: str, renamed: Mapping[str, Any]) -> None:
    if not all(isinstance(current, str) and former for former, current in renamed.items()):
        raise ValueError(f"{owner} {name!r}: renamed must map former names to current names.")


def _check_presets(spec: ModelSpec) -> None:
    for preset, layer in spec.presets.items():
        _check_name("Preset", preset)
        _plain_settings("Model", spec.name, f"preset {preset!r}", layer)
        if unknown := set(layer) - {"options", "objective", "training"}:
            raise ValueError(f"Model {spec.name!r}: preset {preset!r} has unknown parts {sorted(unknown)}.")


@dataclass(frozen=True, slots=True)
class ObjectiveSpec:
    """An objective, as plain data.

    Arguments:
        name: name of the objective, as users type it.
        summary: one line.
        builder: `"package.module:attribute"` of `build(options) -> Objective`.
        config: `"package.module:attribute"` of the pydantic class of its options.
        kind: the kind of training, `gradient | em | direct`. It selects the settings of a training without importing
            torch. Defaults to `None`: not stated.
        renamed: as for `ModelSpec`, for the objective's own options.
    """

    name: str
    summary: str
    builder: str
    config: str
    kind: ObjectiveKind | None = None
    renamed: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_entry("Objective", self.name, self.summary, builder=self.builder, config=self.config)
        if self.kind is not None and self.kind not in get_args(ObjectiveKind):
            raise ValueError(f"Objective {self.name!r}: kind {self.kind!r} is not one of {get_args(ObjectiveKind)}.")
        object.__setattr__(self, "renamed", _plain_settings("Objective", self.name, "renamed", self.renamed))
        _check_renamed("Objective", self.name, self.renamed)


@dataclass(frozen=True, slots=True)
class DatasetSpec:
    """A dataset, as plain data.

    Arguments:
        name: name of the dataset, as users type it.
        summary: one line.
        loader: `"package.module:attribute"` of `loader() -> Dataset`.
        modality: `image | table`.
    """

    name: str
    summary: str
    loader: str
    modality: Modality

    def __post_init__(self) -> None:
        _check_entry("Dataset", self.name, self.summary, loader=self.loader)
        if self.modality not in get_args(Modality):
            raise ValueError(f"Dataset {self.name!r}: modality {self.modality!r} is not one of {get_args(Modality)}.")


@dataclass(frozen=True, slots=True)
class MetricSpec:
    """A metric, as plain data.

    Arguments:
        name: name of the metric, as users type it.
        summary: one line.
        metric: `"package.module:attribute"` of a `Metric` instance.
        former_names: names of the metric in earlier versions, which still work. Defaults to none.
    """

    name: str
    summary: str
    metric: str
    former_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check_entry("Metric", self.name, self.summary, metric=self.metric)
        _check_names("Metric", self.name, "former_names", self.former_names)
        object.__setattr__(self, "former_names", tuple(self.former_names))


@dataclass(frozen=True, slots=True)
class ExtractorSpec:
    """A feature extractor, as plain data.

    Arguments:
        name: name of the extractor, as users type it.
        summary: one line.
        builder: `"package.module:attribute"` of `builder(material) -> Extractor`.
        modalities: the kinds of data it supports. Defaults to images and tables.
        file: whether it accepts a file, `NAME=FILE`. Defaults to false.
    """

    name: str
    summary: str
    builder: str
    modalities: tuple[Modality, ...] = ("image", "table")
    file: bool = False

    def __post_init__(self) -> None:
        _check_entry("Extractor", self.name, self.summary, builder=self.builder)
        _check_names("Extractor", self.name, "modalities", self.modalities)
        object.__setattr__(self, "modalities", tuple(self.modalities))
        if strange := sorted(set(self.modalities).difference(get_args(Modality))):
            raise ValueError(f"Extractor {self.name!r}: unknown modalities {strange}.")


@dataclass(frozen=True, slots=True)
class CallbackSpec:
    """A callback of training steps, as plain data.

    Arguments:
        name: name of the callback, as users type it.
        summary: one line.
        builder: `"package.module:attribute"` of `builder() -> Callable[[Step, Run], None]`.
    """

    name: str
    summary: str
    builder: str

    def __post_init__(self) -> None:
        _check_entry("Callback", self.name, self.summary, builder=self.builder)


Spec = ModelSpec | ObjectiveSpec | DatasetSpec | MetricSpec | ExtractorSpec | CallbackSpec
