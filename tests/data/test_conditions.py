"""Columns and labels as conditions: read, kept apart, matched again, and refused."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from genzoo.config.data import DataSettings
from genzoo.data.condition_transform import fit_condition
from genzoo.data.conditions import joint_dataset, joint_spec
from genzoo.data.loading import open_dataset
from genzoo.data.opening.given import matching_data
from genzoo.errors import ConfigError, DataError
from genzoo.plugins.manager import get_registry

TABLE = "a,size,color,b\n1,10,red,5\n2,20,blue,6\n3,30,red,7\n4,40,green,8\n"


def opened(source, **settings):
    return open_dataset(DataSettings(source=str(source), **settings), get_registry())


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(TABLE, encoding="utf-8")
    return path


def test_columns_of_a_file_become_conditions(table):
    dataset = opened(table, condition=["color", "size"])
    assert [feature.name for feature in dataset.spec.features] == ["a", "b"]
    assert [feature.name for feature in dataset.spec.condition] == ["color", "size"]
    levels = dataset.spec.condition[0].levels
    assert [levels[int(code)] for code in dataset.conditions[:, 0]] == ["red", "blue", "red", "green"]
    assert dataset.conditions[:, 1].tolist() == [10, 20, 30, 40]
    assert dataset.spec.condition_size == 4
    assert dataset.events.tolist() == [[1, 5], [2, 6], [3, 7], [4, 8]]


def test_a_condition_need_not_be_among_the_chosen_columns(table):
    dataset = opened(table, columns=["b"], condition=["color"])
    assert dataset.spec.event_shape == (1,)
    assert dataset.conditions.shape == (4, 1)


def test_a_column_can_be_label_and_condition(table):
    assert opened(table, label="color", condition=["color"]).labels.tolist() == ["red", "blue", "red", "green"]


def test_a_table_in_memory_has_the_conditions_of_its_file(table):
    here = matching_data({"source": pd.read_csv(table)}, opened(table, condition=["color"]).spec, get_registry())
    assert here.conditions[:, 0].tolist() == opened(table, condition=["color"]).conditions[:, 0].tolist()


@pytest.mark.parametrize(
    ("source", "name", "levels"), [("iris", "species", 3), ("iris", "label", 3), ("digits", "label", 10)]
)
def test_labels_of_built_in_data_can_be_conditions(source, name, levels):
    dataset = opened(source, condition=[name])
    assert [(one.name, len(one.levels)) for one in dataset.spec.condition] == [(name, levels)]
    assert (dataset.conditions[:, 0] == dataset.labels).all()


def test_folders_of_images_are_classes(tmp_path):
    for name in ("cats", "dogs"):
        (tmp_path / name).mkdir()
        for number in range(2):
            Image.new("L", (4, 4), 40 * number + 10).save(tmp_path / name / f"{number}.png")
    dataset = opened(tmp_path, condition=["label"])
    assert dataset.spec.condition[0].levels == ("cats", "dogs")
    assert dataset.conditions[:, 0].tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"condition": ["colour"]}, "Did you mean 'color'"),
        ({"condition": ["a", "b", "size", "color"]}, "every column is a condition"),
        ({"joint": True}, "columns that condition names"),
    ],
)
def test_conditions_that_are_none_are_refused(table, settings, said):
    with pytest.raises(ConfigError, match=said):
        opened(table, **settings)


def test_missing_conditions_are_refused_with_their_number(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,color\n1,red\n2,\n3,blue\n4,\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"2 rows \(1, 3\) have no 'color'.*drop_missing=True"):
        opened(path, condition=["color"])
    assert len(opened(path, condition=["color"], drop_missing=True)) == 2


def test_the_digest_depends_on_conditions_and_not_on_their_absence(table):
    dataset, plain = opened(table, condition=["color"]), opened(table, drop=["color"])
    other = dataclasses.replace(dataset, conditions=dataset.conditions[::-1].copy())
    assert len({dataset.digest(), other.digest(), plain.digest()}) == 3
    assert dataset.events.tolist() == plain.events.tolist()
    assert "condition" not in repr(plain.spec)  # digests of earlier runs hold


def test_a_file_too_large_for_memory_keeps_its_events_there(tmp_path):
    values = np.arange(40.0).reshape(10, 4)
    np.save(tmp_path / "x.npy", values)
    dataset = opened(tmp_path / "x.npy", condition=["x1"])
    assert not isinstance(dataset.events, np.ndarray)
    assert dataset.events[3:5].tolist() == values[3:5][:, [0, 2, 3]].tolist()
    assert dataset.events[np.array([7, 1])].tolist() == values[[7, 1]][:, [0, 2, 3]].tolist()
    assert dataset.conditions[:, 0].tolist() == values[:, 1].tolist()


def test_joint_data_hold_conditions_as_last_columns(table):
    joint = opened(table, condition=["size"], joint=True)
    apart = opened(table, condition=["size"])
    assert joint.spec == joint_spec(apart.spec)
    assert joint.digest() == joint_dataset(apart).digest()
    assert [feature.name for feature in joint.spec.features] == ["a", "color", "b", "size"]


def test_new_data_may_name_conditions_in_any_order(table, tmp_path):
    spec = opened(table, condition=["color"]).spec
    new = tmp_path / "new.csv"
    new.write_text("color,b,size,a\ngreen,8,40,4\nred,5,10,1\n", encoding="utf-8")
    found = matching_data(str(new), spec, get_registry())
    assert found.events.tolist() == [[4, 40, 8], [1, 10, 5]]
    assert [spec.condition[0].levels[int(code)] for code in found.conditions[:, 0]] == ["green", "red"]
    with pytest.raises(DataError, match="no column 'color'"):
        matching_data(pd.read_csv(new).drop(columns="color"), spec, get_registry())
    with pytest.raises(ConfigError, match="is for training"):
        matching_data({"source": str(new), "condition": ["color"]}, spec, get_registry())


def test_conditions_become_one_hot_and_standardized(table):
    dataset = opened(table, condition=["color", "size"])
    transform = fit_condition(dataset, np.arange(3))  # sizes 10, 20, 30; green is in no training row
    mapped = transform(torch.from_numpy(dataset.conditions))
    codes = torch.from_numpy(dataset.conditions[:, 0]).long()
    assert torch.equal(mapped[:, :3], torch.nn.functional.one_hot(codes, 3).double())
    assert mapped[:, 3].numpy() == pytest.approx((dataset.conditions[:, 1] - 20) / np.std([10, 20, 30]))


def test_categories_are_drawn_by_their_joint_counts():
    rows = pd.DataFrame({"x": range(100), "a": ["p"] * 60 + ["q"] * 40, "b": ["u"] * 30 + ["v"] * 30 + ["v"] * 40})
    dataset = matching_frame(rows)
    transform = fit_condition(dataset, np.arange(100))
    torch.manual_seed(0)
    drawn = transform.draw(20_000, {})
    shares = [np.mean((drawn == pair).all(axis=1)) for pair in ([0, 0], [0, 1], [1, 0], [1, 1])]
    assert shares == pytest.approx([0.3, 0.3, 0.0, 0.4], abs=0.015)
    assert (transform.draw(50, {1: 0.0})[:, 0] == 0).all()  # only p goes with u
    with pytest.raises(ConfigError, match="No training row has a=q, b=u"):
        fit_condition(matching_frame(rows.assign(c=rows.a)), np.arange(100)).draw(5, {0: 1.0, 1: 0.0})


def matching_frame(rows):
    from genzoo.data.frames.source import frame_dataset

    names = [name for name in rows.columns if name != "x"]
    return frame_dataset(rows, DataSettings(source="table", condition=names))


def test_numbers_must_be_given(table):
    transform = fit_condition(opened(table, condition=["size"]), np.arange(4))
    with pytest.raises(ConfigError, match=r"'size'.*given=\{'size': NUMBER\}"):
        transform.draw(3, {})
    assert transform.draw(3, {0: 12.5}).tolist() == [[12.5]] * 3


def test_labels_keep_their_name_beside_other_settings_of_tables():
    chosen = opened("iris", condition=["species"], drop=["petal width (cm)"])
    assert [feature.name for feature in chosen.spec.condition] == ["species"]
    assert chosen.spec.condition[0].levels[0] == "setosa"
    assert chosen.spec.event_shape == (3,)
