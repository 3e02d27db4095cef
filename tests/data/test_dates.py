"""Dates, times and durations: as numbers, as text in the forms people write, and back."""

import datetime as dt
import json
import time

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

import genzoo
from genzoo.config.data import DataSettings
from genzoo.data.align import match_table
from genzoo.data.columns.date_recognition import format_of, recognize
from genzoo.data.columns.dates import parse_time, read_times, show_time, times_column
from genzoo.data.frames.source import FrameSource
from genzoo.data.inspect import inspect
from genzoo.data.loading import open_dataset
from genzoo.data.table import table_dataset, table_of
from genzoo.errors import ConfigError, DataError
from genzoo.plugins.manager import get_registry
from genzoo.spec.events import DataSpec, Feature
from genzoo.storage.tables import write_table

pytestmark = pytest.mark.usefixtures("in_a_shell")  # whose messages they check

DAYS = pd.date_range("1899-12-28", periods=70_000, freq="D")
MOMENTS = pd.to_datetime(np.random.default_rng(0).integers(-(10**9), 2 * 10**9, 3000), unit="s")


def read(source, **settings):
    return open_dataset(DataSettings(source=str(source), **settings), get_registry())


@pytest.mark.parametrize(
    "form",
    [
        *("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y"),
        *("%-d.%-m.%Y", "%-m/%-d/%Y", "%d %b %Y", "%d-%b-%Y", "%d %B %Y", "%B %-d, %Y", "%b %d %Y"),
    ],
)
def test_dates_as_people_write_them_agree_with_pandas(form):
    texts = pa.array(DAYS.strftime(form).to_numpy(), pa.string())
    found, numbers = recognize(texts)
    assert np.array_equal(numbers, (DAYS - pd.Timestamp(0)).days)
    assert found.kind == "date"
    assert not found.doubtful
    assert found.write(numbers).equals(texts)


@pytest.mark.parametrize(
    "form",
    [
        *("%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d %H:%M:%S+00:00"),
        *("%d.%m.%Y %H:%M:%S", "%m/%d/%Y %I:%M:%S %p", "%-m/%-d/%Y %-I:%M:%S %p", "%d/%m/%Y, %H:%M:%S"),
    ],
)
def test_moments_as_people_write_them_agree_with_pandas(form):
    texts = pa.array(MOMENTS.strftime(form).to_numpy(), pa.string())
    found, numbers = recognize(texts)
    assert np.array_equal(numbers, (MOMENTS - pd.Timestamp(0)).total_seconds())
    assert found.kind == "timestamp"
    assert found.write(numbers).equals(texts)


def test_offsets_fractions_and_short_forms_agree_with_pandas():
    texts = ["2024-01-31T14:05:00.25+01:00", "2024-07-01T00:00:00-0530", "2024-02-29T23:59:59.123456Z"]
    times = read_times(pa.chunked_array([texts]))
    expected = [pd.Timestamp(text).timestamp() for text in texts]
    assert times.numbers.tolist() == pytest.approx(expected, abs=1e-6)
    mixed = ["2024-01-31", "2024-02-01 10:00", "2024-02-01 10:00:30"]
    times = read_times(pa.chunked_array([mixed]))
    assert times.numbers.tolist() == [pd.Timestamp(text).timestamp() for text in mixed]


@pytest.mark.parametrize(
    ("texts", "type_", "numbers"),
    [
        (["2024-01", "2024-12"], "date", [19723, 20058]),
        (["Jan 2024", "Dec 2024"], "date", [19723, 20058]),
        (["31.12.24", "1.1.70"], "date", [20088, 0]),
        (["14:05", "00:00"], "time", [50700, 0]),
        (["2:05 PM", "12:00 AM"], "time", [50700, 0]),
        (["14:05:09.5", "23:59:59"], "time", [50709.5, 86399]),
        (["36:15:00", "01:00:30"], "duration", [130500, 3630]),
        (["1 days 02:03:04", "-1 days +23:00:00"], "duration", [93784, -3600]),
    ],
)
def test_months_times_and_durations_have_their_unit(texts, type_, numbers):
    times = read_times(pa.chunked_array([texts]))
    assert (times.type, times.numbers.tolist()) == (type_, numbers)
    column = times_column(times.numbers, Feature("x", type=times.type, form=times.form))
    assert read_times(pa.chunked_array([column])).numbers.tolist() == numbers


