"""BLEU and self-BLEU equal sacrebleu's and a count by hand; they stand together, and rank nothing."""

import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

import genzoo
from genzoo.data.dataset import Dataset
from genzoo.data.texts.symbols import byte_spec, encoded
from genzoo.data.transforms import AffineTransform
from genzoo.errors import ConfigError, DataError
from genzoo.metrics.evaluation.choice import find_extractor, find_metrics
from genzoo.metrics.evaluation.reference import make_reference
from genzoo.metrics.evaluator import compute_metrics
from genzoo.metrics.metric import MetricInput
from genzoo.metrics.texts.bleu import Corpus, _closest, bleu, self_bleu
from genzoo.metrics.texts.tokens import CHARACTERS, WORDS, split_characters, split_words, tokens_of
from genzoo.plugins.manager import get_registry
from genzoo.reports.page import Table
from genzoo.reports.sections import score_blocks
from genzoo.reports.terminal import print_scores

MODEL = str(Path(__file__).parents[2] / "support" / "outside" / "letters.py") + ":Letters"
DATA = byte_spec(120)
ODD = [
    "",
    " . ",
    "Tom &amp;amp; Jerry &lt;b&gt; &quot;x&quot;",
    "3.5, 1,000 and .5; 10-20 twenty-one-",
    "it's 'so' well-\nknown\nhere",
    "a<skipped>b [c] {d} ~e^f_g `h` \\i| j@k.com",
    "Ärger, déjà-vu… 東京 no.1",
    "the the the the the the the",
]


def block(texts, data=DATA):
    return np.asarray(encoded(texts, "The list", data))


def given(real, samples, **rest):
    return MetricInput(data=DATA, real=block(real), samples=block(samples), **rest)


def random_texts(seed, count, words=("a", "b", "cat", "sat,", "5.2", "on-", "Mat."), longest=9):
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(words, rng.integers(1, longest))) for _ in range(count)]


def by_hand(text, references):
    """The BLEU of one text from counts, with effective order and smoothing `exp`."""
    logs, halved, matched = [], 1.0, False
    for n in range(1, 5):
        mine = Counter(tuple(text[i : i + n]) for i in range(len(text) - n + 1))
        best = Counter()
        for other in references:
            best |= Counter(tuple(other[i : i + n]) for i in range(len(other) - n + 1))
        if not mine:
            break
        right = sum((mine & best).values())
        matched |= right > 0
        halved *= 1 if right else 2
        logs.append(math.log((right or 1 / halved) / sum(mine.values())))
    if not matched:
        return 0.0
    closest = min((abs(len(other) - len(text)), len(other)) for other in references)[1]
    return 100 * math.exp(sum(logs) / len(logs) + min(0, 1 - closest / len(text)))


@pytest.mark.parametrize("split", [split_words, split_characters])
def test_bleu_counts_each_ngram_as_often_as_one_reference(split):
    real, samples = random_texts(0, 12), [*random_texts(1, 15), *ODD]
    tokens = tokens_of(given(real, samples)) if split is split_words else tokens_of(_spaceless(real, samples))
    scores = Corpus(tokens.samples, tokens.real).scores()
    joined = samples if split is split_words else _joined(samples)
    others = real if split is split_words else _joined(real)
    expected = [by_hand(split(text), [split(other) for other in others]) for text in joined]
    assert scores == pytest.approx(expected, abs=1e-9)
    own = Corpus(tokens.samples).scores()
    rest = [[split(other) for other in [*joined[:row], *joined[row + 1 :]]] for row in range(len(joined))]
    assert own == pytest.approx([by_hand(split(text), rest[row]) for row, text in enumerate(joined)], abs=1e-9)


def _joined(texts):
    return ["".join(text.split()) for text in texts]


def _spaceless(real, samples):
    return given(_joined(real), _joined(samples))


def test_words_and_bleu_equal_sacrebleu():
    metrics = pytest.importorskip("sacrebleu.metrics")
    tokenizer = metrics.BLEU(tokenize="13a").tokenizer
    for text in [*ODD, *random_texts(2, 30)]:
        assert " ".join(split_words(text)) == tokenizer(text.rstrip())
    real, samples = random_texts(3, 20), [*random_texts(4, 20), *ODD]
    for unit, one, other in (("13a", real, samples), ("char", _joined(real), _joined(samples))):
        judge = metrics.BLEU(tokenize=unit, effective_order=True)
        corpus = [judge.corpus_score(other, [[text] * len(other) for text in one]).score]
        alone = [judge.sentence_score(text, one).score for text in other]
        within = [judge.sentence_score(text, other[:row] + other[row + 1 :]).score for row, text in enumerate(other)]
        tokens = tokens_of(given(one, other))
        found = Corpus(tokens.samples, tokens.real)
        assert tokens.unit == (WORDS if unit == "13a" else CHARACTERS)
        assert found.scores() == pytest.approx(alone, abs=1e-9)
        assert [found.whole()] == pytest.approx(corpus, abs=1e-9)
        assert Corpus(tokens.samples).scores() == pytest.approx(within, abs=1e-9)


