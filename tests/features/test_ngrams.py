"""Hashed n-grams: the same on every machine, in characters, and scaled by the real texts."""

import numpy as np
import pytest

from genzoo.data.texts.lines import listed
from genzoo.data.texts.symbols import byte_spec, encoded
from genzoo.features.extractor import Material
from genzoo.features.ngrams import NgramExtractor, _hashed, build_ngrams
from genzoo.metrics.frechet import frechet_distance
from genzoo.spec.events import DataSpec, Feature

DATA = byte_spec(20)
TEXTS = ["anna", "", "été", "banana", "n", "東京都"]


def block(texts):
    return np.asarray(encoded(texts, "The list", DATA))


def mixed(number):
    """SplitMix64's output function, in Python's integers."""
    number = (number + 0x9E3779B97F4A7C15) % 2**64
    number = (number ^ number >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    number = (number ^ number >> 27) * 0x94D049BB133111EB % 2**64
    return number ^ number >> 31


def by_hand(text):
    """Length and signed counts of a text."""
    widths = {1: 64, 2: 64, 3: 64, 4: 32}
    found = {n: np.zeros(width) for n, width in widths.items()}
    codes = [0, *(ord(letter) + 1 for letter in text), 0]
    for n, width in widths.items():
        for start in range(len(codes) - n + 1):
            if n == 1 and codes[start] == 0:
                continue
            state = 0
            for code in codes[start : start + n]:
                state = mixed((state + code) % 2**64)
            found[n][(state >> 1) % width] += 1 if state & 1 else -1
    return np.concatenate([[len(text)], *found.values()])


def test_counts_of_characters_equal_a_count_by_hand():
    extractor = NgramExtractor(DATA, block(TEXTS))
    assert np.array_equal(extractor._counts(block(TEXTS)), np.stack([by_hand(text) for text in TEXTS]))


def test_features_are_standardized_by_the_real_texts():
    dataset = listed(TEXTS)
    extractor = build_ngrams(Material(dataset.spec, dataset.events[:], dataset))
    real = extractor(dataset.events[:])
    assert real.shape == (6, 225)
    assert np.allclose(real.mean(axis=0), 0)
    assert np.allclose(real.std(axis=0)[real.any(axis=0)], 1)
    assert np.isfinite(extractor(encoded(["zebra", ""], "x", dataset.spec)[:])).all()


def test_other_symbols_have_ngrams_of_their_own():
    data = DataSpec((4,), "text", (Feature("symbol", "categorical", ("a", "b")),), storage="uint8")
    events = np.array([[0, 1, 2, 2], [1, 0, 2, 2], [0, 0, 0, 0]])
    one, two, _ = NgramExtractor(data, events)(events)
    assert one[0] == two[0]
    assert not np.allclose(one, two)


def test_equal_ngrams_have_equal_hashes_wherever_they_stand():
    texts = encoded(["xabc", "abcy", "abc"], "The list")
    for n, rows, hashes in _hashed(texts, 4):
        if n == 3:
            shared = set(hashes[rows == 0]) & set(hashes[rows == 1]) & set(hashes[rows == 2])
            assert len(shared) == 1


def test_the_distance_is_finite_for_singular_features_and_lapacks_failure(monkeypatch):
    rng = np.random.default_rng(0)
    texts = ["".join(rng.choice([*"ab"], 6)) for _ in range(60)]
    extractor = NgramExtractor(DATA, block(texts[:30]))
    x, y = extractor(block(texts[:30])), extractor(block(texts[30:]))
    expected = frechet_distance(x, y)

    def fail(*_, **__):
        raise np.linalg.LinAlgError("SVD did not converge")

    monkeypatch.setattr("numpy.linalg.svd", fail)
    assert frechet_distance(x, y) == pytest.approx(expected, rel=1e-6)
    assert expected[0] > 0
