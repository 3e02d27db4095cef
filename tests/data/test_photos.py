import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from genzoo import ConfigError, DataError
from genzoo.config.data import DataSettings
from genzoo.data.loading import open_dataset
from genzoo.data.readers.images import cache, folder
from genzoo.data.readers.images.files import Room
from genzoo.engine.resident import is_on_disk
from genzoo.plugins.manager import get_registry
from genzoo.runtime.threads import in_order

pytestmark = pytest.mark.usefixtures("in_a_shell")  # whose messages they check

RNG = np.random.default_rng(0)


def read(source, **settings):
    return open_dataset(DataSettings(source=str(source), **settings), get_registry())


def save(path, pixels):
    path.parent.mkdir(exist_ok=True, parents=True)
    Image.fromarray(pixels).save(path)


def test_crop_says_how_a_photograph_becomes_a_square(tmp_path):
    wide = np.zeros((8, 24), np.uint8)
    wide[:, 8:16] = 240
    save(tmp_path / "a.png", wide)
    save(tmp_path / "b.png", np.full((24, 8), 90, np.uint8))
    center, whole, padded = (read(tmp_path, size=8, crop=crop).events[:, 0] for crop in ("center", "none", "pad"))
    assert np.array_equal(center, read(tmp_path, size=8).events[:, 0]), "the default"
    assert (center[0] == 240).all()
    assert (center[1] == 90).all()
    assert (whole[0, :, :2] < 20).all()
    assert (whole[0, :, 3:5] > 220).all()
    assert (whole[1] == 90).all()
    assert not padded[0, :2].any()
    assert not padded[0, 5:].any()
    assert (padded[0, 2:5, 3:5] > 220).all()
    assert [(padded[1, row] == 90).sum() for row in range(8)] == [3] * 8


