"""The range and the grid of images: which rule finds them, where they are printed, and how to state others."""

import dataclasses
import json
import struct
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image
from refusals import assert_refused
from sklearn.datasets import load_digits

import genzoo
from genzoo.config.data import DataSettings
from genzoo.data.builtin import digits
from genzoo.data.inspect import inspect
from genzoo.data.loading import open_dataset
from genzoo.data.readers.numpy_files import array_dataset
from genzoo.data.value_range import Values, find_range, overrule_range, scaling_spec
from genzoo.errors import ConfigError, DataError
from genzoo.plugins.manager import get_registry

pytestmark = pytest.mark.usefixtures("in_a_shell")  # whose messages they check

FP32 = ("--precision", "fp32")
RNG = np.random.default_rng(0)
DIGITS = load_digits().images


def read(source, **settings):
    return open_dataset(DataSettings(source=str(source), **settings), get_registry())


def images(low, high, dtype, n=40):
    """Random images that reach both ends once."""
    if np.dtype(dtype).kind == "f":
        x = RNG.uniform(low, high, (n, 8, 8)).astype(dtype)
    else:
        x = RNG.integers(low, high, (n, 8, 8)).astype(dtype)
    x.flat[:2] = low, high
    return x


def full(low, high, dtype, n=40):
    """Random images that each reach both ends."""
    x = images(low, high, dtype, n)
    x[:, 0, 0], x[:, 0, 1] = low, high
    return x


@pytest.mark.parametrize(
    ("values", "bounds", "quantum"),
    [
        # few levels: the largest value is the end
        (images(0, 1, np.uint8), (0, 1), 1),
        (images(0, 1, np.int64), (0, 1), 1),
        (images(0, 2, np.uint8), (0, 2), 1),
        (images(0, 9, np.int32), (0, 9), 1),
        (images(0, 15, np.uint8), (0, 15), 1),
        (images(0, 16, np.uint16), (0, 16), 1),
        (images(0, 16, np.float32), (0, 16), None),
        (DIGITS, (0, 16), 1),
        (DIGITS.astype(np.float32), (0, 16), 1),
        # photographs of 8 bits, also dark ones
        (images(0, 17, np.uint8), (0, 255), 1),
        (images(0, 50, np.uint8), (0, 255), 1),
        (images(0, 63, np.uint8), (0, 255), 1),
        (images(90, 120, np.uint8), (0, 255), 1),
        (full(0, 50, np.uint8), (0, 255), 1),
        (full(0, 63, np.uint8, n=5), (0, 255), 1),
        (images(0, 254, np.int64), (0, 255), 1),
        (images(0, 255, np.uint16), (0, 255), 1),
        (images(0, 250, np.uint8).astype(float), (0, 255), 1),
        # an end that most images reach
        (full(0, 31, np.uint8), (0, 31), 1),
        (full(0, 63, np.uint8), (0, 63), 1),
        (full(0, 100, np.uint8), (0, 100), 1),
        (full(0, 10_000, np.uint16), (0, 10_000), 1),
        (full(0, 4096, np.int32), (0, 4096), 1),
        # more bits than 8
        (images(0, 900, np.uint16), (0, 1023), 1),
        (images(0, 4095, np.uint16), (0, 4095), 1),
        (images(100, 2900, np.int16), (0, 4095), 1),
        (images(0, 3000, np.float64).round(), (0, 4095), 1),
        (images(0, 12_000, np.uint16), (0, 16_383), 1),
        (images(0, 60_000, np.uint16), (0, 65_535), 1),
        (images(27_000, 31_111, np.uint16), (27_000, 31_200), 1),
        (images(0, 123_456, np.int32), (0, 130_000), 1),
        # levels that were stretched
        (full(0, 15, np.uint8) * 17, (0, 255), 17),
        (full(0, 3, np.uint8) * 85, (0, 255), 85),
        (images(0, 255, np.uint16) * 257, (0, 65_535), 257),
        (images(0, 4095, np.uint16) * 16, (0, 65_520), 16),
        (images(0, 1, np.uint8) * 255, (0, 255), 1),
        (full(0, 4, np.uint8) * 60, (0, 255), 1),
        # negative whole numbers
        (images(-1, 1, np.int8), (-1, 1), 1),
        (images(-100, 90, np.int8), (-128, 127), 1),
        (images(-5, 7, np.int8), (-5, 7), 1),
        (images(-1024, 3071, np.int16), (-1100, 3100), 1),
        (images(-32_768, 32_767, np.int16), (-32_768, 32_767), 1),
        # fractions
        (images(0.1, 0.9, np.float32), (0, 1), None),
        (images(-0.5, 0.9, np.float32), (-1, 1), None),
        (images(0, 1, np.uint8).astype(np.float32), (0, 1), None),
        (images(0, 0.06, np.float64), (0, 0.06), None),
        (images(-2.37, 3.81, np.float64), (-2.4, 3.9), None),
        (images(-1000.5, 3000.5, np.float64), (-1100, 3100), None),
        (images(0.25, 254.5, np.float64), (0, 255), None),
        (images(0, 1.5e-9, np.float64), (0, 1.5e-9), None),
        # no range to find
        (np.full((3, 8, 8), -4.5), None, None),
        (np.array([-1e308, 1e308]).repeat(32).reshape(1, 8, 8), None, None),
    ],
)
def test_the_range_follows_from_all_values(values, bounds, quantum):
    spec = array_dataset("x", values).spec
    assert (spec.bounds, spec.quantum) == (bounds, quantum)


