"""Texts on the command line: prompts, texts shown while they are drawn, least likely lines."""

import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from refusals import assert_refused

import genzoo
from genzoo.cli.drawing import TextStream
from genzoo.cli.main import main
from genzoo.errors import DataError
from genzoo.inference.trained_model import TrainedModel

FILE = Path(__file__).parents[1] / "support" / "outside" / "letters.py"
BRIEF = {"batch_size": 16, "width": 8, "device": "cpu", "precision": "fp32", "sample_every": 10**6}
WORDS = [first + second for first in ("an", "be", "jü", "ka\x1b[31m") for second in ("na", "r\nta", "lle")] * 8


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return genzoo.train(f"{FILE}:Letters", WORDS, **BRIEF, steps=40, out=tmp_path_factory.mktemp("runs") / "words")


@pytest.fixture
def sample(run, cli):
    return lambda *words: cli("sample", run.path, "--model-file", FILE, *words)


def test_samples_begin_with_the_prompt_and_json_records_it(run, sample, tmp_path):
    code, out, err = sample("-n", 5, "--prompt", "jü", "-o", "temperature=0.8", "-o", "top_p=0.9", "--json")
    assert code == 0, err
    content = json.loads(out)
    assert (content["prompt"], content["sampling"]["temperature"]) == ("jü", 0.8)
    lines = (tmp_path / content["out"]).read_bytes().split(b"\n")
    texts = run.sample(5, prompt="jü", options={"temperature": 0.8, "top_p": 0.9}, output="array")
    wanted = [bytes(row[row < 256].tolist()).replace(b"\n", b" ").replace(b"\r", b" ") for row in texts]
    assert lines == [*wanted, b""]
    code, out, _ = sample("-n", 1, "--prompt", "an")
    assert out.startswith("1 sample that begins with 'an' (text")
    assert json.loads(sample("-n", 1, "--json")[1])["prompt"] is None


@pytest.mark.parametrize("how", [("--stream",), ("-n", "1")])
def test_a_text_is_shown_while_it_is_drawn_and_stays_the_same(how, run, sample, tmp_path, monkeypatch):
    if "--stream" not in how:
        monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    code, out, err = sample(*how, "--seed", 3, "--prompt", "ka\x1b[3", "--out", "one.txt")
    assert code == 0, err
    whole = (tmp_path / "one.txt").read_bytes()
    (codes,) = run.sample(1, seed=3, prompt="ka\x1b[3", output="array")
    assert whole == bytes(codes[codes < 256].tolist()) + b"\n"  # a single text is written exactly as it is
    assert out.startswith("ka\ufffd[3")
    assert "\x1b" not in out
    assert out.endswith("one.txt\n")


def test_piped_texts_are_only_written_and_a_terminal_shows_the_first(sample, monkeypatch):
    assert sample("-n", 12)[1].count("\n") == 1
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    shown = sample("-n", 12)[1]
    assert "\x1b" not in shown
    assert "\nand 2 more\n12 samples" in shown


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--prompt", ""], "The prompt is empty. Leave --prompt out"),
        (["--prompt", "a" * 40], "at most 11"),
        (["--prompt", "annananannn"], "nothing is left to draw"),
        (["--prompt", "a", "--traverse"], "Leave --prompt out"),
        (["--stream", "-n", "2"], "a single text, not 2"),
        (["--stream", "--json"], "Give one of them"),
        (["--mean", "--prompt", "a"], "no latent space"),
    ],
)
def test_a_wrong_prompt_or_stream_ends_with_a_remedy(words, said, sample):
    assert_refused(sample(*words), 2, said)


def test_prompts_are_for_models_of_texts(tmp_path, cli):
    out = tmp_path / "normal"
    assert main(["train", "gaussian", "--data", "iris", "--out", str(out)]) == 0
    assert_refused(cli("sample", out, "--prompt", "a"), 2, "draws rows. Leave --prompt out")
    assert_refused(cli("sample", out, "--stream"), 2, "draws rows. Leave --stream out")


def test_incomplete_characters_wait_until_they_are_complete(monkeypatch):
    shown = io.StringIO()
    monkeypatch.setattr("sys.stdout", shown)
    stream, seen = TextStream(), []
    for end in range(1, 8):
        stream("é€x\xff".encode()[:5][:end] + (b"\x1b", b"")[end < 6])
        seen.append(shown.getvalue())
    stream.end()
    assert seen == ["", "é", "é", "é", "é€", "é€\ufffd", "é€\ufffd"]
    cut = TextStream()
    cut("ab€".encode()[:4])
    cut.end()
    assert shown.getvalue() == "é€\ufffd\nab\ufffd\n"


