"""Images in tar files and in Parquet files, against the same images in a folder."""

import io
import json
import tarfile

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet

from genzoo import DataError
from genzoo.config.data import DataSettings
from genzoo.config.settings import validate
from genzoo.data.loading import open_dataset
from genzoo.plugins.manager import get_registry

pytestmark = pytest.mark.usefixtures("in_a_shell")  # whose messages they check

NAMES = ["cat", "dog", "owl"]


def read(source, **settings):
    return open_dataset(validate(DataSettings, {"source": str(source), **settings}, "Data"), get_registry())


def picture(number):
    pixels = np.random.default_rng(number).integers(0, 256, (6, 6), dtype=np.uint8)
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "PNG")
    return pixels, content.getvalue()


def write_tar(path, numbers, endings=("png", "cls", "json")):
    with tarfile.open(path, "w") as archive:
        for number in numbers:
            contents = {"png": picture(number)[1], "cls": f"{number % 3}".encode(), "json": b"{}"}
            for ending in endings:
                member = tarfile.TarInfo(f"{number:06d}.{ending}")
                member.size = len(contents[ending])
                archive.addfile(member, io.BytesIO(contents[ending]))


def write_parquet(path, numbers):
    rows = [{"image": {"bytes": picture(n)[1], "path": f"{n}.png"}, "label": n % 3} for n in numbers]
    about = {"info": {"features": {"label": {"names": NAMES, "_type": "ClassLabel"}}}}
    parquet.write_table(pa.Table.from_pylist(rows).replace_schema_metadata({"huggingface": json.dumps(about)}), path)


@pytest.mark.parametrize("write", [write_tar, write_parquet])
def test_images_of_several_files_are_those_of_the_samples(tmp_path, write):
    suffix = "tar" if write is write_tar else "parquet"
    for part in range(2):
        write(tmp_path / f"shard-{part:03d}.{suffix}", range(part * 10, part * 10 + 10))
    expected = np.stack([picture(number)[0] for number in range(20)])[:, None]
    for source in (tmp_path, f"{tmp_path}/shard-{{000..001}}.{suffix}"):
        found = read(source)
        assert np.array_equal(found.events, expected)
        assert found.labels.tolist() == [number % 3 for number in range(20)]
        assert found.label.levels == (("0", "1", "2") if suffix == "tar" else tuple(NAMES))
    one = read(tmp_path / f"shard-001.{suffix}", size=4)
    assert one.spec.event_shape == (1, 4, 4)


def test_the_class_may_stand_before_its_image_and_may_be_left_out(tmp_path):
    write_tar(tmp_path / "a.tar", range(6), ("cls", "json", "png"))
    assert read(tmp_path / "a.tar").labels.tolist() == [0, 1, 2, 0, 1, 2]
    write_tar(tmp_path / "b.tar", range(6), ("png",))
    assert read(tmp_path / "b.tar").labels is None


def test_a_truncated_or_empty_shard_is_named(tmp_path):
    write_tar(tmp_path / "a.tar", range(6))
    (tmp_path / "b.tar").write_bytes((tmp_path / "a.tar").read_bytes()[:5300])
    with pytest.raises(DataError, match=r"b\.tar is damaged.*Write it again"):
        read(tmp_path)
    write_tar(tmp_path / "b.tar", [])
    with pytest.raises(DataError, match=r"b\.tar holds no images"):
        read(tmp_path / "b.tar")


def test_an_image_that_cannot_be_read_is_named_or_left_out(tmp_path):
    rows = [{"image": {"bytes": picture(n)[1] if n != 3 else b"no image", "path": ""}} for n in range(6)]
    parquet.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"a\.parquet/row 3 cannot be read as an image.*--skip-bad"):
        read(tmp_path / "a.parquet")
    found = read(tmp_path / "a.parquet", skip_bad=True)
    assert (len(found), found.skipped) == (5, 1)
