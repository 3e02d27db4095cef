"""A model of texts whose symbols are bytes, characters or tokens: users hand over and get texts in all cases."""

import itertools
import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from hostile import read_files, redigested, write_files
from refusals import assert_refused
from safetensors.torch import load_file, save_file

import genzoo
from genzoo.data.transforms.ended import shortened
from genzoo.errors import ArtifactError, ConfigError
from genzoo.inference.likelihood import symbol_counts
from genzoo.inference.row_likelihoods import kind_of, measure_of

FILE = Path(__file__).parents[1] / "support" / "outside" / "letters.py"
MODEL = f"{FILE}:Letters"
WORDS = [a + b for a, b in itertools.product(("an", "bé", "ji", "Жк"), ("na", "rtä", "", "lle"))] * 8
KEPT = [word for word in WORDS if word]  # empty lines of a file are left out
BRIEF = {"steps": 20, "batch_size": 16, "width": 8, "device": "cpu", "precision": "fp32", "vocabulary": 270}
KINDS = ("bytes", "characters", "bpe")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    pytest.importorskip("tokenizers")
    folder = tmp_path_factory.mktemp("tokens")
    return {kind: genzoo.train(MODEL, WORDS, tokens=kind, **BRIEF, out=folder / kind) for kind in KINDS}


def logs_of(fitted, texts):
    exact = "likelihood" in fitted.capabilities
    return fitted.log_prob(texts) if exact else fitted.log_prob_bound(texts)


@pytest.mark.parametrize("kind", KINDS)
def test_texts_go_in_and_come_out_for_all_kinds_of_symbols(runs, kind):
    fitted = genzoo.load(runs[kind].path)
    assert fitted.transform.stages[0].id == {"bytes": "genzoo/raw"}.get(kind, f"genzoo/{kind}")
    texts, codes = fitted.sample(30, seed=1), fitted.sample(30, seed=1, output="array")
    assert all(isinstance(text, str) for text in texts)
    assert (codes.shape, codes.dtype) == ((30, 8), np.int16)
    if kind == "characters":
        assert [bytes(row[row < 256].tolist()).decode() for row in codes] == texts
    logs = logs_of(fitted, ["anna", "", "Жк", "new"])
    assert np.isfinite(logs).all()
    assert np.array_equal(logs, logs_of(runs[kind].load(), ["anna", "", "Жк", "new"]))
    assert np.allclose(logs[0], logs_of(fitted, ["anna"]), atol=1e-5)
    assert fitted.data.end == 256


def test_likelihoods_are_those_of_the_symbols(runs):
    for kind, run in runs.items():
        fitted = run.load()
        texts = ["anna", "béz", "Жкlle"]
        x = fitted.units.to_device(fitted.units.check(texts).events[:])
        y = fitted.transform(shortened(x, 256))
        expected = fitted.generator.log_prob(y.float()).double() + fitted.transform.log_det(x)
        assert logs_of(fitted, texts) == pytest.approx(expected.tolist(), rel=1e-5)
        counts = symbol_counts(fitted.units, texts).tolist()
        lengths = {"bytes": [5, 5, 8], "characters": [5, 4, 6]}.get(kind)
        if lengths:
            assert counts == lengths
        else:
            assert all(count <= most for count, most in zip(counts, [5, 5, 8], strict=True))


def test_a_model_of_tokens_has_a_lower_bound_without_draws(runs):
    fitted = runs["bpe"].load()
    assert fitted.capabilities == {"autoregressive", "likelihood-bound"}
    assert (kind_of(fitted), measure_of(fitted)) == ("lower bound", "mass")
    assert kind_of(runs["characters"].load()) == "exact"
    with pytest.raises(ConfigError, match=r"one way to write a text in tokens.*log_prob_bound"):
        fitted.log_prob(["anna"])
    assert np.array_equal(fitted.log_prob_bound(["anna"], draws=1), fitted.log_prob_bound(["anna"], draws=3, seed=7))
    assert runs["bpe"].score(["anna"]).kind == "lower bound"
    assert "bound_draws" not in json.loads((runs["bpe"].path / "model/config.json").read_text())["training"]


