"""Sounds that a table describes, as parts of events, and models that learn them beside images and columns."""

import numpy as np
import pytest
import torch
from PIL import Image

import genzoo
from genzoo import ConfigError, DataError
from genzoo.config.data import DataSettings
from genzoo.config.settings import validate
from genzoo.data.loading import open_dataset, open_matching
from genzoo.data.parts import arrays_of
from genzoo.data.sounds.files import FULL, wav
from genzoo.plugins.manager import get_registry

RATE, SIZE = 1000, 300
PARTS = "image,label,sound"


def tone(place, rate=RATE):
    time = np.arange(SIZE * rate // RATE) / rate
    return 0.5 * FULL * np.sin(2 * np.pi * (100 + 15 * place) * time)


def pixels(place):
    return np.full((4, 4), 10 * place, np.uint8) + np.arange(4, dtype=np.uint8)


def folder_of(path, count=4, lacking=(), rate=RATE):
    (path / "heard").mkdir(parents=True)
    lines = ["file_name,sound_file_name,label"]
    for place in range(count):
        Image.fromarray(pixels(place)).save(path / f"{place}.png")
        (path / "heard" / f"{place}.wav").write_bytes(wav(tone(place, rate), rate))
        sound = "" if place in lacking else f"heard/{place}.wav"
        lines.append(f"{place}.png,{sound},{'ab'[place % 2]}")
    for place in lacking:
        (path / "heard" / f"{place}.wav").unlink()
    (path / "metadata.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def settings(source, **others):
    return validate(DataSettings, {"source": str(source), "parts": PARTS, **others}, "Data")


def read(source, **others):
    return open_dataset(settings(source, **others), get_registry())


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    path = tmp_path_factory.mktemp("joint")
    data = {"source": str(folder_of(path / "data", 24)), "parts": PARTS}
    options = {"network": "mlp", "widths": (8,), "latent": 2, "n_components": 2, "imputation_draws": 4}
    out = path / "run"
    return genzoo.train("mvae", data, steps=2, batch_size=8, precision="fp32", out=out, **options)


def test_each_line_of_a_table_is_an_event_with_an_image_and_a_sound(tmp_path):
    found = read(folder_of(tmp_path / "data"))
    assert {name: spec.modality for name, spec in found.spec.parts.items()} == {
        "image": "image",
        "label": "table",
        "sound": "audio",
    }
    assert found.spec.parts["sound"].rate == RATE
    arrays = arrays_of(found.events[:], found.spec)
    assert arrays["sound"] == pytest.approx(np.stack([tone(place) for place in range(4)]), abs=1)
    assert np.array_equal(arrays["image"][:, 0], np.stack([pixels(place) for place in range(4)]))
    assert arrays["label"].tolist() == ["a", "b", "a", "b"]


def test_file_names_of_sounds_alone_are_the_part_sound(tmp_path):
    path = folder_of(tmp_path / "data")
    (path / "metadata.csv").write_text("file_name,label\n" + "".join(f"heard/{i}.wav,a{i}\n" for i in range(4)))
    found = read(path, parts="sound,label", skip_bad=True)
    assert sorted(found.spec.parts) == ["label", "sound"]
    assert found.unreadable == (
        "'0.png' has no line",
        "'1.png' has no line",
        "'2.png' has no line",
        "'3.png' has no line",
    )


def test_an_event_may_lack_its_sound(tmp_path):
    found = read(folder_of(tmp_path / "data", lacking=(1,)))
    sounds = found.spec.pieces[2].take(found.events[:])
    assert np.isnan(sounds).all(1).tolist() == [False, True, False, False]
    assert not np.isnan(sounds[[0, 2, 3]]).any()


def test_all_faults_of_sounds_are_listed_at_once(tmp_path):
    path = folder_of(tmp_path / "data")
    (path / "heard" / "1.wav").write_bytes(b"RIFFbroken")
    (path / "heard" / "2.wav").unlink()
    (path / "heard" / "more.wav").write_bytes(wav(tone(1), RATE))
    with pytest.raises(DataError) as caught:
        read(path)
    for fault in (
        "names 'heard/2.wav', which is no file",
        "'1.wav' cannot be read as a sound",
        "'heard/more.wav' has no line",
    ):
        assert fault in str(caught.value)
    assert len(read(path, skip_bad=True).events) == 2


def test_silent_sounds_are_an_error(tmp_path):
    path = folder_of(tmp_path / "data")
    for place in range(4):
        (path / "heard" / f"{place}.wav").write_bytes(wav(np.zeros(SIZE), RATE))
    with pytest.raises(DataError, match="All 4 sounds in sound are silent"):
        read(path)


def test_a_model_brings_sounds_to_the_rate_of_training(tmp_path):
    spec = read(folder_of(tmp_path / "first")).spec
    other = folder_of(tmp_path / "second", rate=2 * RATE)
    found = open_matching(settings(other), spec, get_registry())
    assert found.spec.parts["sound"] == spec.parts["sound"]
    assert any("resampled to 1000 Hz" in note for note in found.notes)
    with pytest.raises(ConfigError, match=r"Leave .*seconds.* out"):
        open_matching(settings(other, seconds=0.1), spec, get_registry())


def test_a_joint_model_sees_sounds_as_levels_and_draws_sounds(run):
    model = run.load()
    assert model.units.inner.parts["sound"].modality == "image"
    assert {"imputation", "decoder"} <= model.capabilities
    assert "likelihood-bound" not in model.capabilities
    drawn = model.sample(5)
    assert drawn["sound"].shape == (5, SIZE)
    assert np.abs(drawn["sound"]).max() <= FULL
    assert drawn["image"].shape == (5, 1, 4, 4)


def test_parts_that_are_there_stay_and_others_are_filled_in(run):
    model = run.load()
    given = np.stack([tone(place).round() for place in range(3)])
    filled = model.impute({"image": None, "label": None, "sound": given}, draw=True)
    assert np.array_equal(filled["sound"], given)
    assert np.isfinite(filled["image"]).all()
    assert set(filled["label"]) <= {"a", "b"}


def test_parts_of_a_model_are_transformed_there_and_back(run):
    model = run.load()
    data = read(run.path.parent / "data")
    x = torch.from_numpy(np.asarray(data.events[:4])).double()
    again = model.transform.inverse(model.transform(x))
    for piece in data.spec.pieces[:2]:
        assert torch.allclose(piece.take(again), piece.take(x), atol=1e-4)
    sound = data.spec.pieces[2]
    levels = model.transform(x)[:, -model.units.inner.parts["sound"].size :]
    back = model.transform(again)[:, -model.units.inner.parts["sound"].size :]
    assert (back - levels).abs().mean() < 0.1
    assert sound.take(again).shape == (4, SIZE)


def test_commands_write_sounds_given_a_label_and_a_report_plays_them(run, cli, tmp_path):
    path = str(run.path)
    out = tmp_path / "sounds"
    cli("sample", path, "-n", "2", "--given", "label=a", "--show", "sound", "--out", str(out))
    assert sorted(file.suffix for file in out.iterdir()) == [".wav", ".wav"]
    cli("sample", path, "-n", "2", "--out", str(tmp_path / "whole.npz"))
    with np.load(tmp_path / "whole.npz") as found:
        assert found["sound"].shape == (2, SIZE)
    cli("report", path, "--out", str(tmp_path / "page.html"))
    assert "<audio" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_a_density_of_images_leaves_the_grid_of_sounds_alone(tmp_path):
    data = {"source": str(folder_of(tmp_path / "data", 24)), "parts": PARTS}
    options = {"network": "mlp", "widths": (8,), "latent": 2, "likelihood": "gaussian"}
    out = tmp_path / "run"
    run = genzoo.train("mvae", data, steps=1, batch_size=8, precision="fp32", out=out, **options)
    model = run.load()
    assert model.dequantized
    assert model.sample(2)["sound"].shape == (2, SIZE)
