"""What is declared before anything runs: the shape of data, and the entries of the zoo.

Plain frozen dataclasses that import neither torch nor pydantic, so that listing the zoo is quick. Each checks
itself on construction and raises `ValueError` with a sentence.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, Literal, get_args

API_VERSION = 2
"""The plugin contract this genzoo speaks; a plugin module states the one it was written for as `GENZOO_API`."""


MOST_NUMBERS = 2**26
"""Of an event: those of an image of 8192 by 8192 grey pixels."""


MOST_NAMES = 100_000
"""Columns of a table and categories of them, all of which the file of a model names."""


Kind = Literal["continuous", "binary", "categorical", "count"]


Modality = Literal["image", "table"]


ObjectiveKind = Literal["gradient", "em", "direct"]
InputSpace = Literal["raw", "centered", "standardized", "unit", "signed-unit"]


StorageType = Literal["uint8", "int16", "int32", "int64", "float32", "float64"]


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
]


CAPABILITIES = frozenset(
    {
        "likelihood",
        "likelihood-bound",
        "decoder",
        "encoder",
        "reconstruction",
        "components",
        "outliers",
        "imputation",
    }
)
"""The capabilities a generator can have: the classes of `genzoo.models.base` in kebab case."""


_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


_REFERENCE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


@dataclass(frozen=True, slots=True)
class Feature:
    """One column of a table, or what all places of an image have in common.

    Arguments:
        name: the column's own name.
        kind: `continuous | binary | categorical | count`.
        levels: the categories in the order of their codes, for a categorical or binary feature.
        type: the type its column is stored in, in the source and in a file of samples; no part of what it means.
            Without it, `string` for a feature with levels and `float64` for others.
    """

    __pydantic_config__: ClassVar[Any] = {"extra": "forbid"}

    name: str
    kind: Kind = "continuous"
    levels: tuple[str, ...] | None = None
    type: ColumnType | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        named = self.kind in ("binary", "categorical")
        if named != (self.levels is not None):
            raise ValueError(f"Feature {self.name!r} is {self.kind}, which {'needs' if named else 'has no'} levels.")
        if self.levels is not None and len(set(self.levels)) != len(self.levels):
            raise ValueError(f"Feature {self.name!r} names a level twice.")
        if self.kind == "binary" and self.levels is not None and len(self.levels) != 2:
            raise ValueError(f"Feature {self.name!r} is binary and has {len(self.levels)} levels.")
        if self.levels is not None and not all(_could_be(self.stored, level) for level in self.levels):
            raise ValueError(f"The levels of feature {self.name!r} are not of its type, {self.type}.")

    @property
    def stored(self) -> ColumnType:
        """The type of its column."""
        return self.type or ("float64" if self.levels is None else "string")

    @property
    def discrete(self) -> bool:
        """Whether it holds codes or counts, which no transform touches."""
        return self.kind != "continuous"


@dataclass(frozen=True, slots=True)
class DataSpec:
    """What one event is.

    Arguments:
        event_shape: `(C, H, W)` for an image, `(C,)` for a table of `C` columns.
        modality: `image | table`.
        features: one per column for a table, one for all places of an image.
        bounds: smallest and largest value the data can take, in data units; `None` where undeclared.
        quantum: the step of the grid that values lie on, in data units (1 for 8-bit pixels); `None` off a grid.
        storage: the type in which events come and samples go back.
        missing: whether values may be missing.
    """

    __pydantic_config__: ClassVar[Any] = {"extra": "forbid"}

    event_shape: tuple[int, ...]
    modality: Modality
    features: tuple[Feature, ...]
    bounds: tuple[float, float] | None = None
    quantum: float | None = None
    storage: StorageType = "float32"
    missing: bool = False

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
            raise ValueError(f"The quantisation step {self.quantum} is not a positive number.")
        if self.quantum is not None and self.bounds is not None and not _divides(self.quantum, self.bounds):
            raise ValueError(f"The quantisation step {self.quantum} gives the range {self.bounds} no levels to count.")

    @property
    def size(self) -> int:
        """How many numbers one event holds."""
        return math.prod(self.event_shape)

    @property
    def discrete(self) -> tuple[int, ...]:
        """The columns of a table that hold codes or counts."""
        return tuple(i for i, feature in enumerate(self.features) if self.modality == "table" and feature.discrete)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    def describe(self) -> str:
        """One event in words, such as `image 1×28×28, uint8 in 0..255, step 1`."""
        text = f"{self.modality} {'×'.join(map(str, self.event_shape))}, {self.storage}"
        if self.modality == "image" and self.features[0].discrete:
            text = f"{self.features[0].kind} {text}"
        if self.bounds is not None:
            text += f" in {self.bounds[0]:g}..{self.bounds[1]:g}"
        if self.quantum is not None:
            text += f", step {self.quantum:g}"
        return text + (", values may be missing" if self.missing else "")


def _could_be(stored: ColumnType, level: str) -> bool:
    if stored in ("string", "dictionary"):
        return True
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
    """Whether it is lower-case words joined by hyphens, as all names of the zoo are."""
    return isinstance(text, str) and _NAME.fullmatch(text) is not None


def _check_name(kind: str, name: object) -> None:
    if not is_name(name):
        raise ValueError(f"{kind} name {name!r} is not lower-case words joined by hyphens.")


def _check_line(kind: str, name: object, field_name: str, value: object) -> None:
    if not isinstance(value, str) or not value.isprintable():
        raise ValueError(f"{kind} {name!r}: {field_name} is not one line of text.")


def _check_names(kind: str, name: object, field_name: str, value: object) -> None:
    if isinstance(value, str):
        raise ValueError(f"{kind} {name!r}: {field_name} is a text where several names belong.")
    if not isinstance(value, Iterable) or not all(isinstance(item, str) for item in value):
        raise ValueError(f"{kind} {name!r}: {field_name} is not a collection of names.")


def _plain(kind: str, name: object, field_name: str, value: object) -> Any:
    """A copy of settings, which are what JSON can hold and nothing else."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return type(value)([_plain(kind, name, field_name, item) for item in value])
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {key: _plain(kind, name, field_name, item) for key, item in value.items()}
    raise ValueError(f"{kind} {name!r}: {field_name} holds a {type(value).__name__}; settings are plain data.")


