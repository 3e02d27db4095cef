"""A model of windows: trained, stopped and resumed, kept in a folder, applied to other texts."""

import math
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import genzoo
from genzoo.errors import ConfigError, DataError

FILE = str(Path(__file__).parents[1] / "support" / "outside" / "letters.py")
MODEL = f"{FILE}:Letters"
BRIEF = {"batch_size": 8, "width": 4, "device": "cpu", "precision": "fp32", "log_every": 1, "sample_every": 10**6}
TEXT = "".join(f"{number} bottles of beer on the wall,\n" for number in range(99, 40, -1))


class Voices(genzoo.Generator, genzoo.Likelihood):
    """Independent symbols, given a condition."""

    degrees_of_freedom, input, conditional = None, "raw", True
    modalities, kinds = ("text",), ("categorical",)

    def __init__(self, data):
        super().__init__()
        self.longest, self.end = data.event_shape[0], data.end
        self.head = torch.nn.Linear(data.condition_size, self.end + 1)

    def log_prob(self, x, *, condition=None):
        codes = x.long()
        logs = self.head(condition).log_softmax(1).gather(1, codes)
        ends = (codes == self.end).long()
        return logs.masked_fill(ends.cumsum(1) > ends, 0).sum(1)

    def sample(self, n, *, condition=None):
        shares = self.head(condition).softmax(1)
        return torch.multinomial(shares, self.longest, replacement=True).to(shares.dtype)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    path = tmp_path_factory.mktemp("corpus") / "corpus.txt"
    path.write_text(TEXT)
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory, corpus):
    return genzoo.train(MODEL, corpus, window=32, steps=24, **BRIEF, out=tmp_path_factory.mktemp("runs") / "whole")


def test_a_run_that_was_stopped_within_an_epoch_ends_with_the_same_bits(run, corpus, tmp_path):
    genzoo.train(
        MODEL, corpus, window=32, steps=24, **BRIEF, checkpoint_every=7, keep_checkpoints=9, out=tmp_path / "a"
    )
    checkpoints = sorted((tmp_path / "a" / "checkpoints").iterdir())
    for late in checkpoints[2:]:
        shutil.rmtree(late)
    shutil.rmtree(tmp_path / "a" / "model")
    again = genzoo.resume(tmp_path / "a", model=FILE)
    digests = [(path / "model" / "model.safetensors").read_bytes() for path in (run.path, again.path)]
    assert digests[0] == digests[1]


def test_a_loaded_model_knows_its_windows_and_cuts_other_texts(run, corpus, tmp_path):
    fitted = run.load()
    assert fitted.data.windows
    assert fitted.data.event_shape == (32,)
    other = TEXT[100:250]
    (tmp_path / "other.txt").write_text(other)
    pieces = [other[start : start + 32] for start in range(0, 128, 32)]
    found = run.score(tmp_path / "other.txt").values
    assert np.allclose(found, fitted.log_prob(pieces), atol=1e-5)
    assert np.allclose(run.score({"source": [other], "window": 32}).values, found, atol=1e-5)
    (tmp_path / "short.txt").write_text("beer")
    assert np.allclose(run.score(tmp_path / "short.txt").values, fitted.log_prob(["beer"]), atol=1e-5)
    with pytest.raises(ConfigError, match=r"trained on windows of 32 bytes\. Leave window out"):
        run.score({"source": str(corpus), "window": 16})
    with pytest.raises(DataError, match="texts of at most 32"):
        run.score([other])


def test_texts_in_memory_are_cut_again_to_resume(tmp_path):
    run = genzoo.train(MODEL, [TEXT[:300], TEXT[300:]], window=32, steps=2, **BRIEF, out=tmp_path / "a")
    with pytest.warns(UserWarning, match="schedule"):
        more = genzoo.resume(run.path, [TEXT[:300], TEXT[300:]], steps=3, model=FILE)
    assert more.load().data.windows


def test_the_test_score_is_of_the_last_windows(run):
    score = run.evaluate(metrics=["bits-per-byte"]).scores["bits-per-byte"]
    count = len(TEXT) // 32
    held_out = [TEXT[32 * row : 32 * row + 32] for row in range(count - round(0.15 * count), count)]
    nats = run.load().log_prob(held_out)
    assert score.value == pytest.approx(-nats.sum() / (32 * len(held_out)) / math.log(2), rel=1e-5)


def test_commands_take_windows(run, corpus, tmp_path, cli):
    code, out, err = cli("score", str(run.path), "--model-file", FILE, "--data", str(corpus), "--json")
    assert code == 0, err
    code, out, err = cli("train", MODEL, "--data", str(corpus), "--window", "32", "--dry-run", "--precision", "fp32")
    assert code == 0, err
    assert "windows are held out in their order" in " ".join((out + err).split())


@pytest.mark.full
def test_folds_of_a_comparison_are_the_same_in_workers(tmp_path):
    data = {"source": [TEXT[:900], TEXT[900:]], "window": 32}
    settings = {"folds": 3, "steps": 6, "batch_size": 8, "precision": "fp32", "metrics": ["bits-per-byte"]}
    models = [f"{MODEL}:width={width}" for width in (4, 5)]
    one, two = (genzoo.compare(models, data, jobs=jobs, out=tmp_path / str(jobs), **settings) for jobs in (1, 2))
    assert [row.log_likelihood.test for row in one.rows] == [row.log_likelihood.test for row in two.rows]
    assert all(np.isfinite(row.log_likelihood.test) for row in one.rows)


def test_a_model_of_texts_can_be_conditional(tmp_path):
    letters = {"a": "xyz", "b": "uvw"}
    rng = np.random.default_rng(0)
    who = rng.choice(["a", "b"], 120)
    lines = ["".join(rng.choice(list(letters[one]), 6)) for one in who]
    frame = pd.DataFrame({"line": lines, "who": who, "age": rng.uniform(20, 80, 120)})
    settings = {"source": frame, "text": "line", "condition": ("who", "age")}
    run = genzoo.train(Voices, settings, steps=80, batch_size=32, lr=0.1, precision="fp32", out=tmp_path / "v")
    table = pd.DataFrame({"who": ["a", "b"] * 10, "age": [60.0] * 20})
    samples = run.sample(20, condition=table)
    own = [sum(letter in letters["ab"[row % 2]] for letter in text) for row, text in enumerate(samples)]
    assert sum(own) > 0.8 * sum(map(len, samples))
    swapped = frame.assign(who=np.where(frame["who"] == "a", "b", "a"))
    right, wrong = (run.score({"source": table, "text": "line"}).values.mean() for table in (frame, swapped))
    assert right > wrong + 5
