import gzip
import struct
import zipfile

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from genzoo import DataError, DataSpec, Feature
from genzoo.config.data import DataSettings, SplitSettings
from genzoo.data.checks import refuse_degenerate
from genzoo.data.dataset import Dataset, usable
from genzoo.data.download import without_fetching
from genzoo.data.inspect import inspect
from genzoo.data.loading import anchor, open_dataset
from genzoo.data.readers.images.idx import read_idx
from genzoo.data.readers.numpy_files import array_dataset, read_array
from genzoo.plugins.manager import get_registry

pytestmark = pytest.mark.usefixtures("in_a_shell")  # whose messages they check


def read(source, **settings):
    return open_dataset(DataSettings(source=str(source), **settings), get_registry())


def picture(path, pixels, mode=None):
    path.parent.mkdir(exist_ok=True, parents=True)
    Image.fromarray(pixels).convert(mode or "L").save(path)


RNG = np.random.default_rng(0)
GRAY = RNG.integers(0, 256, (6, 8, 8), dtype=np.uint8)


# Files that a person may have to fetch first.
FETCHED = {"names", "shakespeare", "spoken-digits"}


@pytest.mark.parametrize(
    "name",
    sorted(
        e.spec.name for e in get_registry().datasets if "download" not in e.spec.loader and e.spec.name not in FETCHED
    ),
)
def test_every_built_in_dataset_loads_as_it_is_registered(name):
    entry = get_registry().datasets.get(name)
    found = read(name)
    assert found.name == name
    assert found.spec.modality == entry.spec.modality
    assert found.events.shape[1:] == found.spec.event_shape
    assert f"{len(found):,}" in entry.spec.summary or name == "topics"  # which differs by the version of Python
    assert found.events.dtype == found.spec.storage
    assert np.array_equal(read(name).events, found.events)


def test_digits_are_scikit_learns():
    found = read("digits")
    assert np.array_equal(found.events[:, 0], load_digits().images)
    assert (found.spec.bounds, found.spec.quantum) == ((0, 16), 1)


def test_splits_are_disjoint_complete_and_seeded():
    data = read("digits")
    one, two = data.split(SplitSettings(), 1), data.split(SplitSettings(), 2)
    rows = np.concatenate([one.train, one.validation, one.test])
    assert np.array_equal(np.sort(rows), np.arange(1797))
    assert (len(one.validation), len(one.test)) == (270, 270)
    assert np.array_equal(one.train, data.split(SplitSettings(), 1).train)
    assert not np.array_equal(one.train, two.train)


def test_rows_that_came_as_a_test_set_stay_one():
    data = Dataset("x", DataSpec((1,), "table", (Feature("a"),)), np.zeros((100, 1)), test_rows=20)
    split = data.split(SplitSettings(validation=0.25, test=0.5), 0)
    assert np.array_equal(split.test, np.arange(80, 100))
    assert (len(split.train), len(split.validation)) == (60, 20)


def test_the_digest_changes_with_any_value_type_or_meaning():
    data = array_dataset("x", GRAY)
    other = GRAY.copy()
    other[5, 7, 7] ^= 1
    digests = {data.digest(), array_dataset("x", other).digest(), array_dataset("x", GRAY.astype(np.int32)).digest()}
    assert len(digests) == 3
    assert array_dataset("y", GRAY.copy()).digest() == data.digest()


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((5, 8, 9), (1, 8, 9)), ((5, 8, 9, 3), (3, 8, 9)), ((5, 3, 8, 9), (3, 8, 9)), ((5, 4), (4,))],
)
def test_arrays_of_every_layout_become_channels_first(tmp_path, shape, expected):
    events = RNG.integers(0, 256, shape, dtype=np.uint8)
    np.save(tmp_path / "a.npy", events)
    np.savez(tmp_path / "b.npz", x=events, y=np.arange(5))
    for path in ("a.npy", "b.npz"):
        found = read(tmp_path / path)
        assert found.spec.event_shape == expected
    assert np.array_equal(read(tmp_path / "b.npz").labels, np.arange(5))
    if len(shape) == 4 and shape[3] == 3:
        assert np.array_equal(found.events, events.transpose(0, 3, 1, 2))


