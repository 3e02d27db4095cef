"""Long texts scored in windows that overlap, so that each byte has bytes before it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from genzoo.config.counts import check_count
from genzoo.data.dataset import Conditioned, Dataset, ModelEvents, Rows
from genzoo.data.texts.windows import Windows
from genzoo.errors import ConfigError
from genzoo.inference.texts.each import log_prob_after
from genzoo.inference.trained_model import TrainedModel
from genzoo.metrics.metric import Metric, Strided
from genzoo.models.base import Autoregressive
from genzoo.plugins.manager import models_that
from genzoo.runtime.progress import Phase
from genzoo.text import counted
from genzoo.wording import argument

_BLOCK = 2**20
"""Number of bytes of windows that are in memory at a time."""


def check_stride(fitted: TrainedModel, dataset: Dataset, stride: int, metrics: Sequence[Metric]) -> None:
    """Check that texts can be scored in windows that overlap.

    Raises:
        ConfigError: the stride is no number from 1 to the size of a window, the texts are no windows, the model does
            not know the probability of each symbol, or no metric has a use for it.
    """
    check_count("stride", stride)
    given = argument("stride", stride)
    if not isinstance(dataset.events, Windows):
        raise ConfigError(
            f"{given} is for windows of long texts, and events of {dataset.name} are {dataset.spec.form.plural}, each "
            f"scored whole. Leave it out, or train a model on windows: {argument('window', 256)}."
        )
    size = dataset.events.shape[1]
    if stride > size:
        raise ConfigError(
            f"{given} is larger than the windows of the model, which have {counted(size, 'byte')}, so bytes between "
            f"windows would have no score. Use a stride of 1 to {size}; half a window is usual."
        )
    if not isinstance(fitted.generator, Autoregressive):
        able, data = {"autoregressive"}, dataset.spec
        raise ConfigError(
            f"{given} needs the probability of each symbol, and model {fitted.model!r} has no 'autoregressive'. Leave "
            f"it out, or use {models_that('has it', lambda spec: able <= spec.capabilities and spec.takes(data))}."
        )
    if not any(metric.name == "bits-per-byte" for metric in metrics):
        raise ConfigError(f"{given} is for bits-per-byte, which is none of the metrics asked for. Leave it out.")


def strided(fitted: TrainedModel, dataset: Dataset, rows: Rows, stride: int) -> Strided:
    """Return the log-probabilities of a long text, each byte given those before it in its window.

    Arguments:
        fitted: an autoregressive model.
        dataset: windows of long texts.
        rows: increasing numbers of the windows to score. Bytes of other windows are no context.
        stride: number of new bytes of a window: a byte has at least T - `stride` bytes before it, except at the start
            of the rows.
    """
    windows = dataset.events
    assert isinstance(windows, Windows)
    starts, lengths, context = windows.overlaps(stride, rows)
    size = max(1, _BLOCK // windows.shape[1])
    logs, counts = np.empty(len(starts)), np.empty(len(starts), np.int64)
    with Phase("scoring", len(starts), "windows") as phase:
        for part in phase.over([slice(at, at + size) for at in range(0, len(starts), size)], lambda _: size):
            block: ModelEvents = windows.spans(starts[part], lengths[part], windows.shape[1])
            if dataset.conditions is not None:
                own = np.searchsorted(windows.offsets, starts[part] + context[part], side="right") - 1
                block = Conditioned(np.asarray(block), dataset.conditions[own])
            logs[part], counts[part] = log_prob_after(fitted.units, block, context[part])
    return Strided(logs, counts, stride)
