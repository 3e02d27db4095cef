"""Windows in training: other places in every epoch, the same after a resume, in any loader and any process."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch

from genzoo.config.data import DataSettings
from genzoo.data.texts.content import windows_of
from genzoo.data.texts.lines import read_texts
from genzoo.data.transforms import AffineTransform
from genzoo.engine.buckets import Buckets
from genzoo.engine.dataloader import ResidentLoader, StreamingLoader, make_loader
from genzoo.engine.sampler import ProcessShare, Sampler
from genzoo.runtime.device import Runtime

RUNTIME = Runtime(torch.device("cpu"), "fp32")
PLAIN = AffineTransform(torch.zeros(()), torch.ones(()))
SIZE = 24
TEXT = "".join(np.random.default_rng(0).choice([*"abcdefgh", "é", "😀"], 3000))
DATASET = windows_of("a", "a", [np.frombuffer(TEXT.encode(), np.uint8)], SIZE)
ROWS = np.concatenate([np.arange(40), np.arange(60, len(DATASET))])  # as in cross-validation


def loader_of(kind=ResidentLoader, share=None):
    buckets = Buckets.of(DATASET.events, ROWS)
    order = Sampler(ROWS, 8, 5, share=share, buckets=buckets, window=SIZE)
    return kind(order, DATASET.events, PLAIN, RUNTIME, data=DATASET.spec)


def batches(loader, count, first=1):
    items = loader.items(first)
    found = list(itertools.islice(items, count))
    items.close()
    return found


def same(one, two):
    return torch.equal(one.x, two.x) and torch.equal(one.index, two.index) and torch.equal(one.length, two.length)


def strings(found):
    rows = torch.cat([batch.x for batch in found]).int().tolist()
    return [bytes(code for code in row if code < 256).decode() for row in rows]


def test_windows_of_an_epoch_lie_side_by_side_and_move_with_the_epoch():
    loader, shifts = loader_of(), []
    steps = loader.steps_per_epoch
    for epoch in range(6):
        found = batches(loader, steps, 1 + steps * epoch)
        rows = torch.cat([batch.index for batch in found]).tolist()
        assert set(rows) <= set(ROWS.tolist())
        assert len(set(rows)) == len(rows)
        texts = dict(zip(rows, strings(found), strict=True))  # raises if a character is divided
        own = {row: bytes(DATASET.events[row][DATASET.events[row] < 256].tolist()).decode() for row in (*rows, 59)}
        held_out = TEXT.encode()[DATASET.events.offsets[40] : DATASET.events.offsets[60]].decode()
        assert all(text in TEXT and len(text.encode()) > SIZE - 4 for text in texts.values())
        assert not any(text in held_out for text in texts.values())
        shifts.append(next((own[row] + own[row + 1]).index(texts[row]) for row in rows if row + 1 in own))
    assert len(set(shifts)) > 3


def test_all_batches_have_one_width():
    assert {batch.x.shape for batch in batches(loader_of(), 40)} == {(8, SIZE)}


@pytest.mark.parametrize("kind", [ResidentLoader, StreamingLoader])
def test_a_resumed_run_gets_the_same_windows(kind):
    whole = batches(loader_of(), 60)
    assert all(map(same, batches(loader_of(kind), 33, first=28), whole[27:]))


@pytest.mark.parametrize("kind", [ResidentLoader, StreamingLoader])
def test_processes_share_the_windows_of_a_step(kind):
    parts = [batches(loader_of(kind, ProcessShare(rank, 2, 4)), 40) for rank in range(2)]
    for whole, *halves in zip(batches(loader_of(), 40), *parts, strict=True):
        assert torch.equal(torch.cat([half.x for half in halves]), whole.x)


def test_the_loader_of_a_training_moves_windows(tmp_path):
    (tmp_path / "a.txt").write_text(TEXT, "utf-8")
    dataset = read_texts(Path(tmp_path / "a.txt"), DataSettings(source="a", window=SIZE))
    loader = make_loader(dataset, ROWS, 8, 5, PLAIN, RUNTIME)
    assert all(map(same, batches(loader, 40), batches(loader_of(), 40)))