@pytest.mark.parametrize("own", [False, True])
def test_the_closest_reference_is_the_shorter_of_two(own):
    rng = np.random.default_rng(5)
    for _ in range(50):
        lengths = rng.integers(0, 12, rng.integers(2, 9))
        others = lengths if own else rng.integers(0, 12, 5)
        expected = []
        for row, length in enumerate(lengths):
            rest = np.delete(others, row) if own else others
            expected.append(min((abs(other - length), other) for other in rest)[1])
        assert _closest(lengths, others, own=own).tolist() == expected


def test_repeated_samples_have_the_highest_self_bleu():
    real = random_texts(6, 40)
    repeated = self_bleu.score(given(real, [real[0]] * 40))
    assert (repeated.value, repeated.error) == (pytest.approx(100), 0)
    fresh = self_bleu.score(given(real, random_texts(7, 40)))
    assert fresh.value < 90
    assert fresh.real == bleu.score(given(real, real)).real
    assert bleu.score(given(real, real)).value == pytest.approx(100)


def test_both_have_as_many_references_as_there_are_of_the_fewer():
    found = given(random_texts(8, 60), random_texts(9, 30))
    assert bleu.score(found).protocol["references"] == 30
    assert self_bleu.score(found).protocol["references"] == 29


def test_the_error_is_the_spread_over_real_texts_and_samples():
    scores = [bleu.score(given(random_texts(seed, 30), random_texts(500 + seed, 30))) for seed in range(40)]
    spread = np.std([score.value for score in scores], ddof=1)
    assert 0.7 < np.sqrt(np.mean([score.error**2 for score in scores])) / spread < 1.5


def test_too_few_texts_and_numbers_that_are_no_codes_have_no_score():
    few = given(random_texts(1, 9), random_texts(2, 20))
    with pytest.raises(DataError, match="at least 10 real texts, and there are 9"):
        bleu.score(few)
    holed = MetricInput(data=DATA, real=np.full((20, 3), np.nan), samples=block(random_texts(1, 20)))
    with pytest.raises(DataError, match="holds nan"):
        self_bleu.score(holed)


class Shelf(genzoo.Generator):
    """A generator whose samples are given texts, in order."""

    def __init__(self, texts):
        super().__init__()
        self.register_buffer("texts", torch.as_tensor(block(texts).astype(np.int64)))
        self.place = 0

    def sample(self, n, *, condition=None, **options):
        rows = torch.arange(self.place, self.place + n) % len(self.texts)
        self.place += n
        return self.texts[rows]


def evaluated(samples, names, train=True):
    real = random_texts(10, 80)
    dataset = Dataset("texts", DATA, encoded(real, "The list", DATA).as_array())
    metrics = find_metrics(get_registry(), names)
    extractor, rows = find_extractor(get_registry(), None, DATA), np.arange(80)
    known = (dataset, rows[40:]) if train else None
    reference = make_reference(dataset, rows[:40], metrics, extractor, trained_on=known)
    model = genzoo.TrainedModel("shelf", Shelf(samples), AffineTransform(torch.zeros(()), torch.ones(())), DATA)
    return compute_metrics(model, reference, metrics, seed=0)


def test_bleu_never_stands_without_self_bleu():
    found = evaluated(random_texts(10, 80)[40:], ["bleu"])
    assert set(found.scores) == {"bleu", "self-bleu"}
    assert found.scores["bleu"].notes[0].startswith("read it with self-bleu, ")


def test_copies_are_flagged_if_training_texts_are_known():
    named = ["exact-copies", "longest-copied-span", "distinct-n", "frechet-distance"]
    found = evaluated(random_texts(10, 80)[40:], named)
    assert found.scores["exact-copies"].value == 1
    assert "the model copies its training set: 40 of 40 samples" in found.scores["exact-copies"].notes[0]
    assert found.scores["longest-copied-span"].protocol["train"] == 40
    assert found.scores["frechet-distance"].protocol["features"] == "ngrams"
    assert "do not fill 225 dimensions" in found.scores["frechet-distance"].notes[0]
    unknown = evaluated(random_texts(11, 40), named, train=False)
    assert unknown.reasons["exact-copies"] == "the model's training data are not known here"
    assert "distinct-n" in unknown.scores


def test_tables_show_the_value_of_real_texts_beside_the_score(capsys):
    found = evaluated(random_texts(12, 40), ["bleu", "frechet-distance"])
    print_scores(found.scores, found.reasons, 200)
    titles, first, second = capsys.readouterr().out.splitlines()[:3]
    assert titles.split()[:5] == ["metric", "value", "real", "real", "halves"]
    assert (first.split()[0], "near real" in first) == ("bleu", True)
    assert (second.split()[0], "lower" in second) == ("frechet-distance", True)
    table = next(block for block in score_blocks(found.scores, {}) if isinstance(block, Table))
    assert "the score of the real rows themselves, and the score between two halves" in table.caption


def test_no_weights_are_chosen_by_bleu(tmp_path):
    with pytest.raises(ConfigError, match="'bleu' chooses no weights, because copies"):
        genzoo.train(
            MODEL, random_texts(13, 40), steps=4, precision="fp32", training={"monitor": "bleu"}, out=tmp_path / "run"
        )


@pytest.mark.parametrize("name", ["bleu", "self-bleu", "distinct-n", "exact-copies", "longest-copied-span"])
def test_metrics_that_copies_or_noise_win_rank_no_candidates(name):
    with pytest.raises(ConfigError, match=f"'{name}' ranks nothing: copies"):
        genzoo.compare(["gaussian"], "iris", by=name)