def test_an_interrupt_while_a_text_is_shown_ends_its_line(sample, tmp_path, monkeypatch):
    drawn = TrainedModel.sample_given

    def interrupted(self, n, *, watch=None, **how):
        def see(text):
            watch(text)
            if len(text) == 3:
                raise KeyboardInterrupt

        return drawn(self, n, watch=see, **how)

    monkeypatch.setattr(TrainedModel, "sample_given", interrupted)
    code, out, err = sample("--stream", "--prompt", "an")
    assert code == 130
    assert out.startswith("an")
    assert out.endswith("\n")
    assert "Traceback" not in err
    assert list(tmp_path.glob("*.txt")) == []


@pytest.fixture
def score(run, cli, tmp_path):
    (tmp_path / "log.txt").write_text("anna\nka\x1b[31mr\nzzzzz\nbelle\nannabelle\njüna\n", encoding="utf-8")
    return lambda *words: cli("score", run.path, "--model-file", FILE, "--data", "log.txt", *words)


def test_least_likely_lines_are_ranked_by_byte_with_what_makes_them_so(score, run):
    code, out, err = score("--out", "scores.csv", "--rows", 2)
    assert code == 0, err
    assert "least likely texts, by nats per byte:" in out
    (first,) = [line for line in out.splitlines() if line.endswith("zzzzz")]
    logs = run.log_prob(["zzzzz"])[0]
    assert first.split()[:3] == ["2", f"{logs:.4f}", f"{-logs / 6:.4f}"]  # five bytes and the end
    assert "'z' at byte" in first
    assert "\x1b" not in out
    table = pd.read_csv("scores.csv")
    assert list(table.columns) == ["row", "log_likelihood", "nats_per_byte", "because"]
    assert table.row.tolist() == list(range(6))


def test_lines_are_written_with_the_least_likely_first(score, run):
    lines = Path("log.txt").read_text("utf-8").split("\n")[:-1]
    for order, sizes in (
        ("score", 1),
        ("per-byte", [len(line.encode()) + (len(line.encode()) < 11) for line in lines]),
    ):
        code, out, err = score("--sort", order)
        assert code == 0, err
        table = pd.read_csv(io.StringIO(out))
        wanted = np.argsort(-(-run.log_prob(lines) / sizes), kind="stable")
        assert table.row.tolist() == wanted.tolist()
        assert np.allclose(table.log_likelihood, run.log_prob(lines)[wanted], atol=1e-4)


def test_json_has_the_log_probability_of_each_character_if_asked(score, run):
    code, out, err = score("--json", "--each", "--rows", 7, "--out", "scores.csv")
    assert code == 0, err
    content = json.loads(out)
    assert content["ranked_by"] == "nats_per_byte"
    (one,) = [one for one in content["least_likely"] if one["text"] == "jüna"]
    assert [text for text, _ in one["each"]] == ["j", "ü", "n", "a", ""]
    (logs,) = run.log_prob_each(["jüna"])
    assert [log for _, log in one["each"]] == pytest.approx([logs[0], logs[1] + logs[2], *logs[3:]], abs=1e-4)
    assert "each" not in json.loads(score("--json")[1])["least_likely"][0]
    assert_refused(score("--each"), 2, "Add --json")


def test_rows_of_tables_are_sorted_by_score_and_have_no_bytes(tmp_path, cli):
    out = tmp_path / "normal"
    assert main(["train", "gaussian", "--data", "iris", "--out", str(out)]) == 0
    code, printed, err = cli("score", out, "--data", "iris", "--sort", "score")
    assert code == 0, err
    table = pd.read_csv(io.StringIO(printed))
    assert table.log_likelihood.is_monotonic_increasing
    assert sorted(table.row) == list(range(150))
    assert_refused(cli("score", out, "--data", "iris", "--sort", "per-byte"), 2, "Only log-likelihoods of texts")


def test_a_line_longer_than_any_of_training_is_impossible_and_first(run, cli, tmp_path):
    lines = ["anna", "bella" * 9, "karta"]
    (tmp_path / "log.txt").write_text("\n".join(lines))
    code, out, err = cli("score", run.path, "--model-file", FILE, "--data", "log.txt", "--json", "--out", "scores.csv")
    assert code == 0, err
    content = json.loads(out)
    table = pd.read_csv(tmp_path / "scores.csv")
    assert table.log_likelihood[1] == -np.inf
    assert np.allclose(table.log_likelihood[[0, 2]], run.log_prob([lines[0], lines[2]]), atol=1e-4)
    first = content["least_likely"][0]
    assert (first["row"], first["because"]) == (1, "a text of 45 symbols, and the longest of training has 11")
    assert run.score(lines).unlikely[0].row == 1
    found = genzoo.evaluate(run, data=lines, metrics="bits-per-byte")
    assert found.unknown == {1: "a text of 45 symbols, and the longest of training has 11"}
    shorter = genzoo.evaluate(run, data=[lines[0], lines[2]], metrics="bits-per-byte")
    assert found.scores["bits-per-byte"].value == pytest.approx(shorter.scores["bits-per-byte"].value)
    with pytest.raises(DataError, match="longer ones have no probability"):
        run.log_prob(lines)
