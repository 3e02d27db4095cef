"""Texts that begin with a prompt: exactly the conditional distribution, for the same seed the same texts."""

import dataclasses
import itertools
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats

import genzoo
from genzoo.config.tokens import TextSampling
from genzoo.errors import ConfigError, DataError, PluginError
from genzoo.inference.texts.each import log_prob_after, read_texts
from genzoo.inference.texts.prompts import in_data, in_model
from genzoo.models.next_symbol import draw_symbols
from genzoo.testing.toys import toys

MODEL = str(Path(__file__).parents[1] / "support" / "outside" / "letters.py") + ":Letters"
BRIEF = {"batch_size": 16, "width": 8, "device": "cpu", "precision": "fp32", "sample_every": 10**6}
WORDS = [first + second for first in ("an", "be", "jü", "ka") for second in ("na", "rta", "", "lle")] * 8


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    run = genzoo.train(MODEL, toys()["two-symbols"], **BRIEF, steps=60, out=tmp_path_factory.mktemp("runs") / "tiny")
    return run.load()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return genzoo.train(MODEL, WORDS, **BRIEF, steps=40, out=tmp_path_factory.mktemp("runs") / "words")


@pytest.fixture(scope="module")
def fitted(run):
    return run.load()


def texts_of(symbols, longest, start=""):
    """All texts of at most so many symbols that begin with a prompt."""
    sizes = range(longest - len(start) + 1)
    return [start + "".join(rest) for size in sizes for rest in itertools.product(symbols, repeat=size)]


@pytest.mark.parametrize("prompt", ["a", "b", "ab", None])
def test_texts_follow_the_distribution_given_their_prompt(tiny, prompt):
    texts = texts_of("ab", 3, prompt or "")
    shares = np.exp(tiny.log_prob(texts))
    assert shares.sum() == pytest.approx(1, abs=1e-5) or prompt
    drawn = tiny.sample(6400, prompt=prompt, seed=5)
    counts = np.array([drawn.count(text) for text in texts])
    assert counts.sum() == 6400
    assert stats.chisquare(counts, 6400 * shares / shares.sum()).pvalue > 1e-3


def test_a_temperature_sharpens_what_follows_a_prompt(tiny):
    after_a = np.exp(tiny.log_prob(["aa", "ab"]))
    drawn = tiny.sample(3200, prompt="aa", options={"temperature": 0.5})
    third = np.exp(tiny.log_prob(["aa", "aaa", "aab"]))
    wanted = (third / third.sum()) ** 2
    counts = np.array([drawn.count(text) for text in ("aa", "aaa", "aab")])
    assert after_a.sum() < 1
    assert stats.chisquare(counts, 3200 * wanted / wanted.sum()).pvalue > 1e-3


def test_prompts_stay_exact_and_seeds_give_the_same_texts(run, fitted):
    drawn = run.sample(70, prompt="jü", seed=3)
    assert all(text.startswith("jü") for text in drawn)
    assert run.sample(70, prompt="jü", seed=3) == drawn
    assert run.sample(5, prompt="jü", seed=3) == drawn[:5]
    assert run.sample(70, prompt="jü", seed=4) != drawn
    codes = fitted.sample(3, prompt="jü", seed=3, output="array")
    assert codes.shape == (3, 6)
    assert [bytes(row[row < 256].tolist()).decode("utf-8", "replace") for row in codes] == drawn[:3]


def test_a_watched_text_is_the_one_that_is_not_watched(fitted):
    for prompt in (None, "an"):
        seen = []
        events, _ = fitted.sample_given(1, seed=2, prompt=prompt, watch=seen.append)
        plain = fitted.sample(1, seed=2, prompt=prompt, output="array")
        assert np.array_equal(events, plain)
        whole = bytes(plain[0][plain[0] < 256].tolist())
        assert seen[-1] == whole
        assert [len(part) for part in seen[:-1]] == list(range(len(prompt or "") + 1, len(seen) + len(prompt or "")))
        assert all(whole.startswith(part) for part in seen)


