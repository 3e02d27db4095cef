"""Models of sequences on sounds: exact probabilities of mu-law levels, and sounds of any length."""

import itertools
import math
import wave

import numpy as np
import pytest
import torch

import genzoo
from genzoo.data.dataset import Dataset, category
from genzoo.data.sounds.folder import sound_spec
from genzoo.data.transforms.mu_law import LEVELS, amplitudes
from genzoo.errors import ConfigError

RATE, SIZE = 2000, 120
GPT = {"layers": 1, "heads": 2, "width": 16, "attention_window": 8, "training": {"steps": 4, "batch_size": 8}}


def sounds(size=SIZE, count=48):
    """Square waves of two pitches that end at different places, and one that is silent."""
    rng = np.random.default_rng(0)
    labels, ends = np.arange(count) % 2, rng.integers(1, size + 1, count)
    ends[0] = 0
    waves = np.where((np.arange(size) // np.array([3, 7])[labels][:, None]) % 2 == 0, 4000, -9000)
    events = np.where(np.arange(size) < ends[:, None], waves, 0).astype(np.int16)
    return Dataset("waves", sound_spec(size, RATE), events, labels, label=category("tone", ["low", "high"]))


def trained(model, out, data=None, **options):
    return genzoo.train(model, data=sounds() if data is None else data, out=out, precision="fp32", **options)


def levels_of(event):
    """The levels of a sound, one number at a time."""
    heard = np.trim_zeros(event, "b").tolist()
    return [int(np.abs(amplitudes(2.0**15) - one).argmin()) for one in heard]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return trained("ngram", tmp_path_factory.mktemp("runs") / "ngram", order=3)


@pytest.mark.once
def test_probabilities_of_all_short_sounds_sum_to_one(tmp_path):
    fitted = trained("ngram", tmp_path / "run", sounds(2), order=2).load()
    sizes = amplitudes(2.0**15).astype(np.int16)
    whole = [(0, 0), *((one, 0) for one in sizes), *itertools.product(sizes, repeat=2)]
    assert np.exp(fitted.log_prob(np.array(whole, np.int16))).sum() == pytest.approx(1, abs=1e-6)


@pytest.mark.once
def test_a_sound_has_the_probability_of_its_levels(run):
    fitted, data = run.load(), sounds()
    codes = [levels_of(event) for event in data.events]
    block = torch.tensor([row + [LEVELS] * (SIZE - len(row)) for row in codes], dtype=torch.float64)
    assert fitted.log_prob(data.events) == pytest.approx(fitted.generator.log_prob(block).numpy())
    assert {"likelihood", "autoregressive"} <= fitted.capabilities


@pytest.mark.once
def test_samples_are_sounds_of_levels_that_end(run):
    samples = run.sample(40, seed=1)
    assert (samples.shape, samples.dtype) == ((40, SIZE), np.int16)
    assert set(np.unique(samples)) <= {0, *amplitudes(2.0**15).astype(int)}
    ends = [len(np.trim_zeros(event, "b")) for event in samples]
    assert len(set(ends)) > 5
    assert all((event[:end] != 0).all() for event, end in zip(samples, ends, strict=True))
    assert np.array_equal(run.load().sample(40, seed=1), samples)


@pytest.mark.once
def test_the_rate_is_of_the_samples_before_the_end(run):
    rows = run.open_data().split(run.config.split, run.config.seed).test
    events = sounds().events[rows]
    found = genzoo.evaluate(run, metrics=["bits-per-sample", "log-likelihood"])
    bits = -run.load().log_prob(events).sum() / math.log(2)
    assert found.scores["bits-per-sample"].value == pytest.approx(bits / sum(len(levels_of(event)) for event in events))
    assert found.measure == "mass of 256 mu-law levels"
    assert found.scores["bits-per-sample"].error > 0


@pytest.mark.full
@pytest.mark.once
def test_models_of_sequences_are_compared_by_bits_per_sample():
    report = genzoo.compare(["ngram:order=1", "ngram:order=3"], data=sounds(), by="test", jobs=1)
    rates = [row.log_likelihood.bits_per_sample for row in report.rows]
    assert rates == sorted(rates)
    assert report.rows[0].id == "ngram:order=3"
    assert report.rows[0].log_likelihood.bits_per_sample_se > 0
    assert report.rows[0].log_likelihood.bits_per_byte is None


@pytest.mark.once
def test_gpt_learns_sounds_given_their_label(tmp_path):
    data = {"source": sounds(), "condition": ["tone"]}
    run = trained("gpt", tmp_path / "run", data, **GPT)
    samples = run.sample(2, given={"tone": "low"}, options={"temperature": 0.5})
    assert (samples.shape, samples.dtype) == ((2, SIZE), np.int16)
    values = run.load().log_prob(sounds().events, condition=sounds().labels[:, None])
    assert np.isfinite(values).all()
    assert run.load().encode(sounds().events[:3], condition=sounds().labels[:3, None]).shape == (3, 16)


@pytest.mark.full
@pytest.mark.once
def test_a_resumed_run_of_sounds_ends_with_equal_bits(tmp_path):
    part = {**GPT, "training": {"steps": 2, "batch_size": 8, "schedule": {"name": "constant"}}}
    whole = trained("gpt", tmp_path / "one", **{**part, "training": {**part["training"], "steps": 4}})
    trained("gpt", tmp_path / "two", **part)
    again = genzoo.resume(tmp_path / "two", steps=4, data=sounds())
    for one, two in zip(*(run.load().generator.state_dict().values() for run in (whole, again)), strict=True):
        assert torch.equal(one, two)


@pytest.mark.once
def test_sounds_are_trained_drawn_and_scored_by_commands(run, cli, tmp_path):
    assert cli("sample", run.path, "-n", "30", "--out", "drawn")[0] == 0
    (first, *_) = sorted((tmp_path / "drawn").rglob("*.wav"))
    with wave.open(str(first)) as file:
        assert (file.getframerate(), file.getnframes()) == (RATE, SIZE)
    for words in (
        ("train", "ngram", "--data", "drawn", "-o", "order=2", "--out", "again"),
        ("score", "again", "--data", "drawn", "--out", "scores.csv"),
        ("report", "again", "--out", "page.html"),
    ):
        code, _, problem = cli(*words)
        assert code == 0, problem
    assert "bits per sample" in (tmp_path / "page.html").read_text(encoding="utf-8")


@pytest.mark.once
def test_a_sound_takes_no_prompt_and_no_mean(run, cli):
    for words in (("--prompt", "a"), ("--mean",)):
        code, _, problem = cli("sample", run.path, "-n", "1", *words)
        assert code == 2
        assert len(problem.strip().splitlines()) <= 4


@pytest.mark.once
def test_tokens_of_texts_are_not_for_sounds(tmp_path):
    with pytest.raises(ConfigError, match=r"tokens=bpe joins bytes of texts.* sounds"):
        trained("ngram", tmp_path / "run", tokens="bpe")