@pytest.mark.parametrize(
    ("values", "bounds", "quantum"),
    [
        (GRAY, (0, 255), 1),
        (GRAY / 255, (0, 1), None),
        (GRAY / 127.5 - 1, (-1, 1), None),
        (GRAY.astype(np.int16) % 17, (0, 16), 1),
        (GRAY * 3.5, (0, 900), None),
        ((GRAY % 2).astype(bool), (0, 1), 1),
    ],
)
def test_the_range_of_pixels_is_inferred_where_it_is_a_convention(values, bounds, quantum):
    spec = array_dataset("x", values).spec
    assert (spec.bounds, spec.quantum) == (bounds, quantum)


def test_an_array_on_disk_is_mapped_and_not_read(tmp_path):
    np.save(tmp_path / "a.npy", GRAY)
    assert isinstance(read(tmp_path / "a.npy").events, np.memmap)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (np.zeros(5), "shape"),
        (np.zeros((2, 3, 4, 5, 6)), "shape"),
        (np.zeros((0, 8, 8)), "no events"),
        (np.full((3, 2), np.nan), "no value at all"),
        (np.array([[1.0, np.inf]]), "inf in event 0"),
        (np.array([["a", "b"]]), "not numbers"),
        (np.array([[{}]], dtype=object), "cannot be read"),
        (np.zeros((2, 2), complex), "not numbers"),
    ],
)
def test_an_array_that_cannot_be_used_is_refused(tmp_path, content, words):
    np.save(tmp_path / "a.npy", content, allow_pickle=True)
    with pytest.raises(DataError, match=words):
        read(tmp_path / "a.npy")


def npz_with(member):
    def write(path):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(*member)

    return write


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("a.npz", npz_with(("x.txt", b"text"))),
        ("a.npz", npz_with(("x.npy", b"\x93NUMPY\x01\x00\x76\x00{'descr': '<f8', 'fortran_order': False, 'sh"))),
        ("a.npy", lambda path: path.write_bytes(header((-5, 3)) + b"0" * 64)),
        ("a.npy", lambda path: path.write_bytes(header((10**14, 8, 8)))),
        ("a.npy", lambda path: path.write_bytes(header((2**62, 2**62)))),
        ("a.npy", lambda path: np.save(path, np.array([[2**63 + 5]], np.uint64))),
    ],
)
def test_a_hostile_numpy_file_is_refused(tmp_path, name, write):
    write(tmp_path / name)
    with pytest.raises(DataError, match=name):
        read(tmp_path / name)


def header(shape):
    text = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode()


def test_a_corrupt_compressed_archive_is_refused(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", x=GRAY)
    content = bytearray((tmp_path / "a.npz").read_bytes())
    content[60:90] = b"\xff" * 30
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.npz"):
        read(tmp_path / "a.npz")


def test_a_dataset_that_contradicts_itself_is_refused():
    spec = DataSpec((2,), "table", (Feature("a"), Feature("b")))
    with pytest.raises(DataError, match="shape"):
        Dataset("x", spec, np.zeros((5, 3)))
    with pytest.raises(DataError, match=r"5 events and labels of shape \(7,\)"):
        Dataset("x", spec, np.zeros((5, 2)), np.zeros(7))


def test_a_path_is_found_again_from_elsewhere(tmp_path, monkeypatch):
    np.save(tmp_path / "a.npy", GRAY)
    monkeypatch.chdir(tmp_path)
    settings = anchor(DataSettings(source="a.npy"), get_registry())
    monkeypatch.chdir("/")
    assert len(open_dataset(settings, get_registry())) == 6
    assert anchor(DataSettings(source="digits"), get_registry()).source == "digits"


@pytest.mark.parametrize("name", ["a.npy", "a.npz"])
def test_a_damaged_numpy_file_is_refused(tmp_path, name):
    (tmp_path / name).write_bytes(b"not an array")
    with pytest.raises(DataError, match=name):
        read(tmp_path / name)


def test_an_archive_of_several_arrays_must_say_which_is_meant(tmp_path):
    np.savez(tmp_path / "a.npz", one=GRAY, two=GRAY)
    with pytest.raises(DataError, match="one, two"):
        read(tmp_path / "a.npz")
    np.savez(tmp_path / "b.npz", x=GRAY, y=np.arange(3))
    with pytest.raises(DataError, match=r"6 events and labels of shape \(3,\)"):
        read(tmp_path / "b.npz")


def idx_bytes(array):
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def test_idx_files_are_read_with_their_labels_compressed_or_not(tmp_path):
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx_bytes(GRAY))
    found = read(tmp_path / "train-images-idx3-ubyte")
    assert np.array_equal(found.events[:, 0], GRAY)
    assert found.labels is None
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx_bytes(GRAY)))
    labels = np.arange(6, dtype=np.uint8)
    (tmp_path / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx_bytes(labels)))
    found = read(tmp_path / "train-images-idx3-ubyte.gz")
    assert np.array_equal(found.events[:, 0], GRAY)
    assert np.array_equal(found.labels, labels)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0\0\x0d\x03" + bytes(12),
        idx_bytes(GRAY)[:-1],
        idx_bytes(GRAY) + b"x",
        bytes([0, 0, 8, 3]) + b"\xff" * 12,
        idx_bytes(np.arange(5, dtype=np.uint8)),
        idx_bytes(GRAY[:0]),
    ],
)
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_damaged_idx_file_is_refused(tmp_path, content, pack):
    path = tmp_path / ("a-ubyte.gz" if pack is gzip.compress else "a-ubyte")
    path.write_bytes(pack(content))
    with pytest.raises(DataError, match="a-ubyte"):
        read(path)


