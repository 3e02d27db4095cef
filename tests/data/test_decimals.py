"""Samples have the decimal places that the columns of a table were recorded with."""

import json
import re

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pyarrow import parquet

import genzoo
from genzoo.config.data import DataSettings
from genzoo.data.columns.decimals import DecimalPlaces, on_grid
from genzoo.data.columns.limits import with_limits
from genzoo.data.inspect import inspect
from genzoo.data.loading import open_dataset
from genzoo.plugins.manager import get_registry

TENTHS = np.arange(1, 41) / 10


def count(values, kind=np.float64):
    found = DecimalPlaces(float(np.finfo(kind).eps))
    for block in np.array_split(np.asarray(values, kind).astype(np.float64), 3):
        found.add(block)
    return found.count


def read(source, **more):
    return open_dataset(DataSettings(source=str(source), **more), get_registry())


def shown(values):
    """Return the decimal places of a number as Python prints it."""
    return len(re.fullmatch(r"-?\d+(?:\.(\d+))?", np.format_float_positional(values, trim="-"))[1] or "")


@settings(max_examples=200, deadline=None)
@given(arrays.arrays(np.int64, 12, elements=st.integers(-(10**6), 10**6), unique=True), st.integers(0, 6))
def test_decimal_numbers_have_their_places(whole, digits):
    values = whole / 10.0**digits
    assert count(values) == max(map(shown, values))


@settings(max_examples=200, deadline=None)
@given(arrays.arrays(np.float64, 20, elements=st.floats(-1e9, 1e9)), st.sampled_from([1.0, 0.1, 0.01, 1e-9]))
def test_rounded_numbers_are_the_nearest_to_decimal_ones(x, step):
    placed = on_grid(x, np.float64(step))
    digits = round(-np.log10(step))
    assert placed.tolist() == [float(f"{number:.{digits}f}") for number in placed]
    assert (abs(placed - x) <= step * 0.5000001 + 1e-15 * abs(x)).all()
    assert np.array_equal(on_grid(placed, np.float64(step)), placed)


def test_numbers_too_large_for_a_step_are_kept():
    assert on_grid(np.array([1e308, -1.7e308]), np.float64(0.1)).tolist() == [1e308, -1.7e308]


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_errors_of_arithmetic_are_no_decimal_places(kind):
    steps = np.arange(40, dtype=kind)
    assert count(steps * kind(0.1), kind) == 1  # 0.30000000000000004 is one of them
    assert count(kind(0.1) + kind(0.2) * steps, kind) == 1


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e4])
def test_full_precision_has_no_decimal_places(kind, scale):
    assert count(np.random.default_rng(0).normal(size=12) * scale, kind) is None


def test_one_value_off_the_grid_ends_it():
    assert count([*TENTHS, 1 / 3]) is None
    assert count([*TENTHS, 1e-8]) is None  # samples would lose it
    assert count([*TENTHS, 1e-8 / 3]) is None


def test_a_handful_of_different_values_is_needed():
    assert count([0.5, 0.1, 0.2, 0.3] * 9) is None
    assert count([0.5, 0.1, 0.2, 0.3, 0.4] * 9) == 1


@pytest.mark.parametrize(
    ("source", "places"),
    [("iris", [1, 1, 1, 1]), ("wine", [2, 2, 2, 1, 0, 2, 2, 2, 2, 6, 3, 2, 0])],
)
def test_real_tables_are_sampled_with_their_decimals(tmp_path, source, places):
    assert [column.decimals for column in inspect(read(source)).columns] == places
    model = genzoo.train("gaussian", source, out=tmp_path / "run").load()
    # The training rows may have fewer places than all rows.
    steps = [feature.step for feature in model.data.features]
    assert all(step >= 10.0**-digits for step, digits in zip(steps, places, strict=True))
    samples = model.sample(300, output="array")
    for column, step in zip(samples.T, steps, strict=True):
        assert max(map(shown, column)) == round(-np.log10(step))
    holes = np.where(np.random.default_rng(0).random(samples.shape) < 0.3, np.nan, samples)
    for draw in (False, True):
        filled = model.impute(holes, draw=draw)
        assert all(max(map(shown, column)) <= round(-np.log10(s)) for column, s in zip(filled.T, steps, strict=True))


def test_every_source_of_tenths_is_found(tmp_path):
    frame = pd.DataFrame({"a": TENTHS, "b": TENTHS.astype(np.float32), "c": np.sqrt(TENTHS), "d": TENTHS * 10})
    parquet.write_table(pa.Table.from_pandas(frame), tmp_path / "a.parquet")
    frame.to_csv(tmp_path / "a.csv", index=False)
    np.save(tmp_path / "a.npy", frame.to_numpy(np.float32))
    for name in ("a.parquet", "a.csv", "a.npy"):
        dataset = read(tmp_path / name)
        limited = with_limits(dataset, np.arange(len(dataset)), DataSettings(source="x"))
        assert [feature.step for feature in limited.spec.features] == [0.1, 0.1, None, 1.0], name


def test_samples_of_any_type_print_their_decimals(tmp_path):
    frame = pd.DataFrame({"a": np.resize(TENTHS, 400), "b": np.resize(TENTHS[::-1], 400).astype(np.float32) ** 1})
    frame["b"] = np.roll(frame["b"], 13)
    model = genzoo.train("gaussian", frame, out=tmp_path / "run").load()
    samples = model.sample(50)
    assert samples["b"].dtype == np.float32
    assert all(
        len(number.split(".")[1]) == 1 for number in samples.to_csv(index=False).replace("\n", ",").split(",")[2:-1]
    )


def test_no_round_leaves_decimals_and_no_whole_leaves_whole_numbers(tmp_path, cli):
    rows = np.random.default_rng(0).integers(0, 90, (200, 2)) / [1, 10]
    np.savetxt(tmp_path / "a.csv", rows, "%.1f", ",", header="n,x", comments="")
    for option, kept in (("--no-round", [1.0, None]), ("--no-whole", [None, 0.1])):
        code, _, err = cli("train", "gaussian", "--data", "a.csv", "--out", f"run{option}", option)
        assert code == 0, err
        assert [feature.step for feature in genzoo.load(tmp_path / f"run{option}").data.features] == kept


def test_fractions_of_seconds_are_decimals(tmp_path):
    milliseconds = np.random.default_rng(0).integers(0, 10**9, 200)
    frame = pd.DataFrame({"t": pd.Timestamp("2024-01-01") + pd.to_timedelta(milliseconds, "ms")})
    samples = genzoo.train("gaussian", frame, out=tmp_path / "run").load().sample(50)
    assert (samples["t"].dt.microsecond % 1000 == 0).all()
    assert (samples["t"].dt.microsecond > 0).any()


def test_stated_bounds_are_kept_as_decimals(tmp_path):
    frame = pd.DataFrame({"x": np.resize(TENTHS, 300)})
    data = {"source": frame, "bounds": {"x": (1.1, 2.25)}}
    model = genzoo.train("gaussian", data, out=tmp_path / "run").load()
    assert (model.data.features[0].low, model.data.features[0].high) == (1.1, 2.2)


def test_the_step_is_shown(tmp_path, cli):
    code, out, err = cli("data", "iris")
    assert code == 0, err
    assert "4.3 to 7.9, mean 5.843, step 0.1" in out
    assert [column["decimals"] for column in json.loads(cli("data", "iris", "--json")[1])["columns"]] == [1, 1, 1, 1]