@pytest.mark.parametrize(
    "texts",
    [
        ["7", "8"],
        ["1.5", "2.5"],
        ["seven", "May"],
        ["31.02.2024", "30.02.2024"],
        ["3-2", "1-0"],
        ["1.2.3.4", "10.0.0.1"],
        ["2024", "2023"],
        ["", " "],
        ["99/99/2024", "88/88/2024"],
        ["24-01-31", "24-02-01"],
    ],
)
def test_other_texts_are_no_dates(texts):
    assert read_times(pa.chunked_array([texts])) is None


@pytest.mark.parametrize(
    ("texts", "form", "doubtful"),
    [
        (["01/02/2024", "31/01/2024"], "%d/%m/%Y", False),
        (["01/02/2024", "01/31/2024"], "%m/%d/%Y", False),
        (["01/02/2024", "03/04/2024"], "%d/%m/%Y", True),
        (["01.02.2024", "03.04.2024"], "%d.%m.%Y", False),
        (["1/1/2024", "2/1/2024", "3/1/2024"], "%-m/%-d/%Y", True),
        (["1/1/2024", "1/2/2024", "1/3/2024"], "%-d/%-m/%Y", True),
    ],
)
def test_the_whole_column_decides_if_the_day_comes_first(texts, form, doubtful):
    found, _ = recognize(pa.array(texts))
    assert (found.format, found.doubtful) == (form, doubtful)


def test_one_late_row_decides_if_the_month_comes_first():
    texts = pa.array(["01/02/2024", *[f"01/02/{year}" for year in range(1000, 2200)], "12/31/2024"])
    found, numbers = recognize(texts)
    assert found.format == "%m/%d/%Y"
    assert numbers[0] == (dt.date(2024, 1, 2) - dt.date(1970, 1, 1)).days


def test_undecided_dates_are_said_and_overruled(table):
    found = table("day,x\n01/02/2024,1.5\n03/04/2024,2\n")
    assert any("day before month" in note and "--date-format day=%m/%d/%Y" in note for note in found.notes)
    other = table("day,x\n01/02/2024,1.5\n03/04/2024,2\n", date_formats={"day": "%m/%d/%Y"})
    assert not other.notes
    assert other.events[0, 0] == (dt.date(2024, 1, 2) - dt.date(1970, 1, 1)).days
    compact = table("day,x\n20240102,1.5\n20240304,2\n", date_formats={"day": "%Y%m%d"})
    assert np.array_equal(compact.events, other.events)
    with pytest.raises(ConfigError, match=r"--date-format for column 'day'.*%Q"):
        table("day,x\n01/02/2024,1.5\n", date_formats={"day": "%Q"})
    with pytest.raises(ConfigError, match="no column 'dya'"):
        table("day,x\n01/02/2024,1.5\n", date_formats={"dya": "%Y"})


ARROW = {
    "date32": pa.array([dt.date(2024, 1, 31), None, dt.date(1969, 12, 31)]),
    "date64": pa.array([dt.date(2024, 1, 31), None, dt.date(1969, 12, 31)], pa.date64()),
    **{
        f"timestamp {unit} {zone}": pa.array([1_706_695_507, None, -1])
        .cast(pa.timestamp("s", zone))
        .cast(pa.timestamp(unit, zone))
        for unit in ("s", "ms", "us", "ns")
        for zone in (None, "UTC", "Europe/Berlin")
    },
    "time32 s": pa.array([36_307, None, 0], pa.time32("s")),
    "time32 ms": pa.array([36_307_250, None, 0], pa.time32("ms")),
    "time64 us": pa.array([36_307_123_456, None, 0], pa.time64("us")),
    "time64 ns": pa.array([36_307_123_456_789, None, 86_399_999_999_999], pa.time64("ns")),
    **{f"duration {unit}": pa.array([93_784, None, -5], pa.duration(unit)) for unit in ("s", "ms", "us", "ns")},
}