def test_a_gz_file_that_is_none_is_refused(tmp_path):
    (tmp_path / "a-ubyte.gz").write_bytes(idx_bytes(GRAY))
    with pytest.raises(DataError, match="cannot be read"):
        read(tmp_path / "a-ubyte.gz")


def test_fetched_data_are_first_looked_for_in_genzoo_data(tmp_path, monkeypatch):
    folder = tmp_path / "mnist"
    folder.mkdir()
    for part, count in (("train", 6), ("t10k", 4)):
        (folder / f"{part}-images-idx3-ubyte").write_bytes(idx_bytes(GRAY[:count]))
        (folder / f"{part}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx_bytes(np.zeros(count, np.uint8))))
    monkeypatch.setenv("GENZOO_DATA", str(tmp_path))
    found = read("mnist")
    assert (len(found), found.test_rows) == (10, 4)


def test_without_a_network_fetched_data_say_where_to_put_the_files(tmp_path, monkeypatch):
    import pooch

    def offline(*args, **kwargs):
        raise OSError("no network")

    monkeypatch.setenv("GENZOO_DATA", str(tmp_path))
    monkeypatch.setattr(pooch, "retrieve", offline)
    with pytest.raises(DataError, match="GENZOO_DATA"):
        read("mnist")


def test_a_folder_of_grey_images_stays_grey_and_folders_are_labels(tmp_path):
    for i in range(3):
        picture(tmp_path / "zero" / f"{i}.png", GRAY[i])
        picture(tmp_path / "one" / f"{i}.png", GRAY[i + 3])
    (tmp_path / "notes.txt").write_text("not an image", encoding="utf-8")
    found = read(tmp_path)
    assert found.spec.event_shape == (1, 8, 8)
    assert np.array_equal(found.events[:, 0], GRAY[[3, 4, 5, 0, 1, 2]])
    assert found.labels.tolist() == [0, 0, 0, 1, 1, 1]


def test_hidden_files_and_folders_are_no_images(tmp_path):
    for name in ("a.png", ".b.png", ".a-1.tmp/new/c.png", "more/.left/d.png"):
        picture(tmp_path / ".here" / name, GRAY[0])
    found = read(tmp_path / ".here")
    assert len(found) == 1
    assert found.labels is None


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "CMYK", "LA", "1", "I;16"])
def test_images_of_any_mode_are_read(tmp_path, mode):
    if mode == "I;16":
        Image.fromarray(GRAY[0].astype(np.uint16) * 257).save(tmp_path / "a.tif")
    else:
        Image.fromarray(GRAY[0]).convert("RGB").convert(mode).save(tmp_path / f"a.{'tif' if mode == 'CMYK' else 'png'}")
    found = read(tmp_path)
    assert found.spec.event_shape[0] == (1 if mode in ("LA", "1", "I;16") else 3)
    if mode in ("LA", "I;16"):
        assert np.array_equal(found.events[0, 0], GRAY[0].astype(int) * (257 if mode == "I;16" else 1))
    assert read(tmp_path, color="rgb").spec.event_shape[0] == 3
    assert read(tmp_path, color="gray").spec.event_shape[0] == 1