def test_bits_are_per_byte_whatever_symbols_are(runs):
    texts = ["annä", "be", "Жк"]
    for kind, run in runs.items():
        found = run.evaluate(texts, metrics=["bits-per-byte", "log-likelihood", "token-perplexity"])
        nats = -logs_of(run.load(), texts).sum()
        assert found.scores["bits-per-byte"].value == pytest.approx(nats / math.log(2) / (5 + 2 + 4), rel=1e-5)
        counts = symbol_counts(run.load().units, texts).sum()
        score = found.scores["token-perplexity"]
        assert score.value == pytest.approx(math.exp(nats / counts), rel=1e-5)
        assert score.protocol["vocabulary"].startswith(f"{run.load().units.inner.end} (")
        assert "same" in score.notes[0]
        assert found.kind == ("lower bound" if kind == "bpe" else "exact")


def test_resumed_training_of_tokens_ends_with_equal_bits(tmp_path):
    pytest.importorskip("tokenizers")
    usual = {**BRIEF, "tokens": "bpe", "schedule": {"name": "constant"}}
    genzoo.train(MODEL, WORDS, **{**usual, "steps": 6}, out=tmp_path / "whole")
    part = genzoo.train(MODEL, WORDS, **{**usual, "steps": 3}, out=tmp_path / "part")
    genzoo.resume(part, WORDS, steps=6)
    one, two = (load_file(tmp_path / name / "model/model.safetensors") for name in ("whole", "part"))
    assert one.keys() == two.keys()
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_three_kinds_of_symbols_stand_in_one_table(tmp_path, cli):
    pytest.importorskip("tokenizers")
    (tmp_path / "words.txt").write_text("\n".join(WORDS) + "\n", "utf-8")
    settings = {"training.steps": 5, "training.batch_size": 16, "vocabulary": 270, "width": 8}
    candidates = f"{MODEL}:tokens=bytes|characters|bpe," + ",".join(
        f"{name}={value}" for name, value in settings.items()
    )
    code, out, err = cli(
        "compare", candidates, "--data", str(tmp_path / "words.txt"), "--by", "test", "--precision", "fp32", "--json"
    )
    assert code == 0, err
    figures = [row["log_likelihood"] for row in json.loads(out)["rows"]]
    means = [-found["test"] / found["bits_per_byte"] / math.log(2) for found in figures]  # bytes of a test row
    test = genzoo.train(MODEL, tmp_path / "words.txt", **{**BRIEF, "steps": 1}, out=tmp_path / "split")
    rows = test.open_data().split(test.config.split, test.config.seed).test
    assert means == pytest.approx([np.mean([len(word.encode()) for word in np.array(KEPT)[rows]])] * 3)
    assert all(found["bits_per_byte_se"] > 0 for found in figures)
    rows = {row["options"]["tokens"]: row for row in json.loads(out)["rows"]}
    kinds = {tokens: row["log_likelihood"]["kind"] for tokens, row in rows.items()}
    assert kinds == {"bytes": "exact", "characters": "exact", "bpe": "lower bound"}
    assert {row["log_likelihood"]["measure"] for row in rows.values()} == {"mass"}


def test_nothing_is_ranked_by_perplexity(cli):
    assert_refused(
        cli("compare", MODEL, "--data", "numerals", "--by", "token-perplexity"), 2, "one vocabulary", "--by test"
    )


def test_a_training_keeps_the_symbols_of_the_model_it_starts_from(runs, tmp_path):
    with pytest.raises(ConfigError, match="other symbols of texts"):
        genzoo.train(MODEL, WORDS, tokens="bytes", **BRIEF, warm_start=runs["characters"].path, out=tmp_path / "w")
    again = genzoo.train(
        MODEL,
        WORDS,
        tokens="characters",
        **{**BRIEF, "steps": 1},
        warm_start=runs["characters"].path,
        out=tmp_path / "v",
    )
    assert torch.equal(again.load().transform.characters, runs["characters"].load().transform.characters)


