"""Models of sounds: they train on log-mel, draw WAV files, and have no likelihood."""

import wave
from pathlib import Path

import numpy as np
import pytest

import genzoo
from genzoo.data.dataset import Dataset, category
from genzoo.data.sounds.folder import sound_spec
from genzoo.errors import DataError

RATE, SIZE = 2000, 1000


def sounds():
    """48 fading tones of two pitches, the labels low and high."""
    rng = np.random.default_rng(0)
    labels = np.arange(48) % 2
    pitch = np.array([200.0, 600.0])[labels] * rng.uniform(0.97, 1.03, 48)
    time = np.arange(SIZE) / RATE
    events = 9000 * np.sin(2 * np.pi * pitch[:, None] * time) * np.exp(-4 * time)
    label = category("tone", ["low", "high"])
    return Dataset("tones", sound_spec(SIZE, RATE), events.astype(np.int16), labels, label=label)


def trained(model, out, condition=(), **options):
    data = {"source": sounds(), "condition": list(condition)} if condition else sounds()
    return genzoo.train(model, data=data, out=out, device="cpu", precision="fp32", **options)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "vae"
    training = {"steps": 100, "batch_size": 16, "patience": None, "optimizer": {"lr": 5e-3}}
    return trained("vae", out, ["tone"], latent=4, network="mlp", widths=(64,), spread="shared", training=training)


def pitch_of(events):
    spectra = np.abs(np.fft.rfft(events.astype(float), axis=1))
    return np.fft.rfftfreq(events.shape[1], 1 / RATE)[spectra.argmax(1)]


@pytest.mark.once
def test_samples_of_sounds_are_sounds_with_their_condition(run):
    for tone, low, high in (("low", 150, 260), ("high", 500, 720)):
        samples = genzoo.load(run.path).sample(16, given={"tone": tone}, mean=True)
        assert (samples.shape, samples.dtype) == ((16, SIZE), np.int16)
        pitch = pitch_of(samples)
        assert ((pitch > low) & (pitch < high)).mean() >= 0.8


@pytest.mark.once
def test_a_loaded_model_of_sounds_draws_the_same(run):
    assert np.array_equal(run.sample(3, seed=2), genzoo.load(run.path).sample(3, seed=2))


@pytest.mark.once
def test_samples_of_sounds_are_wav_files(run, cli, tmp_path):
    code, _, problem = cli("sample", run.path, "-n", "3", "--given", "tone=low", "--out", "drawn")
    assert code == 0, problem
    (first, *_) = sorted((tmp_path / "drawn" / "low").glob("*.wav"))
    with wave.open(str(first)) as file:
        assert (file.getframerate(), file.getnframes()) == (RATE, SIZE)
        read = np.frombuffer(file.readframes(SIZE), "<i2")
    assert np.array_equal(read, run.sample(3, given={"tone": "low"})[0])
    assert cli("sample", run.path, "-n", "3")[0] == 0
    (whole,) = tmp_path.glob("vae-*.wav")
    with wave.open(str(whole)) as file:
        assert file.getnframes() == 3 * SIZE + 2 * 400  # with pauses of 0.2 s


@pytest.mark.once
def test_a_folder_of_samples_is_read_as_sounds(run, cli, tmp_path):
    assert cli("sample", run.path, "-n", "30", "--out", "drawn")[0] == 0
    code, shown, problem = cli("data", "drawn")
    assert code == 0, problem
    assert "audio of 0.5 s, 2000 Hz" in shown
    assert "labels: 2" in shown


@pytest.mark.once
def test_a_model_behind_log_mel_has_no_likelihood(run):
    fitted = genzoo.load(run.path)
    assert "likelihood-bound" not in fitted.capabilities
    assert "encoder" in fitted.capabilities
    with pytest.raises(genzoo.ConfigError, match="spectra without phases"):
        fitted.log_prob_bound(sounds().events, condition=sounds().labels[:, None])


def test_sounds_beyond_full_scale_are_an_error_and_are_not_clipped():
    fitted = genzoo.load(Path(__file__).parents[1] / "data" / "models" / "0.2" / "ngram-sounds")
    events = fitted.sample(3, seed=1).astype(float)
    assert np.isfinite(fitted.log_prob(events)).all()
    assert np.isfinite(fitted.log_prob(np.where(events == events.max(), 32767, events))).all()
    for beyond in (32768, -32769):
        with pytest.raises(
            DataError, match=r"trained on sounds in -32768\.\.32767, and the array .* Bring the sounds to"
        ):
            fitted.log_prob(np.where(events == events.max(), beyond, events))


@pytest.mark.once
def test_a_report_of_sounds_plays_them(run, tmp_path):
    genzoo.report(run).save(tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.count('src="data:audio/wav;base64,') >= 2
    assert "spectrograms in a grid" in page
    assert "loudness in decibels" in page


@pytest.mark.once
def test_sounds_are_evaluated_by_their_levels(run):
    assert 0 <= genzoo.evaluate(run, metrics=["coverage"]).scores["coverage"].value <= 1


@pytest.mark.once
@pytest.mark.parametrize(
    ("model", "options"),
    [
        ("gmm", {"n_components": 2, "covariance_type": "diag", "reg_covar": 1e-3}),
        pytest.param(
            "diffusion", {"training": {"steps": 2, "batch_size": 8, "patience": None}}, marks=pytest.mark.full
        ),
        ("dcgan", {"training": {"steps": 2, "batch_size": 8}}),
    ],
)
def test_models_of_images_train_on_sounds(model, options, tmp_path):
    run = trained(model, tmp_path / "run", **options)
    samples = genzoo.load(run.path).sample(2)
    assert (samples.shape, samples.dtype) == ((2, SIZE), np.int16)
    assert np.abs(samples).max() > 0


@pytest.mark.once
def test_models_of_tables_take_no_sounds(tmp_path):
    with pytest.raises(genzoo.DataError, match=r"takes tables, and these data are: audio of 0\.5 s"):
        trained("kde", tmp_path / "run")


@pytest.mark.once
@pytest.mark.parametrize("model", ["pixelcnn", "made"])
def test_models_of_pixels_on_a_grid_say_what_they_see(model, tmp_path):
    with pytest.raises(genzoo.ConfigError, match=r"grid.*sees sounds as images \(log-mel\)"):
        trained(model, tmp_path / "run", training={"steps": 1})