@pytest.mark.parametrize("crop", ["center", "none", "pad"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_small_image_has_the_mean_of_fine_stripes(tmp_path, crop, dtype):
    stripes = np.zeros((64, 64), dtype)
    stripes[:, ::2] = np.iinfo(dtype).max
    save(tmp_path / "a.tif", stripes)
    found = read(tmp_path, size=8, crop=crop).events[0, 0] / np.iinfo(dtype).max
    assert np.abs(found[:, 1:-1] - 0.5).max() < 0.02, "a filter without antialiasing keeps one of the two"


def test_what_is_done_to_odd_images_is_a_note(tmp_path):
    color = RNG.integers(0, 256, (12, 12, 3), dtype=np.uint8)
    Image.fromarray(color).convert("CMYK").save(tmp_path / "a.tif")
    ghost = Image.fromarray(color).convert("RGBA")
    ghost.save(tmp_path / "b.png")
    assert read(tmp_path).notes == ("CMYK images converted to RGB, without their color profile: 1",)
    ghost.putalpha(0)
    ghost.save(tmp_path / "b.png")
    Image.fromarray(color[:4]).quantize(8).save(tmp_path / "c.gif")
    found = read(tmp_path, size=8)
    assert (found.events[1] == 255).all()
    assert found.notes == (
        "images with transparent pixels, which are put on white: 1",
        "CMYK images converted to RGB, without their color profile: 1",
        "images smaller than the size they are resized to: 1",
    )


def test_a_crop_needs_a_size(tmp_path):
    save(tmp_path / "a.png", np.zeros((8, 8), np.uint8))
    with pytest.raises(ConfigError, match=r"--crop.*--size N"):
        read(tmp_path, crop="pad")
    with pytest.raises(
        ConfigError,
        match="--crop is for folders of images, tar files of images or Parquet files of images, and 'iris' is none",
    ):
        read("iris", crop="pad")


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """A folder of photographs that counts as large."""
    monkeypatch.setenv("GENZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(cache, "_LEAST_FILES", 3)
    for number in range(5):
        save(
            tmp_path / "photos" / "ab"[number % 2] / f"{number}.png", RNG.integers(0, 256, (12, 16, 3), dtype=np.uint8)
        )
    return tmp_path / "photos"


def fails(*_):
    raise AssertionError("an image was decoded again")


def kept(photos):
    return sorted((photos.parent / "cache" / "images").glob("*"))


def same(one, two):
    assert one.digest() == two.digest()
    assert np.array_equal(one.labels, two.labels)
    assert (one.label, one.notes, one.unreadable, one.skipped) == (two.label, two.notes, two.unreadable, two.skipped)


def test_a_folder_is_decoded_once(photos, monkeypatch):
    (photos / "broken.png").write_text("none", encoding="utf-8")
    alone = read(photos, size=8, skip_bad=True, cache=False)
    assert not kept(photos)
    first = read(photos, size=8, skip_bad=True)
    with pytest.raises(DataError, match=r"broken\.png cannot be read"):
        read(photos, size=8)
    monkeypatch.setattr(folder, "decode", fails)
    second = read(photos, size=8, skip_bad=True)
    for found in (first, second):
        same(found, alone)
        assert not is_on_disk(found.events), "the order of rows does not depend on the cache"
    second.events[0] = 0  # in memory only
    same(read(photos, size=8, skip_bad=True), alone)
    with pytest.raises(DataError, match=r"broken\.png cannot be read"):
        read(photos, size=8)
    for other in ({"size": 4}, {"color": "gray"}, {"crop": "none"}, {"range": (0, 300)}):
        with pytest.raises(AssertionError):
            read(photos, **{"size": 8, "skip_bad": True, **other})


def test_a_file_that_can_be_read_again_is_read(photos):
    whole = (photos / "a" / "0.png").read_bytes()
    stat = (photos / "a" / "0.png").stat()
    (photos / "a" / "0.png").write_bytes(bytes(len(whole)))
    assert len(read(photos, size=8, skip_bad=True)) == 4
    (photos / "a" / "0.png").write_bytes(whole)
    os.utime(photos / "a" / "0.png", ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert len(read(photos, size=8, skip_bad=True)) == 5


def change(photos):
    save(photos / "a" / "0.png", np.zeros((12, 16, 3), np.uint8))
    os.utime(photos / "a" / "0.png", (1, 1))


def add(photos):
    save(photos / "a" / "9.png", np.zeros((12, 16, 3), np.uint8))


def remove(photos):
    (photos / "a" / "2.png").unlink()


def flip_a_byte(photos):
    (images,) = (path for path in kept(photos) if path.suffix == ".npy")
    content = bytearray(images.read_bytes())
    content[-1] ^= 1
    images.write_bytes(content)


def cut(photos):
    for path in kept(photos):
        path.write_bytes(path.read_bytes()[:-40])


def empty(photos):
    for path in kept(photos):
        path.write_bytes(b"")


@pytest.mark.parametrize("spoil", [change, add, remove, flip_a_byte, cut, empty])
def test_a_stale_or_damaged_entry_is_decoded_again(photos, spoil, monkeypatch):
    read(photos, size=8)
    spoil(photos)
    fresh = read(photos, size=8, cache=False)
    same(read(photos, size=8), fresh)
    assert len(kept(photos)) == 2, "the new entry takes the place of the old one"
    monkeypatch.setattr(folder, "decode", fails)
    same(read(photos, size=8), fresh)


def test_without_room_for_the_cache_a_note_says_so(photos, monkeypatch):
    fresh = read(photos, size=8, cache=False)
    (photos.parent / "cache").write_text("a file", encoding="utf-8")
    found = read(photos, size=8)
    assert found.digest() == fresh.digest()
    assert "not kept for the next start, because" in " ".join(found.notes)
    (photos.parent / "cache").unlink()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("genzoo.storage.atomic.sync", full)
    found = read(photos, size=8)
    assert found.digest() == fresh.digest()
    assert "No space left on device" in " ".join(found.notes)
    assert not kept(photos)


def test_entries_that_nobody_used_for_a_month_are_removed(photos):
    read(photos, size=8)
    for path in kept(photos):
        os.utime(path, (1, 1))
    read(photos, size=4)
    assert len(kept(photos)) == 2
    assert read(photos, size=4).spec.event_shape == (3, 4, 4)


def test_two_processes_may_write_an_entry_at_once(photos):
    fresh = read(photos, size=8, cache=False)
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: read(photos, size=8), range(8)):
            same(found, fresh)


def test_results_of_threads_come_in_order_and_few_wait():
    begun = []

    def work(number):
        begun.append(number)
        if number == 40:
            raise KeyError(number)
        return number

    found = in_order(work, range(100), 8)
    assert [next(found) for _ in range(5)] == list(range(5))
    assert len(begun) <= 5 + 8
    with pytest.raises(KeyError):
        list(found)
    assert len(begun) <= 40 + 8 + 1


def test_pixels_wait_until_there_is_room_for_them():
    room, inside, most = Room(10), [], []

    def work(size):
        with room.taking(size):
            inside.append(size)
            most.append(sum(inside))
            inside.remove(size)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, [4, 6, 5, 3, 9] * 20))
    assert max(most) <= 10
    with room.taking(99):
        pass
