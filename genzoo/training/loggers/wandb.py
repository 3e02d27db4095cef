"""The log for Weights & Biases."""

from __future__ import annotations

import html
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import wandb

from genzoo.training.loggers.logger import Logged, Logger, Opening, is_picture, is_text, text_of

_PROJECT = "genzoo"


class WandbLogger(Logger):
    """Makes a run of the project `genzoo`, or of the one that `WANDB_PROJECT` names.

    With no account on this machine it is kept in the run's folder `wandb`; `wandb sync` uploads it later.
    """

    def __init__(self, opening: Opening) -> None:
        mode = os.environ.get("WANDB_MODE") or ("online" if wandb.api.api_key else "offline")
        self._run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", _PROJECT),
            name=opening.run.path.name,
            id=opening.state.get("run"),
            resume="allow" if opening.state else None,
            dir=str(opening.run.path),
            mode=mode,
        )

    def start(self, settings: Mapping[str, Any]) -> None:
        """Write the settings."""
        self._run.config.update(dict(settings))

    def state(self) -> dict[str, Any]:
        """Return the id of the run."""
        return {"run": self._run.id}

    def log(self, logged: Sequence[Logged]) -> None:
        """Write values, and images and texts of samples."""
        for one in logged:
            shown = [media for path in one.samples if (media := _media(path)) is not None]
            self._run.log({**one.values, **({"samples": shown} if shown else {})}, step=one.step)

    def close(self, *, finished: bool) -> None:
        """End the run."""
        self._run.finish(exit_code=0 if finished else 1)


def _media(path: Path) -> Any:
    if is_picture(path):
        return wandb.Image(str(path))
    return wandb.Html(f"<pre>{html.escape(text_of(path))}</pre>") if is_text(path) else None
