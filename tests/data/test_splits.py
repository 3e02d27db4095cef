"""Which rows are held out: groups, order, equal rows; against scikit-learn, pandas and plain Python."""

import json
import re
import time

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pydantic import ValidationError
from sklearn.model_selection import GroupKFold, GroupShuffleSplit, KFold, TimeSeriesSplit

import genzoo
from genzoo.comparison.splits import SplitPlan
from genzoo.config.data import DataSettings, SplitSettings
from genzoo.data.loading import open_dataset
from genzoo.data.opening.given import given_data
from genzoo.data.readers.numpy_files import array_dataset
from genzoo.data.splits.dividers import InOrder, RandomRows, WholeGroups
from genzoo.data.splits.duplicates import repeated, row_keys, same_rows
from genzoo.data.splits.given import given_split
from genzoo.data.splits.groups import groups_of, joined
from genzoo.data.splits.notes import count_repeats, split_notes
from genzoo.errors import ConfigError, DataError
from genzoo.plugins.manager import get_registry
from genzoo.runtime.seeding import derive

pytestmark = pytest.mark.usefixtures("in_a_shell")  # whose messages they check


def groups_like(seed, rows=1000, groups=60):
    """Groups of very different sizes."""
    rng = np.random.default_rng(seed)
    return rng.choice(rng.integers(0, 10**6, groups), rows, p=rng.dirichlet(np.full(groups, 0.5)))


def dataset_with(**more):
    rows = len(next(iter(more.values())))
    x = np.random.default_rng(3).normal(size=(rows, 2))
    return genzoo.Dataset("x", array_dataset("x", x).spec, x, **more)


def parts_of(split):
    return split.train, split.validation, split.test


def assert_partition(parts, count):
    assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(count))
    assert all((np.diff(part) > 0).all() for part in parts)


# Groups


@pytest.mark.parametrize("seed", range(20))
def test_no_group_stands_on_two_sides_and_sizes_are_near(seed):
    groups = groups_like(seed)
    split = dataset_with(groups=groups).split(SplitSettings(validation=0.2, test=0.25), seed)
    assert_partition(parts_of(split), 1000)
    sides = [set(groups[part]) for part in parts_of(split)]
    assert not (sides[0] & sides[1])
    assert not (sides[0] & sides[2])
    assert not (sides[1] & sides[2])
    # The greedy choice misses by at most half the smallest group it left out, so the usual choice, which takes a share
    # of the groups and not of the rows, misses by more on average.
    theirs = [abs(len(test) - 250) for _, test in GroupShuffleSplit(20, test_size=0.25).split(groups, groups=groups)]
    ours = [
        abs(len(dataset_with(groups=groups).split(SplitSettings(test=0.25), other).test) - 250) for other in range(20)
    ]
    assert np.mean(ours) < np.mean(theirs)


