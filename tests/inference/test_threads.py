"""Log-likelihoods of many rows: threads compute them on one core each if the generator is thread-safe."""

import threading

import numpy as np
import pytest
import torch
from scipy import stats
from torch_threads import torch_threads
from toy_plugin import ToyGaussian

import genzoo
from genzoo.data.dataset import rows_at_once
from genzoo.data.transforms import AffineTransform
from genzoo.inference.row_likelihoods import log_likelihoods
from genzoo_mixture.emission.emission import Added
from genzoo_mixture.emission.full import Full
from genzoo_mixture.mixture import Mixture

TABLE = genzoo.DataSpec((2,), "table", (genzoo.Feature("a"), genzoo.Feature("b")), storage="float64", missing=True)
ROWS = 40_000


class Watched(ToyGaussian):
    """Remembers which threads compute."""

    thread_safe = True

    def log_prob(self, x, missing=None):
        self.seen.add((threading.current_thread() is threading.main_thread(), torch.get_num_threads()))
        return super().log_prob(x)


@pytest.fixture(autouse=True)
def two_threads():
    with torch_threads(2):
        yield


def model_and_table():
    events = np.random.default_rng(0).normal(size=(ROWS, 2)) * 3 + 5
    events[17] = np.nan
    generator = Watched((2,), 0.25).double().eval()
    generator.seen = set()
    transform = AffineTransform(torch.tensor([10.0, -1.0]), torch.tensor([2.0, 0.5]))
    model = genzoo.TrainedModel("test/toy", generator, transform, TABLE, missing=True)
    return model, genzoo.Dataset("rows", TABLE, events)


def test_many_rows_are_computed_in_threads_of_one_core():
    model, table = model_and_table()
    found = log_likelihoods(model, table, np.arange(ROWS), seed=0)
    mean = np.array([10.0, -1.0]) + 0.25 * np.array([2.0, 0.5])
    expected = stats.norm(mean, [2.0, 0.5]).logpdf(table.events).sum(axis=1)
    assert np.isnan(found[17])
    assert np.delete(found, 17) == pytest.approx(np.delete(expected, 17), rel=1e-12)
    assert model.generator.seen == {(False, 1)}


def test_a_generator_that_is_not_thread_safe_is_computed_here(monkeypatch):
    model, table = model_and_table()
    monkeypatch.setattr(Watched, "thread_safe", False)
    log_likelihoods(model, table, np.arange(ROWS), seed=0)
    assert model.generator.seen == {(True, 2)}


@pytest.mark.parametrize("chunks", [slice(0, 1), slice(0, 2), slice(1, 2), slice(2, None)])
def test_a_part_of_a_table_has_the_values_of_the_whole_to_the_last_bit(chunks):
    rows, size = np.arange(ROWS), rows_at_once(TABLE)
    x = np.random.default_rng(0).normal(size=(ROWS, 7))
    features = tuple(genzoo.Feature(name) for name in "abcdefg")
    spec = genzoo.DataSpec((7,), "table", features, storage="float64")
    generator = Mixture([Full(1, 7, Added(1e-6))], [range(7)], "random").float().eval()
    with torch.no_grad():
        generator.emissions[0].whitener.copy_(torch.randn(1, 7, 7, generator=torch.manual_seed(0)).tril())
    model = genzoo.TrainedModel("test/mixture", generator, AffineTransform(torch.zeros(7), torch.ones(7)), spec)
    table = genzoo.Dataset("rows", spec, x)
    whole = log_likelihoods(model, table, rows, seed=0)
    first = (chunks.start or 0) * size
    some = rows[first : None if chunks.stop is None else chunks.stop * size]
    part = log_likelihoods(model, table, some, seed=0, first=first)
    assert np.array_equal(part, whole[some])


@pytest.mark.parametrize(
    ("columns", "rows"), [(1, 16384), (16, 16384), (17, 12288), (32, 8192), (64, 4096), (65, None)]
)
def test_chunks_of_wide_rows_have_fewer(columns, rows):
    features = tuple(genzoo.Feature(f"c{place}") for place in range(columns))
    assert rows_at_once(genzoo.DataSpec((columns,), "table", features)) == rows


def test_images_have_no_such_chunks():
    assert rows_at_once(genzoo.DataSpec((1, 4, 4), "image", (genzoo.Feature("pixel"),), bounds=(0.0, 1.0))) is None


@pytest.mark.parametrize("rows", [[4, 5, 6], [4, 4, 6], [4, 6, 9], [7], []])
def test_blocks_hold_the_rows_that_were_asked_for(rows):
    _, table = model_and_table()
    for blocks in (table.blocks(np.array(rows, np.int64)), table.given_blocks(np.array(rows, np.int64), 2)):
        found = np.concatenate([np.empty((0, 2)), *blocks])
        assert np.array_equal(found, table.events[rows])
