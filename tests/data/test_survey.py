"""What one pass over row groups finds, alone and divided among processes."""

import shutil

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from pyarrow import parquet

import genzoo
from genzoo.config.data import DataSettings, SplitSettings
from genzoo.data import row_groups
from genzoo.data.columns.observed import observe
from genzoo.data.columns.survey import spaced_rows
from genzoo.data.loading import open_dataset
from genzoo.errors import DataError
from genzoo.plugins.manager import get_registry
from genzoo.runtime.dividing import dividing
from genzoo.runtime.progress import Phase

GROUPS = 20


def in_two(work):
    """Do the work of two processes in this one."""
    return [work(rank, 2) for rank in range(2)]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Five files of four row groups; column b is rounded, and c lacks values."""
    monkeypatch.setattr("genzoo.data.readers.arrow.parquet.LARGE", 1)
    monkeypatch.setattr("genzoo.data.row_groups.KEPT", 1)
    rng = np.random.default_rng(0)
    for part in range(5):
        a, b, c = rng.normal(part % 2, 1.0, (3, 800))
        c[::7] = np.nan
        table = pa.table({"a": a, "b": b.round(2), "c": c})
        parquet.write_table(table, tmp_path / f"{part}.parquet", row_group_size=200)
    return tmp_path


def opened(folder):
    return open_dataset(DataSettings(source=str(folder)), get_registry())


def test_one_pass_finds_missing_values_and_a_sample(folder):
    dataset = opened(folder)
    survey, whole = dataset.events.survey, dataset.events[:]
    assert survey.missing.tolist() == [False, False, True]
    assert survey.observed.all()
    assert len(survey.rows) == 500
    assert np.array_equal(survey.sample, whole[survey.rows], equal_nan=True)


@pytest.mark.parametrize("count", [0, 100])
def test_spaced_rows_of_files_come_from_the_sample(folder, count):
    dataset = opened(folder)
    among = None if not count else np.arange(1, 4000, 3)
    rows = spaced_rows(dataset.events, 50, among)
    assert np.isin(rows, dataset.events.survey.rows).all()
    assert among is None or np.isin(rows, among).all()
    assert 40 < len(rows) <= 50
    assert np.ptp(rows) > 3500


def test_two_processes_find_what_one_does(folder):
    alone = opened(folder)
    rows = alone.split(SplitSettings(), 0).train
    with dividing(in_two):
        both = opened(folder)
        found = observe(both, rows)
    assert both.digest() == alone.digest()
    assert np.array_equal(both.events.survey.sample, alone.events.survey.sample, equal_nan=True)
    train = alone.events[:][rows]
    assert np.array_equal([found.low, found.high], [np.nanmin(train, 0), np.nanmax(train, 0)])
    assert [step.tolist() for step in found.steps] == [[0, 0, 0], [0, 0.01, 0]]
    np.testing.assert_allclose(found.moments.mean, np.nanmean(train, 0), rtol=1e-12)
    np.testing.assert_allclose(found.moments.deviation, np.nanstd(train, 0), rtol=1e-12)


def test_processes_with_other_files_are_noticed(folder, tmp_path_factory):
    copy = tmp_path_factory.mktemp("other") / "files"
    shutil.copytree(folder, copy)
    table = parquet.read_table(copy / "0.parquet")
    changed = table.set_column(0, "a", pc.add(table["a"], 1.0))
    parquet.write_table(changed, copy / "0.parquet", row_group_size=200)
    theirs = opened(copy).events._look_over(Phase("looking"), 1, 2)
    with dividing(lambda work: [work(0, 2), theirs]), pytest.raises(DataError, match="must have the same data"):
        opened(folder)


def test_a_training_reads_the_files_in_few_passes(folder, monkeypatch, tmp_path_factory):
    reads = []
    read = row_groups.RowGroupEvents._read
    monkeypatch.setattr(
        row_groups.RowGroupEvents, "_read", lambda self, group: reads.append(group) or read(self, group)
    )
    monkeypatch.setattr("genzoo.data.splits.notes.LARGE_ROWS", 1)  # equal rows are counted in fewer rows only
    for place in ("data.degenerate.atoms", "data.degenerate.dependence", "metrics.resting"):
        monkeypatch.setattr(f"genzoo.{place}._ROWS", 100)  # far fewer than there are, as of large files
    monkeypatch.setattr("genzoo.data.columns.rounding._NUMBERS", 300)
    monkeypatch.setattr("genzoo.data.columns.rounding._LEAST_ROWS", 100)
    monkeypatch.setattr("genzoo.metrics.rounding._PAIRS", 30)
    out = tmp_path_factory.mktemp("run") / "run"
    em = {"n_components": 2, "n_init": 1, "max_iter": 3, "tol": 0.0}
    genzoo.train("gmm", str(folder), out=out, precision="fp64", columns=["a", "b"], **em)
    # All rows once, the training rows for moments and limits, a first block of them (here all) for constant columns,
    # two passes of the start, three of EM, and the scores of held-out rows.
    assert len(reads) == (1 + 1 + 1 + 2 + 3 + 1) * GROUPS


@pytest.fixture
def uneven(tmp_path, monkeypatch):
    """A file of row groups of 300, 0, 1 and 90 rows: float32 and whole numbers far from 0, with null and NaN."""
    monkeypatch.setattr("genzoo.data.readers.arrow.parquet.LARGE", 1)
    rng = np.random.default_rng(1)
    a = pa.array((1e4 + rng.normal(size=391)).astype(np.float32), mask=rng.random(391) < 0.1)
    b = pa.array(10**9 + rng.integers(0, 9, 391), mask=np.arange(391) >= 300)  # no value in the last groups
    c = pa.array(np.where(rng.random(391) < 0.1, np.nan, rng.normal(size=391)), mask=rng.random(391) < 0.1)
    table = pa.table({"a": a, "b": b, "c": c, "d": pa.array(rng.random(391) < 0.5)})
    with parquet.ParquetWriter(tmp_path / "uneven.parquet", table.schema) as file:
        for first, stop in ((0, 300), (300, 300), (300, 301), (301, 391)):
            file.write_table(table.slice(first, stop - first))
    return tmp_path / "uneven.parquet", table


@pytest.mark.parametrize("processes", [1, 2, 7])
def test_uneven_row_groups_have_the_moments_of_the_whole(uneven, processes):
    path, table = uneven
    whole = np.stack([column.cast(pa.float64()).to_numpy() for column in table.columns], axis=1)
    with dividing(lambda work: [work(rank, processes) for rank in range(processes)]):
        dataset = opened(path)
        rows = np.flatnonzero(np.arange(391) % 5)
        found = observe(dataset, rows)
    survey, train = dataset.events.survey, whole[rows]
    assert survey.missing.tolist() == np.isnan(whole).any(0).tolist() == [True, True, True, False]
    assert np.array_equal(survey.sample, whole[survey.rows], equal_nan=True)
    assert np.array_equal([found.low, found.high], [np.nanmin(train, 0), np.nanmax(train, 0)])
    assert found.steps[0].tolist() == [0, 1, 0, 1]
    assert found.moments.count.tolist() == (~np.isnan(train)).sum(0).tolist()
    shift = np.array([1e4, 1e9, 0, 0])  # so that numpy keeps the digits of b
    np.testing.assert_allclose(found.moments.mean - shift, np.nanmean(train - shift, 0), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(found.moments.deviation, np.nanstd(train - shift, 0), rtol=1e-6)
