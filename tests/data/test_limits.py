"""Samples stay whole and in the range of the training rows, ids are named, and every column is listed."""

import dataclasses
import datetime as dt
import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pyarrow import parquet
from refusals import assert_refused

import genzoo
from genzoo import ConfigError, DataError
from genzoo.config.data import DataSettings
from genzoo.data.columns.limits import stated_bounds, with_limits, within_limits
from genzoo.data.loading import open_dataset
from genzoo.data.readers.numpy_files import array_dataset
from genzoo.plugins.manager import get_registry
from genzoo.spec.events import Feature

pytestmark = pytest.mark.usefixtures("in_a_shell")  # whose messages they check


def read(source, **settings):
    return open_dataset(DataSettings(source=str(source), **settings), get_registry())


def ages(rows=400):
    """A table with many zeros, whole numbers with holes, and fractions."""
    rng = np.random.default_rng(0)
    income = np.maximum(rng.normal(size=rows), 0)
    age = rng.integers(0, 90, rows).astype(float)
    age[::7] = np.nan
    return pd.DataFrame({"income": income, "age": age, "x": rng.normal(size=rows)})


def train(frame, tmp_path, model="gmm", **data):
    run = genzoo.train(model, {"source": frame, **data}, out=tmp_path / f"run{len(list(tmp_path.iterdir()))}")
    return genzoo.load(run.path)


@settings(max_examples=200, deadline=None)
@given(
    arrays.arrays(np.float64, (7, 2), elements=st.floats(-1e12, 1e12)),
    st.floats(-1e6, 1e6),
    st.floats(0, 1e6),
    st.sampled_from([None, 1.0, 60.0, 86_400.0]),
)
def test_values_are_whole_and_in_range(events, low, width, step):
    if step is not None:
        low, width = np.floor(low / step) * step, np.floor(width / step) * step
    placed = within_limits(events, (Feature("a", low=low, high=low + width, step=step), Feature("b")))
    assert (placed[:, 0] >= low).all()
    assert (placed[:, 0] <= low + width).all()
    assert np.array_equal(placed[:, 1], events[:, 1])
    inside = (events[:, 0] >= low) & (events[:, 0] <= low + width)
    if step is None:
        assert np.array_equal(placed[inside, 0], events[inside, 0])
    else:
        assert (placed[:, 0] % step == 0).all()
        assert (abs(placed[inside, 0] - events[inside, 0]) <= step / 2).all()


def test_numbers_that_are_not_finite_are_not_hidden():
    events = np.array([[np.inf], [-np.inf], [np.nan], [7.4]])
    placed = within_limits(events, (Feature("a", low=0.0, high=5.0, step=1.0),))
    assert np.array_equal(placed, [[np.inf], [-np.inf], [np.nan], [5.0]], equal_nan=True)


@settings(max_examples=50, deadline=None)
@given(arrays.arrays(np.float64, (30, 3), elements=st.floats(-1e6, 1e6)))
def test_the_limits_are_those_of_the_training_rows(events):
    dataset = array_dataset("x", events)
    rows = np.arange(0, 30, 2)
    limited = with_limits(dataset, rows, DataSettings(source="x"))
    for place, feature in enumerate(limited.spec.features):
        column = events[rows, place]
        assert (feature.low, feature.high) == (column.min(), column.max())
        assert (feature.step == 1) == bool((column == np.floor(column)).all())
    assert limited.spec == dataset.spec
    assert limited.digest() == dataset.digest()


def test_samples_and_filled_values_stay_whole_and_in_range(tmp_path):
    frame = ages()
    model = train(frame, tmp_path)
    samples = model.sample(5000, output="array")
    assert samples[:, 0].min() == 0
    assert 0.2 < (samples[:, 0] == 0).mean() < 0.7
    assert np.array_equal(samples[:, 1], np.rint(samples[:, 1]))
    assert (samples.max(axis=0) <= frame.max().to_numpy()).all()
    assert (samples.min(axis=0) >= frame.min().to_numpy()).all()
    for draw in (False, True):
        filled = model.impute(frame.to_numpy(), draw=draw)
        assert np.array_equal(filled[:, 1], np.rint(filled[:, 1]))
        assert filled[:, 1].min() >= 0


def test_limits_are_switched_off_or_stated(tmp_path):
    frame = ages()
    free = train(frame, tmp_path, bounds="none", whole=False).sample(2000, output="array")
    assert free[:, 0].min() < 0
    assert not np.array_equal(free[:, 1], np.rint(free[:, 1]))
    whole = train(frame, tmp_path, bounds="none").sample(2000, output="array")
    assert whole[:, 1].min() < 0
    assert np.array_equal(whole[:, 1], np.rint(whole[:, 1]))
    stated = train(frame, tmp_path, bounds={"age": (10.5, None), "income": None, "x": "..1"}).sample(
        2000, output="array"
    )
    assert stated[:, 1].min() == 11
    assert stated[:, 0].min() < 0
    assert stated[:, 2].max() == 1


