"""Mirrored training images: which, and that nothing but the seed, the epoch and the row decides it."""

import itertools

import numpy as np
import pytest
import torch

from genzoo.data.transforms import AffineTransform
from genzoo.engine.augmentation import Flip
from genzoo.engine.dataloader import ResidentLoader, StreamingLoader
from genzoo.engine.sampler import ProcessShare, Sampler
from genzoo.runtime.device import Runtime

EXACT = Runtime(torch.device("cpu"), "fp64")
PLAIN = AffineTransform(torch.zeros(()), torch.ones(()))
IMAGES = np.random.default_rng(0).integers(0, 256, (96, 3, 4, 5), dtype=np.uint8)
ROWS = np.arange(8, 88)


def batches(kind, first=1, count=20, share=None):
    feed = kind(Sampler(ROWS, 16, 0, share=share), IMAGES, PLAIN, EXACT, flip=Flip(7)).items(first)
    found = list(itertools.islice(feed, count))
    feed.close()
    return found


def mirrored(batch):
    """Whether each image is mirrored; every image must be whole or mirrored."""
    own, other = IMAGES[batch.index], IMAGES[batch.index][..., ::-1]
    is_own = (batch.x.numpy() == own).all(axis=(1, 2, 3))
    assert (is_own != (batch.x.numpy() == other).all(axis=(1, 2, 3))).all()
    return dict(zip(batch.index.tolist(), (~is_own).tolist(), strict=True))


def test_half_of_the_images_are_mirrored_and_others_in_each_epoch():
    epochs = [{}, {}, {}, {}]
    for step, batch in enumerate(batches(ResidentLoader)):
        epochs[step // 5] |= mirrored(batch)
    assert all(set(epoch) == set(ROWS) for epoch in epochs)
    flips = np.array([[epoch[row] for row in ROWS] for epoch in epochs])
    assert abs(flips.mean() - 0.5) < 4 * 0.5 / np.sqrt(flips.size)
    for one, two in itertools.combinations(flips, 2):
        assert abs((one == two).mean() - 0.5) < 4 * 0.5 / np.sqrt(len(ROWS))


@pytest.mark.parametrize("kind", [ResidentLoader, StreamingLoader])
def test_loaders_resumes_and_processes_mirror_the_same_images(kind):
    whole = batches(ResidentLoader)
    for one, two in zip(whole[6:], batches(kind, 7, 14), strict=True):
        assert torch.equal(one.x, two.x)
    parts = [batches(kind, share=ProcessShare(rank, 2, 8)) for rank in range(2)]
    for batch, *shares in zip(whole, *parts, strict=True):
        assert torch.equal(batch.x, torch.cat([share.x for share in shares]))


def test_flip_is_for_images(cli):
    code, _, problem = cli("train", "toy", "--data", "iris", "--flip", "--precision", "fp32", "--dry-run")
    assert code == 2
    assert "--flip mirrors images, and 'iris' is a table. Leave it out." in " ".join(problem.split())
