"""Events of several parts: what their spec answers, and how files hold it."""

import dataclasses
import json

import pytest
from pydantic import TypeAdapter, ValidationError

import genzoo
from genzoo import CompositeSpec, DataSpec, Feature
from genzoo.config.data_form import DataForm

IMAGE = DataSpec((1, 2, 3), "image", (Feature("pixel"),), (0.0, 16.0), 1.0, "uint8")
ROW = DataSpec((2,), "table", (Feature("size"), Feature("town", "categorical", ("ash", "birch", "cedar"))))
BOTH = CompositeSpec.of({"row": ROW, "image": IMAGE})
FORM = TypeAdapter(DataForm)


def test_no_order_of_the_parts_matters():
    assert CompositeSpec.of({"image": IMAGE, "row": ROW}) == BOTH
    assert list(BOTH.parts) == ["image", "row"]
    assert hash(BOTH) == hash(CompositeSpec.of({"image": IMAGE, "row": ROW}))


def test_it_answers_for_a_row_of_all_values():
    assert (BOTH.event_shape, BOTH.size) == ((8,), 8)
    assert [feature.name for feature in BOTH.features] == ["image", "row.size", "row.town"]
    assert BOTH.repeats == (6, 1, 1)
    assert BOTH.grids == (1.0, None, None)
    assert [feature.kind for feature in BOTH.places] == ["continuous"] * 7 + ["categorical"]
    assert [(piece.name, piece.places.start, piece.places.stop) for piece in BOTH.pieces] == [
        ("image", 0, 6),
        ("row", 6, 8),
    ]
    assert [BOTH.value_name(place) for place in (5, 7)] == ["pixel 5 of 'image'", "column 'town' of 'row'"]
    assert "'image' (image 1×2×3" in BOTH.describe()


def test_a_whole_event_is_its_only_part():
    (piece,) = IMAGE.pieces
    assert (piece.name, piece.spec) == ("", IMAGE)
    assert (IMAGE.repeats, ROW.repeats, IMAGE.grids, ROW.grids) == ((6,), (1, 1), (1.0,), (None, None))
    assert IMAGE.of_parts([ROW]) == ROW


def test_its_type_holds_the_values_of_all_parts():
    codes = DataSpec((1,), "table", (Feature("a", "binary", ("0", "1"), "int64"),), storage="float64")
    assert CompositeSpec.of({"image": IMAGE, "code": codes}).storage == "float32"
    assert CompositeSpec.of(
        {"image": IMAGE, "n": DataSpec((1,), "table", (Feature("n"),), storage="float64")}
    ).storage == ("float64")


def test_values_are_missing_if_those_of_a_part_are():
    holed = dataclasses.replace(ROW, missing=True)
    assert not BOTH.missing
    assert CompositeSpec.of({"row": holed}).missing
    assert dataclasses.replace(BOTH, missing=True).missing


def test_files_hold_it_and_give_it_back():
    given = CompositeSpec.of({"image": IMAGE, "row": ROW}, missing=True, condition=(Feature("age"),))
    text = FORM.dump_json(given)
    assert set(json.loads(text)) == {"parts", "missing", "condition"}
    assert FORM.validate_json(text) == given
    assert FORM.validate_json(FORM.dump_json(ROW)) == ROW


def changed(**content):
    return {"parts": BOTH.as_dict()["parts"], "missing": False, "condition": [], **content}


@pytest.mark.parametrize(
    "content",
    [
        changed(parts={}),
        changed(parts=[]),
        changed(parts={"a/b": ROW.as_dict()}),
        changed(parts={"": ROW.as_dict()}),
        changed(parts={"row": changed()}),
        changed(parts={"row": {**ROW.as_dict(), "more": 1}}),
        changed(parts={"row": 1}),
        changed(parts={"row": {**ROW.as_dict(), "condition": [{"name": "age"}]}}),
        changed(parts={f"p{number}": ROW.as_dict() for number in range(65)}),
        changed(missing=1),
        changed(condition=[{"name": 1}]),
        changed(event_shape=[2]),
        changed(parts={"image": {**IMAGE.as_dict(), "event_shape": [1, 2**13, 2**14]}}),
        changed(parts={f"p{number}": {**IMAGE.as_dict(), "event_shape": [1, 2**12, 2**13]} for number in range(3)}),
    ],
)
def test_strange_files_are_refused(content):
    with pytest.raises(ValidationError):
        FORM.validate_json(json.dumps(content))


@pytest.mark.parametrize("parts", [{}, {"no name": ROW}, {"a": BOTH}, {"a": 1}])
def test_impossible_parts_are_refused(parts):
    with pytest.raises(ValueError, match="part"):
        CompositeSpec.of(parts)


def test_map_events_knows_both_forms():
    assert genzoo.map_events(lambda x, y: x + y, {"a": 1, "b": 2}, {"b": 20, "a": 10}) == {"a": 11, "b": 22}
    assert genzoo.map_events(lambda x: x + 1, 1) == 2
