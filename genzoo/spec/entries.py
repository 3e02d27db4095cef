"""The entries of the zoo, as plain data: models, objectives, datasets, metrics, extractors, transforms and callbacks.

As the specs of events, they import neither torch nor pydantic, and each one checks its fields when it is created.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from genzoo.spec.events import DataSpec, Kind
from genzoo.spec.modality import MODALITIES, Modality, default_data, plurals, unknown

API_VERSION = 2
"""Version of the plugin API. A plugin module states the version it was written for as `GENZOO_API`."""


ObjectiveKind = Literal["gradient", "em", "direct"]


CAPABILITIES = frozenset(
    {
        "likelihood",
        "likelihood-bound",
        "likelihood-estimate",
        "autoregressive",
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


STANDARDIZED = "standardized"
"""Name of the usual input of models."""


LOCAL = "local"
"""What the ids of models in a file of the user's begin with. Ids of other models begin with a distribution."""


class ClassName(str):
    """The name of a model that is a class in a file of the user's. Models of plugins have lower-case names."""

    __slots__ = ()


SAMPLING_GROUP, MOST_SAMPLING_GROUP = 64, 65_536
"""Number of events that one call of `sample` draws, unless a model states another, and the largest such number."""


_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


_REFERENCE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


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
    raise ValueError(
        f"{kind} {name!r}: {field_name} holds a value of type {type(value).__name__}; settings are plain data."
    )


def _plain_settings(kind: str, name: object, field_name: str, value: object) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError(
            f"{kind} {name!r}: {field_name} must map names to settings, not be of type {type(value).__name__}."
        )
    settings = _plain(kind, name, field_name, value)
    assert isinstance(settings, dict)
    return settings