@pytest.mark.parametrize("name", ARROW)
@pytest.mark.parametrize("suffix", [".parquet", ".arrow"])
def test_typed_columns_come_back_as_they_were(tmp_path, name, suffix):
    frame = pa.table({"t": ARROW[name], "x": [1.0, 2.0, 3.0]})
    path = tmp_path / f"a{suffix}"
    if suffix == ".parquet":
        parquet.write_table(frame, path)
        frame = parquet.read_table(path)  # parquet has no seconds
    else:
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, frame.schema) as writer:
            writer.write_table(frame)
    found = read(path)
    assert np.isnan(found.events[:, 0]).tolist() == [False, True, False]
    back = table_of(found.events, found.spec)
    assert back.schema.types == frame.schema.types
    assert back.column("t").to_pylist() == frame.column("t").to_pylist()


def test_typed_columns_are_days_and_seconds_from_1970():
    frame = pd.DataFrame(
        {
            "m": MOMENTS,
            "d": MOMENTS.date,
            "z": MOMENTS.tz_localize("Europe/Berlin", ambiguous=True, nonexistent="shift_forward"),
        }
    )
    run = open_frame(frame)
    assert np.array_equal(run[:, 0], (MOMENTS - pd.Timestamp(0)).total_seconds())
    assert np.array_equal(run[:, 1], (MOMENTS.normalize() - pd.Timestamp(0)).days)
    assert np.array_equal(run[:, 2], [moment.timestamp() for moment in frame["z"]])


def open_frame(frame):
    return table_dataset("t", FrameSource(frame), DataSettings(source="t")).events


def test_text_dates_in_csv_json_and_frames_are_alike(tmp_path, table):
    days = ["31.12.2024", "01.02.2023", "05.06.2022"]
    (tmp_path / "a.json").write_text(json.dumps([{"day": day, "x": i / 2} for i, day in enumerate(days)]))
    from_csv = table("day,x\n" + "".join(f"{day},{i / 2}\n" for i, day in enumerate(days)))
    from_json = read(tmp_path / "a.json")
    frame = open_frame(pd.DataFrame({"day": days, "x": [0.0, 0.5, 1.0]}))
    assert np.array_equal(from_csv.events, from_json.events)
    assert np.array_equal(from_csv.events, frame)
    assert table_of(from_json.events, from_json.spec).column("day").to_pylist() == days


def test_a_text_among_dates_is_named_with_its_remedies(table):
    rows = "".join(f"2024-01-{day:02d},{day}.5\n" for day in range(1, 29))
    with pytest.raises(
        DataError, match=r"holds dates, such as '2024-01-01', and 'soon' in line 30.*--missing day=soon"
    ):
        table(f"day,x\n{rows}soon,1.5\n")
    assert np.isnan(table(f"day,x\n{rows}soon,1.5\n", missing=("soon",)).events[-1, 0])
    kept = table(f"day,x\n{rows}soon,1.5\n", kinds={"day": "categorical"})
    assert len(kept.spec.features[0].levels) == 29


def test_new_data_may_write_the_same_dates_in_another_way(table):
    trained = table("day,x\n01/02/2024,1.5\n31/04/2024,2\n31/03/2024,2\n".replace("31/04", "30/04"))
    again = match("day,x\n2024-02-01,1.5\n", trained.spec)
    assert again.events[0, 0] == trained.events[0, 0]
    undecided = match("day,x\n01/02/2024,1.5\n", trained.spec)
    assert undecided.events[0, 0] == trained.events[0, 0]
    with pytest.raises(DataError, match="trained on dates"):
        match("day,x\n7,1.5\n", trained.spec)


def match(text, spec):
    from genzoo.data.readers.csv_files import CsvSource

    settings = DataSettings(source="b.csv")
    return match_table("b", CsvSource(text.encode(), settings, "b.csv"), settings, spec)


def test_zoned_times_are_not_mixed_with_local_ones():
    naive = pa.table({"t": pa.array([0, 60], pa.timestamp("s")), "x": [1.0, 2.0]})
    zoned = pa.table({"t": pa.array([0, 60], pa.timestamp("s", "UTC")), "x": [1.0, 2.0]})
    settings = DataSettings(source="t")
    for one, two in ((naive, zoned), (zoned, naive)):
        spec = table_dataset("t", FrameSource(one), settings).spec
        with pytest.raises(DataError, match="time zone"):
            match_table("t", FrameSource(two), settings, spec)


