"""Settings: who owns which, how layers of them merge, and how a wrong one is explained."""

from __future__ import annotations

import csv
import importlib.metadata
import json
import os
import reprlib
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator

from genzoo.errors import ConfigError, did_you_mean
from genzoo.spec import MOST_NAMES, ColumnType, DataSpec, Feature, Kind

Precision = Literal["auto", "fp64", "fp32", "tf32", "bf16", "fp16"]
ResolvedPrecision = Literal["fp64", "fp32", "tf32", "bf16", "fp16"]

BUDGETS = ("epochs", "steps", "minutes")
_RHYTHMS = ("eval_every", "eval_steps")

_FEATURE = frozenset(Feature.__slots__)
_KINDS = get_args(Kind)
_STORED = (*get_args(ColumnType), None)

_MANY = 1_000

_LONGEST_SHOWN = 200
_SHOWN = reprlib.Repr()
_SHOWN.maxstring = _SHOWN.maxother = _SHOWN.maxlong = _LONGEST_SHOWN // 2
_SHOWN.maxlist = _SHOWN.maxtuple = _SHOWN.maxdict = 40
"""How a wrong value is shown; of a large one no more is ever written out."""


class Settings(BaseModel):
    """A frozen pydantic class that refuses unknown keys; the parent of every class of options."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


SettingsT = TypeVar("SettingsT", bound=BaseModel)


class Optimiser(Settings):
    """How one group of parameters is updated."""

    name: Literal["adam", "adamw", "sgd", "rmsprop"] = Field("adam", description="update rule")
    rate: float = Field(1e-3, gt=0, le=100, description="learning rate")
    betas: tuple[float, float] = Field((0.9, 0.999), description="decay of Adam's two running means")
    momentum: float = Field(0.0, ge=0, lt=1, description="momentum of sgd and rmsprop")
    decay: float = Field(0.0, ge=0, le=1, description="weight decay")

    @model_validator(mode="after")
    def _check_betas(self) -> Self:
        if not all(0 <= beta < 1 for beta in self.betas):
            raise ValueError("betas lie in [0, 1)")
        return self


class Schedule(Settings):
    """How the learning rate moves over the budget."""

    name: Literal["constant", "linear", "cosine"] = Field("constant", description="shape of the decay")
    warmup: int = Field(0, ge=0, le=10_000_000, description="steps over which the rate rises from 0 at the start")
    floor: float = Field(0.0, ge=0, le=1, description="fraction of the rate that the decay ends at")


class Training(Settings):
    """Everything the engine is told about a gradient training."""

    epochs: float | None = Field(None, gt=0, le=1e9, description="budget in passes over the training rows")
    steps: int | None = Field(None, gt=0, le=10**12, description="budget in steps")
    minutes: float | None = Field(None, gt=0, le=1e6, description="budget in minutes of training")
    batch_size: int = Field(128, ge=1, le=10**7, description="events per update")
    accumulation: int = Field(1, ge=1, le=10_000, description="parts a batch is computed in, to save memory")
    optimiser: Optimiser = Field(default_factory=Optimiser, description="the optimiser of every group")
    groups: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="by group of parameters, what differs from the optimiser"
    )
    schedule: Schedule = Field(default_factory=Schedule, description="learning rate schedule")
    ema: float = Field(
        0.0, ge=0, lt=1, description="decay of the generator's moving average, which is what is kept; 0 for none"
    )
    clip: float | None = Field(None, gt=0, description="largest norm of a group's gradient")
    patience: int | None = Field(
        None, ge=1, description="stop after that many evaluations on validation rows without improvement"
    )
    eval_every: float | None = Field(
        None, gt=0, description="epochs between evaluations on validation rows; 1 where nothing is said"
    )
    eval_steps: int | None = Field(
        None, ge=1, description="steps between evaluations on validation rows, in place of eval_every"
    )
    metrics: tuple[str, ...] = Field((), description="metrics recorded at every evaluation on validation rows")
    watch: str | None = Field(
        None,
        description="what patience and the best step go by: 'objective' for its own monitor, or a metric; by default "
        "the objective where it has a monitor, else the first metric",
    )
    features: str | None = Field(
        None,
        description="extractor of the features that metrics look at, NAME or NAME=FILE; by default events as they are",
    )
    log_every: int = Field(10, ge=1, description="steps between lines of metrics.jsonl")
    sample_every: int | None = Field(None, ge=1, description="steps between sample grids; by default ten in a run")
    checkpoint_every: int | None = Field(None, ge=1, description="steps between checkpoints; by default ten in a run")
    keep: int = Field(1, ge=1, description="how many of the last checkpoints to keep, besides the best")
    passes: int = Field(1000, ge=1, le=10**6, description="EM: largest number of passes in a restart")
    tolerance: float = Field(
        1e-6, ge=0, description="EM: change of the mean log-likelihood, in nats per event, that counts as converged"
    )
    restarts: int = Field(1, ge=1, le=10_000, description="EM: starts from other random points; the best is kept")
    block: int | None = Field(
        None, ge=1, le=10**8, description="EM: events computed at a time; by default as many as fit the cache"
    )
    compile: bool | None = Field(None, description="torch.compile; by default on CUDA only")
    callbacks: tuple[str, ...] = Field((), description="names of registered callbacks")

    @model_validator(mode="after")
    def _check_groups(self) -> Self:
        for group in self.groups:
            try:
                self.optimiser_of(group)
            except ValidationError as error:
                raise ValueError(explain(error, Optimiser, f"group {group!r}")) from error
        return self

    @model_validator(mode="after")
    def _check_parts(self) -> Self:
        if self.batch_size % self.accumulation:
            raise ValueError(f"batch_size {self.batch_size} does not divide into {self.accumulation} equal parts")
        if self.features is not None and not self.metrics and self.watch in (None, "objective"):
            raise ValueError(f"features {self.features!r} are for metrics, and none is recorded; name one in metrics")
        return self

    def optimiser_of(self, group: str) -> Optimiser:
        """The optimiser of one group: the common one with that group's own values over it."""
        return Optimiser.model_validate({**self.optimiser.model_dump(), **self.groups.get(group, {})})


