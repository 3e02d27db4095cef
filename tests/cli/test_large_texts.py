"""Large text files of tables are read in blocks, and hold what they would hold if they were read whole."""

import gzip
import json

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv as arrow_csv
from pyarrow import feather, parquet

import genzoo
from genzoo.data.readers import plain_text, text_blocks
from genzoo.data.streams import rows as blocks_of_rows
from genzoo.verbs import streaming

ROWS = 10_000
LEVELS = ("red", "green", "dark, blue")


def rows_of(count, *, seed=0, shades=LEVELS):
    """Return a table of numbers, whole numbers, categories, codes and texts with quotes, some missing."""
    rng = np.random.default_rng(seed)
    size = rng.normal(50.0, 9.0, count)
    return pa.table(
        {
            "note": pa.array([f'"{row}", said\nso' if row % 500 == 7 else f"n{row}" for row in range(count)]),
            "size": pa.array(size.round(3), mask=rng.random(count) < 0.05),
            "visits": pa.array(rng.poisson(3 + (size > 50)), pa.int64(), mask=rng.random(count) < 0.1),
            "shade": pa.array(rng.choice(shades, count), mask=rng.random(count) < 0.02),
            "seen": pa.array(rng.integers(10**9, 10**9 + 10**6, count), pa.timestamp("s")),
            "post": pa.array([f"{code:05d}" for code in rng.integers(0, 99999, count)]),
        }
    )


@pytest.fixture(scope="module")
def bayes(tmp_path_factory):
    """Train naive Bayes on a small table of mixed columns."""
    folder = tmp_path_factory.mktemp("bayes")
    arrow_csv.write_csv(rows_of(600), folder / "few.csv")
    data = {"source": str(folder / "few.csv"), "kinds": {"visits": "count"}, "drop": ["note", "post"]}
    genzoo.train("naive-bayes", data=data, out=folder / "run")
    return folder / "run"


@pytest.fixture
def trained(cli, bayes, monkeypatch, tmp_path):
    """Read any text in blocks of 4,096 rows for the model in `run`, and list what is written in blocks."""
    monkeypatch.setattr(blocks_of_rows, "MOST_ROWS", 4096)
    monkeypatch.setattr("genzoo.data.dataset._CHUNK", 1)
    monkeypatch.setattr(text_blocks, "LARGE_TEXT", 0)
    monkeypatch.setattr(text_blocks, "_ROWS", 3000)
    monkeypatch.setattr(plain_text, "_PIECE", 50_000)
    written, plain = [], streaming.write_blocks
    monkeypatch.setattr(
        streaming, "write_blocks", lambda *args, **more: written.append(args[0]) or plain(*args, **more)
    )
    (tmp_path / "run").symlink_to(bayes)
    return written


def written_as(path, table):
    """Write a table as CSV, or gzip of it."""
    plain = path.with_suffix("") if path.suffix == ".gz" else path
    arrow_csv.write_csv(table, plain)
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(plain.read_bytes()))
        plain.unlink()


def notes_in(err):
    """Return the lines on stderr that show no progress, which slow machines do."""
    return [line for line in err.splitlines() if " elapsed " not in line and " took " not in line]


def same_scores(cli, trained, source, *options):
    """Score in blocks and whole, compare all that is written and printed, and return the summary."""
    asked = ["score", "run", "--data", source, "--threshold", "0.05", "--json", *options]
    found, wanted = (cli(*asked, "--out", name) for name in ("blocks.parquet", "whole.arrow"))
    assert found[0] == wanted[0] == 0, found[2]
    assert len(trained) == 1
    one, other = parquet.read_table("blocks.parquet"), feather.read_table("whole.arrow")
    assert one.schema.equals(other.schema), (one.schema, other.schema)
    assert one.to_pylist() == other.to_pylist()
    assert notes_in(found[2]) == notes_in(wanted[2])
    first, second = json.loads(found[1]), json.loads(wanted[1])
    assert first.pop("out") != second.pop("out")
    means = first.pop("mean"), second.pop("mean")
    assert means[0] is means[1] is None or means[0] == pytest.approx(means[1], rel=1e-14)
    assert first == second
    return second


@pytest.mark.parametrize("name", ["many.csv", "many.csv.gz"])
def test_scores_of_a_text_in_blocks_are_the_scores_of_the_whole(cli, trained, tmp_path, name):
    written_as(tmp_path / name, rows_of(ROWS, seed=1, shades=(*LEVELS, "mauve")))
    found = same_scores(cli, trained, name, "--keep", "note,seen,post,visits,size")
    assert found["count_unseen"] > 1000
    assert found["rows"] == ROWS


def test_a_folder_of_texts_in_blocks_is_one_table(cli, trained, tmp_path):
    for number, rows in enumerate((2500, 1, 5000, 0, 1300)):
        folder = tmp_path / "set" / f"year={2020 + number}" / f"kind={'a%2Fb' if number % 2 else 'c'}"
        folder.mkdir(parents=True)
        part = rows_of(rows, seed=number, shades=(*LEVELS, "mauve"))
        if number == 2:  # fractions beside whole numbers, and whole numbers beside codes
            part = part.set_column(2, "visits", part.column("visits").cast(pa.float64()))
            part = part.set_column(5, "post", pa.array(range(10_000, 15_000)))
        written_as(folder / ("part.csv.gz" if number == 1 else "part.csv"), part)
    found = same_scores(cli, trained, "set", "--keep", "note,post,visits,kind,year")
    assert found["rows"] == 8801


def test_texts_filled_in_blocks_are_filled_as_the_whole(cli, trained, tmp_path, monkeypatch):
    written_as(tmp_path / "known.csv", rows_of(ROWS, seed=2).drop_columns("seen"))
    arrow_csv.write_csv(rows_of(600).drop_columns("seen"), tmp_path / "few.csv")
    assert cli("train", "gmm", "--data", "few.csv", "--columns", "size,visits", "--out", "gmm")[0] == 0
    fill = ["impute", "gmm", "--data", "known.csv", "--out"]
    for suffix in (".csv", ".parquet"):
        code, found, err = cli(*fill, f"blocks{suffix}")
        assert code == 0, err
        with monkeypatch.context() as patch:
            patch.setattr(text_blocks, "LARGE_TEXT", 2**40)
            assert cli(*fill, f"whole{suffix}")[1] == found.replace("blocks", "whole")
    assert len(trained) == 2
    assert (tmp_path / "blocks.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()
    one, other = parquet.read_table("blocks.parquet"), parquet.read_table("whole.parquet")
    assert one.schema.equals(other.schema)
    assert one.to_pylist() == other.to_pylist()


def test_a_text_that_changes_while_it_is_read_is_an_error(cli, trained, tmp_path, monkeypatch):
    written_as(tmp_path / "many.csv", rows_of(ROWS, seed=1))
    divide = text_blocks.divide

    def changed(*args):
        found = divide(*args)
        with (tmp_path / "many.csv").open("a") as file:
            file.write("n,1,2,red,2001-09-09 01:46:40,00001\n")
        return found

    monkeypatch.setattr("genzoo.data.readers.csv_files.divide", changed)
    code, _, err = cli("score", "run", "--data", "many.csv", "--out", "blocks.parquet")
    assert code == 4, err
    assert err.startswith("Error: many.csv has changed since the data were opened")
    assert not (tmp_path / "blocks.parquet").exists()
