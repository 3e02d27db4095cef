"""The settings of a run, as pydantic classes that reject unknown keys."""

from __future__ import annotations

import csv
import itertools
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar, get_args

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    TypeAdapter,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    field_validator,
    model_validator,
)

from genzoo.config.explain import explain_text_for_number, explain_validation_error
from genzoo.config.flags import LISTED, Flag
from genzoo.errors import ConfigError
from genzoo.plugins.local import ModelSource
from genzoo.spec.composite import MOST_PARTS, CompositeSpec
from genzoo.spec.entries import MOST_SAMPLING_GROUP, SAMPLING_GROUP
from genzoo.spec.events import MOST_NAMES, ColumnType, DataSpec, Feature, Kind
from genzoo.wording import argument, front_end

Precision = Literal["auto", "fp64", "fp32", "tf32", "bf16", "fp16"]


ResolvedPrecision = Literal["fp64", "fp32", "tf32", "bf16", "fp16"]


BUDGETS = ("epochs", "steps", "minutes")
"""Settings that limit a training."""


BOUND_DRAWS = 64
"""Default number of draws for a lower bound of a likelihood."""


MOST_DRAWS = 10**6


_RHYTHMS = ("eval_every", "eval_steps")


_FEATURE = frozenset(Feature.__slots__)


_KINDS = get_args(Kind)


_LONGEST_FORM = 100


_STORED = (*get_args(ColumnType), None)


