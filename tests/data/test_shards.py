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


def add(archive, name, content=b"", **about):
    member = tarfile.TarInfo(name)
    member.size = len(content)
    for key, value in about.items():
        setattr(member, key, value)
    archive.addfile(member, io.BytesIO(content))


def test_paths_outside_and_links_of_a_shard_are_only_names(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for number, folder in enumerate(("/etc", "../../etc")):
            add(archive, f"{folder}/{number}.png", picture(number)[1])
            add(archive, f"{folder}/{number}.cls", f"{1 - number}".encode())
        add(archive, "3.png", type=tarfile.SYMTYPE, linkname="/etc/passwd")
    found = read(tmp_path / "a.tar")
    assert np.array_equal(found.events[:, 0], [picture(number)[0] for number in range(2)])
    assert found.labels.tolist() == [1, 0]
    assert list(tmp_path.iterdir()) == [tmp_path / "a.tar"]


@pytest.mark.parametrize("case", ["gaps", "a long name", "a name of 2^60 letters", "two of one name"])
def test_a_shard_that_unpacks_to_any_size_is_damaged(tmp_path, case):
    gaps = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "0.png"}
    with tarfile.open(tmp_path / "a.tar", "w", format=tarfile.PAX_FORMAT) as archive:
        if case == "gaps":
            size = {"GNU.sparse.realsize": f"{2**40}"}
            add(archive, "0.png", b"1\n0\n1\n".ljust(512, b"\0") + b"x", pax_headers={**gaps, **size})
        if case == "a long name":
            add(archive, "a" * 100_000 + ".png", picture(0)[1])
        if case == "two of one name":
            for number in range(2):
                add(archive, "0.png", picture(number)[1])
    if case == "a name of 2^60 letters":
        header = tarfile.TarInfo("x")
        header.type, header.size = tarfile.GNUTYPE_LONGNAME, 2**60
        (tmp_path / "a.tar").write_bytes(header.tobuf(tarfile.GNU_FORMAT) + bytes(1024))
    with pytest.raises(DataError, match=r"a\.tar (is damaged|holds two files named 0\.png).*Write it again"):
        read(tmp_path / "a.tar")


def test_a_parquet_file_that_unpacks_to_any_size_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr("genzoo.data.readers.images.shards.HARMLESS", 2**20)
    images = pa.StructArray.from_arrays([pa.array([bytes(2**17)] * 40), pa.array(["a"] * 40)], ["bytes", "path"])
    path = tmp_path / "a.parquet"
    parquet.write_table(pa.table({"image": images}), path, compression="zstd", use_dictionary=False)
    assert path.stat().st_size < 2**17 / 4
    with pytest.raises(DataError, match="would unpack"):
        read(path)


def test_what_is_no_file_of_an_image_is_named(tmp_path):
    parquet.write_table(pa.table({"image": [{"bytes": 5, "path": "a.png"}], "x": [1.0]}), tmp_path / "a.parquet")
    with pytest.raises(DataError, match="which no model takes"):
        read(tmp_path / "a.parquet")
    parquet.write_table(pa.table({"image": [{"bytes": b"junk", "path": "a.png"}] * 2}), tmp_path / "b.parquet")
    with pytest.raises(DataError, match="row 0: its content is not an image"):
        read(tmp_path / "b.parquet")


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
