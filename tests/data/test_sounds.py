"""Folders of sounds: formats, rates, lengths, labels, and what looks wrong."""

import io
import wave

import numpy as np
import pytest
import soundfile
from scipy.io import wavfile
from scipy.signal import resample_poly

import genzoo
from genzoo.config.data import DataSettings
from genzoo.data.align import match_dataset
from genzoo.data.dataset import Dataset
from genzoo.data.loading import open_dataset, open_matching
from genzoo.data.sounds import files
from genzoo.data.sounds.facts import loudness, seconds_of
from genzoo.data.sounds.files import FULL, UnreadableSoundError, read_sound, wav
from genzoo.data.sounds.folder import sound_spec
from genzoo.plugins.manager import get_registry

RATE = 8000


def tone(hertz, seconds=0.25, rate=RATE, size=0.5):
    return size * np.sin(2 * np.pi * hertz * np.arange(round(rate * seconds)) / rate)


def write(path, samples, rate=RATE):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(wav(samples * FULL, rate))


def opened(path, **settings):
    return open_dataset(DataSettings(source=str(path), **settings), get_registry())


@pytest.fixture
def folder(tmp_path):
    for place, name in enumerate(["a_x_0", "b_x_0", "a_y_1"]):
        write(tmp_path / "sounds" / f"{name}.wav", tone(300 + 100 * place))
    return tmp_path / "sounds"


def test_a_folder_of_sounds_is_read_at_its_rate(folder):
    found = opened(folder)
    assert found.spec.modality == "audio"
    assert (found.spec.rate, found.spec.event_shape, found.events.dtype) == (RATE, (2400,), np.int16)
    assert found.events[0, :2000] == pytest.approx(tone(300) * FULL, abs=1)
    assert not found.events[:, 2000:].any()
    assert found.labels is None


@pytest.mark.parametrize("kind", ["uint8", "int16", "int32", "float32"])
def test_samples_of_each_type_are_the_same_sound(tmp_path, kind):
    samples = tone(440)
    top = 128 if kind == "uint8" else 1 if kind == "float32" else 2.0 ** (8 * np.dtype(kind).itemsize - 1)
    stored = (samples * top + (128 if kind == "uint8" else 0)).astype(kind)
    wavfile.write(tmp_path / "a.wav", RATE, stored)
    assert read_sound(tmp_path / "a.wav").samples / FULL == pytest.approx(samples, abs=1 / 64)


@pytest.mark.parametrize(("suffix", "error"), [(".flac", 1e-4), (".aiff", 1e-4), (".ogg", 0.1), (".mp3", 0.1)])
def test_other_formats_are_read_by_soundfile(tmp_path, suffix, error):
    samples = tone(440, 0.5)
    soundfile.write(tmp_path / f"a{suffix}", np.stack([samples, samples], 1), RATE)
    found = read_sound(tmp_path / f"a{suffix}")
    assert (found.rate, found.channels) == (RATE, 2)
    inner = slice(800, 3200)  # lossy formats smear the ends; a shift by one place would be an error of 0.34
    difference = found.samples[inner] / FULL - samples[inner]
    assert np.linalg.norm(difference) <= error * np.linalg.norm(samples[inner])


def test_other_formats_name_the_package_that_they_need(tmp_path, monkeypatch):
    soundfile.write(tmp_path / "a.flac", tone(440), RATE)
    monkeypatch.setattr(files, "_soundfile", lambda: None)
    with pytest.raises(genzoo.DataError, match=r"a\.flac \(needs the package soundfile: pip install 'genzoo\[audio\]'"):
        opened(tmp_path)


@pytest.mark.parametrize("content", [b"", b"fLaC1234", b"OggS" + bytes(40)])
def test_damaged_files_of_other_formats_are_unreadable(tmp_path, content):
    for suffix in (".flac", ".ogg", ".mp3"):
        (tmp_path / f"a{suffix}").write_bytes(content)
        with pytest.raises(UnreadableSoundError):
            read_sound(tmp_path / f"a{suffix}")


def test_a_written_sound_is_a_wav_of_16_bits():
    samples = np.array([0, 1, -32768, 32767, 40000])
    with wave.open(io.BytesIO(wav(samples, 11025))) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (11025, 1, 2)
        read = np.frombuffer(file.readframes(5), "<i2")
    assert read.tolist() == [0, 1, -32768, 32767, 32767]


def test_sounds_of_other_rates_are_resampled(folder):
    write(folder / "c_x_0.wav", tone(400, rate=16000), 16000)
    found = opened(folder, seconds=0.25)
    assert found.events[3, 200:1800] == pytest.approx(tone(400)[200:1800] * FULL, abs=0.02 * FULL)
    assert any("1 sound resampled to 8000 Hz: c_x_0.wav" in note for note in found.notes)
    assert "16000 Hz (1)" in found.facts["rates"]


def test_channels_are_averaged(tmp_path):
    both = np.stack([tone(300), np.zeros(2000)], 1).astype(np.float32)
    wavfile.write(tmp_path / "a.wav", RATE, both)
    assert read_sound(tmp_path / "a.wav").samples == pytest.approx(tone(300) * FULL / 2, abs=1)


def test_long_sounds_are_cut_and_listed(folder):
    write(folder / "c_x_0.wav", tone(300, 1.0))
    found = opened(folder, seconds=0.3)
    assert found.spec.size == 2400
    assert any("1 sound cut at 0.3 s" in note and "c_x_0.wav" in note for note in found.notes)