class SplitSettings(Settings):
    """How rows are divided; a dataset with test rows of its own keeps those as they are."""

    validation: float = Field(0.15, ge=0, lt=1, description="fraction of rows for patience and best checkpoints")
    test: float = Field(0.15, ge=0, lt=1, description="fraction of rows for final figures")

    @model_validator(mode="after")
    def _check_sum(self) -> Self:
        if self.validation + self.test >= 1:
            raise ValueError("validation and test leave no row to train on")
        return self


class DataSettings(Settings):
    """Which data, and how they are read."""

    source: str = Field(description="built-in name or path")
    size: int | None = Field(
        None, ge=4, le=4096, description="side in pixels to which images of a folder are resized and centre-cropped"
    )
    colour: Literal["auto", "grey", "rgb"] = Field("auto", description="what images of a folder are converted to")
    skip_bad: bool = Field(False, description="leave unreadable files out and count them, instead of stopping")
    binarise: bool = Field(False, description="turn images into black (0) and white (1) at the middle of their range")
    header: Literal["auto"] | bool = Field("auto", description="whether the first row of a .csv or .tsv file names it")
    columns: tuple[str, ...] | None = Field(None, description="columns of a table to keep, in this order")
    drop: tuple[str, ...] = Field((), description="columns of a table to leave out")
    kinds: dict[str, Kind] = Field(
        {},
        description="what columns of a table are, by name: continuous, binary, categorical or count",
    )
    label: str | None = Field(None, description="column kept out of training and used only in reports")
    weight: str | None = Field(None, description="column kept out of training that says how much each row counts")
    drop_missing: bool = Field(False, description="leave rows with a missing value out and count them")

    @field_validator("columns", "drop", mode="before")
    @classmethod
    def _split_names(cls, value: Any) -> Any:
        """Names may come as one text, `a,b,"c, d"`."""
        return next(csv.reader([value], skipinitialspace=True), []) if isinstance(value, str) else value

    def given(self, *names: str) -> str | None:
        """The command-line option of the first of these settings that is not at its default."""
        told = self.model_dump(include=set(names), exclude_defaults=True)
        first = next((name for name in names if name in told), None)
        return None if first is None else "--kind" if first == "kinds" else f"--{first.replace('_', '-')}"


def _read_features(content: Any) -> Any:
    """Stop at the first feature that is none, or where there are too many: pydantic would describe every one."""
    features = content.get("features") if isinstance(content, Mapping) else None
    if not isinstance(features, list):
        return content
    names = len(features)
    for feature in features:
        levels = feature.get("levels") if isinstance(feature, Mapping) else None
        names += len(levels) if isinstance(levels, list) else 0
    if names > MOST_NAMES:
        raise ValueError(f"a table has at most {MOST_NAMES} columns and categories together")
    return {**content, "features": [_feature(place, feature) for place, feature in enumerate(features)]}


