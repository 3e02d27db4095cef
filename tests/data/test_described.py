"""Images that a table describes: folders with metadata, and Parquet files with further columns."""

import io
import json

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet
from refusals import assert_refused

from genzoo import ConfigError, DataError
from genzoo.config.data import DataSettings
from genzoo.config.settings import validate
from genzoo.data.loading import open_dataset, open_matching
from genzoo.data.parts import arrays_of
from genzoo.plugins.manager import get_registry

pytestmark = pytest.mark.usefixtures("in_a_shell")  # whose messages they check

IMAGES = np.random.default_rng(0).integers(0, 256, (4, 5, 5), dtype=np.uint8)
NAMES = ["b.png", "deep/a.png", "d.png", "c.png"]
CAPTIONS = ["a hat", "a shoe", None, "a hat"]
COLUMNS = {"caption": CAPTIONS, "age": [1.5, 2.0, 3.25, 4.0], "height": [9.0, 7.5, 8.0, 6.0]}


def settings(source, **others):
    return validate(DataSettings, {"source": str(source), **others}, "Data")


def read(source, **others):
    return open_dataset(settings(source, **others), get_registry())


def png(pixels):
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "PNG")
    return content.getvalue()


def folder_of(path, names=NAMES, kind="csv"):
    for name, pixels in zip(NAMES, IMAGES, strict=True):
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(png(pixels))
    rows = [dict(zip(["file_name", *COLUMNS], row, strict=True)) for row in zip(names, *COLUMNS.values(), strict=True)]
    if kind == "csv":
        lines = [",".join(rows[0]), *(",".join("" if v is None else str(v) for v in row.values()) for row in rows)]
        (path / "metadata.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    else:
        (path / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def parquet_of(path, images=IMAGES, start=0, **others):
    stored = [None if image is None else {"bytes": png(image), "path": None} for image in images]
    kind = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    columns = {name: values[start : start + len(stored)] for name, values in COLUMNS.items()}
    parquet.write_table(pa.table({"image": pa.array(stored, kind), **columns, **others}), path)
    return path


def check_events(dataset):
    found = arrays_of(dataset.events[:], dataset.spec)
    assert np.array_equal(found["image"][:, 0], IMAGES)
    assert np.array_equal(found["traits"], np.stack([COLUMNS["age"], COLUMNS["height"]], 1))
    levels = dataset.spec.parts["caption"].features[0].levels
    assert [None if np.isnan(v) else levels[int(v)] for v in found["caption"]] == CAPTIONS


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_each_line_of_a_folders_table_is_an_event(tmp_path, kind):
    dataset = read(folder_of(tmp_path / "photos", kind=kind), parts="image,caption,traits=age+height")
    assert dataset.name == "photos"
    check_events(dataset)


def test_rows_of_parquet_files_are_events(tmp_path):
    parquet_of(tmp_path / "0.parquet", IMAGES[:3])
    parquet_of(tmp_path / "1.parquet", IMAGES[3:], start=3)
    check_events(read(tmp_path / "*.parquet", parts="image,caption,traits=age+height"))
    one = read(parquet_of(tmp_path / "2.parquet"), parts="photo=image,age")
    assert sorted(one.spec.parts) == ["age", "photo"]


def test_class_labels_of_hugging_face_get_their_names(tmp_path):
    path = parquet_of(tmp_path / "a.parquet", label=pa.array([1, 0, 1, 1]))
    about = {"info": {"features": {"label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}}}
    table = parquet.read_table(path).replace_schema_metadata({"huggingface": json.dumps(about)})
    parquet.write_table(table, path)
    dataset = read(path, parts="image,label")
    assert arrays_of(dataset.events[:], dataset.spec)["label"].tolist() == ["dog", "cat", "dog", "dog"]


def test_two_images_of_a_row_are_two_parts(tmp_path):
    path = folder_of(tmp_path / "pairs")
    (path / "metadata.csv").write_text("left_file_name,right_file_name\nb.png,c.png\nd.png,deep/a.png\n")
    found = read(path, parts="left,right")
    arrays = arrays_of(found.events[:], found.spec)
    assert np.array_equal(arrays["left"][:, 0], IMAGES[[0, 2]])
    assert np.array_equal(arrays["right"][:, 0], IMAGES[[3, 1]])


def test_a_row_without_an_image_lacks_this_part(tmp_path):
    for dataset in (
        read(folder_of(tmp_path / "photos", ["b.png", "", "d.png", "c.png"]), parts="image,age", skip_bad=True),
        read(parquet_of(tmp_path / "a.parquet", [IMAGES[0], None, *IMAGES[2:]]), parts="image,age"),
    ):
        images = dataset.spec.pieces[1].take(dataset.events[:])
        assert np.isnan(images).all((1, 2, 3)).tolist() == [False, True, False, False]
        assert np.array_equal(images[2, 0], IMAGES[2])
        assert dataset.spec.missing


@pytest.fixture
def faulty(tmp_path):
    path = folder_of(tmp_path / "photos", ["b.png", "gone.png", "../c.png", "c.png"])
    (path / "c.png").write_bytes(b"no image")
    Image.fromarray(IMAGES[0]).save(path / "b.png", save_all=True, append_images=[Image.fromarray(IMAGES[1])])
    return path


@pytest.mark.once
def test_all_faults_of_a_folder_are_listed_once(faulty, cli):
    result = cli("train", "mvae", "--data", faulty, "--parts", "image,age", "--steps", 1)
    faults = ("'gone.png', which is no file", "'../c.png', which lies outside", "'c.png' cannot be read as an image")
    files = ("'d.png' has no line", "'deep/a.png' has no line")
    assert_refused(result, 4, *faults, *files, "'b.png' holds several images", "--skip-bad")
    said = " ".join(result[2].split())
    assert all(said.count(fault) == 1 for fault in (*faults, *files))


def test_faulty_rows_are_left_out_if_you_say_so(tmp_path):
    path = folder_of(tmp_path / "photos", ["b.png", "gone.png", "d.png", "c.png"])
    dataset = read(path, parts="image,age", skip_bad=True)
    found = arrays_of(dataset.events[:], dataset.spec)
    assert np.array_equal(found["image"][:, 0], IMAGES[[0, 2, 3]])
    assert found["age"].tolist() == [1.5, 3.25, 4.0]
    assert dataset.skipped == 2, "a line without its file, and a file without its line"


@pytest.mark.parametrize(
    ("others", "says"),
    [
        ({"parts": "image,captoin"}, "no column 'captoin'. Did you mean 'caption'"),
        ({"parts": "image,age,age"}, "'age' twice"),
        ({"parts": "image,row=image+age"}, "images and sounds are parts of their own"),
        ({"parts": "image,age", "columns": "age"}, "not for events of several parts"),
        ({"parts": "image,age", "label": "colour"}, "no such column"),
    ],
)
def test_a_setting_that_does_not_fit_the_table_is_an_error(tmp_path, others, says):
    with pytest.raises(ConfigError, match=says):
        read(folder_of(tmp_path / "photos"), **others)


def test_a_table_that_names_no_files_is_an_error(tmp_path):
    path = folder_of(tmp_path / "photos")
    (path / "metadata.csv").write_text("name,age\nb.png,1\n")
    with pytest.raises(DataError, match="no column 'file_name'"):
        read(path, parts="image,age")


def test_labels_are_for_reports_alone(tmp_path):
    dataset = read(folder_of(tmp_path / "photos"), parts="image,age", label="height")
    assert [dataset.label.levels[code] for code in dataset.labels] == ["9.0", "7.5", "8.0", "6.0"]
    assert sorted(dataset.spec.parts) == ["age", "image"]


def test_new_rows_are_matched_to_the_parts_of_a_model(tmp_path):
    trained = read(folder_of(tmp_path / "photos"), parts="image,caption,traits=age+height").spec
    whole = open_matching(settings(parquet_of(tmp_path / "a.parquet")), trained, get_registry())
    check_events(whole)
    lacking = open_matching(settings(tmp_path / "photos", parts="caption"), trained, get_registry())
    assert np.isnan(trained.pieces[1].take(lacking.events[:])).all()


def test_without_parts_the_folder_holds_images(tmp_path):
    dataset = read(folder_of(tmp_path / "photos"))
    assert dataset.spec.modality == "image"
    assert any("--parts image,COL" in note for note in dataset.notes)