def test_fields_of_names_are_labels(folder):
    found = opened(folder, fields="letter_speaker_take")
    assert (found.label.name, found.label.levels) == ("letter", ("a", "b"))
    assert found.labels.tolist() == [0, 0, 1]  # in the order of the names: a_x_0, a_y_1, b_x_0
    spoken = opened(folder, fields="letter_speaker_take", condition=["speaker"])
    assert spoken.spec.condition[0].levels == ("x", "y")


def test_names_with_other_fields_are_all_listed(folder):
    write(folder / "plain.wav", tone(300))
    write(folder / "p_q.wav", tone(300))
    with pytest.raises(genzoo.DataError, match=r"2 of 5 files .* do not have the 3 fields .*p_q.wav, plain.wav"):
        opened(folder, fields="letter_speaker_take")


def test_subfolders_are_labels(tmp_path):
    for name in ("cat", "dog"):
        write(tmp_path / name / "0.wav", tone(300))
    found = opened(tmp_path)
    assert found.label.levels == ("cat", "dog")


def test_a_table_of_metadata_names_files_and_labels(folder):
    (folder / "metadata.csv").write_text("file_name,mood\nb_x_0.wav,sad\na_x_0.wav,glad\n")
    found = opened(folder, condition=["mood"])
    assert found.conditions[:, 0].tolist() == [1, 0]
    assert any("1 sound left out that metadata.csv does not name: a_y_1.wav" in note for note in found.notes)


def test_metadata_of_absent_files_are_all_listed(folder):
    (folder / "metadata.csv").write_text("file_name,mood\ngone.wav,sad\na_x_0.wav,glad\nlost.wav,sad\n")
    with pytest.raises(genzoo.DataError, match=r"names 2 files that are not in the folder.*gone.wav, lost.wav"):
        opened(folder)


def test_broken_files_are_all_listed_or_left_out(folder):
    (folder / "broken.wav").write_bytes(b"RIFF1234")
    (folder / "empty.wav").write_bytes(b"")
    with pytest.raises(genzoo.DataError, match=r"2 of 5 sounds .*broken.wav \(.*empty.wav \(") as raised:
        opened(folder)
    assert "skip_bad" in str(raised.value)
    found = opened(folder, skip_bad=True, fields=None)
    assert (len(found), found.skipped) == (3, 2)


def test_silent_and_clipped_sounds_are_listed(folder):
    write(folder / "quiet.wav", np.zeros(2000))
    write(folder / "loud.wav", tone(300, size=3.0))
    notes = " ".join(opened(folder).notes)
    assert "1 sound silent: quiet.wav" in notes
    assert "1 sound clipped: samples stay at full scale: loud.wav" in notes


def test_a_folder_of_silence_is_refused(tmp_path):
    write(tmp_path / "a.wav", np.zeros(100))
    with pytest.raises(genzoo.DataError, match=r"All 1 sounds in .* are silent"):
        opened(tmp_path)


def test_lengths_and_loudness_follow_their_definitions(folder):
    found = opened(folder, seconds=1.0)
    assert seconds_of(found.events, found.spec) == pytest.approx([0.25] * 3, abs=0.002)
    assert loudness(found.events, found.spec) == pytest.approx([20 * np.log10(0.5 / np.sqrt(2))] * 3, abs=0.1)
    quiet = np.zeros((1, 8000), np.int16)
    assert (seconds_of(quiet, found.spec)[0], loudness(quiet, found.spec)[0]) == (0, -120)


def test_files_come_to_the_rate_and_length_of_a_trained_model(folder):
    found = open_matching(DataSettings(source=str(folder)), sound_spec(1000, 4000), get_registry())
    assert (found.spec.rate, found.spec.event_shape) == (4000, (1000,))
    wanted = resample_poly(tone(300) * FULL, 1, 2)
    assert found.events[0] == pytest.approx(wanted[:1000], abs=2)
    assert any("3 sounds resampled to 4000 Hz" in note for note in found.notes)
    longer = open_matching(DataSettings(source=str(folder)), sound_spec(4000, 4000), get_registry())
    assert not longer.events[:, 1000:].any()


def test_a_trained_model_keeps_its_rate(folder):
    settings = DataSettings(source=str(folder), rate=8000)
    with pytest.raises(genzoo.ConfigError, match=r"trained on audio of 0\.25 s, 4000 Hz.*Leave .*rate.* out"):
        open_matching(settings, sound_spec(1000, 4000), get_registry())


def test_sounds_of_another_rate_are_not_those_of_a_model():
    events = np.ones((2, 1000), np.int16)
    with pytest.raises(genzoo.DataError, match=r"trained on audio of 0\.25 s, 4000 Hz.* holds audio of 0\.125 s, 8000"):
        match_dataset(Dataset("fast", sound_spec(1000, 8000), events), sound_spec(1000, 4000))


def test_the_page_of_sounds_says_what_they_are(cli, folder):
    write(folder / "quiet.wav", np.zeros(2000))
    code, shown, problem = cli("data", folder)
    assert code == 0, problem
    assert "8000 Hz (4)" in shown
    assert "1 sound silent: quiet.wav" in " ".join(shown.split())
    assert "loudness: " in shown


def test_settings_of_sounds_are_for_sounds(cli):
    code, _, problem = cli("data", "digits", "--seconds", "1")
    assert code == 2
    assert "--seconds is for folders of sounds" in " ".join(problem.split())