def changed(folder, change):
    """Change the tensors of a model folder, with a fresh digest."""
    file = folder / "model.safetensors"
    tensors = load_file(file)
    change(tensors)
    save_file(tensors, file)
    write_files(folder, redigested(read_files(folder)))


def replace(name, value):
    return lambda tensors: tensors.update({name: value})


TENSORS = {
    "endless merges": ("bpe", replace("transform.merges", torch.tensor([[255 + n, 255 + n] for n in range(1, 14)]))),
    "merges of later ones": ("bpe", replace("transform.merges", torch.tensor([[300, 1]]))),
    "merges of themselves": ("bpe", replace("transform.merges", torch.tensor([[256, 256]]))),
    "negative merges": ("bpe", replace("transform.merges", torch.tensor([[-1, 5]]))),
    "too many merges": ("bpe", replace("transform.merges", torch.zeros(100_000, 2, dtype=torch.int64))),
    "fewer merges": ("bpe", lambda tensors: tensors.update({"transform.merges": tensors["transform.merges"][:3]})),
    "triples": ("bpe", replace("transform.merges", torch.zeros(3, 3, dtype=torch.int64))),
    "one number": ("bpe", replace("transform.merges", torch.zeros((), dtype=torch.int64))),
    "merges of bytes": ("bpe", replace("transform.merges", torch.zeros(3, 2, dtype=torch.uint8))),
    "merges of fractions": ("bpe", replace("transform.merges", torch.tensor([[97.0, 98.0]]))),
    "no merges": ("bpe", lambda tensors: tensors.pop("transform.merges")),
    "characters twice": ("characters", replace("transform.characters", torch.tensor([97, 97]))),
    "surrogates": ("characters", replace("transform.characters", torch.tensor([0xD800]))),
    "beyond Unicode": ("characters", replace("transform.characters", torch.tensor([2**62]))),
    "fewer characters": ("characters", replace("transform.characters", torch.tensor([97, 98]))),
    "too many characters": ("characters", replace("transform.characters", torch.arange(70_000))),
    "broken numbers": ("characters", replace("transform.characters", torch.tensor([97.5, float("nan")]))),
}


@pytest.mark.parametrize("name", TENSORS)
def test_vocabularies_of_strangers_are_checked(runs, name, tmp_path, cli):
    kind, change = TENSORS[name]
    shutil.copytree(runs[kind].path / "model", tmp_path / "m")
    changed(tmp_path / "m", change)
    with pytest.raises(ArtifactError):
        genzoo.load(tmp_path / "m")
    assert_refused(cli("sample", tmp_path / "m", "--model-file", str(FILE)), 4)


SETTINGS = {
    "another transform": ("bpe", lambda c: c["transforms"][0].update(id="genzoo/characters", options={})),
    "no transform": ("bpe", lambda c: c["transforms"].clear()),
    "raw": ("characters", lambda c: c["transforms"][0].update(id="genzoo/raw")),
    "columns": ("characters", lambda c: c["transforms"][0].update(columns=[0])),
    "twice": ("characters", lambda c: c["transforms"].append(c["transforms"][0])),
    "a huge vocabulary": ("bpe", lambda c: c["transforms"][0]["options"].update(vocabulary=10**9)),
    "a small vocabulary": ("bpe", lambda c: c["transforms"][0]["options"].update(vocabulary=257)),
    "other symbols": ("bpe", lambda c: c["data"]["features"][0].update(levels=["a", "b"])),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_settings_of_strangers_about_symbols_are_checked(runs, name, tmp_path, cli):
    kind, change = SETTINGS[name]
    shutil.copytree(runs[kind].path / "model", tmp_path / "m")
    content = json.loads((tmp_path / "m/config.json").read_text("utf-8"))
    change(content)
    (tmp_path / "m/config.json").write_text(json.dumps(content), "utf-8")
    with pytest.raises(ArtifactError):
        genzoo.load(tmp_path / "m")
    assert_refused(cli("sample", tmp_path / "m", "--model-file", str(FILE)), 4)