def test_likelihoods_do_not_know_the_limits(tmp_path):
    frame = ages().fillna(40.0).assign(x=lambda table: table["x"].round(1))
    rows = np.concatenate([frame.to_numpy()[:50], [[-5.0, 200.5, 9.0]]])
    one, two = train(frame, tmp_path), train(frame, tmp_path, bounds="none", whole=False, round=False)
    assert one.data.features[2].step == 0.1
    assert two.data.features[2].step is None
    assert np.array_equal(one.log_prob(rows), two.log_prob(rows))


def test_the_limits_travel_with_the_model_and_old_models_have_none(tmp_path):
    model = train(ages(), tmp_path)
    age = model.data.features[1]
    assert (age.low, age.high, age.step) == (2, 89, 1)
    without = tuple(dataclasses.replace(f, low=None, high=None, step=None) for f in model.data.features)
    old = dataclasses.replace(model, data=dataclasses.replace(model.data, features=without))
    assert old.data == model.data
    assert old.sample(2000, output="array")[:, 0].min() < 0


def test_decoded_and_reconstructed_rows_stay_in_range(tmp_path):
    frame = ages().fillna(40.0)
    run = genzoo.train("vae", frame, out=tmp_path / "run", training={"steps": 5}, precision="fp32")
    model = genzoo.load(run.path)
    for events in (
        model.decode(model.prior_sample(64, seed=0) * 100, output="array"),
        model.reconstruct(frame.to_numpy()),
    ):
        assert (events >= frame.min().to_numpy()).all()
        assert (events <= frame.max().to_numpy()).all()
        assert np.array_equal(events[:, 1], np.rint(events[:, 1]))


def test_dates_are_stated_as_dates(tmp_path, cli, table):
    rng = np.random.default_rng(0)
    rows = "".join(
        f"2020-{m:02d}-{d:02d},{x:.3f}\n"
        for m, d, x in zip(rng.integers(1, 13, 200), rng.integers(1, 29, 200), rng.normal(size=200), strict=True)
    )
    table("day,x\n" + rows)
    train = ("train", "gaussian", "--data", str(tmp_path / "a.csv"))
    code, _, err = cli(*train, "--out", str(tmp_path / "run"), "--bounds", "day=2020-06-01..", "--bounds", "x=none")
    assert code == 0, err
    features = genzoo.load(tmp_path / "run").data.features
    assert (features[0].low, features[0].high) == ((dt.date(2020, 6, 1) - dt.date(1970, 1, 1)).days, None)
    assert (features[1].low, features[1].high) == (None, None)
    assert_refused(cli(*train, "--bounds", "day=soon.."), 2, "--bounds", "'soon'", "not a date")
    assert_refused(cli(*train, "--bounds", "dya=.."), 2, "--bounds", "'dya'", "day")
    assert_refused(cli(*train, "--bounds", "x=2..1"), 2, "--bounds", "above")
    assert_refused(cli(*train, "--bounds", "x"), 2, "bounds", "COL=LOW..HIGH")
    assert_refused(
        cli("score", str(tmp_path / "run"), "--data", str(tmp_path / "a.csv"), "--bounds", "x=0.."),
        2,
        "--bounds is for training",
    )


def test_bounds_are_for_numbers():
    features = (Feature("city", "categorical", ("a", "b")), Feature("n", "count"))
    with pytest.raises(ConfigError, match="'city' holds categories"):
        stated_bounds(["city=0..1"], features)
    assert stated_bounds(["none", "n=0..5"], features) == (True, {"n": (0.0, 5.0)})


def test_times_on_the_hour_stay_on_the_hour(tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "t": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 500, 300), "h"),
            "d": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 500, 300), "D"),
        }
    )
    samples = train(frame, tmp_path, "gaussian").sample(500, output="array")
    assert (samples[:, 0] % 3600 == 0).all()
    assert (samples[:, 0] % 86_400 != 0).any()
    assert (samples[:, 1] % 86_400 == 0).all()


@pytest.mark.parametrize("name", ["a.csv", "a.json"])
def test_codes_with_leading_zeros_stay_text(tmp_path, name):
    codes, phones = ["10115", "05412", "80331"], ["+4917112345678", "01712345", "030123"]
    rows = [{"zip": z, "phone": p, "x": i / 2} for i, (z, p) in enumerate(zip(codes, phones, strict=True))]
    if name == "a.json":
        (tmp_path / name).write_text(json.dumps(rows))
    else:
        pd.DataFrame(rows).to_csv(tmp_path / name, index=False)
    found = read(tmp_path / name)
    assert found.spec.features[0].levels == ("05412", "10115", "80331")
    assert set(found.spec.features[1].levels) == set(phones)
    numbers = read(tmp_path / name, kinds={"zip": "continuous"})
    assert numbers.events[:, 0].tolist() == [10115, 5412, 80331]