class Mirror(genzoo.Generator, genzoo.Likelihood, genzoo.Autoregressive):
    """Draws the condition of each text as its symbol, and then the end."""

    degrees_of_freedom = None
    input = "raw"
    modalities, kinds, conditional = ("text",), ("categorical",), True
    Sampling = TextSampling

    def __init__(self, data):
        super().__init__()
        self.end, self.longest = data.end, data.event_shape[0]
        self.level = torch.nn.Parameter(torch.zeros(()))

    def _logits(self, condition, place, n):
        wanted = condition.argmax(1) if place == 0 else torch.full((n,), self.end)
        return 50.0 * torch.nn.functional.one_hot(wanted, self.end + 1) + self.level

    def log_prob_each(self, x, *, condition=None):
        logs = [self._logits(condition, place, len(x)).log_softmax(1) for place in range(x.shape[1])]
        found = torch.stack(logs, 1).gather(2, x.long()[..., None])[..., 0]
        ends = (x == self.end).long()
        return found.masked_fill(ends.cumsum(1) > ends, 0)

    def log_prob(self, x, *, condition=None):
        return self.log_prob_each(x, condition=condition).sum(1)

    def generate(self, prompt, *, condition=None, **options):
        for place in itertools.count(prompt.shape[1]):
            yield draw_symbols(self._logits(condition, place, len(prompt)), **options)

    def sample(self, n, *, condition=None, **options):
        drawn = self.generate(torch.empty(n, 0).long(), condition=condition, **options)
        return torch.stack(list(itertools.islice(drawn, self.longest)), 1).to(self.level.dtype)


def test_a_prompt_and_conditions_go_together(tmp_path):
    base = toys()["two-symbols"]
    side = genzoo.Feature("side", "binary", ("left", "right"))
    spec = dataclasses.replace(base.spec, condition=(side,))
    dataset = dataclasses.replace(base, spec=spec, conditions=np.arange(240.0)[:, None] % 2)
    once = {"steps": 1, "batch_size": 8, "device": "cpu", "precision": "fp32", "sample_every": 10**6}
    run = genzoo.train(Mirror, dataset, **once, out=tmp_path / "mirror")
    fitted = run.load()
    assert fitted.sample(2, given={"side": "right"}) == ["b", "b"]
    assert fitted.sample(2, given={"side": "right"}, prompt="a") == ["a", "a"]
    assert fitted.sample(2, condition=["right", "left"]) == ["b", "a"]
    each = fitted.log_prob_each(["b"], condition=["right"])
    assert np.allclose(each[0], 0, atol=1e-5)
    scores = run.evaluate(dataset, metrics=["log-likelihood", "token-perplexity"]).scores
    symbols = ((dataset.events[:] < 2).cumprod(1).sum(1) + 1).clip(max=3)  # with the end, if there is room for one
    nats = -scores["log-likelihood"].value / symbols.mean()
    assert math.log(scores["token-perplexity"].value) == pytest.approx(nats, rel=1e-5)


@pytest.mark.parametrize(
    ("prompt", "why"),
    [
        ("", "The prompt is empty"),
        ("annann", "6 bytes, and the longest text of the model has 6, so nothing is left"),
        ("annabella", "holds a text of 9 symbols"),
        ("\ud800", "no valid text"),
        (7, "of type int"),
    ],
)
def test_a_prompt_that_begins_no_text_is_an_error(fitted, prompt, why):
    with pytest.raises(ConfigError, match=why):
        fitted.sample(2, prompt=prompt)


def test_a_prompt_of_unknown_symbols_is_an_error(tiny):
    with pytest.raises(ConfigError, match=r"The prompt: event 0 holds 'c', which is none of the 2 symbols"):
        tiny.sample(2, prompt="ac")


class Whole(genzoo.Generator, genzoo.Likelihood):
    """Draws whole texts, and not one symbol after another."""

    degrees_of_freedom = 0
    input = "raw"
    modalities, kinds = ("text", "table"), ("categorical", "continuous")

    def __init__(self, data):
        super().__init__()
        self.shape = data.event_shape
        self.level = torch.nn.Parameter(torch.zeros(()))

    def log_prob(self, x):
        return 0 * x.sum(1) - 1 + self.level

    def sample(self, n, *, condition=None):
        return torch.zeros(n, *self.shape)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (["ab", "b"] * 20, r"has no 'autoregressive'.* has it \(gpt, ngram"),
        (np.arange(40.0).reshape(20, 2), "draws rows"),
    ],
)
def test_a_prompt_for_a_model_that_takes_none_is_an_error(data, why, tmp_path):
    once = {"steps": 1, "batch_size": 8, "device": "cpu", "precision": "fp32", "sample_every": 10**6}
    fitted = genzoo.train(Whole, data, **once, out=tmp_path / "whole").load()
    with pytest.raises(ConfigError, match=why):
        fitted.sample(2, prompt="a")
    with pytest.raises(ConfigError, match="Leave stream=True out"):
        fitted.sample_given(1, watch=print)


def test_a_model_that_stops_early_is_the_models_error(fitted, monkeypatch):
    monkeypatch.setattr(type(fitted.generator), "generate", lambda self, prompt, **_: iter(()))
    with pytest.raises(PluginError, match="stops to generate"):
        fitted.sample(2, prompt="a")