class Settings(BaseModel):
    """A frozen pydantic class that forbids unknown keys; the parent of every class of options."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @property
    def tries_several_starts(self) -> bool:
        """Whether a model with these options tries several starts itself, so that EM need not start again."""
        return False


SettingsT = TypeVar("SettingsT", bound=BaseModel)


class OptimizerConfig(Settings):
    """Update rule of one parameter group."""

    name: Literal["adam", "adamw", "sgd", "rmsprop"] = Field("adam", description="update rule")
    lr: Annotated[float, Flag("--lr")] = Field(1e-3, gt=0, le=100, description="learning rate")
    betas: tuple[float, float] = Field((0.9, 0.999), description="decay rates of Adam's two running means")
    momentum: float = Field(0.0, ge=0, lt=1, description="momentum of sgd and rmsprop")
    weight_decay: float = Field(0.0, ge=0, le=1, description="weight decay")

    @model_validator(mode="after")
    def _check_betas(self) -> Self:
        if not all(0 <= beta < 1 for beta in self.betas):
            raise ValueError("betas lie in [0, 1)")
        return self


class ScheduleConfig(Settings):
    """Learning rate over the budget."""

    name: Literal["constant", "linear", "cosine"] = Field("constant", description="shape of the decay")
    warmup: int = Field(0, ge=0, le=10_000_000, description="steps over which the learning rate rises from 0")
    floor: float = Field(0.0, ge=0, le=1, description="fraction of the learning rate that the decay ends at")


class StepSettings(Settings):
    """Settings of a training in steps: its budget, and what is saved on the way."""

    epochs: Annotated[float | None, Flag("--epochs")] = Field(
        None, gt=0, le=1e9, description="training length in passes over the training rows"
    )
    steps: Annotated[int | None, Flag("--steps")] = Field(None, gt=0, le=10**12, description="training length in steps")
    minutes: Annotated[float | None, Flag("--minutes")] = Field(
        None, gt=0, le=1e6, description="training length in minutes"
    )
    log_every: int = Field(10, ge=1, description="steps between lines of metrics.jsonl")
    sample_every: int | None = Field(None, ge=1, description="steps between saved samples; by default ten per run")
    checkpoint_every: int | None = Field(None, ge=1, description="steps between checkpoints; by default ten per run")
    keep_checkpoints: Annotated[int, Flag("--keep-checkpoints", former=("--keep",))] = Field(
        1, ge=1, description="number of recent checkpoints to keep, besides the best"
    )


class TrainingSettings(Settings):
    """Settings of every training."""

    bound_draws: int = Field(
        BOUND_DRAWS,
        ge=1,
        le=MOST_DRAWS,
        description="draws for each lower bound of a likelihood after training and in genzoo score; fewer take less "
        "time and give looser bounds",
    )
    callbacks: Annotated[tuple[str, ...], Flag("--callback", metavar="CALLBACK", repeat=True)] = Field(
        (), description="registered callbacks to run"
    )


class GradientTraining(TrainingSettings, StepSettings):
    """Settings of a training by gradients."""

    kind: Literal["gradient"] = Field("gradient", description="what trains the model", repr=False)
    batch_size: Annotated[int, Flag("--batch-size")] = Field(128, ge=1, le=10**7, description="rows per update")
    grad_accumulation: int = Field(1, ge=1, le=10_000, description="parts a batch is computed in, to save memory")
    optimizer: OptimizerConfig = Field(
        default_factory=OptimizerConfig, description="the optimizer of every parameter group"
    )
    param_groups: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="settings that differ from the optimizer's, by parameter group"
    )
    schedule: ScheduleConfig = Field(default_factory=ScheduleConfig, description="learning rate schedule")
    ema: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="decay of the moving average of the weights, which the saved model uses; 0 for none",
    )
    grad_clip: float | None = Field(None, gt=0, description="largest norm of a parameter group's gradient")
    patience: Annotated[int | None, Flag("--patience")] = Field(
        None, ge=1, description="evaluations on validation rows without improvement before training stops"
    )
    eval_every: Annotated[float | None, Flag("--eval-every", metavar="EPOCHS")] = Field(
        None, gt=0, description="epochs between evaluations on validation rows; by default 1, unless eval_steps is set"
    )
    eval_steps: int | None = Field(
        None, ge=1, description="steps between evaluations on validation rows, instead of eval_every"
    )
    metrics: Annotated[tuple[str, ...], Flag("--metric", metavar="METRIC", repeat=True)] = Field(
        (), description="metrics to record at every evaluation on validation rows"
    )
    monitor: Annotated[str | None, Flag("--monitor", metavar="METRIC", former=("--watch",))] = Field(
        None,
        description="score that decides early stopping and the best checkpoint: objective, or a metric; by default "
        "the objective's own if it has one, else the first metric",
    )
    features: Annotated[str | None, Flag("--features", metavar="EXTRACTOR[=FILE]")] = Field(
        None, description="feature extractor of the metrics; by default pixels or columns"
    )
    compile: bool | None = Field(None, description="torch.compile; by default on CUDA only")

    @model_validator(mode="after")
    def _check_param_groups(self) -> Self:
        for group in self.param_groups:
            try:
                self.optimizer_of(group)
            except ValidationError as error:
                raise ValueError(explain_validation_error(error, OptimizerConfig, f"group {group!r}")) from error
        return self

    @model_validator(mode="after")
    def _check_parts(self) -> Self:
        if self.batch_size % self.grad_accumulation:
            raise ValueError(f"batch_size {self.batch_size} does not divide into {self.grad_accumulation} equal parts")
        if self.features is not None and not self.metrics and self.monitor in (None, "objective"):
            raise ValueError(f"features {self.features!r} are for metrics, and none is recorded; name one in metrics")
        return self

    def optimizer_of(self, group: str) -> OptimizerConfig:
        """Return the optimizer of one parameter group: the common one with the group's own values over it."""
        return OptimizerConfig.model_validate({**self.optimizer.model_dump(), **self.param_groups.get(group, {})})


class EMTraining(TrainingSettings, StepSettings):
    """Settings of a training by expectation-maximization; a step is a pass over the training rows."""

    kind: Literal["em"] = Field("em", description="what trains the model", repr=False)
    max_iter: int = Field(1000, ge=1, le=10**6, description="largest number of passes of one start")
    tol: float = Field(
        1e-6, ge=0, description="change of the mean log-likelihood, in nats per row, that counts as converged"
    )
    n_init: int = Field(1, ge=1, le=10_000, description="starts from different random points; the best is kept")
    block_size: int | None = Field(
        None, ge=1, le=10**8, description="rows computed at a time; by default as many as fit the cache"
    )


class DirectTraining(TrainingSettings):
    """Settings of a direct fit, which is a single step and ends by itself."""

    kind: Literal["direct"] = Field("direct", description="what trains the model", repr=False)
    block_size: int | None = Field(
        None, ge=1, le=10**8, description="rows handed to the fit at a time; by default the objective's choice"
    )