def test_a_code_in_the_last_of_many_rows_counts(table):
    rows = "".join(f"{10_000 + i},{i}.5\n" for i in range(5000))
    assert table("zip,x\n" + rows).spec.features[0].type == "int64"
    assert table("zip,x\n" + rows + "05412,1.5\n").spec.features[0].levels[0] == "05412"


def test_ids_are_named_and_measurements_are_not(table, tmp_path, cli):
    rng = np.random.default_rng(0)
    names, order = [f"n{i}" for i in range(50)], rng.permutation(50) + 100
    frame = pd.DataFrame({"name": names, "id": order, "x": rng.normal(size=50), "kg": [f"{i} kg of it" for i in order]})
    frame.to_csv(tmp_path / "a.csv", index=False)
    notes = " ".join(read(tmp_path / "a.csv").notes)
    assert "column 'name' looks like an id: every text is different. Leave it out with --drop name" in notes
    assert "column 'id' looks like an id: its whole numbers count the rows" in notes
    assert "--label id" in notes
    assert "'x'" not in notes
    assert "'kg'" not in notes
    _, _, err = cli("train", "naive-bayes", "--data", str(tmp_path / "a.csv"), "--out", str(tmp_path / "run"))
    assert "column 'name' looks like an id" in " ".join(err.split())


def test_every_column_is_listed_with_what_to_do(tmp_path, cli):
    rows = 40
    parquet.write_table(
        pa.table(
            {
                "good": np.random.default_rng(0).normal(size=rows),
                "list": pa.array([[1]] * rows),
                "bytes": pa.array([b"x"] * rows),
                "far": [np.inf] + [1.0] * (rows - 1),
                "big": pa.array([2**60] * rows),
                "empty": pa.nulls(rows, pa.float64()),
                "same": [3.0] * rows,
                "name": [f"n{i}" for i in range(rows)],
            }
        ),
        tmp_path / "a.parquet",
    )
    code, out, err = cli("data", str(tmp_path / "a.parquet"), "--json")
    assert code == 0, err
    found = {column["name"]: column for column in json.loads(out)["columns"]}
    assert list(found) == ["good", "list", "bytes", "far", "big", "empty", "same", "name"]
    assert found["good"]["todo"] is None
    for name in ("list", "bytes", "big", "empty", "same", "name"):
        assert f"--drop {name}" in found[name]["todo"]
    assert "correct or leave out such rows" in found["far"]["todo"]
    assert [name for name in found if found[name]["kind"] == "none"] == ["list", "bytes", "far", "big", "empty"]
    assert "--drop list,bytes,far,big,empty" in out
    assert cli("data", str(tmp_path / "a.parquet"), "--drop", "list,bytes,far,big,empty")[0] == 0
    for name in ("list", "bytes", "far", "big", "empty"):
        others = ",".join(other for other in found if other not in (name, "good"))
        with pytest.raises(DataError, match=f"column '{name}'"):
            read(tmp_path / "a.parquet", drop=others)


def test_mixed_columns_of_text_are_listed_with_the_fitting_option(tmp_path, cli):
    rows = "".join(f"{'?' if i == 5 else i},{'soon' if i == 9 else f'2024-01-{i + 1:02d}'},{i}.5\n" for i in range(28))
    (tmp_path / "a.csv").write_text("a,day,x\n" + rows)
    code, out, _ = cli("data", str(tmp_path / "a.csv"), "--json")
    found = {column["name"]: column["todo"] for column in json.loads(out)["columns"]}
    assert code == 0
    assert "--missing '?'" in found["a"]
    assert "--missing day=soon" in found["day"]
    assert "no column can be used" in cli("data", str(tmp_path / "a.csv"), "--columns", "a,day")[1]


def test_too_many_texts_are_named_by_their_column(tmp_path, cli, monkeypatch):
    for place in ("genzoo.data.table", "genzoo.data.columns.listing", "genzoo.spec.events"):
        monkeypatch.setattr(f"{place}.MOST_NAMES", 100)
    pd.DataFrame({"name": [f"n{i}" for i in range(200)], "x": np.arange(200) / 3}).to_csv(
        tmp_path / "a.csv", index=False
    )
    with pytest.raises(DataError, match=r"column 'name' has 200 different texts in 200 rows.*--drop name or --label"):
        read(tmp_path / "a.csv")
    code, out, err = cli("data", str(tmp_path / "a.csv"))
    assert code == 0, err
    assert "200 different texts" in out


def test_a_table_that_is_damaged_as_a_whole_is_still_refused(tmp_path, cli):
    (tmp_path / "a.csv").write_text("a,b\n1,2\n3\n")
    assert_refused(cli("data", str(tmp_path / "a.csv")), 4, "line 3")
    assert_refused(cli("data", str(tmp_path / "a.csv"), "--drop", "zz"), 2, "zz")
