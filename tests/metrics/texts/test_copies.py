"""Copied runs beside a search by hand; copies are flagged, and neither held-out texts nor chance."""

import importlib
from pathlib import Path

import numpy as np
import pytest

import genzoo
from genzoo.data.texts.flat import Texts
from genzoo.data.texts.symbols import byte_spec, encoded
from genzoo.metrics.metric import MetricInput
from genzoo.metrics.texts.copies import exact_copies, longest_copied_span
from genzoo.metrics.texts.spans import longest_spans

DATA = byte_spec(80)
SHARED = [parent / "shared" / "data" for parent in Path(genzoo.__file__).parents]


def given(real, samples, train):
    blocks = [np.asarray(encoded(texts, "The list", DATA)) for texts in (real, samples)]
    return MetricInput(DATA, *blocks, train=encoded(train, "The list", DATA).as_array())


def longest_by_hand(text, known):
    size = 0
    for start in range(len(text)):
        while start + size < len(text) and any(text[start : start + size + 1] in other for other in known):
            size += 1
    return size


@pytest.mark.parametrize("letters", ["ab", "abcdefgh", "aé€"])
@pytest.mark.parametrize("part", [1, 25, 1 << 22])
def test_the_longest_run_equals_a_search_by_hand(letters, part):
    rng = np.random.default_rng(part)
    for _ in range(12):
        texts, known = (
            ["".join(rng.choice([*letters], rng.integers(0, 18))) for _ in range(rng.integers(1, 12))] for _ in range(2)
        )
        texts += [known[0], known[0] + known[-1]]
        found = longest_spans(encoded(texts, "texts"), encoded(known, "known"), part)
        coded = [text.encode() for text in known]
        assert found.tolist() == [longest_by_hand(text.encode(), coded) for text in texts]


def test_symbols_of_large_alphabets_have_runs_too():
    rng = np.random.default_rng(0)
    texts, known = ([rng.integers(0, 3, size) * 40_000 for size in (0, 5, 9, 30)] for _ in range(2))
    found = longest_spans(Texts.joined(texts, 30, 100_000), Texts.joined(known, 30, 100_000))
    plain = [["".join("abc"[code // 40_000] for code in text) for text in part] for part in (texts, known)]
    assert found.tolist() == [longest_by_hand(text, plain[1]) for text in plain[0]]


def sentences(seed, count, words=300):
    rng = np.random.default_rng(seed)
    return [" ".join(f"w{word}" for word in rng.integers(0, words, 8)) for _ in range(count)]


def test_copies_are_counted_and_flagged_beside_held_out_texts():
    train, real = sentences(0, 400), [*sentences(1, 95), *sentences(0, 5)]
    found = exact_copies.score(given(real, [*train[:60], *sentences(2, 140)], train))
    assert (found.value, found.real) == (0.3, 0.05)
    assert found.parts["excess"] == pytest.approx(0.25)
    assert found.parts["excess_error"] == pytest.approx(np.sqrt(0.3 * 0.7 / 200 + 0.05 * 0.95 / 100), rel=0.05)
    assert "copies parts of its training set: 60 of 200 samples" in found.notes[0]
    assert exact_copies.score(given(real, sentences(3, 200), train)).notes == ()
    assert exact_copies.score(given(real, sentences(3, 200), train)).error > 0


def test_a_few_training_texts_again_and_again_are_copies():
    train = sentences(0, 400)
    assert exact_copies.score(given(sentences(1, 100), train[:3] * 40, train)).notes


def test_texts_drawn_by_chance_from_a_list_without_repetition_are_none():
    names = [f"{first}{second}{third}" for first in "abcdefghij" for second in "klmnopqrst" for third in "uvwxyz"]
    flagged = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        order = rng.permutation(len(names))
        train, real = ([names[row] for row in rows] for rows in (order[:400], order[400:]))
        data = given(real, [names[row] for row in rng.integers(0, len(names), 200)], train)
        score = exact_copies.score(data)
        assert (score.value > 0.5, score.real) == (True, 0)
        assert score.parts["by_chance"] == pytest.approx(2 / 3, abs=0.3)
        flagged += bool(score.notes) + bool(longest_copied_span.score(data).notes)
    assert flagged <= 1


def test_long_runs_are_flagged_and_measured_in_bytes():
    train, real = sentences(0, 300), sentences(1, 100)
    pasted = [f"{one[:14]}{other[-14:]}" for one, other in zip(train, train[100:200], strict=False)]
    found = longest_copied_span.score(given(real, pasted, train))
    assert "the model copies long runs of its training texts" in found.notes[0]
    assert found.protocol == {"unit": "bytes"}
    assert found.value >= 14 > found.real
    assert found.low <= found.value <= found.high
    assert found.parts["excess"] == found.value - found.real
    assert longest_copied_span.score(given(real, sentences(2, 100), train)).notes == ()


def test_held_out_texts_are_seldom_flagged():
    flags = []
    for seed in range(20):
        texts = sentences(100 + seed, 400, words=60)
        data = given(texts[:80], texts[80:160], texts[160:])
        flags.append([bool(metric.score(data).notes) for metric in (exact_copies, longest_copied_span)])
    assert np.sum(flags) <= 1


@pytest.mark.full
@pytest.mark.skipif(not any(folder.is_dir() for folder in SHARED), reason="needs the files in shared/data")
@pytest.mark.parametrize("file", ["names.txt", "tinyshakespeare.txt"])
def test_generators_of_known_rank_are_ranked_on_real_texts(file, monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[3] / "benchmarks"))
    bench = importlib.import_module("text_metrics")
    folder = next(folder for folder in SHARED if folder.is_dir())
    lines = [line for line in (folder / file).read_text(encoding="utf-8").split("\n") if 0 < len(line) <= 100]
    metrics = {metric.name: metric for metric in bench.find_metrics(bench.get_registry(), bench.METRICS)}
    test, fresh, train = bench.parted(lines, 2_000, 0)
    measure = bench.Measure(test, train, 100, 0)
    drawn = {name: measure.given(samples) for name, samples in bench.generators(train, fresh, 100, 0).items()}
    for name in bench.OF_FEATURES:
        scores = [metrics[name].score(drawn[f"order {order}"]) for order in bench.ORDERS]
        assert bench.falls([score.value for score in scores[:4]]) == 3
        assert scores[4].value < scores[3].value + 2 * np.hypot(scores[3].error, scores[4].error)
        assert scores[4].value > metrics[name].score(drawn["held out"]).value
    assert metrics["self-bleu"].score(drawn["one text"]).value == pytest.approx(100)
    for name in bench.FLAGGING:
        assert metrics[name].score(drawn["copies"]).notes
        assert not metrics[name].score(drawn["held out"]).notes
