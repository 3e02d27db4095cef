"""A model of texts takes and returns lists of `str`, and loses no byte on the way."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

import genzoo
from genzoo.data.texts.symbols import byte_spec
from genzoo.errors import ConfigError, DataError, PluginError
from genzoo.features.symbols import SymbolExtractor
from genzoo.metrics.likelihood_metrics import bits_per_byte
from genzoo.metrics.metric import MetricInput

MODEL = str(Path(__file__).parents[1] / "support" / "outside" / "letters.py") + ":Letters"
WORDS = [first + second for first in ("an", "be", "ji", "ka") for second in ("na", "rta", "", "lle")] * 8
BRIEF = {"steps": 20, "batch_size": 16, "width": 8, "device": "cpu", "precision": "fp32"}


class Draws(genzoo.Generator, genzoo.Likelihood):
    """Every symbol is as probable as the end; samples are as narrow as the longest that were drawn."""

    degrees_of_freedom = 0
    input = "raw"
    modalities, kinds = ("text",), ("categorical",)

    def __init__(self, data):
        super().__init__()
        self.longest, self.end = data.event_shape[0], data.end
        self.level = torch.nn.Parameter(torch.zeros(()))

    def log_prob(self, x):
        end = (x == self.end).long()
        known = end.cumsum(1) - end == 0
        return known.sum(1) * -math.log(self.end + 1) + 0 * self.level

    def sample(self, n, *, condition=None):
        codes = torch.randint(self.end + 1, (n, self.longest))
        width = max(1, int((codes != self.end).long().cumprod(1).sum(1).max()))
        return codes[:, :width].to(self.level.dtype)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return genzoo.train(MODEL, WORDS, **BRIEF, out=tmp_path_factory.mktemp("runs") / "letters")


@pytest.fixture(scope="module")
def fitted(run):
    return run.load()


def test_samples_are_texts_and_their_codes_are_exact(fitted):
    texts, codes = fitted.sample(30, seed=3), fitted.sample(30, seed=3, output="array")
    assert all(isinstance(text, str) for text in texts)
    assert (codes.shape, codes.dtype) == ((30, 5), np.int16)
    after = np.cumsum(codes == 256, axis=1) > 0
    assert (codes[after] == 256).all()
    for text, row in zip(texts, codes, strict=True):
        assert bytes(row[row < 256].tolist()).decode("utf-8", "replace") == text
    assert fitted.sample(5, seed=3) == texts[:5]


def test_other_forms_of_output_are_an_error(fitted):
    with pytest.raises(ConfigError, match="texts are no table"):
        fitted.sample(1, output="pandas")


def test_texts_are_scored_as_lists_and_as_codes_of_any_width(fitted):
    texts = ["anna", "", "be", "jille"]
    logs = fitted.log_prob(texts)
    assert logs.shape == (4,)
    codes = np.array([[*text.encode(), *[256] * (5 - len(text))] for text in texts])
    assert np.allclose(fitted.log_prob(codes), logs, atol=1e-6)
    assert np.allclose(fitted.log_prob(codes[1:3, :3]), logs[1:3], atol=1e-5)
    assert np.allclose(fitted.log_prob(torch.from_numpy(codes)), logs, atol=1e-6)
    assert np.allclose(fitted.score(texts).values, logs, atol=1e-6)
    assert np.allclose([fitted.log_prob([text])[0] for text in texts], logs, atol=1e-5)
    assert np.array_equal(fitted.log_prob(np.array(texts)), logs)
    assert len(fitted.log_prob(codes[:0])) == len(fitted.log_prob([])) == 0


def test_long_texts_are_computed_a_few_at_a_time(tmp_path, monkeypatch):
    texts = ["a" * 1500, *["b" * length for length in range(1, 200)]]
    fitted = genzoo.train(Draws, texts, steps=1, batch_size=4, precision="fp32", out=tmp_path / "long").load()
    sizes, whole = [], Draws.log_prob
    monkeypatch.setattr(Draws, "log_prob", lambda self, x: sizes.append(x.numel()) or whole(self, x))
    logs = fitted.log_prob(texts)
    assert len(logs) == 200
    assert max(sizes) <= 2**16
    assert np.allclose(logs[1:5], [fitted.log_prob([text])[0] for text in texts[1:5]], rtol=1e-6)


@pytest.mark.parametrize(
    ("events", "why"),
    [
        (["annabel"], "7 symbols, event 0, and the model was trained on texts of at most 5"),
        (np.full((1, 5), 300), "holds 300 in event 0"),
        (np.zeros((1, 6)), "at most 5"),
        (np.zeros(5), "must hold codes"),
        (["anna", 3], "event 1 is 3, of type int, and texts are str"),
    ],
)
def test_what_is_no_text_of_the_model_is_an_error(fitted, events, why):
    with pytest.raises(DataError, match=why):
        fitted.log_prob(events)


def test_a_run_scores_and_evaluates_lists(run):
    assert np.allclose(run.score(["anna"]).values, run.load().log_prob(["anna"]), atol=1e-6)
    found = run.evaluate(["anna", "beno"], metrics=["bits-per-byte", "log-likelihood"])
    nats = found.scores["log-likelihood"].value
    assert found.scores["bits-per-byte"].value == pytest.approx(-nats / 4 / math.log(2), rel=1e-5)


def test_texts_in_a_file_are_written_and_scored(run, tmp_path, cli):
    file = MODEL.rpartition(":")[0]
    out = tmp_path / "samples.txt"
    assert cli("sample", str(run.path), "-n", "20", "--out", str(out), "--model-file", file)[0] == 0
    codes = run.load().sample(20, output="array")
    lines = out.read_bytes().split(b"\n")[:-1]
    assert lines == [bytes(row[row < 256].tolist()).translate(bytes.maketrans(b"\n\r", b"  ")) for row in codes]
    (tmp_path / "new.txt").write_text("anna\nbe\n", "utf-8")
    code, printed, _ = cli("score", str(run.path), "--data", str(tmp_path / "new.txt"), "--model-file", file)
    assert (code, len(printed.splitlines())) == (0, 3)


def test_a_report_shows_texts_and_no_control_character(tmp_path, cli):
    words = ["a\x1b[31m<b>x", "ok"] * 40
    run = genzoo.train(MODEL, words, **BRIEF | {"steps": 150}, out=tmp_path / "odd")
    page = tmp_path / "page.html"
    file = MODEL.rpartition(":")[0]
    assert cli("report", str(run.path), "--out", str(page), "--model-file", file)[0] in (0, 4)
    run.report(page)
    content = page.read_text("utf-8")
    assert "\x1b" not in content
    assert "<b>x" not in content
    assert "&lt;b&gt;x" in content


def scored(logs, lengths):
    return bits_per_byte.score(
        MetricInput(
            byte_spec(4), log_likelihoods=np.array(logs), lengths=np.array(lengths), measure="mass", kind="exact"
        )
    )


def test_bits_per_byte_count_ends_in_bits_and_not_as_bytes():
    lengths = np.array([1, 3, 0, 4])
    score = scored(-math.log(2) * (8.0 * lengths + 1), lengths)
    assert score.value == pytest.approx(8 + 4 / 8)
    assert score.error > 0
    assert scored(-math.log(2) * 5.0 * lengths, lengths).error == pytest.approx(0, abs=1e-12)
    with pytest.raises(DataError, match="no bytes"):
        scored([0.0, 0.0], [0, 0])


def test_features_of_texts_count_symbols_and_pairs():
    real = np.array([[0, 1, 2], [1, 0, 2], [0, 0, 1], [2, 2, 2]])
    features = SymbolExtractor(2, real)
    assert np.allclose(features(real).mean(axis=0), 0)
    one, two = features(np.array([[0, 1, 2], [1, 0, 2]]))
    assert one[0] == two[0]  # as long
    assert not np.allclose(one, two)  # other pairs


@pytest.fixture
def draws(tmp_path):
    once = {"steps": 1, "batch_size": 8, "device": "cpu", "precision": "fp32", "sample_every": 10**6}
    return genzoo.train(Draws, ["ab", "abcd"] * 20, **once, out=tmp_path / "draws").load()


def test_samples_may_be_narrower_than_the_longest_text(draws):
    assert draws.sample(3, seed=0, output="array").shape == (3, 4)
    draws.generator.sample = lambda n: torch.full((n, 1), 97.0)
    assert draws.sample(2) == ["a", "a"]


@pytest.mark.parametrize("codes", [np.full((64, 5), 1.0), np.full((64, 4), 0.5), np.full((64, 4), 257.0), np.ones(64)])
def test_samples_that_are_no_codes_are_the_models_error(draws, codes):
    draws.generator.sample = lambda n: torch.from_numpy(codes)
    with pytest.raises(PluginError, match="Texts are codes from 0 to 256"):
        draws.sample(3)