def test_the_range_contains_every_value_to_the_last_digit():
    for scale in (1e-6, 0.3, 0.7, 3.3, 1e5):
        for dtype in (np.float32, np.float64):
            x = (RNG.normal(size=(20, 8, 8)) * scale).astype(dtype)
            low, high = array_dataset("x", x).spec.bounds
            assert low <= float(x.min()) < float(x.max()) <= high


def test_whole_numbers_too_wide_for_a_grid_have_no_range():
    assert find_range(Values.of(np.array([[0, 2**60]]))) == (None, 1.0)
    assert find_range(Values.of(np.array([[0.0, 2.0**60]])))[1] is None


def test_digits_in_an_array_equal_the_built_in_ones(tmp_path):
    np.save(tmp_path / "digits.npy", DIGITS.astype(np.uint8))
    found, built_in = read(tmp_path / "digits.npy"), digits()
    assert found.spec == built_in.spec
    assert found.digest() == built_in.digest()
    assert built_in.digest() == "99eb16b3757a00b54caefe0b48ab8df7263a6a13e7ebf45aafc5b59bd8577969"


def test_an_idx_file_of_few_levels_has_a_narrow_range(tmp_path):
    x = DIGITS[:20].astype(np.uint8)
    (tmp_path / "a-ubyte").write_bytes(bytes([0, 0, 8, 3]) + struct.pack(">3I", *x.shape) + x.tobytes())
    assert read(tmp_path / "a-ubyte").spec.bounds == (0, 16)


def save(folder, arrays, suffix="png"):
    folder.mkdir(exist_ok=True)
    for number, array in enumerate(arrays):
        Image.fromarray(array).save(folder / f"{number:03}.{suffix}")


@pytest.mark.parametrize(
    ("arrays", "suffix", "bounds", "storage"),
    [
        (images(0, 4095, np.uint16), "png", (0, 4095), "int32"),
        (images(0, 60_000, np.uint16), "tif", (0, 65_535), "int32"),
        (images(-2.37, 3.81, np.float32), "tif", (-2.4, 3.9), "float32"),
        (images(0, 1, np.float32), "tif", (0, 1), "float32"),
        (images(-3000, 70_000, np.int32), "tif", (-3000, 70_000), "int32"),
        (DIGITS[:30].astype(np.uint8), "png", (0, 16), "uint8"),
        (images(0, 1, np.uint8), "bmp", (0, 1), "uint8"),
        (images(0, 50, np.uint8), "png", (0, 255), "uint8"),
    ],
)
def test_a_folder_keeps_all_values_and_has_one_range(tmp_path, arrays, suffix, bounds, storage):
    save(tmp_path, arrays, suffix)
    found = read(tmp_path)
    assert (found.spec.bounds, found.spec.storage) == (bounds, storage)
    assert np.array_equal(found.events[:, 0], arrays)
    assert read(tmp_path, color="rgb").spec.event_shape == (3, 8, 8)


