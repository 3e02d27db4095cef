"""Pages about models of texts: lines, lengths, characters, and what surprises the model."""

import re
from pathlib import Path

import numpy as np
import pytest

import genzoo
from genzoo.inference.texts.each import ReadText
from genzoo.inference.texts.lines import standing_out, surprises
from genzoo.reports.curves import about_best
from genzoo.reports.html import render_fragment
from genzoo.reports.modalities.surprise import text_surprise
from genzoo.reports.modalities.texts import TEXTS
from genzoo.reports.page import Pictures, Section, Shaded, Table

MODEL = str(Path(__file__).parents[1] / "support" / "outside" / "letters.py") + ":Letters"
WORDS = [first + second for first in ("an", "be", "jü", "<b>\x1b") for second in ("na", "rta", "lle")] * 10


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    brief = {"steps": 30, "batch_size": 16, "width": 8, "device": "cpu", "precision": "fp32", "sample_every": 10**6}
    return genzoo.train(MODEL, WORDS, **brief, patience=9, out=tmp_path_factory.mktemp("runs") / "words")


def test_bytes_of_a_character_are_taken_together():
    symbols = (b"j", b"\xc3", b"\xbc", b"ab", b"\xff", b"\x80", b"")
    read = ReadText(symbols, -np.arange(1.0, 8))
    found = [(one.place, one.text, one.nats) for one in surprises(read)]
    assert found == [(0, "j", 1.0), (1, "ü", 5.0), (3, "ab", 4.0), (5, "\ufffd\ufffd", 11.0), (7, "", 7.0)]
    assert [one.text for one in standing_out(read)] == ["\ufffd\ufffd", "", "ü"]
    assert surprises(ReadText((b"\xc3",), np.array([-1.0])))[0].text == "\ufffd"  # cut by the longest


def test_surprise_is_minus_the_log_probability_of_each_character(run):
    fitted, dataset = run.load(), run.open_data()
    about, shaded, places = text_surprise(fitted, dataset, np.arange(12), "test rows")
    assert "12 test rows" in about.text
    assert isinstance(shaded, Shaded)
    for name, parts in shaded.lines:
        row = int(name.removeprefix("row "))
        each = fitted.log_prob_each([WORDS[row]])[0]
        nats = [float(re.search(r"[\d.]+", part.about).group()) for part in parts]
        assert sum(nats) == pytest.approx(-each.sum(), abs=0.01 * len(nats))
        for part, value in zip(parts, nats, strict=True):
            assert part.shade == sum(value >= limit for limit in (1, 2, 4, 7)) or abs(value - round(value)) < 0.01
    assert isinstance(places, Table)
    shown = [float(row[2]) for row in places.rows]
    assert shown == sorted(shown, reverse=True)
    page = render_fragment([Section("", (about, shaded, places))])
    assert "\x1b" not in page
    assert "<b>" not in page
    assert 'title="the end: ' in page


def test_texts_are_beside_each_other_if_they_are_short(run):
    fitted = run.load()
    real, sampled = (fitted.sample(3, seed=seed, output="array") for seed in (0, 1))
    (table,) = TEXTS.show({"real": real, "sampled": sampled}, fitted.data)
    assert table.header == ("number", "real", "sampled")
    one, two, three = TEXTS.show({"a": real, "b": real, "c": real}, fitted.data)
    assert [block.caption for block in (one, two, three)] == ["a", "b", "c"]


def test_lengths_and_characters_are_compared(run):
    fitted = run.load()
    real = np.array([[97, 98, 256, 256, 256, 256, 256]] * 4 + [[97, 32, 10, 195, 188, 256, 256]])
    sampled = np.array([[97, 99, 98, 256, 256, 256, 256]])
    (pictures,) = TEXTS.distributions(real, sampled, fitted.data)
    assert isinstance(pictures, Pictures)
    lengths, letters = pictures.pictures
    assert lengths.caption == "characters of a text: real 2.4 ± 0.8, sampled 3 ± 0"
    assert letters.caption.startswith("characters: 5 different characters in real texts, 3 in samples; 33.33%")
    drawn = letters.content.decode()
    assert all(name in drawn for name in ("space", "line feed", "all others"))


def test_a_run_says_at_which_step_its_best_was(run, tmp_path):
    best = run.record["best"]
    batches = len(run.open_data().split(run.config.split, 0).train) // 16
    assert best["epoch"] == pytest.approx(best["step"] / batches)
    text = about_best(run.record)
    assert text.startswith(f"The lowest validation loss, {best['value']:.6g}, was at step {best['step']} of 30 (epoch ")
    assert about_best({"steps": 3}) is None
    assert about_best({"best": {"by": "coverage", "value": None, "step": 2}, "steps": 3}) == (
        "The best coverage on validation rows, unknown, was at step 2 of 3. The model is from that step."
    )
    run.report(tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text("utf-8")
    assert text.partition(",")[0] in page
    for title in ("Samples", "Symbols", "Surprise"):
        assert f"<h2>{title}</h2>" in page