def test_groups_of_one_size_meet_the_fractions_exactly():
    groups = np.random.default_rng(0).permutation(np.arange(1000) // 5)
    split = dataset_with(groups=groups).split(SplitSettings(validation=0.1, test=0.3), 0)
    assert [len(part) for part in parts_of(split)] == [600, 100, 300]


@pytest.mark.parametrize("seed", range(10))
def test_one_group_with_most_rows_leaves_others_in_every_part(seed):
    groups = np.random.default_rng(seed).permutation(np.concatenate([np.zeros(900, int), 1 + np.arange(100) // 3]))
    split = dataset_with(groups=groups).split(SplitSettings(), seed)
    found = [set(groups[part]) for part in parts_of(split)]
    assert 0 in found[0]
    assert min(map(len, found)) >= 7
    assert 40 <= len(split.test) <= 60


def test_the_seed_decides_which_groups_are_held_out():
    data = dataset_with(groups=groups_like(0))
    one, again, other = (data.split(SplitSettings(), seed).test for seed in (0, 0, 1))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)


def test_every_group_is_held_out_equally_often():
    data = dataset_with(groups=np.arange(400) // 20)
    counts = sum(
        np.bincount(data.split(SplitSettings(test=0.25), seed).test // 20, minlength=20) for seed in range(400)
    )
    assert np.abs(counts / 20 / 400 - 0.25).max() < 5 * np.sqrt(0.25 * 0.75 / 400)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("folds", [2, 5, 10])
def test_folds_of_groups_are_as_even_as_those_of_scikit_learn(seed, folds):
    groups = groups_like(seed)
    fold = WholeGroups(groups).folds(np.arange(1000), folds, np.random.default_rng(seed))
    theirs = [len(test) for _, test in GroupKFold(folds).split(groups, groups=groups)]
    assert sorted(np.bincount(fold, minlength=folds)) == sorted(theirs)
    assert all(len(set(fold[groups == name])) == 1 for name in set(groups))


def test_validation_rows_of_a_fold_share_no_group_with_its_others():
    groups = groups_like(4)
    plan = SplitPlan.of(dataset_with(groups=groups), SplitSettings(), 0, 4)
    for number in range(4):
        split = plan.without(number, watched=True)
        sides = [set(groups[part]) for part in parts_of(split)]
        assert_partition(parts_of(split), 1000)
        assert all(sides)
        assert len(set.union(*sides)) == sum(map(len, sides))


@pytest.mark.parametrize("method", ["random", "contiguous"])
@pytest.mark.parametrize("seed", range(10))
def test_rows_of_the_test_set_do_not_depend_on_validation_rows(method, seed):
    rng = np.random.default_rng(seed)
    groups = rng.choice(3, 30, p=[0.1, 0.1, 0.8])
    groups[:3] = 0, 1, 2
    data = dataset_with(**({"groups": groups} if method == "random" else {"weights": np.ones(30)}))
    plan = SplitPlan.of(data, SplitSettings(method=method), seed, 0)
    one, other = (plan.split(everything=False, watched=watched) for watched in (True, False))
    assert np.array_equal(one.test, other.test)
    assert len(one.train)
    assert len(one.validation)
    assert len(one.test)


@pytest.mark.parametrize(("groups", "settings", "least"), [(2, {}, 3), (1, {"validation": 0.0}, 2)])
def test_too_few_groups_are_named_with_what_they_are_too_few_for(groups, settings, least):
    data = dataset_with(groups=np.arange(40) % groups)
    with pytest.raises(DataError, match=f"only {groups} group.*need at least {least}") as refused:
        data.split(SplitSettings(**settings), 0)
    assert "\n" not in str(refused.value)


def test_more_folds_than_groups_are_an_error_about_folds():
    with pytest.raises(ConfigError, match=r"--folds 5 is not possible.*only 4 groups"):
        SplitPlan.of(dataset_with(groups=np.arange(40) % 4), SplitSettings(), 0, 5)


def test_several_columns_join_rows_that_share_a_value_in_any():
    rng = np.random.default_rng(5)
    columns = [rng.integers(0, 400, 500), rng.integers(0, 400, 500), rng.integers(0, 900, 500)]
    found = joined(joined(columns[0], columns[1]), columns[2])
    group = list(range(500))  # plain search for connected rows
    changed = True
    while changed:
        changed = False
        for column in columns:
            lowest = {}
            for row in range(500):
                lowest[column[row]] = min(lowest.get(column[row], row), group[row])
            for row in range(500):
                if group[row] != lowest[column[row]]:
                    group[row], changed = lowest[column[row]], True
    pairs = {(a, b) for a, b in zip(found.tolist(), group, strict=True)}
    assert len(pairs) == len(set(found.tolist())) == len(set(group)) > 20


@pytest.mark.parametrize(
    "values",
    [
        pa.array(["a", None, "b", "a", None]),
        pa.array([1.5, None, float("nan"), 1.5, 2.0]),
        pa.array(["a", None, "b", "a", None]).dictionary_encode(),
        pa.array([None] * 5),
        pa.array([True, False, True, None, None]),
    ],
    ids=lambda values: str(values.type)[:10],
)
def test_each_row_without_a_value_is_a_group_of_its_own(values):
    groups, gone = groups_of(pa.chunked_array([values.slice(0, 2), values.slice(2)]))
    texts = [None if v is None or v != v else v for v in values.to_pylist()]
    assert gone == texts.count(None)
    for i in range(5):
        for j in range(i):
            assert (groups[i] == groups[j]) == (texts[i] is not None and texts[i] == texts[j])


# Order


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("kind", ["int64", "float64", "datetime64[D]"])
def test_training_is_before_validation_is_before_test_in_time(seed, kind):
    rng = np.random.default_rng(seed)
    times = rng.integers(0, 40, 300).astype("int64").astype(kind)
    split = dataset_with(times=times).split(SplitSettings(method="time=when"), seed)
    assert_partition(parts_of(split), 300)
    train, validation, test = (times[part] for part in parts_of(split))
    assert train.max() < validation.min()
    assert validation.max() < test.min()
    cuts = [int((times >= when).sum()) for when in np.unique(times)]
    assert abs(len(test) - 45) == min(abs(cut - 45) for cut in cuts)
    assert abs(len(validation) - 45) == min(abs(cut - len(test) - 45) for cut in cuts if cut > len(test))


def test_contiguous_test_rows_are_those_of_a_time_series_split():
    split = dataset_with(weights=np.ones(200)).split(SplitSettings(validation=0.1, test=0.2, method="contiguous"), 7)
    ((train, test),) = list(TimeSeriesSplit(2, test_size=40).split(np.zeros(200)))[1:]
    assert np.array_equal(split.test, test)
    assert np.array_equal(np.concatenate([split.train, split.validation]), train)
    assert np.array_equal(split.validation, train[-20:])


@pytest.mark.parametrize("folds", [2, 5, 8])
def test_folds_of_ordered_rows_are_the_blocks_of_scikit_learn(folds):
    fold = InOrder().folds(np.arange(200), folds, np.random.default_rng(0))
    for number, (_, test) in enumerate(KFold(folds).split(np.zeros(200))):
        assert np.array_equal(np.flatnonzero(fold == number), test)


@pytest.mark.parametrize("folds", [2, 7, 12])
def test_folds_in_time_are_blocks_that_ties_do_not_cross(folds):
    times = np.random.default_rng(1).choice(12, 100, p=np.array([50, *[50 / 11] * 11]) / 100)
    fold = InOrder(times).folds(np.arange(100), folds, np.random.default_rng(0))
    assert set(fold) == set(range(folds))
    assert all(len(set(fold[times == when])) == 1 for when in range(12))
    assert (np.diff(fold[np.argsort(times, kind="stable")]) >= 0).all()


def test_more_folds_than_times_are_an_error_about_folds():
    with pytest.raises(ConfigError, match=r"--folds 6 is not possible.*only 5 times"):
        SplitPlan.of(dataset_with(times=np.arange(100) % 5), SplitSettings(method="time=t"), 0, 6)


def test_one_time_alone_cannot_be_divided():
    with pytest.raises(DataError, match="only 1 time"):
        dataset_with(times=np.zeros(10)).split(SplitSettings(method="time=t"), 0)


@pytest.mark.parametrize("grouped", [{"by": "shop"}, {"duplicates_together": True}])
@pytest.mark.parametrize("method", ["contiguous", "time=date"])
def test_groups_and_an_order_exclude_each_other(grouped, method):
    with pytest.raises(ValidationError, match="use one of the two"):
        SplitSettings(method=method, **grouped)


def test_groups_of_a_dataset_and_an_order_exclude_each_other():
    with pytest.raises(DataError, match="Use one of the two"):
        dataset_with(groups=np.arange(40) % 4).split(SplitSettings(method="contiguous"), 0)


# Random rows


def test_random_splits_and_folds_are_those_of_earlier_versions():
    plan = SplitPlan.of(dataset_with(weights=np.ones(101)), SplitSettings(validation=0.2, test=0.1), 5, 4)
    order = np.random.default_rng(5).permutation(101)
    split = plan.split(everything=False, watched=True)
    for part, wanted in zip(parts_of(split), (order[:71], order[71:91], order[91:]), strict=True):
        assert np.array_equal(part, np.sort(wanted))
    fold = np.empty(101, np.int64)
    fold[np.random.default_rng(derive(5, "folds")).permutation(101)] = np.arange(101) * 4 // 101
    assert np.array_equal(plan.fold, fold)
    train = np.flatnonzero(fold != 2)
    order = np.random.default_rng(derive(5, "watched", 2)).permutation(len(train))
    count = round(0.2 * len(train))
    split = plan.without(2, watched=True)
    assert np.array_equal(split.train, np.sort(train[order[count:]]))
    assert np.array_equal(split.validation, np.sort(train[order[:count]]))
    assert isinstance(plan.divider, RandomRows)


# Equal rows


@pytest.mark.parametrize("dtype", ["float64", "float32", "int64", "uint8"])
@pytest.mark.parametrize("width", [1, 3, 13])
def test_equal_rows_are_those_of_pandas(dtype, width):
    rng = np.random.default_rng(width)
    rows = rng.integers(0, 3, (4000, width)).astype(dtype)
    if np.dtype(dtype).kind == "f":
        rows[rng.random(rows.shape) < 0.1] = np.nan
        rows[rng.random(rows.shape) < 0.1] *= -1  # also -0
    same = same_rows(rows)
    frame = pd.DataFrame(rows)
    assert repeated(row_keys(rows)) == frame.duplicated().sum()
    theirs = frame.groupby(list(frame.columns), dropna=False, sort=False).ngroup().to_numpy()
    pairs = set(zip(same.tolist(), theirs.tolist(), strict=True))
    assert len(pairs) == len(set(same.tolist())) == len(set(theirs.tolist()))


def test_rows_that_differ_by_order_or_by_one_bit_are_not_equal():
    one = np.nextafter(1.0, 2.0)
    rows = np.array([[0.0, 1.0], [1.0, 0.0], [0.0, one], [one, 0.0], [1.0, 1.0], [one, one]])
    assert len(set(same_rows(rows).tolist())) == 6


def test_equal_images_are_found_across_blocks():
    images = np.random.default_rng(0).integers(0, 256, (3000, 1, 60, 60), np.uint8)  # three blocks
    images[2999] = images[0]
    same = same_rows(images)
    assert repeated(row_keys(images)) == 1
    assert same[2999] == same[0]


def test_a_million_rows_of_twelve_numbers_take_about_a_second():
    rows = np.random.default_rng(0).normal(size=(10**6, 12))
    begun = time.process_time()
    assert repeated(same_rows(rows)) == 0
    assert time.process_time() - begun < 3


def test_equal_rows_on_both_sides_are_counted_as_pandas_counts_them():
    rows = np.random.default_rng(0).integers(0, 12, (600, 2)).astype(float)
    data = genzoo.Dataset("x", array_dataset("x", rows).spec, rows)
    split = data.split(SplitSettings(), 0)
    found = count_repeats(data, split)
    frame = pd.DataFrame(rows)
    assert found.rows == frame.duplicated().sum()
    for part, count in ((split.validation, found.validation), (split.test, found.test)):
        joint = frame.iloc[part].merge(frame.iloc[split.train].drop_duplicates(), how="inner")
        assert count == len(joint) > 0


def test_equal_rows_stay_together_if_asked_and_fractions_are_met():
    rows = np.random.default_rng(0).integers(0, 12, (600, 2)).astype(float)
    data = genzoo.Dataset("x", array_dataset("x", rows).spec, rows)
    split = data.split(SplitSettings(duplicates_together=True), 0)
    found = count_repeats(data, split)
    assert (found.validation, found.test) == (0, 0)
    assert [len(part) for part in parts_of(split)] == [420, 90, 90]
    assert split_notes(data, split, SplitSettings(duplicates_together=True)) == [
        f"{found.rows} of 600 rows repeat an earlier row exactly, none on both sides of the split"
    ]


def test_equal_rows_and_groups_stay_together_at_once():
    rows = np.arange(40.0).reshape(20, 2)
    rows[19] = rows[0]
    groups = np.arange(20) // 2
    for seed in range(20):
        data = genzoo.Dataset("x", array_dataset("x", rows).spec, rows, groups=groups)
        split = data.split(SplitSettings(duplicates_together=True), seed)
        assert any({0, 1, 18, 19} <= set(part.tolist()) for part in parts_of(split))


def test_repeats_of_a_table_of_categories_are_no_remark():
    frame = pd.DataFrame({"a": ["x", "y"] * 50, "b": ["u", "v"] * 50})
    data, _ = given_data(frame)
    assert split_notes(data, data.split(SplitSettings(), 0), SplitSettings()) == []


def test_own_test_rows_stay_the_test_set_and_their_repeats_are_said():
    rows = np.arange(200.0).reshape(100, 2)
    rows[90:93] = rows[:3]
    data = genzoo.Dataset("x", array_dataset("x", rows).spec, rows, test_rows=10, groups=np.arange(100) % 30)
    settings = SplitSettings(validation=0.0, duplicates_together=True)
    split = data.split(settings, 0)
    assert split.test.tolist() == list(range(90, 100))
    notes = split_notes(data, split, settings)
    assert "10 groups of the data's own test rows also have training or validation rows" in notes
    assert "3 of 100 rows repeat an earlier row exactly; 3 of 10 test rows also stand in the training rows" in notes


# Reading


@pytest.fixture
def sales(tmp_path, monkeypatch):
    """A table of sales by shop and date, as a file in the current folder."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    days = pd.date_range("2021-01-01", periods=50).repeat(4)
    frame = pd.DataFrame(
        {"date": days.strftime("%Y-%m-%d"), "shop": [f"{n:03d}" for n in rng.integers(0, 20, 200)]}
        | {"sales": rng.normal(100, 10, 200), "heat": rng.normal(10, 3, 200)}
    ).sample(frac=1, random_state=1, ignore_index=True)
    frame.to_csv("sales.csv", index=False)
    frame.to_parquet("sales.parquet")
    return frame


def opened(source, split, **settings):
    return open_dataset(DataSettings(source=source, **settings), get_registry(), split)


@pytest.mark.parametrize("source", ["sales.csv", "sales.parquet"])
def test_columns_that_divide_the_rows_are_not_learned_from(sales, source):
    data = opened(source, SplitSettings(by="shop"), drop="date")
    assert [feature.name for feature in data.spec.features] == ["sales", "heat"]
    pairs = set(zip(data.groups.tolist(), sales.shop, strict=True))
    assert len(pairs) == sales.shop.nunique()
    data = opened(source, SplitSettings(method="time=date"), columns="heat,shop,sales")
    assert data.times.astype("datetime64[D]").astype(str).tolist() == sales.date.tolist()
    data = opened(source, SplitSettings(by="shop"), columns="heat,shop")
    assert [feature.name for feature in data.spec.features] == ["heat", "shop"]
    assert len(np.unique(data.groups)) == sales.shop.nunique()


def test_groups_and_times_are_part_of_the_digest(sales):
    one, two, three = (
        opened("sales.csv", split, columns="heat,sales")
        for split in (SplitSettings(), SplitSettings(by="shop"), SplitSettings(by="date"))
    )
    assert len({one.digest(), two.digest(), three.digest()}) == 3


def test_rows_without_a_group_are_said_and_rows_without_a_time_refused(sales):
    sales.loc[[3, 8], "shop"] = None
    sales.loc[5, "date"] = None
    sales.to_csv("gaps.csv", index=False)
    data = opened("gaps.csv", SplitSettings(by="shop"), drop="date")
    assert len(np.unique(data.groups)) == sales.shop.nunique() + 2
    assert any("2 rows without a shop" in note for note in data.notes)
    with pytest.raises(DataError, match=r"column 'date' holds no time in line 7.*--drop-missing"):
        opened("gaps.csv", SplitSettings(method="time=date"), drop="shop")
    data = opened("gaps.csv", SplitSettings(method="time=date"), drop="shop", drop_missing=True)
    assert (len(data), len(data.times), data.dropped) == (199, 199, 1)


def test_times_that_are_no_dates_are_named(sales):
    sales["date"] = ["soon", *sales.date[1:]]
    sales.to_csv("soon.csv", index=False)
    with pytest.raises(DataError, match=r"column 'date' holds dates.* and 'soon' in line 2"):
        opened("soon.csv", SplitSettings(method="time=date"), drop="shop")


@pytest.mark.parametrize(
    "values",
    [
        pa.array([3, 1, 2], pa.int32()),
        pa.array([2**60 + 3, 2**60 + 1, 2**60 + 2]),
        pa.array([0.3, 0.1, 0.2]),
        pa.array([20, 18, 19], pa.date32()),
        pa.array([3, 1, 2], pa.timestamp("ns", "Europe/Paris")),
        pa.array([3, 1, 2], pa.time64("us")),
        pa.array([3, 1, 2], pa.duration("s")),
        pa.array(["2021-01-03T10:00:00", "2020-12-31", "2021-01-03T09:59"]),
        pa.array(["2021-01-01T10:00:00Z", "2021-01-01T10:00:00+02:00", "2021-01-01T11:00:00+02:00"]),
    ],
    ids=lambda values: str(values.type)[:14],
)
def test_numbers_dates_and_times_order_the_rows(values):
    table = pa.table({"t": values, "x": [1.0, 2.0, 3.0]})
    data, _ = given_data(table, None, SplitSettings(method="time=t"))
    assert np.argsort(data.times).tolist() == [1, 2, 0]


@pytest.mark.parametrize(
    ("texts", "ends"),
    [
        (["31/01/2020", "29/02/2020", "15/03/2020", "01/04/2020"], "training 2020-01-31 to 2020-02-29"),
        (["2020-01-31 10:05", "2020-02-01", "2020-02-02", "2020-02-03"], "training 2020-01-31 10:05:00 to 2020-02-01"),
    ],
)
def test_times_of_texts_are_said_as_dates(texts, ends):
    settings = SplitSettings(method="time=t", validation=0.25, test=0.25)
    data, _ = given_data(pa.table({"t": texts, "x": [1.0, 2.0, 3.0, 4.0]}), None, settings)
    assert ends in split_notes(data, data.split(settings, 0), settings)[0]


def test_an_unknown_column_to_divide_by_is_an_error_with_a_hint(sales):
    with pytest.raises(ConfigError, match=r"no column 'shops' to divide the rows by\. Did you mean 'shop'"):
        opened("sales.csv", SplitSettings(by="shops"))


def test_images_have_no_columns_to_divide_by():
    with pytest.raises(ConfigError, match="--split-by is for tables"):
        opened("digits", SplitSettings(by="shop"))


def test_a_built_in_table_is_divided_by_one_of_its_columns():
    data = opened("iris", SplitSettings(by="petal width (cm)"))
    assert data.spec.event_shape == (3,)
    assert len(np.unique(data.groups)) == 22  # known from Fisher's table


def test_a_split_without_its_groups_is_refused():
    with pytest.raises(DataError, match=r"without the column 'shop'"):
        dataset_with(weights=np.ones(10)).split(SplitSettings(by="shop"), 0)


# In Python


def test_frames_and_arrays_are_divided_by_names_and_by_arrays(sales):
    given = [given_data(sales.drop(columns="date"), None, SplitSettings(by=("shop",)))[0]]
    numbers = sales[["sales", "heat"]].to_numpy()
    given.append(given_data(numbers, None, None, given_split(None, sales.shop)[1])[0])
    given.append(given_data(numbers, None, None, given_split(None, sales.shop.to_numpy())[1])[0])
    column = np.column_stack([sales.shop.astype(float), numbers])
    given.append(given_data(column, None, SplitSettings(by=("x0",)))[0])
    settings = {"source": sales, "columns": ["sales", "heat"]}
    given.append(given_data(settings, None, SplitSettings(by=("shop",)))[0])
    for data in given:
        assert np.array_equal(data.events, numbers)
        pairs = set(zip(data.groups.tolist(), sales.shop, strict=True))
        assert len(pairs) == sales.shop.nunique() == len(np.unique(data.groups))


def test_a_run_keeps_its_split_and_is_evaluated_and_resumed_with_it(sales, tmp_path):
    groups = sales.shop.to_numpy()
    x = sales[["sales", "heat"]].to_numpy()
    training = {"batch_size": 16, "schedule": {"name": "constant"}, "steps": 4}
    genzoo.train("vae", x, out=tmp_path / "run", training=training, split_by=groups, precision="fp32")
    with pytest.raises(genzoo.GenzooError, match="other data"):
        genzoo.resume(tmp_path / "run", x, steps=6)
    with pytest.warns(UserWarning, match="share of the budget"):
        longer = genzoo.resume(tmp_path / "run", x, split_by=groups, steps=6)
    assert longer.record["steps"] == 6
    assert any("whole groups: 20 groups" in note for note in longer.record["notes"])
    timed = {"source": "sales.csv", "drop": "shop"}
    run = genzoo.train("gaussian", timed, split="time=date", out=tmp_path / "timed", split_by=None)
    data = run.open_data()
    assert run.config.split.method == "time=date"
    split = data.split(run.config.split, run.config.seed)
    assert data.times[split.train].max() < data.times[split.test].min()


def test_groups_in_memory_need_data_in_memory(sales):
    with pytest.raises(ConfigError, match="split_by='customer_id'"):
        genzoo.train("gaussian", "sales.csv", split_by=sales.shop.to_numpy())


def test_groups_of_another_number_than_rows_are_an_error():
    with pytest.raises(DataError, match=r"20 events and groups of shape \(19,\)"):
        genzoo.train("gaussian", np.zeros((20, 2)), split_by=np.arange(19))


@pytest.mark.parametrize("method", ["sideways", "time=", "time"])
def test_an_unknown_method_is_an_error_that_lists_them(method):
    with pytest.raises(ConfigError, match="random, contiguous, time=COL or hash=COL"):
        genzoo.train("gaussian", np.zeros((20, 2)), split=method)


def test_a_comparison_with_groups_does_not_depend_on_workers(sales, tmp_path):
    x = sales[["sales", "heat"]].to_numpy()
    reports = [
        genzoo.compare(["gaussian", "gmm"], x, split_by=sales.shop.to_numpy(), folds=3, jobs=jobs, by="cv")
        for jobs in (1, 2)
    ]
    for one, other in zip(*(report.rows for report in reports), strict=True):
        assert (one.cv, one.log_likelihood, one.bic) == (other.cv, other.log_likelihood, other.bic)
    assert any(re.search(r"whole groups: 20 groups, \d+ in training and \d+ in test", n) for n in reports[0].notes)


def test_a_stored_comparison_of_another_split_is_refused_by_its_name(sales, tmp_path):
    frame = sales.drop(columns="date")
    genzoo.compare(["gaussian"], frame, split_by="shop", out=tmp_path / "c")
    genzoo.compare(["gaussian"], frame, split_by="shop", out=tmp_path / "c")
    with pytest.raises(ConfigError, match="with split"):
        genzoo.compare(["gaussian"], frame.drop(columns="shop"), out=tmp_path / "c")


# On the command line


def test_the_command_line_says_how_rows_are_held_out_and_keeps_it(cli, sales):
    code, out, _ = cli("data", "sales.csv", "--split", "time=date")
    assert code == 0
    assert "held out: the latest rows by date are held out: training 2021-01-01 to" in out
    code, out, err = cli(
        "train", "gaussian", "--data", "sales.csv", "--drop", "date", "--split-by", "shop", "--out", "r"
    )
    assert code == 0
    assert re.search(r"Note: rows are held out in whole groups by shop: 20 groups, \d+ in training", err)
    assert "Note: the model does not see shop, unless --columns names it." in err
    code, out, _ = cli("evaluate", "r", "--json")
    assert code == 0
    run = genzoo.load("r")
    groups = opened("sales.csv", SplitSettings(by="shop"), drop="date").split(SplitSettings(by="shop"), 0)
    mean = run.log_prob(sales.iloc[groups.test][["sales", "heat"]].to_numpy()).mean()
    assert pytest.approx(mean, rel=1e-6) == genzoo_mean(out)


def genzoo_mean(out):
    return json.loads(out)["log_likelihood"]["test"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--split", "sideways"], "random, contiguous, time=COL or hash=COL"),
        (["--split", "contiguous", "--split-by", "shop"], "use one of the two"),
        (["--split-by", "shops"], "Did you mean 'shop'"),
        (["-o", "split.method=time=day"], "no column 'day'"),
    ],
)
@pytest.mark.parametrize("command", [["train", "gaussian", "--data"], ["compare", "gaussian", "--data"], ["data"]])
def test_a_split_that_cannot_be_is_an_error_of_usage(cli, sales, command, words, said):
    if command == ["data"] and words[0] == "-o":
        return
    code, _, err = cli(*command, "sales.csv", *words)
    assert code == 2
    assert said in " ".join(err.split())
    assert "Traceback" not in err


def test_a_comparison_tells_of_order_and_equal_rows(cli, sales):
    twice = pd.concat([sales, sales.iloc[:30]])
    twice.to_csv("twice.csv", index=False)
    words = ("compare", "gaussian", "--data", "twice.csv", "--drop", "shop,date", "--folds", 2, "--json")
    _, out, _ = cli(*words)
    notes = " ".join(json.loads(out)["notes"])
    assert "30 of 230 rows repeat an earlier row exactly" in notes
    assert "--keep-duplicates-together" in notes
    _, out, _ = cli(*words, "--keep-duplicates-together")
    assert "none on both sides" in " ".join(json.loads(out)["notes"])
    _, out, _ = cli(*words, "--split", "contiguous")
    assert "Folds are blocks of neighbors" in " ".join(json.loads(out)["notes"])


@pytest.mark.parametrize("width", [8_190, 8_200])
def test_equal_rows_have_equal_numbers_whether_wide_or_narrow(width):
    rows = np.random.default_rng(0).integers(0, 2, (6, width)).astype(np.uint8)
    rows[4], rows[5] = rows[1], rows[1]
    rows[5, -1] ^= 1
    assert len(np.unique(same_rows(rows)[[0, 1, 2, 3, 5]])) == 5
    assert same_rows(rows)[4] == same_rows(rows)[1]
    signed = np.zeros((2, width))
    signed[1] = -0.0
    assert len(np.unique(same_rows(signed))) == 1
