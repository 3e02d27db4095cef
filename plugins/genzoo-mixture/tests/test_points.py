"""Processes that read a share each find the same sample and the same ranges as one that reads all events."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

import genzoo
from genzoo_mixture.points import SAMPLE, ExaminedBlocks, observed_values

EVENTS = 3 * SAMPLE


def events():
    rng = np.random.default_rng(0)
    x = torch.from_numpy(rng.normal(size=(EVENTS, 2)))
    missing = torch.from_numpy(rng.random(x.shape) < 0.1)
    return genzoo.Batch(x.masked_fill(missing, 0.0), missing, torch.from_numpy(rng.integers(0, 3, EVENTS)).double())


def in_blocks(batch, size):
    return [batch.take(slice(start, start + size)) for start in range(0, len(batch), size)]


def shared(batch, ends):
    """Return the shares of processes, which are threads here, between these ends."""
    count = len(ends) - 1
    barrier, given = threading.Barrier(count), [None] * count

    def add(rank, tensors):
        given[rank] = tensors
        barrier.wait()
        total = {name: sum(own[name] for own in given) for name in tensors}
        barrier.wait()
        return total

    return [
        genzoo.SharedBlocks(
            in_blocks(batch, 5000),
            in_blocks(batch.take(slice(*ends[rank : rank + 2])), 777),
            rank=rank,
            count=count,
            before=ends[rank],
            after=EVENTS - ends[rank + 1],
            add=lambda tensors, rank=rank: add(rank, tensors),
        )
        for rank in range(count)
    ]


def test_a_sample_has_the_events_of_the_smallest_keys_in_their_order():
    batch = events()
    keys = torch.rand(EVENTS, generator=torch.Generator().manual_seed(0)).masked_fill(batch.weight == 0, torch.inf)
    order = np.sort(np.argsort(keys.numpy(), kind="stable")[:SAMPLE])
    found = ExaminedBlocks(genzoo.SharedBlocks(in_blocks(batch, 999)), free=False)
    values, weight = found.drawn(observed_values, SAMPLE, own=False)
    assert torch.equal(weight, batch.weight[order])
    assert torch.equal(values.nan_to_num(-9.0), observed_values(batch)[order].nan_to_num(-9.0))
    counted = observed_values(batch)[batch.weight > 0].numpy()
    np.testing.assert_array_equal(found.low, np.nanmin(counted, 0))
    np.testing.assert_array_equal(found.high, np.nanmax(counted, 0))


def test_shares_of_any_length_find_the_same():
    batch = events()
    one = ExaminedBlocks(genzoo.SharedBlocks(in_blocks(batch, 999)), free=False)
    blocks = shared(batch, [0, 50, 41_000, EVENTS])  # the first has fewer events than a sample
    with ThreadPoolExecutor(len(blocks)) as threads:
        several = list(threads.map(lambda own: ExaminedBlocks(own, free=False), blocks))
    for found in several:
        assert torch.equal(found.low, one.low)
        assert torch.equal(found.high, one.high)
        for most in (2_000, SAMPLE):
            for own, whole in zip(*(x.drawn(observed_values, most, own=False) for x in (found, one)), strict=True):
                assert torch.equal(own.nan_to_num(-9.0), whole.nan_to_num(-9.0))