def test_inspection_shows_dates_with_unit_and_range(table, cli, tmp_path):
    found = inspect(table("day,x\n31.12.2024,1.5\n01.01.2024,2\n"))
    column = found.columns[0]
    assert (column.unit, column.dates) == ("days since 1970-01-01", ("01.01.2024", "31.12.2024", "02.07.2024"))
    assert column.low == 19723
    code, out, _ = cli("data", str(tmp_path / "a.csv"))
    assert code == 0
    assert "01.01.2024 to 31.12.2024" in out
    assert "'31.12.2024' is 2024-12-31" in out


def test_timestamps_a_second_apart_keep_their_seconds(tmp_path):
    rng = np.random.default_rng(0)
    seconds = 1_700_000_000 + rng.integers(0, 10, 400)
    frame = pd.DataFrame({"t": pd.to_datetime(seconds, unit="s"), "x": rng.normal(size=400)})
    run = genzoo.train("gaussian", frame, out=tmp_path / "run")
    model = genzoo.load(run.path)
    split = np.sort(seconds)
    samples = model.sample(4000, output="array")[:, 0]
    assert split[0] <= samples.min() < samples.max() <= split[-1]
    assert np.array_equal(samples, np.rint(samples))
    assert samples.std() == pytest.approx(seconds.std(), rel=0.15)
    assert len(np.unique(samples)) == 10
    holes = frame.assign(t=frame["t"].where(frame.index % 3 > 0))
    filled = model.impute(holes)
    assert filled["t"].dtype == frame["t"].dtype
    assert filled["t"].notna().all()


def test_samples_are_written_as_the_dates_came(tmp_path, cli, table):
    rng = np.random.default_rng(0)
    days = pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 900, 300), "D")
    table("day,x\n" + "".join(f"{day:%d.%m.%Y},{x:.3f}\n" for day, x in zip(days, rng.normal(size=300), strict=True)))
    code, _, err = cli("train", "gaussian", "--data", str(tmp_path / "a.csv"), "--out", str(tmp_path / "run"))
    assert code == 0, err
    assert cli("sample", str(tmp_path / "run"), "-n", "50", "--out", str(tmp_path / "s.csv"))[0] == 0
    back = pd.to_datetime(pd.read_csv(tmp_path / "s.csv")["day"], format="%d.%m.%Y")
    assert days.min() <= back.min() <= back.max() <= days.max()


def test_what_a_user_types_is_read_as_the_column_or_in_iso():
    day = Feature("day", type="date", form="%d/%m/%Y")
    assert parse_time("02/01/1970", day) == parse_time("1970-01-02", day) == 1
    assert np.isnan(parse_time("soon", day))
    moment = Feature("t", type="timestamp", form="timestamp[us]")
    assert parse_time("1970-01-02", moment) == 86_400
    assert show_time(86_461.0, moment) == "1970-01-02 00:01:01"


def test_a_stored_form_that_is_none_is_refused():
    with pytest.raises(ValueError, match="has no form"):
        Feature("x", form="%Y")
    with pytest.raises(ValueError, match="dates and times are continuous"):
        Feature("x", "count", type="date")
    assert DataSpec((1,), "table", (Feature("x", type="date", form="%Y-%m-%d"),)).features[0] == Feature("x")


def test_a_million_dates_are_read_fast():
    rng = np.random.default_rng(0)
    texts = DAYS.strftime("%d/%m/%Y").to_numpy()[rng.integers(0, 60_000, 10**6)]
    begun = time.process_time()
    times = read_times(pa.chunked_array([pa.array(texts, pa.string())]))
    assert len(times.numbers) == 10**6
    assert time.process_time() - begun < 2


@pytest.mark.parametrize("name", ARROW)
def test_typed_columns_are_read_again_from_text(tmp_path, name):
    frame = pa.table({"t": ARROW[name], "x": [1.0, 2.0, 3.0]})
    source = FrameSource(frame)
    spec = table_dataset("t", source, DataSettings(source="t"))
    write_table(tmp_path / "a.csv", table_of(spec.events, spec.spec))
    again = match((tmp_path / "a.csv").read_text(), spec.spec)
    accuracy = 1e-6 if name.endswith("ns") else 1e-9  # seconds
    assert np.allclose(again.events, spec.events, rtol=0, atol=accuracy, equal_nan=True)


def test_words_and_numbers_have_no_format():
    assert [format_of(text) for text in ("", "7", "seven", "12:5", "1.2.3", "Maybe 2024")] == [None] * 6