def _plain_settings(kind: str, name: object, field_name: str, value: object) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError(f"{kind} {name!r}: {field_name} is a {type(value).__name__} where settings by name belong.")
    found = _plain(kind, name, field_name, value)
    assert isinstance(found, dict)
    return found


def _check_entry(kind: str, name: object, summary: object, **references: object) -> None:
    """What every entry of the zoo has: a name, a summary, and references to what its plugin holds."""
    _check_name(kind, name)
    if not isinstance(summary, str) or not summary.strip():
        raise ValueError(f"{kind} {name!r} has no summary; one sentence is shown in listings.")
    _check_line(kind, name, "summary", summary)
    for field_name, reference in references.items():
        if not isinstance(reference, str) or not _REFERENCE.fullmatch(reference):
            raise ValueError(f"{kind} {name!r}: {field_name} {reference!r} is not 'package.module:attribute'.")


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """One entry of the zoo, as pure data.

    Arguments:
        name: what users type.
        family: `gan | mixture | vae | flow ...`, for grouping in listings.
        summary: one line with the paper's authors and year.
        builder: `"package.module:attribute"` of `build(config, data) -> Parts`.
        config: `"package.module:attribute"` of the pydantic class of its options.
        objectives: the names it can be trained with, the default first.
        capabilities: names of capability classes in kebab case (`decoder`, `likelihood` ...).
        input: the space its events are transformed to; or one for each modality, by name.
        modalities: what kinds of data it takes.
        kinds: what kinds of features it takes.
        missing: whether it accepts missing values.
        data: the built-in data it is trained on where none is named.
        options: option values that differ from the config class's own defaults.
        objective_options: by objective, option values that differ from the objective's own defaults.
        training: its recipe, settings of `GradientTraining` or `EMTraining`.
        presets: named alternatives: `{"options": ..., "objective": ..., "training": ...}`.
        reference: the paper, as "Title (Authors, year)".
        extra: the extra of its distribution that brings packages which it needs and others do not, such as `audio`.
        renamed: options that had another name in an earlier version of the model, `{"former": "current"}`, and values
            that had, `{"option=former": "current"}` under the option's current name. Stored runs are read and command
            lines understood by them.
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
            raise ValueError(f"Model {self.name!r}: missing is {self.missing!r} where True or False belongs.")
        object.__setattr__(self, "capabilities", frozenset(self.capabilities))
        for names in ("objectives", "modalities", "kinds"):
            object.__setattr__(self, names, tuple(getattr(self, names)))
        _check_choices(self)
        _check_presets(self)
        _check_renamed("Model", self.name, self.renamed)

    def input_of(self, modality: Modality) -> InputSpace:
        """The space that events of a modality, one of those it takes, are transformed to."""
        return self.input[modality] if isinstance(self.input, Mapping) else self.input


def _check_choices(spec: ModelSpec) -> None:
    """What a model can be asked for is among what there is."""
    if strange := sorted(spec.capabilities - CAPABILITIES):
        raise ValueError(f"Model {spec.name!r}: unknown capabilities {strange}.")
    if not spec.objectives:
        raise ValueError(f"Model {spec.name!r} names no objective to train with.")
    if strange := sorted(set(spec.modalities).difference(get_args(Modality))):
        raise ValueError(f"Model {spec.name!r}: unknown modalities {strange}.")
    if strange := sorted(set(spec.kinds).difference(get_args(Kind))):
        raise ValueError(f"Model {spec.name!r}: unknown kinds of features {strange}.")


def check_input(spec: ModelSpec) -> None:
    """Check the input space of a model; at registration, when the names of an earlier plugin API are translated.

    Raises:
        ValueError: it is none that there is.
    """
    for modality in spec.modalities:
        space = spec.input.get(modality) if isinstance(spec.input, Mapping) else spec.input
        if space not in get_args(InputSpace):
            raise ValueError(f"Model {spec.name!r}: input {spec.input!r} is none of {get_args(InputSpace)}.")


def _check_renamed(owner: str, name: str, renamed: Mapping[str, Any]) -> None:
    if not all(isinstance(current, str) and former for former, current in renamed.items()):
        raise ValueError(f"{owner} {name!r}: renamed holds something else than names by former names.")


def _check_presets(spec: ModelSpec) -> None:
    for preset, layer in spec.presets.items():
        _check_name("Preset", preset)
        _plain_settings("Model", spec.name, f"preset {preset!r}", layer)
        if unknown := set(layer) - {"options", "objective", "training"}:
            raise ValueError(f"Model {spec.name!r}: preset {preset!r} has unknown parts {sorted(unknown)}.")


@dataclass(frozen=True, slots=True)
class ObjectiveSpec:
    """A named objective, as pure data.

    Arguments:
        name: what users type.
        summary: one line.
        builder: `"package.module:attribute"` of `build(options) -> Objective`.
        config: `"package.module:attribute"` of the pydantic class of its options.
        kind: `gradient | em | direct`, what trains with it; known from here, so that no torch is imported to find out
            which settings a training has.
        renamed: as for `ModelSpec`, of the objective's own options.
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
            raise ValueError(f"Objective {self.name!r}: kind {self.kind!r} is none of {get_args(ObjectiveKind)}.")
        object.__setattr__(self, "renamed", _plain_settings("Objective", self.name, "renamed", self.renamed))
        _check_renamed("Objective", self.name, self.renamed)


