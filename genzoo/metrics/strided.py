"""Bits per byte of long texts, scored in windows that overlap."""

from __future__ import annotations

import math

import numpy as np

from genzoo.errors import DataError
from genzoo.inference.texts.each import log_prob_after
from genzoo.inference.trained_model import TrainedModel
from genzoo.metrics.metric import Score
from genzoo.metrics.statistics import estimate
from genzoo.typing import Array


def strided_bits_per_byte(fitted: TrainedModel, windows: Array, context: Array, stride: int) -> Score:
    """Return the bits per byte of a long text, each byte given those before it in its window.

    It is a ratio of means over windows. Its standard error comes from a linear approximation, and takes windows as
    independent.

    Arguments:
        fitted: an autoregressive model of texts.
        windows: codes of bytes, `(N, T)`. Each byte of the text is in one window after its context.
        context: number of bytes at the start of each window that are context only, `(N,)`.
        stride: number of new bytes of a window, for the protocol: a byte has at least T - `stride` bytes before it,
            except at the start of the text.

    Raises:
        ConfigError: the model is not `autoregressive`.
        DataError: the windows do not fit the model, hold nothing but context, or are impossible under the model.
    """
    logs, counts = log_prob_after(fitted.units, windows, context)
    if not counts.sum():
        raise DataError("The windows hold nothing but context, so there are no bytes to score.")
    if np.isneginf(logs).any():
        raise DataError(f"{int(np.isneginf(logs).sum())} of {len(logs)} windows have probability 0 under the model.")
    rate = float(-logs.sum() / counts.sum())
    gaps = estimate((-logs - rate * counts)[None], None)
    error = gaps.se / (float(counts.mean()) * math.log(2.0))
    protocol = {"window": int(fitted.data.event_shape[0]), "stride": stride}
    return Score("bits-per-byte", rate / math.log(2.0), "lower", error if math.isfinite(error) else None, protocol)
