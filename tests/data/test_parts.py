"""Data of several parts: dicts of arrays and `.npz` files in, rows of all values inside, dicts of arrays out."""

import numpy as np
import pytest

import genzoo
from genzoo.config.data import DataSettings
from genzoo.data.inspect import inspect
from genzoo.data.loading import open_dataset, open_matching
from genzoo.data.opening.given import given_data, matching_data
from genzoo.data.parts import arrays_of, match_events, rows_of
from genzoo.errors import ConfigError, DataError
from genzoo.plugins.manager import get_registry

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 17, (40, 5, 4)).astype(np.uint8)
NAMES = np.array(["ash", "birch", "cedar", "ash"] * 10)
SIZES = RNG.normal(size=40)
TABLE = RNG.normal(size=(40, 2))
PARTS = {"image": IMAGES, "name": NAMES, "size": SIZES, "table": TABLE}


def opened(parts=PARTS, **settings):
    dataset, _ = given_data({"source": parts, **settings} if settings else parts)
    return dataset


def test_each_array_is_a_part_in_any_order():
    dataset = opened()
    parts = dataset.spec.parts
    assert parts["image"].event_shape == (1, 5, 4)
    assert parts["image"].bounds == (0.0, 16.0)
    assert parts["name"].features[0].levels == ("ash", "birch", "cedar")
    assert [part.size for part in parts.values()] == [20, 1, 1, 2]
    assert dataset.digest() == opened(dict(reversed(PARTS.items()))).digest()


def test_arrays_come_back_as_they_were():
    dataset = opened()
    back = arrays_of(dataset.events, dataset.spec)
    assert np.array_equal(back["image"][:, 0], IMAGES)
    assert back["image"].dtype == np.uint8
    for name in ("name", "size", "table"):
        assert np.array_equal(back[name], PARTS[name]), name
    again = rows_of({**back, "image": IMAGES}, dataset.spec)
    assert np.array_equal(again, dataset.events)


def test_whole_numbers_are_categories_if_you_say_so():
    labels = np.arange(40) % 10
    spec = opened({"image": IMAGES, "label": labels}, kinds={"label": "categorical"}).spec
    assert spec.parts["label"].features[0].levels == tuple(map(str, range(10)))
    assert arrays_of(np.zeros((1, 21)), spec)["label"].dtype == np.int64
    kinds = opened({"image": IMAGES, "table": np.stack([labels, labels], 1)}, kinds={"table.x1": "count"}).spec
    assert [feature.kind for feature in kinds.features] == ["continuous", "continuous", "count"]


def test_parts_and_columns_of_parts_can_be_left_out():
    dataset = opened(drop=["name", "table.x0"])
    assert [feature.name for feature in dataset.spec.features] == ["image", "size", "table"]
    assert np.array_equal(arrays_of(dataset.events, dataset.spec)["table"], TABLE[:, 1])


def test_lists_are_parts_too():
    dataset = opened({"image": IMAGES.tolist(), "name": NAMES.tolist(), "label": SIZES.tolist()})
    assert [part.size for part in dataset.spec.parts.values()] == [20, 1, 1]


def test_settings_of_images_are_for_the_parts_that_are_images():
    assert opened(binarize=True).spec.parts["image"].features[0].kind == "binary"
    assert opened(range=(0, 255)).spec.parts["image"].bounds == (0.0, 255.0)


def test_parts_may_be_missing_whole():
    images = IMAGES.astype(float)
    images[::3] = np.nan
    names = NAMES.astype(object)
    names[1::3] = None
    dataset = opened({"image": images, "name": names})
    assert dataset.spec.missing
    assert np.isnan(dataset.events[0, :20]).all()
    assert np.isnan(dataset.events[1, 20])
    assert not dataset.spec.parts["image"].missing
    images[1, 0, 0] = np.nan
    with pytest.raises(DataError, match="nan"):
        opened({"image": images, "name": names})


def test_a_file_of_arrays_holds_parts_if_they_are_named(tmp_path):
    np.savez(tmp_path / "a.npz", x=IMAGES, y=NAMES, z=SIZES)
    zoo = get_registry()
    usual = open_dataset(DataSettings(source=str(tmp_path / "a.npz")), zoo)
    assert usual.spec.modality == "image", "x and y are events and labels, as ever"
    parts = open_dataset(DataSettings(source=str(tmp_path / "a.npz"), parts="x,y"), zoo)
    assert list(parts.spec.parts) == ["x", "y"]
    again = open_matching(DataSettings(source=str(tmp_path / "a.npz")), parts.spec, zoo)
    assert np.array_equal(again.events, parts.events), "a model knows the names of its parts"
    with pytest.raises(ConfigError, match="no array 'image'"):
        open_dataset(DataSettings(source=str(tmp_path / "a.npz"), parts=("image",)), zoo)
    np.save(tmp_path / "a.npy", IMAGES)
    with pytest.raises(ConfigError, match="parts"):
        open_dataset(DataSettings(source=str(tmp_path / "a.npy"), parts=("image",)), zoo)