def _feature(place: int, content: Any) -> Feature:
    if not isinstance(content, Mapping) or not content.keys() <= _FEATURE:
        raise ValueError(f"number {place} of its features is none")
    name, kind, levels = content.get("name"), content.get("kind", "continuous"), content.get("levels")
    texts = levels is None or (isinstance(levels, list) and all(isinstance(level, str) for level in levels))
    stored = content.get("type")
    if not texts or not isinstance(name, str) or kind not in _KINDS or stored not in _STORED:
        raise ValueError(f"number {place} of its features is none")
    return Feature(name, kind, None if levels is None else tuple(levels), stored)


DataForm = Annotated[DataSpec, BeforeValidator(_read_features)]
"""A `DataSpec` as files hold it."""


class ObjectiveSettings(Settings):
    """Which objective, and its own options."""

    name: str
    options: dict[str, Any] = Field(default_factory=dict)


class RunConfig(Settings):
    """Everything needed to train again; what `config.json` of a run holds."""

    format: Literal[1] = 1
    model: str
    options: dict[str, Any]
    objective: ObjectiveSettings
    training: Training
    data: DataSettings
    split: SplitSettings
    seed: int = Field(ge=0, lt=2**63)
    device: str = "auto"
    precision: Precision = "auto"
    warm_start: str | None = None
    data_digest: str | None = None


def parse_assignments(pairs: Iterable[str]) -> dict[str, Any]:
    """`["latent=64", "objective.gamma=0.1"]` as `{"latent": 64, "objective": {"gamma": 0.1}}`.

    `objective=hinge` is short for `objective.name=hinge`.
    A value is read as JSON where it is JSON (numbers, true, null, lists) and as text otherwise.

    Raises:
        ConfigError: a pair without `=` or a key used both as a value and as a group.
    """
    tree: dict[str, Any] = {}
    for pair in pairs:
        key, found, text = pair.partition("=")
        path = key.strip().split(".")
        if path == ["objective"]:
            path.append("name")
        if not found or not all(path):
            raise ConfigError(f"Option {pair!r} is not of the form key=value, such as latent=64.")
        node = tree
        for name in path[:-1]:
            node = node.setdefault(name, {})
            if not isinstance(node, dict):
                raise ConfigError(f"Option {pair!r} sets a part of {name!r}, which was already given as a value.")
        if isinstance(node.get(path[-1]), dict):
            raise ConfigError(f"Option {pair!r} gives {path[-1]!r} as a value, and parts of it were already set.")
        node[path[-1]] = _parse_value(text.strip())
    return tree


