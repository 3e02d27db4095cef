"""Bits per byte of long texts in windows that overlap."""

import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import genzoo
from genzoo.data.texts.windows import Windows
from genzoo.errors import ConfigError
from genzoo.metrics.strided import strided

MODEL = str(Path(__file__).parents[1] / "support" / "outside" / "letters.py") + ":Letters"
SIZE, STRIDES = 9, (1, 4, 9)
ASCII = "anna bella, jakob und emil, " * 4 + "otto"
CYRILLIC = "анна и белла, яков und é " * 5
TEXTS = {"ascii": ASCII, "cyrillic": CYRILLIC}
CASES = [("ascii", "bytes"), ("cyrillic", "bytes"), ("cyrillic", "characters"), ("cyrillic", "bpe")]
BRIEF = {"steps": 10, "batch_size": 8, "device": "cpu", "precision": "fp32", "sample_every": 10**6, "window": SIZE}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    pytest.importorskip("tokenizers")
    folder, found = tmp_path_factory.mktemp("windows"), {}
    for name, kind in CASES:
        (folder / f"{name}.txt").write_text(TEXTS[name], "utf-8")
        settings = {**BRIEF, "tokens": kind, "width": 8, "vocabulary": 262}
        found[name, kind] = genzoo.train(MODEL, folder / f"{name}.txt", **settings, out=folder / f"{name}-{kind}")
    return found


def stretch(text, rows):
    """Where the bytes of some windows begin and end in a text, by cutting it at characters."""
    content, cuts = text.encode(), [0]
    while cuts[-1] + SIZE <= len(content):
        stop = cuts[-1] + SIZE
        while len(content[cuts[-1] : stop].decode("utf-8", "ignore").encode()) < stop - cuts[-1]:
            stop -= 1
        cuts.append(stop)
    return content[cuts[rows[0]] : cuts[rows[-1] + 1]]


def by_hand(fitted, text, stride):
    """Sum the log-probability of each byte given its window, from the network itself, without any end."""
    done, total = 0, 0.0
    while done < len(text):
        start = max(0, done - (SIZE - stride)) if done else 0
        while start and text[start] & 0xC0 == 0x80:
            start -= 1
        piece = text[start : start + SIZE].decode("utf-8", "ignore").encode()
        if start + len(piece) <= done:  # the next character needs more room
            start = done + len(text[done : done + 4].decode("utf-8", "ignore")[0].encode()) - SIZE
            while text[start] & 0xC0 == 0x80:
                start += 1
            piece = text[start : start + SIZE].decode("utf-8", "ignore").encode()
        x = torch.tensor([[*piece, *[256] * (SIZE - len(piece))]]).double()
        y = fitted.transform(x)
        logs, place = fitted.generator.log_prob_each(y.float())[0].double(), start
        for code, log in zip(y[0].long().tolist(), logs.tolist(), strict=True):
            if code == fitted.units.inner.end:
                break
            size = len(symbol_bytes(fitted, code))
            total += log if place + size > done else 0.0
            place += size
        assert place == start + len(piece)
        done = place
    return -total / len(text) / math.log(2)


def symbol_bytes(fitted, code):
    """The bytes of a symbol, which all stand in the training text."""
    whole = fitted.transform.inverse(torch.tensor([[code, fitted.units.inner.end]]).double())[0].long().tolist()
    return bytes(whole[: whole.index(256)] if 256 in whole else whole)


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_each_byte_counts_once_given_its_window(runs, name, kind):
    run = runs[name, kind]
    test = stretch(TEXTS[name], run.open_data().split(run.config.split, run.config.seed).test)
    for stride in STRIDES:
        score = run.evaluate(metrics=["bits-per-byte"], stride=stride).scores["bits-per-byte"]
        assert score.value == pytest.approx(by_hand(run.load(), test, stride), rel=1e-5)
        shown = {name: score.protocol[name] for name in ("window", "stride", "ends of windows", "split")}
        assert shown == {"window": SIZE, "stride": stride, "ends of windows": "left out", "split": "test"}
        assert score.error > 0


def test_full_windows_from_nothing_score_as_whole_events(runs):
    run = runs["ascii", "bytes"]
    whole = run.evaluate(metrics=["bits-per-byte"]).scores["bits-per-byte"]
    cut = run.evaluate(metrics=["bits-per-byte"], stride=SIZE).scores["bits-per-byte"]
    assert whole.value == pytest.approx(cut.value, rel=1e-6)
    assert [whole.protocol[name] for name in ("window", "stride", "ends of windows")] == [SIZE, SIZE, "counted"]


def test_conditions_of_windows_are_those_of_their_new_bytes(monkeypatch):
    seen = []

    def watched(_, block, context):
        seen.extend(block.conditions[:, 0].tolist())
        return np.zeros(len(context)), context

    monkeypatch.setattr("genzoo.metrics.strided.log_prob_after", watched)
    windows = Windows.cut([np.frombuffer(text, np.uint8) for text in (b"a" * 8, b"b" * 4)], 4, 256)
    dataset = SimpleNamespace(events=windows, conditions=np.array([[0.0], [0.0], [1.0]]))
    strided(SimpleNamespace(units=None), dataset, np.arange(3), 2)
    assert seen == [0, 0, 0, 1]


@pytest.mark.parametrize(
    ("stride", "metrics", "why"),
    [
        (0, None, "must be a whole number of at least 1, not 0"),
        (10, None, r"stride=10 is larger than the windows of the model, which have 9 bytes.*1 to 9"),
        (4, ["coverage"], "is for bits-per-byte, which is none of the metrics asked for"),
    ],
)
def test_a_stride_that_scores_nothing_is_an_error(runs, stride, metrics, why):
    with pytest.raises(ConfigError, match=why):
        runs["ascii", "bytes"].evaluate(stride=stride, metrics=metrics)


def test_whole_texts_have_no_stride(runs, tmp_path):
    run = genzoo.train(MODEL, ["anna", "bo"] * 8, steps=1, batch_size=4, precision="fp32", out=tmp_path / "names")
    with pytest.raises(ConfigError, match=r"stride=4 is for windows of long texts.*window=256"):
        run.evaluate(stride=4)


def test_a_model_that_knows_no_symbols_has_no_stride(runs, monkeypatch):
    monkeypatch.setattr("genzoo.metrics.strided.Autoregressive", int)
    with pytest.raises(ConfigError, match=r"has no 'autoregressive'. .* use a model that has it \(gpt, ngram\)"):
        runs["ascii", "bytes"].evaluate(stride=4)


def test_the_command_line_takes_a_stride(runs, cli):
    run = runs["ascii", "bytes"]
    usual = ("evaluate", str(run.path), "--metric", "bits-per-byte", "--model-file", MODEL.rpartition(":")[0])
    code, out, _ = cli(*usual, "--stride", "4")
    assert code == 0
    assert "stride 4, window 9" in out.replace("window 9, stride 4", "stride 4, window 9")
    code, _, err = cli(*usual, "--stride", "40")
    assert code == 2
    assert "--stride 40 is larger than the windows" in err
