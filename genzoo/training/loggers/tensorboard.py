"""The log for TensorBoard: scalars, images and texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from torch.utils.tensorboard import SummaryWriter

from genzoo.training.loggers.logger import Logged, Logger, Opening, is_picture, is_text, text_of


class TensorBoardLogger(Logger):
    """Writes event files into the folder `tensorboard` of the run: `tensorboard --logdir runs` shows all runs."""

    def __init__(self, opening: Opening) -> None:
        # TensorBoard forgets what earlier files have from that step on.
        purge = opening.sent + 1 if opening.sent else None
        self._writer = SummaryWriter(opening.run.path / "tensorboard", purge_step=purge)

    def start(self, settings: Mapping[str, Any]) -> None:
        """Write the settings as a table."""
        rows = "\n".join(f"| {name} | {value} |" for name, value in settings.items())
        self._writer.add_text("settings", f"| setting | value |\n|---|---|\n{rows}", 0)

    def log(self, logged: Sequence[Logged]) -> None:
        """Write scalars, and images and texts of samples."""
        for one in logged:
            for name, value in one.values.items():
                self._writer.add_scalar(name, value, one.step)
            for path in one.samples:
                self._add_samples(one.step, path)
        self._writer.flush()

    def _add_samples(self, step: int, path: Path) -> None:
        if is_picture(path):
            with Image.open(path) as image:
                self._writer.add_image("samples", np.asarray(image.convert("RGB")), step, dataformats="HWC")
        elif is_text(path):
            self._writer.add_text("samples", f"```\n{text_of(path)}\n```", step)

    def close(self, *, finished: bool) -> None:
        """Close the event file."""
        self._writer.close()
