"""Bits per byte of long texts in windows that overlap."""

import math
from pathlib import Path

import numpy as np
import pytest

import genzoo
from genzoo.errors import DataError
from genzoo.metrics.strided import strided_bits_per_byte

MODEL = str(Path(__file__).parents[1] / "support" / "outside" / "letters.py") + ":Letters"
TEXT = b"anna bella, jakob und emil " * 3


def overlapping(size, stride):
    """Windows as blocks with their numbers of bytes of context, by hand."""
    starts = [0, *range(stride, len(TEXT) - size + stride, stride)]
    ends = [min(start + size, len(TEXT)) for start in starts]
    done = [0, *ends[:-1]]
    block = np.full((len(starts), size), 256)
    for row, (start, end) in enumerate(zip(starts, ends, strict=True)):
        block[row, : end - start] = list(TEXT[start:end])
    return block, np.array(done) - starts


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    brief = {"steps": 30, "batch_size": 8, "width": 8, "device": "cpu", "precision": "fp32", "sample_every": 10**6}
    windows = [TEXT[start : start + 9].decode() for start in range(30)]
    return genzoo.train(MODEL, windows, **brief, out=tmp_path_factory.mktemp("runs") / "windows").load()


def by_hand(fitted, stride, size=9):
    """Sum the log-probability of each byte, given the window that it is new in."""
    block, context = overlapping(size, stride)
    total, count = 0.0, 0
    for row, start in zip(block, context, strict=True):
        text = bytes(row[row < 256].tolist()).decode()
        whole = fitted.log_prob_each([text])[0]
        total += whole[start:].sum()
        count += len(text) - start
    return -total / count / math.log(2), count


@pytest.mark.parametrize("stride", [1, 4, 9])
def test_each_byte_counts_once_given_its_window(fitted, stride):
    block, context = overlapping(9, stride)
    score = strided_bits_per_byte(fitted, block, context, stride)
    value, count = by_hand(fitted, stride)
    assert count == len(TEXT)
    assert score.value == pytest.approx(value, rel=1e-6)
    assert score.protocol == {"window": 9, "stride": stride}
    assert score.error > 0


def test_windows_from_nothing_score_as_texts(fitted):
    block, context = overlapping(9, 9)
    nats = -fitted.log_prob(block).sum()
    assert not context.any()
    assert strided_bits_per_byte(fitted, block, context, 9).value == pytest.approx(nats / len(TEXT) / math.log(2))


def test_windows_of_context_alone_are_an_error(fitted):
    with pytest.raises(DataError, match="nothing but context"):
        strided_bits_per_byte(fitted, np.array([list(TEXT[:9])]), np.array([10]) - 1, 9)