def test_the_probability_of_each_symbol_sums_to_the_texts(fitted):
    texts = ["anna", "", "jülle", "b"]
    each = fitted.log_prob_each(texts)
    assert [len(logs) for logs in each] == [5, 1, 6, 2]  # the third is as long as the longest, and has no end
    assert np.allclose([logs.sum() for logs in each], fitted.log_prob(texts), atol=1e-5)
    assert np.allclose(each[0][:2], fitted.log_prob_each(["an"])[0][:2], atol=1e-5)  # what follows does not matter
    assert fitted.log_prob_each([]) == []
    with pytest.raises(DataError, match="at most 6"):
        fitted.log_prob_each(["annabel"])


def test_a_text_is_read_as_symbols_with_their_bytes(fitted):
    (read,) = read_texts(fitted.units, ["jü"])
    assert read.symbols == (b"j", b"\xc3", b"\xbc", b"")
    assert read.begins.tolist() == [0, 1, 2, 3]
    codes = np.frombuffer("jü".encode(), np.uint8)
    assert in_data(fitted.units, in_model(fitted.units, codes)) == codes.tobytes()


def test_an_unknown_character_costs_at_its_own_symbol(tmp_path):
    brief = {"steps": 3, "batch_size": 4, "precision": "fp32", "tokens": "characters"}
    fitted = genzoo.train(MODEL, ["anna", "bäb"] * 8, **brief, out=tmp_path / "known").load()
    (read,) = read_texts(fitted.units, ["aЖn"])
    assert read.symbols == (b"a", "Ж".encode(), b"n", b"")
    y = torch.tensor([[0.0, 4, 2, 5]])  # a, unknown, n and the end, of a, b, n, ä, unknown
    each = fitted.generator.log_prob_each(y)[0].tolist()
    others = math.log(0x110000 - 0x800 - 4)
    assert read.logs == pytest.approx([each[0], each[1] - others, each[2], each[3]], rel=1e-5)
    assert read.logs.sum() == pytest.approx(fitted.log_prob(["aЖn"])[0], rel=1e-5)
    block = np.array([[97, 0xFF, 110, 256]])  # no UTF-8, which is impossible
    assert read_texts(fitted.units, block)[0].logs.sum() == fitted.log_prob(block)[0] == -math.inf


def test_bytes_of_context_are_conditioned_on_and_do_not_count(fitted):
    windows = np.array([list(b"annann"), list(b"nnabet"), [*b"an", *[256] * 4]])
    logs, counts = log_prob_after(fitted.units, windows, np.array([0, 4, 1]))
    each = fitted.log_prob_each(windows)
    assert counts.tolist() == [6, 2, 1]
    assert np.allclose(logs, [each[0].sum(), each[1][4:].sum(), each[2][1]])  # and no end
    # By the chain rule: what follows the context, given it.
    assert logs[1] == pytest.approx(each[1].sum() - fitted.log_prob_each(["nnab"])[0][:4].sum(), abs=1e-5)
    for context in ([0], [0, 4, 3], [0, -1, 0]):
        with pytest.raises(DataError, match="bytes of context"):
            log_prob_after(fitted.units, windows, np.array(context))


@pytest.mark.parametrize("strange", ["z", "é", "世", "😀", "\ufffd"])
def test_an_unknown_character_is_paid_for_where_it_stands(strange, tmp_path):
    texts = ["abcabcabca", "bcabca", "cabcab"] * 4
    none_held = {"validation": 0.0, "test": 0.0}
    fitted = genzoo.train("ngram", texts, order=2, split=none_held, out=tmp_path / "run", progress=False).load()
    (read,) = read_texts(fitted.units, [f"ab{strange}ca"])
    assert b"".join(read.symbols) == f"ab{strange}ca".encode()
    inside = fitted.generator.log_prob_each(torch.tensor([[0, 1, 3, 2, 0, 4]]))[0].double().numpy()
    inside[2] -= math.log(0x110000 - 0x800 - 3)  # it may be each of all characters but the three of training
    assert np.allclose(read.logs, inside, rtol=1e-6)
    assert read.logs.sum() == pytest.approx(fitted.log_prob([f"ab{strange}ca"])[0], rel=1e-6)
    window = np.frombuffer(f"ab{strange}ca".encode(), np.uint8)[None]
    padded = np.pad(window.astype(int), ((0, 0), (0, 10 - window.shape[1])), constant_values=256)
    for context in (0, 2, window.shape[1] - 2):
        logs, counts = log_prob_after(fitted.units, padded, np.array([context]))
        assert counts.tolist() == [window.shape[1] - context]
        assert logs[0] == pytest.approx(inside[{0: 0, 2: 2}.get(context, 3) : 5].sum(), rel=1e-6)  # no end
