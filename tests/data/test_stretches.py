"""The order of rows that are read from row groups, and row numbers of large data."""

import json
import os
import signal

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

import genzoo
from genzoo.data.splits.large import LargeRows, drawn_at_random, large_parts
from genzoo.engine.sampler import ProcessShare, Sampler

STARTS = np.arange(0, 10_001, 250)


@pytest.fixture
def rows():
    return np.sort(np.random.default_rng(0).permutation(10_000)[:7000])


def sampler(rows, **settings):
    return Sampler(rows, 32, 0, stretches=(np.searchsorted(rows, STARTS), 4), **settings)


def test_an_epoch_takes_each_row_once_from_few_groups_at_a_time(rows):
    order = sampler(rows)
    one, two = np.asarray(order.positions(0)), np.asarray(order.positions(1))
    assert np.array_equal(np.sort(one), np.arange(7000))
    assert not np.array_equal(one, two)
    for start in range(0, 7000 - 32, 32):
        groups = np.unique(rows[one[start : start + 32]] // 250)
        assert len(groups) <= 8  # two buffers of four groups


def test_any_step_is_found_without_those_before_it(rows):
    order = sampler(rows)
    whole = np.asarray(order.positions(2))
    for step in (200, 3, 77):
        place = order.locate(step)[1]
        assert np.array_equal(sampler(rows).positions(2)[place], whole[place])


def test_processes_have_row_groups_of_their_own(rows):
    shares = [sampler(rows, share=ProcessShare(rank, 3, 8)) for rank in range(3)]
    groups = [set(rows[np.asarray(share.positions(0))] // 250) for share in shares]
    assert not groups[0] & groups[1]
    assert len(groups[0] | groups[1] | groups[2]) == 40
    last = shares[0].steps_per_epoch
    lengths = {len(share.positions(0)[share.locate(last)[1]]) for share in shares}
    assert lengths == {32 // 3}


def test_large_rows_read_as_the_numbers_that_they_stand_for():
    rng = np.random.default_rng(1)
    flags = rng.random(200_003) < 0.3
    numbers, found = np.flatnonzero(flags), LargeRows(np.packbits(flags), len(flags))
    assert np.array_equal(np.asarray(found), numbers)
    chosen = rng.integers(-len(numbers), len(numbers), 50)
    mask = np.arange(len(numbers)) % 7 == 3
    for index in (slice(100, 70_000), slice(None, None, 999), slice(5, 5), chosen, mask, 7, -1):
        assert np.array_equal(found[index], numbers[index])
    assert found.below(STARTS * 20).tolist() == np.searchsorted(numbers, STARTS * 20).tolist()
    assert np.array_equal(np.concatenate([found.share(rank, 3) for rank in range(3)]), numbers)
    assert found.nbytes == 25_001


def test_rows_drawn_at_random_are_even_and_keep_the_test_rows(monkeypatch):
    monkeypatch.setattr("genzoo.data.splits.large._DRAWN", 1000)
    marks = drawn_at_random(10_500, 2100, 1050, np.random.default_rng(0))
    train, validation, test = large_parts(marks)
    assert (len(train), len(validation), len(test)) == (7350, 2100, 1050)
    without = drawn_at_random(10_500, 0, 1050, np.random.default_rng(0))
    assert np.array_equal(np.flatnonzero(without == 2), np.asarray(test))
    drawn = [drawn_at_random(40, 4, 8, np.random.default_rng(seed)) for seed in range(2000)]
    # Each row is a test row with probability 1/5; five standard deviations of 2,000 draws.
    np.testing.assert_allclose((np.array(drawn) == 2).mean(axis=0), 0.2, atol=5 * np.sqrt(0.16 / 2000))


def test_training_goes_on_exactly_at_the_row_where_it_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr("genzoo.data.readers.arrow.parquet.LARGE", 1000)
    numbers = np.random.default_rng(0).normal(size=(600, 2)).astype(np.float32)
    parquet.write_table(pa.table({"a": numbers[:, 0], "b": numbers[:, 1]}), tmp_path / "a.parquet", row_group_size=50)
    settings = {"data": tmp_path / "a.parquet", "widths": (4,), "latent": 1, "precision": "fp32"}
    settings |= {"training": {"batch_size": 20, "log_every": 1, "steps": 24, "checkpoint_every": 5}}
    whole = genzoo.train("vae", **settings, out=tmp_path / "whole")
    with pytest.raises(genzoo.Interrupted):
        genzoo.train("vae", **settings, out=tmp_path / "part", callbacks=[stop_at_13])
    more = genzoo.resume(tmp_path / "part")
    losses = [[(line["step"], line["loss"]) for line in logged(path)] for path in (whole.path, more.path)]
    assert losses[0] == losses[1]
    assert len(losses[0]) == 24


def stop_at_13(step):
    if step.number == 13:
        os.kill(os.getpid(), signal.SIGTERM)


def logged(path):
    return [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines() if "loss" in line]
