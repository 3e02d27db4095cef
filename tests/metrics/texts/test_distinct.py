"""Distinct-n beside a count by hand; it does not depend on the number of samples."""

import numpy as np
import pytest

from genzoo.data.texts.symbols import byte_spec, encoded
from genzoo.errors import DataError
from genzoo.metrics.metric import MetricInput
from genzoo.metrics.texts.distinct import distinct_n, shares
from genzoo.metrics.texts.tokens import split_words, tokens_of

DATA = byte_spec(60)


def texts_of(seed, count, different=30):
    rng = np.random.default_rng(seed)
    return [" ".join(f"w{word}" for word in rng.integers(0, different, rng.integers(2, 10))) for _ in range(count)]


def given(real, samples):
    real, samples = (np.asarray(encoded(texts, "The list", DATA)) for texts in (real, samples))
    return MetricInput(data=DATA, real=real, samples=samples)


def by_hand(texts, size):
    """Shares of different n-grams in blocks of tokens, which n-grams do not leave, as they do not leave texts."""
    stream = [(row, word) for row, text in enumerate(texts) for word in split_words(text)]
    blocks = []
    for start in range(0, len(stream) - size + 1, size):
        block, found = stream[start : start + size], []
        for n in range(1, 5):
            grams = [block[i : i + n] for i in range(size - n + 1)]
            inside = [tuple(word for _, word in gram) for gram in grams if gram[0][0] == gram[-1][0]]
            found.append(len(set(inside)) / len(inside))
        blocks.append(found)
    return np.array(blocks)


def test_shares_equal_a_count_by_hand():
    texts = texts_of(0, 60)
    tokens = tokens_of(given(texts, texts))
    assert np.allclose(shares(tokens.real, 37, "texts"), by_hand(texts, 37))
    found = distinct_n.score(given(texts, texts))
    assert [found.value, found.real] == pytest.approx([np.mean(list(found.parts.values()))] * 2)
    assert found.parts["distinct-2"] == found.parts["real_distinct-2"]


def test_more_samples_leave_the_score_as_it_is():
    real = texts_of(1, 200)
    few, many = (distinct_n.score(given(real, texts_of(2, count))) for count in (200, 2_000))
    assert few.protocol == many.protocol
    assert abs(few.value - many.value) < 3 * few.error
    assert many.error < few.error


def test_repetition_is_low_and_noise_is_high():
    real = texts_of(3, 100)
    scores = [distinct_n.score(given(real, samples)).value for samples in (real[:1] * 100, texts_of(4, 100, 999))]
    assert scores[0] < distinct_n.score(given(real, texts_of(5, 100))).value < scores[1]


def test_too_few_tokens_have_no_score():
    with pytest.raises(DataError, match=r"The samples have \d+ tokens"):
        distinct_n.score(given(texts_of(6, 400), ["a"] * 20))
    with pytest.raises(DataError, match="The real texts have 12 tokens"):
        distinct_n.score(given(["a"] * 12, ["a"] * 12))