def _check_entry(kind: str, name: object, summary: object, **references: object) -> None:
    """Check the fields that every entry has: a name, a summary, and references to objects of its plugin."""
    if not isinstance(name, ClassName):
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
        input: the transform to the space that it computes in: a name of genzoo's or of its own distribution, or an id;
            or a mapping from modality to such names, `standardized` for those that it lacks. A model of events of
            several parts sees sounds among them as images, if the mapping has images and no sounds. Defaults to
            `standardized`.
        modalities: the kinds of data it accepts. Defaults to images and tables.
        kinds: the kinds of features it accepts. Defaults to all.
        missing: whether it accepts missing values. Defaults to false.
        conditional: whether it can learn events given a condition. Its methods that take or draw events then have the
            keyword `condition`, `(N, D)`. Defaults to false.
        keeps_rows: whether a trained model contains training rows, so that sharing it shares them. Defaults to false.
        data: the dataset it is trained on by default. Defaults to `digits` for a model that takes images, and to `iris`
            for one that takes only tables.
        options: option values that differ from the defaults of the config class.
        objective_options: for each objective, option values that differ from the objective's defaults.
        training: its recipe: settings of `GradientTraining`, `EMTraining` or `DirectTraining`.
        presets: named alternatives: `{"options": ..., "objective": ..., "training": ..., "sampling": ...}`.
        reference: the paper, as "Title (Authors, year)".
        extra: the extra of its distribution that installs packages that only this model needs, such as `audio`.
        renamed: names of options in earlier versions, `{"former": "current"}`, and names of their values,
            `{"option=former": "current"}` with the option's current name. Stored runs and command lines may use the
            former names.
        sampling: `"package.module:attribute"` of the pydantic class of its sampling options. `sample` takes its fields
            as keywords, and their defaults sample the density that the model declares. Defaults to none.
        sampling_group: number of events that one call of `sample` draws. It is stored with a trained model, because
            draws of a seed depend on it. Defaults to 64.
    """

    name: str
    family: str
    summary: str
    builder: str
    config: str
    objectives: tuple[str, ...]
    capabilities: frozenset[str] = frozenset()
    input: str | Mapping[Modality, str] = STANDARDIZED
    modalities: tuple[Modality, ...] = ("image", "table")
    kinds: tuple[Kind, ...] = get_args(Kind)
    missing: bool = False
    data: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    objective_options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    presets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    reference: str = ""
    extra: str = ""
    renamed: Mapping[str, str] = field(default_factory=dict)
    sampling: str = ""
    sampling_group: int = SAMPLING_GROUP
    conditional: bool = False
    keeps_rows: bool = False

    def __post_init__(self) -> None:
        sampling = {"sampling": self.sampling} if self.sampling != "" else {}
        _check_entry("Model", self.name, self.summary, builder=self.builder, config=self.config, **sampling)
        if type(self.sampling_group) is not int or not 1 <= self.sampling_group <= MOST_SAMPLING_GROUP:
            raise ValueError(
                f"Model {self.name!r}: sampling_group is {self.sampling_group!r}, and must be a whole number from 1 to "
                f"{MOST_SAMPLING_GROUP}."
            )
        for text in ("family", "reference", "data"):
            _check_line("Model", self.name, text, getattr(self, text))
        if self.extra != "":
            _check_name("Extra", self.extra)
        for names in ("capabilities", "objectives", "modalities", "kinds"):
            _check_names("Model", self.name, names, getattr(self, names))
        for settings in ("options", "objective_options", "training", "presets", "renamed"):
            copied = _plain_settings("Model", self.name, settings, getattr(self, settings))
            object.__setattr__(self, settings, copied)
        for name in ("missing", "conditional", "keeps_rows"):
            if not isinstance(value := getattr(self, name), bool):
                raise ValueError(f"Model {self.name!r}: {name} is {value!r}, and must be True or False.")
        object.__setattr__(self, "capabilities", frozenset(self.capabilities))
        for names in ("objectives", "modalities", "kinds"):
            object.__setattr__(self, names, tuple(getattr(self, names)))
        _check_choices(self)
        object.__setattr__(self, "data", self.data or default_data(self.modalities))
        _check_presets(self)
        _check_renamed("Model", self.name, self.renamed)

    def seen(self, modality: Modality, *, part: bool = False) -> Modality | None:
        """Return the modality that the model sees events of a modality as; `None` if it does not take them.

        Arguments:
            part: whether they are parts of events. If `input` is a mapping, its modalities are those that the model
                knows in parts. Defaults to false.
        """
        known = self.input if part and isinstance(self.input, Mapping) else self.modalities
        return next((name for name in (modality, *MODALITIES[modality].seen_as) if name in known), None)

    def takes(self, data: DataSpec) -> bool:
        """Return whether the model accepts the modality, the kinds of features, the conditions and the missing values.

        With some options or columns, a model may accept fewer data than it declares.
        """
        return (
            self.seen(data.modality) is not None
            and all(feature.kind in self.kinds for feature in data.features)
            and (self.conditional or not data.condition)
            and (self.missing or not data.missing)
        )

    def input_of(self, modality: Modality) -> str:
        """Return the name of the transform for events of an accepted modality."""
        return self.input.get(modality, STANDARDIZED) if isinstance(self.input, Mapping) else self.input


def _check_choices(spec: ModelSpec) -> None:
    """Check that capabilities, objectives, modalities and kinds exist."""
    if strange := sorted(spec.capabilities - CAPABILITIES):
        raise ValueError(f"Model {spec.name!r}: unknown capabilities {strange}.")
    if not spec.objectives:
        raise ValueError(f"Model {spec.name!r} names no objective to train with.")
    if strange := unknown(spec.modalities):
        raise ValueError(f"Model {spec.name!r}: unknown modalities {strange}.")
    if isinstance(spec.input, Mapping) and (strange := unknown(spec.input)):
        raise ValueError(f"Model {spec.name!r}: unknown modalities {strange} in its input.")
    if not spec.modalities:
        raise ValueError(f"Model {spec.name!r} takes no modality, so it cannot be trained on any data.")
    if not (spec.data or default_data(spec.modalities)):
        kinds = " and ".join(plurals(spec.modalities))
        raise ValueError(f"Model {spec.name!r} does not name the {kinds} that it is trained on by default: set data.")
    if strange := sorted(set(spec.kinds).difference(get_args(Kind))):
        raise ValueError(f"Model {spec.name!r}: unknown kinds of features {strange}.")


def _check_renamed(owner: str, name: str, renamed: Mapping[str, Any]) -> None:
    if not all(isinstance(current, str) and former for former, current in renamed.items()):
        raise ValueError(f"{owner} {name!r}: renamed must map former names to current names.")


def _check_presets(spec: ModelSpec) -> None:
    for preset, layer in spec.presets.items():
        _check_name("Preset", preset)
        _plain_settings("Model", spec.name, f"preset {preset!r}", layer)
        if unknown := set(layer) - {"options", "objective", "training", "sampling"}:
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
        modality: `image | table | text`.
    """

    name: str
    summary: str
    loader: str
    modality: Modality

    def __post_init__(self) -> None:
        _check_entry("Dataset", self.name, self.summary, loader=self.loader)
        if self.modality not in MODALITIES:
            raise ValueError(f"Dataset {self.name!r}: modality {self.modality!r} is not one of {tuple(MODALITIES)}.")


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
        if strange := unknown(self.modalities):
            raise ValueError(f"Extractor {self.name!r}: unknown modalities {strange}.")


@dataclass(frozen=True, slots=True)
class TransformSpec:
    """A transform between data units and model space, as plain data.

    Arguments:
        name: name of the transform, as users type it.
        summary: one line.
        builder: `"package.module:attribute"` of a `TransformBuilder`: `fit`, `restore` and `outlines`.
        config: `"package.module:attribute"` of the pydantic class of its options.
        cells: whether it adapts to repeated values, so that a column that lies on a grid is scored by the probability
            of its cells. Defaults to false: such a column has a density.
        whole: names of its tensors that hold whole numbers. Defaults to none: all are floating.
        after: `"package.module:attribute"` of `after(options, data) -> DataSpec`, which describes events after it if
            it makes other events of them, and does not learn their form from the training rows. Defaults to none: it
            keeps their form, or `Transform.spec_after` says it.
        columns: whether users may choose it for columns of tables. Defaults to true; false if it needs whole texts or
            sounds.
    """

    name: str
    summary: str
    builder: str
    config: str
    cells: bool = False
    whole: tuple[str, ...] = ()
    after: str = ""
    columns: bool = True

    def __post_init__(self) -> None:
        after = {"after": self.after} if self.after != "" else {}
        _check_entry("Transform", self.name, self.summary, builder=self.builder, config=self.config, **after)
        for name in ("cells", "columns"):
            if not isinstance(value := getattr(self, name), bool):
                raise ValueError(f"Transform {self.name!r}: {name} is {value!r}, and must be True or False.")


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


Spec = ModelSpec | ObjectiveSpec | DatasetSpec | MetricSpec | ExtractorSpec | TransformSpec | CallbackSpec
