"""The settings of a run, as pydantic classes that reject unknown keys."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator

from genzoo.config.explain import explain_validation_error
from genzoo.errors import ConfigError
from genzoo.spec import MOST_NAMES, ColumnType, DataSpec, Feature, Kind

Precision = Literal["auto", "fp64", "fp32", "tf32", "bf16", "fp16"]


ResolvedPrecision = Literal["fp64", "fp32", "tf32", "bf16", "fp16"]


BUDGETS = ("epochs", "steps", "minutes")


_RHYTHMS = ("eval_every", "eval_steps")


_FEATURE = frozenset(Feature.__slots__)


_KINDS = get_args(Kind)


_STORED = (*get_args(ColumnType), None)


class Settings(BaseModel):
    """A frozen pydantic class that refuses unknown keys; the parent of every class of options."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


SettingsT = TypeVar("SettingsT", bound=BaseModel)


class OptimizerConfig(Settings):
    """How one parameter group is updated."""

    name: Literal["adam", "adamw", "sgd", "rmsprop"] = Field("adam", description="update rule")
    lr: float = Field(1e-3, gt=0, le=100, description="learning rate")
    betas: tuple[float, float] = Field((0.9, 0.999), description="decay rates of Adam's two running means")
    momentum: float = Field(0.0, ge=0, lt=1, description="momentum of sgd and rmsprop")
    weight_decay: float = Field(0.0, ge=0, le=1, description="weight decay")

    @model_validator(mode="after")
    def _check_betas(self) -> Self:
        if not all(0 <= beta < 1 for beta in self.betas):
            raise ValueError("betas lie in [0, 1)")
        return self


class ScheduleConfig(Settings):
    """How the learning rate moves over the budget."""

    name: Literal["constant", "linear", "cosine"] = Field("constant", description="shape of the decay")
    warmup: int = Field(0, ge=0, le=10_000_000, description="steps over which the learning rate rises from 0")
    floor: float = Field(0.0, ge=0, le=1, description="fraction of the learning rate that the decay ends at")


class TrainingSettings(Settings):
    """What every training can be told, whatever trains the model."""

    epochs: float | None = Field(None, gt=0, le=1e9, description="budget in passes over the training rows")
    steps: int | None = Field(None, gt=0, le=10**12, description="budget in steps")
    minutes: float | None = Field(None, gt=0, le=1e6, description="budget in minutes of training")
    log_every: int = Field(10, ge=1, description="steps between lines of metrics.jsonl")
    sample_every: int | None = Field(None, ge=1, description="steps between saved samples; by default ten in a run")
    checkpoint_every: int | None = Field(None, ge=1, description="steps between checkpoints; by default ten in a run")
    keep_checkpoints: int = Field(1, ge=1, description="how many of the last checkpoints to keep, besides the best")
    callbacks: tuple[str, ...] = Field((), description="names of registered callbacks")


class GradientTraining(TrainingSettings):
    """Settings of a training by gradients."""

    kind: Literal["gradient"] = Field("gradient", description="what trains the model", repr=False)
    batch_size: int = Field(128, ge=1, le=10**7, description="rows per update")
    grad_accumulation: int = Field(1, ge=1, le=10_000, description="parts a batch is computed in, to save memory")
    optimizer: OptimizerConfig = Field(
        default_factory=OptimizerConfig, description="the optimizer of every parameter group"
    )
    param_groups: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="by parameter group, what differs from the optimizer"
    )
    schedule: ScheduleConfig = Field(default_factory=ScheduleConfig, description="learning rate schedule")
    ema: float = Field(
        0.0, ge=0, lt=1, description="decay of the generator's moving average, which is the model kept; 0 for none"
    )
    grad_clip: float | None = Field(None, gt=0, description="largest norm of a parameter group's gradient")
    patience: int | None = Field(
        None, ge=1, description="stop after that many evaluations on validation rows without improvement"
    )
    eval_every: float | None = Field(
        None, gt=0, description="epochs between evaluations on validation rows. Defaults to 1"
    )
    eval_steps: int | None = Field(
        None, ge=1, description="steps between evaluations on validation rows, in place of eval_every"
    )
    metrics: tuple[str, ...] = Field((), description="metrics recorded at every evaluation on validation rows")
    monitor: str | None = Field(
        None,
        description="what patience and the best step are chosen by: 'objective' for its own monitor, or a metric; by "
        "default the objective if it has a monitor, else the first metric",
    )
    features: str | None = Field(
        None, description="feature extractor of the metrics, NAME or NAME=FILE; by default pixels or columns"
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
        """The optimizer of one parameter group: the common one with the group's own values over it."""
        return OptimizerConfig.model_validate({**self.optimizer.model_dump(), **self.param_groups.get(group, {})})


class EMTraining(TrainingSettings):
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


Training = GradientTraining | EMTraining

TRAINING_CLASSES: dict[str, type[GradientTraining] | type[EMTraining]] = {
    "gradient": GradientTraining,
    "em": EMTraining,
}
"""Settings of a training by the kind of its objective."""


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
    color: Literal["auto", "gray", "rgb"] = Field("auto", description="what images of a folder are converted to")
    skip_bad: bool = Field(False, description="leave unreadable files out and count them, instead of stopping")
    binarize: bool = Field(False, description="turn images into black (0) and white (1) at the middle of their range")
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

    format: Literal[2] = 2
    model: str
    options: dict[str, Any]
    objective: ObjectiveSettings
    training: Annotated[Training, Field(discriminator="kind")]
    data: DataSettings
    split: SplitSettings
    seed: int = Field(ge=0, lt=2**63)
    device: str = "auto"
    precision: Precision = "auto"
    warm_start: str | None = None
    data_digest: str | None = None

    @property
    def ema(self) -> float | None:
        """Decay of the moving average that the kept model is; `None` if it is none."""
        return self.training.ema or None if isinstance(self.training, GradientTraining) else None


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
        raise ConfigError(explain_validation_error(error, cls, owner)) from error


def runs_folder() -> Path:
    """Where runs are kept unless told otherwise: `GENZOO_RUNS`, or `runs` in the current folder."""
    return Path(os.environ.get("GENZOO_RUNS", "runs"))
