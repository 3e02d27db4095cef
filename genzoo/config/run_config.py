"""The content of a run's `config.json`: everything needed to train a model again."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    Field,
)

from genzoo.config.data import DataSettings, SplitSettings
from genzoo.config.flags import Flag
from genzoo.config.settings import Settings
from genzoo.config.training import GradientTraining, Training
from genzoo.plugins.local import ModelSource
from genzoo.spec.entries import MOST_SAMPLING_GROUP, SAMPLING_GROUP
from genzoo.wording import Word

Precision = Literal["auto", "fp64", "fp32", "tf32", "bf16", "fp16"]


ResolvedPrecision = Literal["fp64", "fp32", "tf32", "bf16", "fp16"]


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
    def model_file(self) -> object:
        """The Python file that the model comes from, as a command takes it; `None` for a model of a plugin."""
        return None if self.model_source is None else self.model_source.file or Word("FILE.py")

    @property
    def ema(self) -> float | None:
        """Decay of the moving average of the weights in the saved model, or None."""
        return self.training.ema or None if isinstance(self.training, GradientTraining) else None

    @property
    def flip(self) -> bool | None:
        """True if training images are mirrored, else None."""
        return self.training.flip or None if isinstance(self.training, GradientTraining) else None


def runs_folder() -> Path:
    """Return the default folder of runs: `GENZOO_RUNS`, or `runs` in the current folder."""
    return Path(os.path.expanduser(os.environ.get("GENZOO_RUNS") or "runs"))  # noqa: PTH111 - raises nothing