def test_resizing_keeps_the_range_of_the_originals(tmp_path):
    for name, arrays, bounds in (
        ("a", full(0, 16, np.uint8), (0, 16)),
        ("b", full(0, 4095, np.uint16), (0, 4095)),
        ("c", full(-1, 1, np.float32), (-1, 1)),
    ):
        suffix = "tif" if arrays.dtype.kind == "f" else "png"
        save(tmp_path / name, arrays, suffix)
        found = read(tmp_path / name, size=12)
        assert found.spec.bounds == bounds
        assert bounds[0] <= found.events.min() <= found.events.max() <= bounds[1]
        assert found.events.std() > 0.1 * (bounds[1] - bounds[0])


def png_of_colors(path, colors):
    """Write `(H, W, 3)` as a 16-bit RGB PNG, which Pillow cannot write."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    height, width, _ = colors.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in colors)
    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)


def test_colors_of_16_bits_keep_both_bytes(tmp_path):
    colors = RNG.integers(0, 4096, (6, 8, 3))
    png_of_colors(tmp_path / "a.png", colors)
    found = read(tmp_path)
    assert np.array_equal(found.events[0], colors.transpose(2, 0, 1))
    assert found.spec.bounds == (0, 4095)
    gray = read(tmp_path, color="gray").events[0, 0]
    assert np.array_equal(gray, np.rint(colors @ [0.299, 0.587, 0.114]))


@pytest.mark.parametrize(
    ("pixels", "sample_format", "bounds"),
    [
        (images(-100, 90, np.int8, n=1)[0], 2, (-128, 127)),
        (images(-100, 90, np.int16, n=1)[0], 2, (-100, 90)),
        (images(0, 2**32 - 1, np.uint32, n=1)[0], 1, (0, 4.3e9)),
    ],
)
def test_types_that_pillow_lacks_keep_their_values(tmp_path, pixels, sample_format, bounds):
    values = (8, 8, 8 * pixels.itemsize, 1, 1, 8, 1, 8, pixels.nbytes, sample_format)
    tags = zip((256, 257, 258, 259, 262, 273, 277, 278, 279, 339), values, strict=True)
    directory = struct.pack("<H", 10) + b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    header = b"II*\0" + struct.pack("<I", 8 + pixels.nbytes)
    (tmp_path / "a.tif").write_bytes(header + pixels.tobytes() + directory + bytes(4))
    found = read(tmp_path)
    assert np.array_equal(found.events[0, 0], pixels)
    assert found.spec.bounds == bounds


def test_number_types_with_different_ranges_are_not_mixed(tmp_path):
    save(tmp_path, images(0, 255, np.uint8, n=2))
    Image.fromarray(images(0, 4095, np.uint16, n=1)[0]).save(tmp_path / "z.png")
    with pytest.raises(DataError, match=r"000\.png holds 8-bit.*z\.png holds whole numbers.*--range"):
        read(tmp_path)
    assert read(tmp_path, range="0..4095").spec.bounds == (0, 4095)
    Image.fromarray(images(0, 200, np.uint16, n=1)[0]).save(tmp_path / "z.png")
    assert read(tmp_path).spec.bounds == (0, 255)


def test_a_palette_of_grays_is_gray(tmp_path):
    levels = images(0, 255, np.uint8, n=1)[0]
    image = Image.fromarray(levels).convert("P")
    image.putpalette([255 - level for level in range(256) for _ in range(3)])
    image.save(tmp_path / "a.png")
    found = read(tmp_path)
    assert found.spec.event_shape == (1, 8, 8)
    assert np.array_equal(found.events[0, 0], 255 - levels)
    assert read(tmp_path, color="rgb").spec.event_shape == (3, 8, 8)
    image.putpalette([0, 10, 20] * 256)
    image.save(tmp_path / "a.png")
    assert read(tmp_path).spec.event_shape == (3, 8, 8)


@pytest.mark.parametrize(
    ("orientation", "turned"),
    [
        (1, lambda x: x),
        (2, np.fliplr),
        (3, lambda x: np.rot90(x, 2)),
        (4, np.flipud),
        (5, np.transpose),
        (6, lambda x: np.rot90(x, -1)),
        (7, lambda x: np.rot90(x, 2).T),
        (8, np.rot90),
    ],
)
@pytest.mark.parametrize(("suffix", "dtype"), [("png", np.uint8), ("png", np.uint16), ("tif", np.float32)])
def test_images_are_turned_upright(tmp_path, orientation, turned, suffix, dtype):
    pixels = images(0, 200, dtype, n=1)[0, :6]
    image = Image.fromarray(pixels)
    exif = image.getexif()
    exif[0x0112] = orientation
    image.save(tmp_path / f"a.{suffix}", exif=exif)
    assert np.array_equal(read(tmp_path).events[0, 0], turned(pixels))


@pytest.mark.parametrize(
    ("suffix", "dtype", "high"), [("gif", np.uint8, 255), ("tif", np.uint8, 255), ("tif", np.uint16, 4095)]
)
def test_every_page_and_frame_is_an_image(tmp_path, suffix, dtype, high):
    pages = images(0, high, dtype, n=4)
    first, *others = map(Image.fromarray, pages)
    first.save(tmp_path / f"a.{suffix}", save_all=True, append_images=others)
    Image.fromarray(pages[0]).save(tmp_path / "b.png")
    found = read(tmp_path)
    assert np.array_equal(found.events[:, 0], [*pages, pages[0]])
    assert found.spec.bounds == (0, high)
    assert found.notes == ("4 of the images are pages or frames of 1 file",)


def test_floats_that_are_not_finite_make_a_file_unreadable(tmp_path):
    x = images(0, 1, np.float32, n=2)
    x[1, 2, 3] = np.nan
    save(tmp_path, x, "tif")
    with pytest.raises(DataError, match=r"001\.tif cannot be read.*not finite"):
        read(tmp_path)


def test_data_lists_every_unreadable_file_with_its_reason(cli, tmp_path):
    save(tmp_path / "photos", images(0, 255, np.uint8, n=3))
    (tmp_path / "photos" / "x.png").write_bytes(b"text")
    (tmp_path / "photos" / "deep").mkdir()
    (tmp_path / "photos" / "deep" / "y.png").write_bytes((tmp_path / "photos" / "000.png").read_bytes()[:60])
    (tmp_path / "photos" / "z.heic").write_bytes(b"")
    code, out, _ = cli("data", tmp_path / "photos")
    assert code == 0
    assert "unreadable: x.png: its content is not an image that Pillow can read\n" in out
    assert "unreadable: deep/y.png: " in out
    assert "unreadable files left out: 2" in out
    assert "files of other types left out: 1 (.heic)" in out
    code, out, _ = cli("data", tmp_path / "photos", "--json")
    assert len(json.loads(out)["unreadable"]) == 2
    with pytest.raises(DataError, match=r"y\.png cannot be read.*--skip-bad.*1 more; genzoo data"):
        read(tmp_path / "photos")
    for number in range(150):
        (tmp_path / "photos" / f"bad{number:03}.png").write_bytes(b"")
    found = read(tmp_path / "photos", skip_bad=True)
    assert (found.skipped, len(found.unreadable), found.unreadable[-1]) == (152, 101, "and 52 more")
    for file in (tmp_path / "photos").glob("00*.png"):
        file.unlink()
    assert_refused(cli("data", tmp_path / "photos"), 4, "None of the 152 images", "bad000.png", "and 132 more")


def test_the_range_is_said_and_where_it_comes_from(cli, tmp_path):
    np.save(tmp_path / "a.npy", DIGITS.astype(np.uint8))
    assert "range: 0..16, step 1 (found in the data; overrule with --range 0..255)" in cli("data", "a.npy")[1]
    assert "range: 0..255, step 1 (set by --range)" in cli("data", "a.npy", "--range", "0..255")[1]
    assert "range: 0..16, step 1\n" in cli("data", "digits")[1]
    code, _, err = cli("train", "dcgan", "--data", "a.npy", "--epochs", "0.1", *FP32, "--out", "run")
    assert code == 0
    assert "Note: pixels in 0..16, step 1 (found in the data; overrule with --range 0..255)." in err
    assert genzoo.Run(tmp_path / "run").data.bounds == (0, 16)
    code, _, err = cli("train", "dcgan", "--dry-run", *FP32, "--data", "a.npy", "--range", "0..255")
    assert "Note: pixels in 0..255, step 1 (set by --range)." in err


def test_a_range_that_may_be_wrong_is_pointed_out(cli, tmp_path):
    dark = array_dataset("x", images(0, 50, np.uint8, n=120))
    assert "the values reach only 50 of 255; if this is the largest possible value, --range 0..50" in (
        inspect(dark).remarks
    )
    masks = array_dataset("x", images(0, 1, np.uint8) * 255)
    assert "all values are 0 or 255; for images of 0 and 1, --binarize" in inspect(masks).remarks
    with pytest.warns(UserWarning, match="reach only 50 of 255"):
        genzoo.train("dcgan", data=dark, training={"steps": 1}, precision="fp32", out=tmp_path / "run")
    stated = {"source": images(0, 50, np.uint8, n=120), "range": (0, 50)}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run = genzoo.train("dcgan", data=stated, training={"steps": 1}, precision="fp32", out=tmp_path / "other")
    assert run.data.bounds == (0, 50)
    assert genzoo.resume(run.path, stated["source"], steps=2).data.bounds == (0, 50)


@pytest.mark.parametrize("text", ["0", "0..", "..5", "5..0", "3..3", "0..inf", "nan..1", "0...255..3", "a..b", "0,255"])
def test_a_range_that_is_none_is_refused(cli, text):
    assert_refused(cli("data", "digits", f"--range={text}"), 2, "'range'", "two increasing numbers, such as 0..255")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("0..15", ("--range 0..15 leaves values out", "0 to 16")),
        ("1..16", ("leaves values out",)),
        ("0..16.5", ("--range 0..16.5 has a fraction", "whole numbers")),
        ("0..4095", ("wider than uint8", "0 to 255")),
        ("-1..16", ("wider than uint8",)),
    ],
)
def test_a_range_that_does_not_suit_the_images_is_refused(cli, value, words):
    assert_refused(cli("data", "digits", f"--range={value}"), 2, *words)


def test_a_range_is_for_images(cli, tmp_path):
    (tmp_path / "a.csv").write_text("a,b\n1,2\n3,5\n", encoding="utf-8")
    assert_refused(cli("data", "a.csv", "--range", "0..5"), 2, "--range is for images")
    assert_refused(cli("data", "iris", "--range", "0..9"), 2, "--range is for images")
    with pytest.raises(ConfigError, match="--range is for images"):
        genzoo.train("gmm", data={"source": np.eye(4), "range": "0..1"})


def test_a_stated_range_reads_alike_in_every_form():
    for value in ("0..255", "0.0 .. 255.0", (0, 255), [0, 255]):
        assert DataSettings(source="digits", range=value).range == (0.0, 255.0)
    assert DataSettings(source="x", range="-1..1").range == (-1.0, 1.0)
    assert DataSettings.model_validate_json(DataSettings(source="x", range="0..9").model_dump_json()).range == (0, 9)
    assert read("digits", range="0..16", binarize=True).events.max() == 1
    assert np.array_equal(read("digits", range="0..20", binarize=True).events, digits().events > 10)


def test_a_stated_range_has_the_step_1(tmp_path):
    np.save(tmp_path / "a.npy", full(0, 15, np.uint8) * 17)
    assert read(tmp_path / "a.npy").spec.quantum == 17
    assert read(tmp_path / "a.npy", range="0..255").spec.quantum == 1


def test_masks_with_a_stated_range_are_levels(tmp_path):
    np.save(tmp_path / "a.npy", images(0, 1, np.uint8))
    found = read(tmp_path / "a.npy", range="0..255")
    assert (found.spec.bounds, found.spec.features[0].kind) == ((0, 255), "continuous")
    assert read(tmp_path / "a.npy", range="0..1").spec.features[0].kind == "binary"


def test_new_images_outside_the_range_are_an_error_not_clipped(cli, tmp_path):
    train = ("train", "gaussian", "--data", "digits", "-o", "training.max_iter=2", "--out", "run")
    assert cli(*train)[0] == 0
    for name, values, words in (
        ("a.npy", images(0, 17, np.uint8), ("in 0..16", "values from 0 to 17")),
        ("b.npy", images(-1, 16, np.int16), ("in 0..16", "values from -1 to 16")),
        ("c.npy", DIGITS[:5] / 16, ("values between the steps", "values from 0 to 1")),
    ):
        np.save(tmp_path / name, values)
        assert_refused(cli("score", "run", "--data", name), 4, *words)
    fitted = genzoo.load("run")
    with pytest.raises(DataError, match=r"trained on images in 0\.\.16.*values from 0 to 17"):
        fitted.log_prob_bound(images(0, 17, np.uint8)[:, None])
    dark = np.zeros((3, 8, 8), np.uint8)
    np.save(tmp_path / "d.npy", dark)
    assert cli("score", "run", "--data", "d.npy")[0] == 0
    np.save(tmp_path / "e.npy", DIGITS[:5] % 4)  # which alone would have the range 0..3
    code, out, _ = cli("score", "run", "--data", "e.npy")
    assert code == 0
    np.save(tmp_path / "f.npy", (DIGITS[:5] % 4).astype(np.uint8))
    assert cli("score", "run", "--data", "f.npy")[1].splitlines()[1:] == out.splitlines()[1:]


def test_samples_of_a_model_can_be_given_back_to_it(tmp_path):
    x = images(-0.7, 2.3, np.float32, n=400)
    run = genzoo.train("vae", data=x, training={"steps": 2}, precision="fp32", out=tmp_path / "run")
    samples = run.sample(20)
    assert samples.dtype == np.float32
    extremes = np.where(samples > samples.mean(), *np.float32(run.data.bounds)[::-1]).astype(np.float32)
    assert np.isfinite(run.encode(extremes)).all()


def test_measured_bounds_limit_samples_and_do_not_scale_rows():
    for values, bounds in (
        (images(-2.37, 3.81, np.float64), None),
        (images(0, 0.9, np.float64), (0, 1)),
        (images(-1024, 3071, np.int16), (-1100, 3100)),
        (DIGITS, (0, 16)),
    ):
        assert scaling_spec(array_dataset("x", values)).bounds == bounds
    stated = overrule_range(array_dataset("x", images(-2.37, 3.81, np.float64)), (-3.0, 4.0))
    assert scaling_spec(stated).bounds == (-3, 4)


@pytest.mark.parametrize(
    "values", [images(0, 16, np.uint8, n=120), images(0, 300, np.int16, n=120), images(-3, 9, np.float32, n=120)]
)
def test_an_earlier_run_keeps_the_range_it_was_trained_on(tmp_path, values):
    found = array_dataset("x", values)
    former = (0.0, 255.0) if values.dtype == np.uint8 else None
    before = dataclasses.replace(found, spec=dataclasses.replace(found.spec, bounds=former), range_from="declared")
    run = genzoo.train("dcgan", data=before, training={"steps": 1}, precision="fp32", out=tmp_path / "run")
    assert genzoo.resume(run.path, values, steps=2).data.bounds == former
    other = values.copy()
    other[0, 0, 0] = 1
    with pytest.raises(genzoo.GenzooError, match="trained on other data"):
        genzoo.resume(run.path, other, steps=3)


def test_an_earlier_run_on_a_file_opens_it_with_its_range(cli, tmp_path):
    np.save(tmp_path / "a.npy", DIGITS.astype(np.uint8))
    assert cli("train", "dcgan", "--data", "a.npy", "--steps", "2", "--range", "0..255", *FP32, "--out", "run")[0] == 0
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["data"]["range"] == [0, 255]
    del config["data"]["range"]  # as earlier versions wrote it
    (tmp_path / "run" / "config.json").write_text(json.dumps(config))
    run = genzoo.Run(tmp_path / "run")
    assert run.open_data().spec == run.data
    assert run.data.bounds == (0, 255)
    assert cli("train", "--resume", "run", "--steps", "3")[0] == 0
