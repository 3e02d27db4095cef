"""The settings of a training, by the kind of its objective."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import (
    Field,
    ValidationError,
    model_validator,
)

from genzoo.config.explain import explain_validation_error
from genzoo.config.flags import Flag
from genzoo.config.settings import Settings

BUDGETS = ("epochs", "steps", "minutes")
"""Settings that limit a training."""


BOUND_DRAWS = 64
"""Default number of draws for a lower bound of a likelihood."""


MOST_DRAWS = 10**6


MOST_STEPS = 10**12
"""Largest number of steps of a training."""


RHYTHMS = ("eval_every", "eval_steps")
"""Settings that say how often a training is evaluated."""


NAMED = ("optimizer", "schedule")
"""Groups of settings of a training that may be given by their name alone: `cosine` for `{"name": "cosine"}`."""


class OptimizerConfig(Settings):
    """Update rule of one parameter group."""

    name: Literal["adam", "adamw", "muon", "sgd", "rmsprop"] = Field(
        "adam", description="update rule; muon is for matrices, and updates all other parameters as adamw"
    )
    lr: Annotated[float, Flag("--lr")] = Field(1e-3, gt=0, le=100, description="learning rate")
    betas: tuple[float, float] = Field(
        (0.9, 0.999), description="decay rates of Adam's two running means; the first one also of muon's"
    )
    momentum: float = Field(0.0, ge=0, lt=1, description="momentum of sgd and rmsprop")
    weight_decay: float = Field(0.0, ge=0, le=1, description="weight decay")

    @model_validator(mode="after")
    def _check_betas(self) -> Self:
        if not all(0 <= beta < 1 for beta in self.betas):
            raise ValueError("betas lie in [0, 1)")
        return self


class ScheduleConfig(Settings):
    """Learning rate over the budget."""

    name: Literal["constant", "linear", "quadratic", "cosine"] = Field("constant", description="shape of the decay")
    warmup: int = Field(0, ge=0, le=10_000_000, description="steps over which the learning rate rises from 0")
    floor: float = Field(0.0, ge=0, le=1, description="fraction of the learning rate that the decay ends at")


LoggerName = Literal["csv", "tensorboard", "mlflow", "wandb"]
"""Tools that `--log` names."""


class StepSettings(Settings):
    """Settings of a training in steps: its budget, and what is saved on the way."""

    epochs: Annotated[float | None, Flag("--epochs")] = Field(
        None, gt=0, le=1e9, description="training length in passes over the training rows"
    )
    steps: Annotated[int | None, Flag("--steps")] = Field(
        None, gt=0, le=MOST_STEPS, description="training length in steps"
    )
    minutes: Annotated[float | None, Flag("--minutes")] = Field(
        None, gt=0, le=1e6, description="training length in minutes"
    )
    log_every: int = Field(10, ge=1, description="steps between lines of metrics.jsonl")
    sample_every: int | None = Field(
        None, ge=1, description="steps between saved samples; by default ten per run, or one of sounds as sequences"
    )
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
    log: Annotated[tuple[LoggerName, ...], Flag("--log", metavar="csv|tensorboard|mlflow|wandb", repeat=True)] = Field(
        (), description="other tools that get the log and samples of the run, besides metrics.jsonl"
    )


class GradientTraining(TrainingSettings, StepSettings):
    """Settings of a training by gradients."""

    kind: Literal["gradient"] = Field("gradient", description="what trains the model", repr=False)
    batch_size: Annotated[int, Flag("--batch-size")] = Field(128, ge=1, le=10**7, description="rows per update")
    flip: Annotated[bool, Flag("--flip")] = Field(
        False, description="mirror each training image left to right in half of the epochs; nothing else is mirrored"
    )
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
