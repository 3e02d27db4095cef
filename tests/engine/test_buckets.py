"""Batches of texts: every text once in an epoch, few widths, the same wherever the texts are kept."""

import itertools

import numpy as np
import pytest
import torch

from genzoo.data.texts.lines import listed
from genzoo.data.transforms import AffineTransform
from genzoo.engine.blocks import BlockLoader
from genzoo.engine.buckets import MOST_WIDTHS, Buckets
from genzoo.engine.dataloader import ResidentLoader, StreamingLoader, make_loader
from genzoo.engine.sampler import ProcessShare, Sampler
from genzoo.models.objective import Batch
from genzoo.runtime.device import Runtime

RUNTIME = Runtime(torch.device("cpu"), "fp32")
PLAIN = AffineTransform(torch.zeros(()), torch.ones(()))
LENGTHS = np.random.default_rng(0).geometric(0.1, 203) - 1
DATASET = listed([chr(97 + number % 26) * int(length) for number, length in enumerate(LENGTHS)])
LONGEST = int(LENGTHS.max())
ROWS = np.arange(3, 203)


def loader_of(kind=ResidentLoader, share=None, size=16):
    order = Sampler(ROWS, size, 5, share=share, buckets=Buckets.of(DATASET.events, ROWS))
    return kind(order, DATASET.events, PLAIN, RUNTIME, data=DATASET.spec)


def batches(loader, count, first=1):
    items = loader.items(first)
    found = list(itertools.islice(items, count))
    items.close()
    return found


def same(one, two):
    return torch.equal(one.x, two.x) and torch.equal(one.index, two.index) and torch.equal(one.length, two.length)


def test_every_text_is_seen_once_in_an_epoch_and_is_whole():
    for epoch in (0, 1):
        found = batches(loader_of(), 12, 1 + 12 * epoch)
        rows = torch.cat([batch.index for batch in found])
        assert len(rows.unique()) == len(rows) == 192  # as for other data, 8 of 200 wait for another epoch
        for batch in found:
            width = batch.x.shape[1]
            assert torch.equal(batch.x, torch.from_numpy(DATASET.events[batch.index.numpy()][:, :width]).float())
            assert batch.length.tolist() == LENGTHS[batch.index].tolist()
            assert width == LONGEST or (batch.length < width).all()


def test_a_batch_has_one_of_few_widths_and_little_padding():
    found = batches(loader_of(), 120)
    assert len({batch.x.shape[1] for batch in found}) <= MOST_WIDTHS
    padded = sum(batch.x.numel() for batch in found)
    assert padded < 0.5 * 120 * 16 * LONGEST
    assert len({tuple(batch.index.tolist()) for batch in found}) == 120


def test_a_resumed_run_gets_the_same_batches():
    whole = batches(loader_of(), 30)
    assert all(map(same, batches(loader_of(), 11, first=20), whole[19:]))


def test_texts_on_the_host_give_the_batches_of_texts_on_the_device():
    assert all(map(same, batches(loader_of(StreamingLoader), 30), batches(loader_of(), 30)))


@pytest.mark.parametrize("kind", [ResidentLoader, StreamingLoader])
def test_processes_share_steps_and_widths(kind):
    parts = [batches(loader_of(kind, ProcessShare(rank, 2, 8)), 24) for rank in range(2)]
    for whole, *halves in zip(batches(loader_of(), 24), *parts, strict=True):
        assert {half.x.shape for half in halves} == {(8, whole.x.shape[1])}
        assert torch.equal(torch.cat([half.x for half in halves]), whole.x)


def test_equal_lengths_need_one_width():
    dataset = listed(["ab", "cd", "ef"])
    assert Buckets.of(dataset.events, np.arange(3)).widths.tolist() == [2]


@pytest.mark.parametrize("step", [1, 4])
@pytest.mark.parametrize("seed", range(4))
def test_no_other_widths_pad_less(monkeypatch, seed, step):
    monkeypatch.setattr("genzoo.engine.buckets.MOST_WIDTHS", 3)
    rng = np.random.default_rng(seed)
    lengths = rng.geometric(0.15, 40)
    texts = listed(["x" * int(length) for length in lengths]).events
    room = np.minimum(lengths + 1, lengths.max())

    def symbols(buckets):
        return step * sum(buckets.widths_of(buckets.grouped(np.arange(40), step, rng), step))

    ends = [
        (*inner, room.max()) for count in (0, 1, 2) for inner in itertools.combinations(np.unique(room)[:-1], count)
    ]
    others = [Buckets(np.array(widths), np.searchsorted(widths, room)) for widths in ends]
    assert symbols(Buckets.of(texts, np.arange(40), step)) == min(map(symbols, others))


def test_a_few_long_texts_do_not_pad_the_others():
    lengths = np.append(np.random.default_rng(0).integers(1, 2000, 3000), 16_000)
    texts = listed(["x" * int(length) for length in lengths]).events
    buckets = Buckets.of(texts, np.arange(3001), 1)
    assert len(buckets.widths) == MOST_WIDTHS
    assert buckets.widths[buckets.needed].sum() < 1.2 * lengths.sum()


def test_lengths_are_divided_among_parts_of_a_batch():
    batch = Batch(torch.zeros(4, 3), length=torch.arange(4))
    assert [part.length.tolist() for part in batch.chunk(2)] == [[0, 1], [2, 3]]


def test_the_loader_of_a_training_and_blocks_hand_over_lengths():
    (batch,) = batches(make_loader(DATASET, ROWS, 16, 0, PLAIN, RUNTIME), 1)
    assert batch.length.tolist() == LENGTHS[batch.index].tolist()
    blocks = list(BlockLoader(DATASET, ROWS, 64, PLAIN, RUNTIME))
    assert torch.cat([block.length for block in blocks]).tolist() == LENGTHS[ROWS].tolist()
    assert all(block.x.shape[1] == min(int(block.length.max()) + 1, LONGEST) for block in blocks)