@dataclass(frozen=True, slots=True)
class DatasetSpec:
    """A named dataset: `loader() -> Dataset`, its modality and where it comes from."""

    name: str
    summary: str
    loader: str
    modality: Modality

    def __post_init__(self) -> None:
        _check_entry("Dataset", self.name, self.summary, loader=self.loader)
        if self.modality not in get_args(Modality):
            raise ValueError(f"Dataset {self.name!r}: modality {self.modality!r} is none of {get_args(Modality)}.")


@dataclass(frozen=True, slots=True)
class MetricSpec:
    """A named metric: `metric` points at a `Metric` instance; the rest is known without importing it.

    Arguments:
        former_names: names that the metric had in earlier versions, by which it is still found.
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
    """A named extractor of features: `builder(material) -> Extractor`.

    Arguments:
        modalities: the kinds of data it is for.
        file: whether a file may be named with it, `NAME=FILE`.
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
    """A named consumer of training steps: `builder() -> Callable[[Step, Run], None]`."""

    name: str
    summary: str
    builder: str

    def __post_init__(self) -> None:
        _check_entry("Callback", self.name, self.summary, builder=self.builder)


Spec = ModelSpec | ObjectiveSpec | DatasetSpec | MetricSpec | ExtractorSpec | CallbackSpec