def test_one_image_in_colour_makes_all_rgb(tmp_path):
    picture(tmp_path / "a.png", GRAY[0])
    picture(tmp_path / "b.png", GRAY[1], "RGB")
    found = read(tmp_path)
    assert np.array_equal(found.events[0], np.stack([GRAY[0]] * 3))


def test_images_of_different_sizes_need_a_size_and_are_center_cropped(tmp_path):
    picture(tmp_path / "a.png", GRAY[0])
    wide = np.zeros((8, 24), np.uint8)
    wide[:, 8:16] = 200
    picture(tmp_path / "b.png", wide)
    with pytest.raises(DataError, match=r"24×8.*--size"):
        read(tmp_path)
    found = read(tmp_path, size=8)
    assert np.array_equal(found.events[0, 0], GRAY[0])
    assert (found.events[1] == 200).all()
    assert read(tmp_path, size=4).spec.event_shape == (1, 4, 4)


def test_a_bad_image_is_named_or_skipped_and_counted(tmp_path):
    picture(tmp_path / "a.png", GRAY[0])
    whole = (tmp_path / "a.png").read_bytes()
    (tmp_path / "b.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "c.jpg").write_text("this is text", encoding="utf-8")
    with pytest.raises(DataError, match=r"b\.png.*--skip-bad"):
        read(tmp_path)
    found = read(tmp_path, skip_bad=True)
    assert (len(found), found.skipped) == (1, 2)
    (tmp_path / "a.png").unlink()
    with pytest.raises(DataError, match="None of the 2"):
        read(tmp_path, skip_bad=True)


def test_an_image_bomb_is_a_bad_image(tmp_path, monkeypatch):
    picture(tmp_path / "a.png", np.zeros((64, 64), np.uint8))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 3000)
    with pytest.raises(DataError, match=r"a\.png"):
        read(tmp_path)


def test_an_empty_folder_and_one_without_images_are_refused(tmp_path):
    with pytest.raises(DataError, match="no images"):
        read(tmp_path)
    (tmp_path / "a.pdf").write_text("x", encoding="utf-8")
    with pytest.raises(DataError, match="1 other files"):
        read(tmp_path)


def test_unknown_sources_are_met_with_help(tmp_path):
    with pytest.raises(DataError, match="Did you mean 'digits'"):
        read("digit")
    (tmp_path / "a.docx").write_text("x", encoding="utf-8")
    with pytest.raises(DataError, match=r"\.npy"):
        read(tmp_path / "a.docx")


def test_inspection_finds_what_looks_wrong():
    events = np.stack([GRAY[0]] * 3)
    events[:, 0, 0] = 0
    found = inspect(array_dataset("x", events))
    text = " ".join(found.remarks)
    assert "2 of 3 images repeat an earlier image exactly" in text
    assert "64 of 64 pixels never change" in text
    table = inspect(array_dataset("x", np.stack([np.arange(200.0), np.ones(200)], axis=1)))
    assert table.remarks == [
        "column 'x0' counts the rows; leave it out with --drop x0 or --label x0",
        "column 'x1' never changes; leave it out with --drop x1",
    ]
    assert inspect(read("iris")).facts["events"] == 150


PAIR = DataSpec((2,), "table", (Feature("a"), Feature("b", "categorical", ("x", "y", "z"))), storage="float64")


def test_nan_in_a_table_is_a_missing_value_and_in_an_image_an_error(tmp_path):
    rows = np.array([[1.0, np.nan], [np.nan, np.nan], [2.0, 3.0]])
    np.save(tmp_path / "a.npy", rows)
    found = read(tmp_path / "a.npy")
    assert found.spec.missing
    assert isinstance(found.events, np.memmap)
    assert not array_dataset("x", rows[2:]).spec.missing
    assert usable(Dataset("x", PAIR, np.array([[np.nan, 2.0]] * 2 + [[1.0, np.nan]])), "x").spec.missing
    with pytest.raises(DataError, match=r"'x1' has no value at all.*--drop x1"):
        array_dataset("x", rows[:2, [0, 1]])
    broken = GRAY / 255
    broken[2, 0, 3] = np.nan
    with pytest.raises(DataError, match="nan in event 2"):
        array_dataset("x", broken)