def test_a_file_of_several_wide_arrays_says_how_to_name_parts(tmp_path):
    np.savez(tmp_path / "a.npz", image=IMAGES, table=TABLE)
    with pytest.raises(DataError, match="parts="):
        open_dataset(DataSettings(source=str(tmp_path / "a.npz")), get_registry())


@pytest.mark.parametrize(
    ("parts", "settings", "message"),
    [
        ({"image": IMAGES, "size": SIZES[:3]}, {}, "'size' 3"),
        ({"image": IMAGES, "no name": SIZES}, {}, "no name of a part"),
        (PARTS, {"label": "name"}, "label"),
        (PARTS, {"drop": ["nam"]}, "Did you mean 'name'"),
        (PARTS, {"drop": list(PARTS)}, "no part"),
        ({"image": IMAGES[:0], "size": SIZES[:0]}, {}, "no events"),
        ({"image": IMAGES, "size": 3}, {}, "value for each event, and is 3"),
        ({"image": IMAGES, "size": np.array(3)}, {}, "value for each event, and is 3"),
        ({"image": IMAGES, "size": None}, {}, "value for each event, and is None"),
        ({"image": IMAGES, "size": [[1], [2, 3]]}, {}, "'size' is no array"),
        ({"image": IMAGES, 1: SIZES}, {}, "1 is no name of a part"),
        ({"image": IMAGES, "names": NAMES[:, None]}, {}, "Make each column of texts a part"),
        ({"image": IMAGES, "size": np.full(40, np.nan)}, {}, "Part 'size' is missing in every event"),
        (PARTS, {"kinds": {"nam": "categorical"}}, "Did you mean 'name'"),
        ({"size": SIZES}, {"binarize": True}, "no part holds any"),
        ({"image": IMAGES, "odd": np.array([object()] * 40)}, {}, "'odd'"),
        ({"image": np.full((40, 5, 4), np.nan), "size": SIZES}, {}, "missing in every event"),
    ],
)
def test_what_cannot_be_parts_is_an_error(parts, settings, message):
    with pytest.raises((ConfigError, DataError), match=message):
        opened(parts, **settings)


def test_new_events_must_have_the_parts_of_training():
    spec = opened().spec
    with pytest.raises(DataError, match="have the parts 'image'"):
        rows_of({"image": IMAGES}, spec)
    with pytest.raises(DataError, match="'table' was trained with the shape"):
        rows_of({**PARTS, "table": TABLE[:, :1]}, spec)
    with pytest.raises(DataError, match="elm"):
        rows_of({**PARTS, "name": np.array(["elm"] * 40)}, spec)
    rows = rows_of({**PARTS, "image": None}, spec)
    assert np.isnan(rows[:, :20]).all()
    with pytest.raises(DataError, match="trained on"):
        match_events(opened({"image": IMAGES, "size": SIZES}), spec)


def test_new_events_may_lack_a_part(tmp_path):
    spec, zoo = opened().spec, get_registry()
    rows = rows_of({**PARTS, "name": None}, spec)
    for gone in (None, [None] * 40, np.full(40, np.nan)):
        found = matching_data({**PARTS, "name": gone}, spec, zoo)
        assert found.spec.missing
        assert np.array_equal(found.events, rows, equal_nan=True)
    np.savez(tmp_path / "a.npz", **{name: array for name, array in PARTS.items() if name != "name"})
    with pytest.raises(ConfigError, match="no array 'name'"):
        open_matching(DataSettings(source=str(tmp_path / "a.npz")), spec, zoo)
    stated = DataSettings(source=str(tmp_path / "a.npz"), parts="image,size,table")
    assert np.array_equal(open_matching(stated, spec, zoo).events, rows, equal_nan=True)
    with pytest.raises(DataError, match="no part"):
        rows_of(dict.fromkeys(PARTS), spec)


def test_no_events_are_no_rows():
    assert rows_of({name: array[:0] for name, array in PARTS.items()}, opened().spec).shape == (0, 24)


def test_categories_of_new_events_get_the_codes_of_training():
    spec = opened({"image": IMAGES, "name": NAMES}).spec
    found = matching_data({"image": IMAGES, "name": np.array(["cedar"] * 40)}, spec, get_registry())
    assert set(found.events[:, 20]) == {2.0}


def test_the_list_of_data_describes_each_part():
    found = inspect(opened())
    assert [line.partition(":")[0] for line in found.facts["parts"]] == ["image", "name", "size", "table"]
    assert "1 categorical" in found.facts["parts"][1]


def test_digits_with_labels_are_built_in():
    dataset = open_dataset(DataSettings(source="labeled-digits"), get_registry())
    back = arrays_of(dataset.events[:3], dataset.spec)
    assert back["label"].tolist() == [0, 1, 2]
    assert genzoo.Dataset is type(dataset)