Training = GradientTraining | EMTraining | DirectTraining

TRAINING_CLASSES: dict[str, type[GradientTraining] | type[EMTraining] | type[DirectTraining]] = {
    "gradient": GradientTraining,
    "em": EMTraining,
    "direct": DirectTraining,
}
"""Settings of a training by the kind of its objective."""


def steps_of(training: Training) -> StepSettings:
    """Return the settings about steps of a training; the defaults for a direct fit, which is a single step."""
    return StepSettings() if isinstance(training, DirectTraining) else training


_METHODS = ("random", "contiguous", "time=COL")


def split_names(value: Any) -> Any:
    """Return names that were given as one text, `a,b,"c, d"`; other values as they are."""
    return next(csv.reader([value], skipinitialspace=True), []) if isinstance(value, str) else value


class SplitSettings(Settings):
    """Which rows to hold out; a dataset that brings its own test rows keeps them."""

    validation: float = Field(
        0.15, ge=0, lt=1, description="fraction of rows for early stopping and the best checkpoint"
    )
    test: float = Field(0.15, ge=0, lt=1, description="fraction of rows for the final scores")
    method: Annotated[str, Flag("--split", metavar="random|contiguous|time=COL")] = Field(
        "random", description="hold out rows at random, the last rows of the file, or the latest rows by a column"
    )
    by: Annotated[tuple[str, ...], Flag("--split-by", metavar=LISTED)] = Field(
        (), description="columns, such as customer_id, whose equal values stay on one side of the split and in one fold"
    )
    duplicates_together: Annotated[bool, Flag("--keep-duplicates-together")] = Field(
        False, description="keep exactly equal rows on one side of the split and in one fold"
    )

    @field_validator("by", mode="before")
    @classmethod
    def _split_names(cls, value: Any) -> Any:
        return split_names(value)

    @field_validator("method")
    @classmethod
    def _check_method(cls, value: str) -> str:
        if value not in _METHODS[:2] and not (value.startswith("time=") and value != "time="):
            raise ValueError(f"a split is {', '.join(_METHODS[:2])} or {_METHODS[2]}")
        return value

    @model_validator(mode="after")
    def _check_groups(self) -> Self:
        grouped = "duplicates_together" if self.duplicates_together else "by" if self.by else None
        if self.method != "random" and grouped is not None:
            raise ValueError(
                f"split.{grouped} keeps groups of rows together, and split.method={self.method} cuts an order of rows, "
                f"where a group may lie on both sides; use one of the two"
            )
        return self

    @model_validator(mode="after")
    def _check_sum(self) -> Self:
        if self.validation + self.test >= 1:
            raise ValueError("validation and test leave no row to train on")
        return self

    @property
    def time(self) -> str | None:
        """Name of the column that orders the rows, or None."""
        return self.method.removeprefix("time=") if self.method.startswith("time=") else None

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns that divide the rows."""
        return self.by if self.time is None else (*self.by, self.time)


class DataSettings(Settings):
    """Data source, and how to read it."""

    source: Annotated[str, Flag("--data", metavar="DATA")] = Field(
        description="built-in name or path; see: genzoo data"
    )
    size: Annotated[int | None, Flag("--size", metavar="PIXELS")] = Field(
        None, ge=4, le=4096, description="side to which images of a folder are resized and center-cropped"
    )
    color: Annotated[
        Literal["auto", "gray", "rgb"], Flag("--color", former=("--colour",), former_values={"grey": "gray"})
    ] = Field("auto", description="color mode that images of a folder are converted to")
    skip_bad: Annotated[bool, Flag("--skip-bad")] = Field(
        False, description="leave unreadable files out and count them, instead of stopping"
    )
    range: Annotated[tuple[float, float] | None, Flag("--range", metavar="LOW..HIGH")] = Field(
        None, description="smallest and largest possible value of a pixel, such as 0..255; by default found in the data"
    )
    binarize: Annotated[bool, Flag("--binarize", former=("--binarise",))] = Field(
        False, description="turn images into black (0) and white (1) at the middle of their range"
    )
    parts: Annotated[tuple[str, ...], Flag("--parts", metavar=LISTED)] = Field(
        (), description="arrays of an .npz file that are parts of each event, such as image,label"
    )
    header: Annotated[Literal["auto"] | bool, Flag("--header/--no-header")] = Field(
        "auto", description="whether the first row of a .csv or .tsv file holds column names; by default detected"
    )
    separator: Annotated[str | None, Flag("--separator", metavar="MARK")] = Field(
        None, description="mark between the fields of a text file: , ; | tab or space; by default detected"
    )
    decimal: Annotated[Literal[".", ","] | None, Flag("--decimal", metavar="MARK")] = Field(
        None, description="decimal mark of the numbers in a text file: . or a comma; by default detected"
    )
    thousands: Annotated[str | None, Flag("--thousands", metavar="MARK")] = Field(
        None, description="mark between groups of three digits in a text file: , . ' or space; by default detected"
    )
    date_formats: Annotated[dict[str, str], Flag("--date-format", metavar="COL=FORMAT", repeat=True)] = Field(
        {}, description="format of the dates in a column, such as day=%m/%d/%Y; by default recognized"
    )
    missing: Annotated[tuple[str, ...], Flag("--missing", metavar="[COL=]MARK", repeat=True)] = Field(
        (), description="text or number that means a missing value, such as ? or -999, in all columns or in one"
    )
    columns: Annotated[tuple[str, ...] | None, Flag("--columns", metavar=LISTED)] = Field(
        None, description="columns of a table to keep, in this order"
    )
    drop: Annotated[tuple[str, ...], Flag("--drop", metavar=LISTED)] = Field(
        (), description="columns of a table to leave out"
    )
    kinds: Annotated[dict[str, Kind], Flag("--kind", metavar="COL=KIND", repeat=True)] = Field(
        {}, description="kind of a column, such as grade=categorical: continuous, binary, categorical or count"
    )
    bounds: Annotated[tuple[str, ...], Flag("--bounds", metavar="COL=LOW..HIGH", repeat=True)] = Field(
        (),
        description="smallest and largest value of a column in samples, such as age=0.. or day=2020-01-01..; none, or "
        "COL=none, for no limit; by default as in the training rows",
    )
    whole: Annotated[bool, Flag("--whole/--no-whole")] = Field(
        True,
        description="whether samples have whole numbers in a column of whole numbers, and whole days or seconds in one "
        "of times; yes by default",
    )
    transforms: Annotated[dict[str, str], Flag("--transform", metavar="COL=TRANSFORM", repeat=True)] = Field(
        {},
        description="transform of a column before the model's own scaling, such as price=log: log, logit, marginal or "
        "one of a plugin",
    )
    label: Annotated[str | None, Flag("--label", metavar="COL")] = Field(
        None, description="column used only in reports, not in training"
    )
    condition: Annotated[tuple[str, ...], Flag("--condition", metavar=LISTED)] = Field(
        (), description="columns that events are conditional on, such as species; label stands for the labels of images"
    )
    joint: Annotated[bool, Flag("--joint")] = Field(
        False, description="learn the columns of condition jointly with the others, as the last columns of a table"
    )
    weight: Annotated[str | None, Flag("--weight", metavar="COL")] = Field(
        None, description="column that holds the weight of each row; the model does not see it"
    )
    drop_missing: Annotated[bool, Flag("--drop-missing")] = Field(
        False, description="leave rows with a missing value out and count them"
    )

    @field_validator("columns", "drop", "condition", "parts", mode="before")
    @classmethod
    def _split_names(cls, value: Any) -> Any:
        return split_names(value)

    @field_validator("range", mode="before")
    @classmethod
    def _split_range(cls, value: Any) -> Any:
        """Accept a range as one text, `0..255`."""
        if value is None:
            return None
        ends = value.split("..") if isinstance(value, str) else value
        try:
            low, high = map(float, ends)
        except (TypeError, ValueError, OverflowError):
            low = high = math.nan
        if not low < high or math.isinf(high - low):
            raise ValueError("a range is two increasing numbers, such as 0..255")
        return low, high

    @field_validator("separator")
    @classmethod
    def _check_separator(cls, value: str | None) -> str | None:
        mark = {"tab": "\t", "\\t": "\t", "space": " ", "comma": ",", "semicolon": ";"}.get(value or "", value)
        if mark is not None and (len(mark) != 1 or mark in '"\r\n#'):
            raise ValueError(f"{value!r} is not one character, tab or space")
        return mark

    @field_validator("thousands")
    @classmethod
    def _check_thousands(cls, value: str | None) -> str | None:
        mark = " " if value == "space" else value
        if mark not in (None, ",", ".", "'", " "):
            raise ValueError(f"{value!r} is not , . ' or space")
        return mark

    @field_validator("missing", mode="before")
    @classmethod
    def _list_marks(cls, value: Any) -> Any:
        """Accept one mark alone, and numbers."""
        if isinstance(value, str | int | float):
            value = [value]
        return (
            [str(mark) if isinstance(mark, int | float) else mark for mark in value]
            if isinstance(value, list | tuple)
            else value
        )

    @field_validator("bounds", mode="before")
    @classmethod
    def _list_bounds(cls, value: Any) -> Any:
        """Accept one text alone, and a mapping: `{"age": (0, None), "day": "2020-01-01.."}`."""
        if isinstance(value, str):
            return [value]
        if not isinstance(value, Mapping):
            return value
        ends = {name: end if isinstance(end, list | tuple) else (end,) for name, end in value.items()}
        return [
            f"{name}={'none' if end == (None,) else '..'.join('' if part is None else str(part) for part in end)}"
            for name, end in ends.items()
        ]

    @field_validator("bounds")
    @classmethod
    def _check_bounds(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            name, _, ends = text.rpartition("=")
            if text != "none" and (not name or (ends != "none" and ".." not in ends)):
                raise ValueError(f"{text!r} is not COL=LOW..HIGH, COL=none or none")
        return value

    @model_validator(mode="after")
    def _check_marks(self) -> Self:
        if self.decimal is not None and self.decimal == self.thousands:
            raise ValueError("decimal and thousands are the same mark")
        return self

    def given(self, *names: str) -> str | None:
        """Return the first of these settings that is not at its default, as the reader types it; or None."""
        changed = self.model_dump(include=set(names), exclude_defaults=True)
        return next((argument(name) for name in names if name in changed), None)


def _read_features(content: Any) -> Any:
    """Stop at the first invalid feature, or if there are too many: pydantic would describe every one."""
    if not isinstance(content, Mapping):
        return content
    lists = {part: content[part] for part in ("features", "condition") if isinstance(content.get(part), list)}
    names = sum(map(len, lists.values()))
    for feature in itertools.chain(*lists.values()):
        levels = feature.get("levels") if isinstance(feature, Mapping) else None
        names += len(levels) if isinstance(levels, list) else 0
    if names > MOST_NAMES:
        raise ValueError(f"a table has at most {MOST_NAMES} columns and categories together")
    return {
        **content,
        **{part: [_feature(place, feature) for place, feature in enumerate(own)] for part, own in lists.items()},
    }


def _feature(place: int, content: Any) -> Feature:
    if not isinstance(content, Mapping) or not content.keys() <= _FEATURE:
        raise ValueError(f"number {place} of its features is none")
    name, kind, levels = content.get("name"), content.get("kind", "continuous"), content.get("levels")
    unseen = content.get("unseen", [])
    texts = (levels is None or _all_texts(levels)) and _all_texts(unseen)
    stored, form = content.get("type"), content.get("form")
    placing = [content.get(part) for part in ("low", "high", "step", "cell")]
    numbers = all(part is None or (isinstance(part, int | float) and not isinstance(part, bool)) for part in placing)
    if not texts or not isinstance(name, str) or kind not in _KINDS or stored not in _STORED or not numbers:
        raise ValueError(f"number {place} of its features is none")
    if form is not None and not (isinstance(form, str) and form.isprintable() and len(form) <= _LONGEST_FORM):
        raise ValueError(f"number {place} of its features is none")
    low, high, step, cell = placing
    known = None if levels is None else tuple(levels)
    return Feature(name, kind, known, stored, form, low, high, step, tuple(unseen), cell)


def _all_texts(content: Any) -> bool:
    return isinstance(content, list | tuple) and all(isinstance(item, str) for item in content)


_WHOLE: TypeAdapter[DataSpec] = TypeAdapter(Annotated[DataSpec, BeforeValidator(_read_features)])
_CONDITION: TypeAdapter[tuple[Feature, ...]] = TypeAdapter(tuple[Feature, ...])


def _read_parts(content: Any, read_whole: ValidatorFunctionWrapHandler) -> DataSpec:
    """Read the spec of an event, which may be one of several parts."""
    if isinstance(content, CompositeSpec):
        return content
    parts = content.get("parts") if isinstance(content, Mapping) else None
    if parts is None:
        found: DataSpec = read_whole(content)
        return found
    missing = content.get("missing", False)
    if not content.keys() <= {"parts", "missing", "condition"} or not isinstance(missing, bool):
        raise ValueError("an event of several parts holds parts, missing and condition, and nothing else")
    if not isinstance(parts, Mapping) or len(parts) > MOST_PARTS:
        raise ValueError(f"an event has at most {MOST_PARTS} parts")
    others = _read_features({"condition": content.get("condition", [])})
    specs = {str(name): _WHOLE.validate_python(part) for name, part in parts.items()}
    return CompositeSpec.of(specs, missing=missing, condition=_CONDITION.validate_python(others["condition"]))


DataForm = Annotated[
    DataSpec,
    BeforeValidator(_read_features),
    WrapValidator(_read_parts),
    PlainSerializer(lambda spec: spec.as_dict(), when_used="always"),
]
"""A `DataSpec` as stored in files; also one of several parts."""


class ObjectiveSettings(Settings):
    """Name of the objective, and its options."""

    name: str
    options: dict[str, Any] = Field(default_factory=dict)


class RunConfig(Settings):
    """Everything needed to train a model again: the content of a run's `config.json`."""

    format: Literal[2] = 2
    model: str
    options: dict[str, Any]
    objective: ObjectiveSettings
    training: Annotated[Training, Field(discriminator="kind")]
    data: DataSettings
    split: SplitSettings
    seed: Annotated[int, Flag("--seed", envvar="GENZOO_SEED")] = Field(
        ge=0, lt=2**63, description="random seed, by default 0; the same seed gives the same weights"
    )
    device: Annotated[str, Flag("--device", envvar="GENZOO_DEVICE")] = Field(
        "auto", description="device to compute on: auto, cpu, cuda, cuda:N or mps"
    )
    precision: Annotated[Precision, Flag("--precision", envvar="GENZOO_PRECISION")] = Field(
        "auto", description="floating-point precision of training"
    )
    warm_start: Annotated[str | None, Flag("--warm-start", metavar="RUN", path=True)] = Field(
        None, description="run of the same model whose weights training starts from"
    )
    data_digest: str | None = None
    sampling: dict[str, Any] = Field({}, description="how samples are drawn during training and later")
    sampling_group: int = Field(SAMPLING_GROUP, ge=1, le=MOST_SAMPLING_GROUP)
    model_source: ModelSource | None = Field(None, description="source of a model that is a class of the user's")
    given: frozenset[str] = Field(
        frozenset(), exclude=True, description="settings of the training that do not come from the recipe; not stored"
    )

    @property
    def ema(self) -> float | None:
        """Decay of the moving average of the weights in the saved model, or None."""
        return self.training.ema or None if isinstance(self.training, GradientTraining) else None


def validate(cls: type[SettingsT], values: Mapping[str, Any], owner: str, section: str = "") -> SettingsT:
    """Build `cls` from `values`, or explain the first error in one paragraph.

    Arguments:
        owner: what the settings belong to, as the reader knows it: `"Model 'dcgan'"`.
        section: name of the settings among the owner's, such as `training`. Defaults to none.

    Raises:
        ConfigError: an unknown key, a wrong type or a value out of range. In Python, a text or a truth value is no
            number; on a command line and in the environment, numbers are texts.
    """
    if not front_end().flags and (fault := explain_text_for_number(values, cls, owner, section)) is not None:
        raise ConfigError(fault)
    try:
        return cls.model_validate(dict(values))
    except ValidationError as error:
        raise ConfigError(explain_validation_error(error, cls, owner, section)) from error


def runs_folder() -> Path:
    """Return the default folder of runs: `GENZOO_RUNS`, or `runs` in the current folder."""
    return Path(os.path.expanduser(os.environ.get("GENZOO_RUNS") or "runs"))  # noqa: PTH111 - raises nothing