def _parse_value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def merge(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """Nested settings with later layers over earlier ones; neither is changed."""
    merged: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.items():
            old = merged.get(key)
            both = isinstance(value, Mapping) and isinstance(old, Mapping)
            merged[key] = merge(old, value) if both else value  # type: ignore[arg-type]
    return merged


def merge_training(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """`merge` for layers of `Training`, where a layer that names a budget replaces every budget below it.

    So it does for how often validation rows are looked at.
    """
    merged: dict[str, Any] = {}
    for layer in layers:
        for names in (BUDGETS, _RHYTHMS):
            if any(layer.get(name) is not None for name in names):
                merged = {key: value for key, value in merged.items() if key not in names}
        merged = merge(merged, layer)
    return merged


def read_config_file(path: Path) -> dict[str, Any]:
    """A settings file, JSON or TOML by its suffix.

    Raises:
        ConfigError: it is missing, is neither, or does not hold a table of settings.
    """
    try:
        text = path.read_text(encoding="utf-8")
        content = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    except OSError as error:
        raise ConfigError(f"Config file {path} cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        kind = "TOML" if path.suffix == ".toml" else "JSON"
        raise ConfigError(f"Config file {path} is not valid {kind}: {error}.") from error
    if not isinstance(content, dict):
        raise ConfigError(f"Config file {path} holds {type(content).__name__}, not a table of settings.")
    return content


def validate(cls: type[SettingsT], values: Mapping[str, Any], owner: str) -> SettingsT:
    """`cls` from `values`, or a paragraph about the first thing wrong with them.

    Arguments:
        owner: what the settings belong to, as the reader knows it: `"Model 'dcgan'"`.

    Raises:
        ConfigError: an unknown key, a wrong type or a value out of range.
    """
    try:
        return cls.model_validate(dict(values))
    except ValidationError as error:
        raise ConfigError(explain(error, cls, owner)) from error


def explain(error: ValidationError, cls: type[BaseModel], owner: str) -> str:
    """What a validation error means for whoever typed the value."""
    first = _first(error)
    where = ".".join(map(str, first["loc"]))
    more = f" ({error.error_count() - 1} more like it.)" if error.error_count() > 1 else ""
    if first["type"] == "extra_forbidden":
        known = _fields_at(cls, first["loc"][:-1])
        return f"{owner} has no option {where!r}. {did_you_mean(str(first['loc'][-1]), known)}{more}"
    if first["type"] == "missing":
        return f"{owner} needs the option {where!r}, which was not given.{more}"
    message = first["msg"].removeprefix("Value error, ")
    shown = _SHOWN.repr(first["input"]) if "input" in first else ""
    seen = f" is {shown}" if 0 < len(shown) <= _LONGEST_SHOWN else ""
    about = f"option {where!r}{seen}" if where else "options do not fit together"
    return f"{owner}: {about}: {message[0].lower()}{message[1:]}.{more}"


def _first(error: ValidationError) -> Any:
    """The first of all that is wrong; of very many without the value, as they would take more memory than the file."""
    if error.error_count() <= _MANY:
        return error.errors(include_url=False, include_context=False)[0]
    text = error.json(include_url=False, include_context=False, include_input=False)
    return json.JSONDecoder().raw_decode(text, 1)[0]


def _fields_at(cls: type[BaseModel], path: tuple[int | str, ...]) -> Iterable[str]:
    for name in path:
        inner = cls.model_fields[str(name)].annotation if str(name) in cls.model_fields else None
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            return ()
        cls = inner
    return cls.model_fields


def describe_fields(cls: type[BaseModel]) -> list[tuple[str, str, str, str]]:
    """Name, type with bounds, default and description of every field, from the class itself."""
    schema = cls.model_json_schema()
    rows = []
    for name, field in schema.get("properties", {}).items():
        default = "required" if name in schema.get("required", ()) else _default_text(cls, name)
        rows.append((name, _type_text(field, schema.get("$defs", {})), default, field.get("description", "")))
    return rows


def _default_text(cls: type[BaseModel], name: str) -> str:
    value = cls.model_fields[name].get_default(call_default_factory=True)
    if isinstance(value, BaseModel):
        return json.dumps(value.model_dump(mode="json", exclude_defaults=True))
    return json.dumps(list(value) if isinstance(value, tuple) else value)


def _type_text(field: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    if "anyOf" in field:
        return " or ".join(_type_text(option, definitions) for option in field["anyOf"])
    if "$ref" in field:
        return "settings " + ", ".join(definitions[field["$ref"].rsplit("/", 1)[-1]].get("properties", {}))
    if "enum" in field or "const" in field:
        return " | ".join(map(str, field.get("enum", [field.get("const")])))
    kind = field.get("type", "any")
    if kind == "array" and "items" in field:
        kind = f"list of {_type_text(field['items'], definitions)}"
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    bounds = [f"{sign} {field[key]:g}" for key, sign in signs.items() if key in field]
    return " ".join([kind, *bounds])


def runs_folder() -> Path:
    """Where runs are kept unless told otherwise: `GENZOO_RUNS`, or `runs` in the current folder."""
    return Path(os.environ.get("GENZOO_RUNS", "runs"))


def launched() -> int:
    """How many processes were launched for one training, as `torchrun` tells each of them; 1 without."""
    told = all(os.environ.get(name) for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"))
    return int(os.environ["WORLD_SIZE"]) if told and os.environ["WORLD_SIZE"].isdecimal() else 1


def refuse_several(what: str) -> None:
    """Refuse what only one process does.

    Raises:
        ConfigError: several were launched.
    """
    if launched() > 1:
        raise ConfigError(
            f"{what} is for one process, and {launched()} were launched; several are for genzoo train. Leave torchrun "
            f"out; comparisons take --jobs."
        )


def launcher(processes: int) -> str:
    """What to type in front of `train` for that many processes."""
    return "genzoo" if processes == 1 else f"torchrun --nproc-per-node {processes} -m genzoo"


def version() -> str:
    """The installed version of genzoo."""
    return importlib.metadata.version("genzoo")