@pytest.mark.parametrize("value", [3.0, -1.0, 0.5])
def test_a_code_without_a_level_is_refused(value):
    with pytest.raises(DataError, match=r"event 1, column 'b'.*3 levels"):
        usable(Dataset("x", PAIR, np.array([[0.0, 2.0], [0.0, value]])), "x")


@pytest.mark.parametrize("weights", [[1.0], [1.0, -1.0], [1.0, np.nan], [np.inf, 1.0], [0, 0]])
def test_weights_that_weigh_nothing_are_refused(weights):
    with pytest.raises(DataError, match="weight"):
        Dataset("x", PAIR, np.zeros((2, 2)), weights=np.array(weights))


def test_weights_are_part_of_the_digest():
    datasets = [Dataset("x", PAIR, np.zeros((2, 2)), weights=w) for w in (None, np.array([1, 2]), np.array([2, 2]))]
    assert len({data.digest() for data in datasets}) == 3


def table(*columns):
    events = np.stack(columns, axis=1).astype(np.float64)
    return Dataset("plants", array_dataset("x", events).spec, events)


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ([np.arange(9), np.ones(9)], ("'x1'", "never changes", "--drop x1")),
        ([np.arange(9), np.r_[np.nan, np.ones(7), np.nan]], ("'x1'", "never changes")),
        ([np.arange(9), np.arange(9) % 4, np.arange(9)], ("'x0' and 'x2'", "equal", "--drop x2")),
        ([np.arange(9), np.r_[np.nan, np.arange(8)], np.r_[np.nan, np.arange(8)]], ("'x1' and 'x2'",)),
        ([np.arange(1)], ("1 row",)),
    ],
)
def test_columns_without_a_density_are_refused_by_name(columns, words):
    data = table(*columns)
    with pytest.raises(DataError) as caught:
        refuse_degenerate(data, np.arange(len(data)))
    assert all(word in str(caught.value) for word in words)


def test_what_differs_in_one_late_row_has_a_density():
    rows = 10_000
    late = np.zeros(rows)
    late[-1] = 1
    data = table(np.arange(rows), np.arange(rows) + late, late)
    refuse_degenerate(data, np.arange(rows))
    with pytest.raises(DataError):
        refuse_degenerate(data, np.arange(rows - 1))


def test_archives_and_idx_files_that_unpack_to_too_much_are_refused(tmp_path):
    with (
        zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("x.npy", "w") as member,
    ):
        for _ in range(18):
            member.write(bytes(2**26))
    with pytest.raises(DataError, match=r"unpack .* save its array as \.npy"):
        read_array(tmp_path / "a.npz")
    with zipfile.ZipFile(tmp_path / "b.npz", "w") as archive:
        for number in range(1_100):
            archive.writestr(f"{number}.npy", b"")
    with pytest.raises(DataError, match="1100 members"):
        read_array(tmp_path / "b.npz")
    header = b"\0\0\x08\x03" + struct.pack(">3I", 1_100, 1_000, 1_000)
    (tmp_path / "a-ubyte.gz").write_bytes(gzip.compress(header + bytes(10**6)))
    with pytest.raises(DataError, match=r"unpack .* gunzip"):
        read_idx(tmp_path / "a-ubyte.gz")


def test_events_and_names_beyond_what_a_model_can_be_kept_of_are_refused(tmp_path):
    with pytest.raises(DataError, match="columns"):
        array_dataset("wide", np.zeros((1, 100_001)))
    with pytest.raises(DataError, match="numbers"):
        array_dataset("large", np.broadcast_to(np.float32(0.5), (1, 3, 5000, 5000)))


def test_a_run_that_names_data_to_be_fetched_fetches_nothing(tmp_path, monkeypatch):
    pooch = pytest.importorskip("pooch")
    monkeypatch.setattr(pooch, "retrieve", lambda *_, **__: pytest.fail("fetched"))
    monkeypatch.setattr(pooch, "os_cache", lambda _: tmp_path)
    monkeypatch.delenv("GENZOO_DATA", raising=False)
    with without_fetching(), pytest.raises(DataError, match="genzoo data mnist"):
        read("mnist")
    (tmp_path / "mnist").mkdir()
    for kind in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"):
        (tmp_path / "mnist" / f"{kind}-ubyte.gz").write_bytes(b"another")  # which would be fetched again
    with without_fetching(), pytest.raises(DataError, match="genzoo data mnist"):
        read("mnist")
