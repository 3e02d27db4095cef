"""Images whose pixels are drawn by their brightness."""

import dataclasses
import itertools

import numpy as np
import pytest
import torch
from refusals import assert_refused
from scipy import stats

import genzoo
from genzoo.comparison.location import load_arrays, save_arrays
from genzoo.config.data import DataSettings
from genzoo.data.builtin import digits
from genzoo.data.loading import open_dataset
from genzoo.data.readers.numpy_files import array_dataset
from genzoo.data.redraw import Redraw, redraw
from genzoo.data.transforms import AffineTransform
from genzoo.engine.dataloader import ResidentLoader, StreamingLoader, make_loader
from genzoo.engine.sampler import ProcessShare, Sampler
from genzoo.plugins.manager import get_registry
from genzoo.runtime.device import Runtime
from genzoo.runtime.seeding import derive

EXACT = Runtime(torch.device("cpu"), "fp64")
PLAIN = AffineTransform(torch.zeros(()), torch.ones(()))
GRAY = np.random.default_rng(0).integers(0, 256, (96, 1, 4, 5), dtype=np.uint8)
ROWS = np.arange(8, 88)
DRAW = Redraw(7, 0.0, 255.0)


def test_a_pixel_is_white_as_often_as_it_is_bright():
    levels = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16).expand(40, -1, -1, -1)
    index = torch.arange(40)
    draws = torch.stack([DRAW(levels, index, number) for number in range(50)]).sum((0, 1)).flatten().numpy()
    p = np.arange(256) / 255
    assert draws[0] == 0
    assert draws[255] == 2000
    chi2 = ((draws[1:255] - 2000 * p[1:255]) ** 2 / (2000 * p * (1 - p))[1:255]).sum()
    assert 1e-3 < stats.chi2(254).cdf(chi2) < 1 - 1e-3


def split_mix(seed, row, place):
    """The number of SplitMix64 (Steele, Lea and Flood, 2014) that decides a pixel, from whole numbers of Python."""

    def mix(z):
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
        return z ^ (z >> 31)

    golden = 0x9E3779B97F4A7C15
    return mix((mix((row * golden + seed) % 2**64) + (place + 1) * golden) % 2**64)


def test_a_draw_depends_on_seed_number_row_and_pixel_only():
    found = DRAW(torch.from_numpy(GRAY), torch.arange(96), 3).view(96, -1)
    seed = derive(7, "redraw", 3)
    for row, place in itertools.product((0, 5, 95), range(20)):
        share = split_mix(seed, row, place) % 2**32 / 2**32
        assert found[row, place] == (share < GRAY[row].flat[place] / 255)
    some = torch.tensor([5, 95, 0])
    assert torch.equal(DRAW(torch.from_numpy(GRAY[some]), some, 3).view(3, -1), found[some])


def test_data_are_drawn_once_and_keep_their_gray_images():
    data = open_dataset(DataSettings(source="digits", binarize="redraw"), get_registry())
    again = open_dataset(DataSettings(source="digits", binarize="redraw"), get_registry())
    gray = digits()
    assert data.spec.describe() == "binary image 1×8×8, uint8 in 0..1, step 1"
    assert np.array_equal(data.events, again.events)
    assert np.array_equal(data.gray, gray.events)
    assert not data.events[gray.events == 0].any()
    assert data.events[gray.events == 16].all()
    gap = data.events.sum(dtype=float) - gray.events.sum() / 16
    spread = np.sqrt((gray.events / 16 * (1 - gray.events / 16)).sum())
    assert abs(gap) < 4 * spread
    assert data.digest() == again.digest()
    assert data.digest() != dataclasses.replace(data, gray=None, gray_range=None).digest()


def test_two_levels_are_not_drawn():
    data = array_dataset("x", np.random.default_rng(0).integers(0, 2, (50, 4, 4)))
    assert redraw(data) is data


def batches(kind, first=1, count=20, share=None):
    feed = kind(Sampler(ROWS, 16, 0, share=share), GRAY, PLAIN, EXACT, redraw=DRAW).items(first)
    found = list(itertools.islice(feed, count))
    feed.close()
    return found


def test_training_draws_others_in_each_epoch():
    epochs = [np.full((96, 20), -1), np.full((96, 20), -1)]
    for step, batch in enumerate(batches(ResidentLoader, count=10)):
        epochs[step // 5][batch.index] = batch.x.numpy().reshape(-1, 20)
    for number, epoch in enumerate(epochs):
        expected = DRAW(torch.from_numpy(GRAY), torch.arange(96), number).view(96, -1).numpy()
        assert np.array_equal(epoch[ROWS], expected[ROWS])
    p = GRAY[ROWS] / 255
    differ = (epochs[0] != epochs[1])[ROWS].sum()
    chance = 2 * p * (1 - p)
    assert abs(differ - chance.sum()) < 4 * np.sqrt((chance * (1 - chance)).sum())


@pytest.mark.parametrize("kind", [ResidentLoader, StreamingLoader])
def test_loaders_resumes_and_processes_draw_the_same_images(kind):
    whole = batches(ResidentLoader)
    for one, two in zip(whole[6:], batches(kind, 7, 14), strict=True):
        assert torch.equal(one.x, two.x)
    parts = [batches(kind, share=ProcessShare(rank, 2, 8)) for rank in range(2)]
    for batch, *shares in zip(whole, *parts, strict=True):
        assert torch.equal(batch.x, torch.cat([share.x for share in shares]))


def test_a_loader_draws_from_the_gray_images_of_its_data():
    data = redraw(array_dataset("x", GRAY[:, 0]))
    loader = make_loader(data, ROWS, 80, 7, PLAIN, EXACT)
    for number, batch in enumerate(itertools.islice(loader.items(1), 2)):
        gray = torch.from_numpy(GRAY[batch.index])
        assert torch.equal(batch.x, Redraw(7, *data.gray_range)(gray, batch.index, number).double())


def test_data_that_are_sent_to_a_worker_keep_their_gray_images(tmp_path):
    data = redraw(array_dataset("x", GRAY[:, 0]))
    save_arrays(data, tmp_path)
    arrays = load_arrays(tmp_path)
    again = dataclasses.replace(data, **{name: arrays[name] for name in ("events", "gray", "gray_range")})
    assert again.digest() == data.digest()


def test_a_resumed_run_ends_with_equal_bits(tmp_path):
    settings = {"binarize": "redraw", "width": 4, "layers": 0, "embedding": 2, "precision": "fp32", "device": "cpu"}
    training = {"batch_size": 800, "ema": 0.0, "eval_steps": None, "patience": None}
    training |= {"schedule": {"name": "constant", "warmup": 0}}
    settings |= {"training": training, "split": {"validation": 0.0, "test": 0.1}}
    whole = genzoo.train("made", "digits", **settings, steps=6, out=tmp_path / "whole")
    genzoo.train("made", "digits", **settings, steps=3, out=tmp_path / "part")  # an epoch has two steps
    part = genzoo.resume(tmp_path / "part", steps=6)
    one, two = (run.load().generator.state_dict() for run in (whole, part))
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert whole.config.data.binarize == "redraw"


@pytest.mark.full
def test_candidates_are_compared_on_draws_that_no_seed_changes(tmp_path):
    data = {"source": "digits", "binarize": "redraw"}
    short = "training.steps=2,training.eval_steps=null,training.patience=null"
    models = ["naive-bayes", f"made:width=2,layers=0,embedding=1,{short}"]
    settings = {"device": "cpu", "precision": "fp32"}
    one = genzoo.compare(models, data, seed=3, out=tmp_path / "one", **settings)
    two = genzoo.compare(models, data, seed=3, seeds=2, out=tmp_path / "two", **settings)
    assert one.data["sha256"] == two.data["sha256"]
    assert {row.log_likelihood.measure for row in two.rows} == {"mass"}


def test_redraw_is_for_images_alone(cli, tmp_path):
    assert_refused(cli("data", "iris", "--binarize", "redraw"), 2, "--binarize is for images", "iris")
    x = np.random.default_rng(0)
    np.savez(tmp_path / "a.npz", image=GRAY, label=x.integers(0, 3, 96))
    both = cli("data", tmp_path / "a.npz", "--parts", "image,label", "--binarize", "redraw")
    assert_refused(both, 2, "--binarize redraw is for data that are images alone", "Use --binarize")


def test_a_switch_takes_its_words_and_no_others(cli):
    for words in (("digits", "--binarize"), ("--binarize", "digits"), ("--binarize", "redraw", "digits")):
        code, out, _ = cli("data", *words)
        assert code == 0
        assert "binary image" in out
        assert ("was drawn" in out) == ("redraw" in words)
    assert_refused(cli("data", "digits", "--binarize=half"), 2, "'half' is not redraw")
    assert_refused(cli("data", "digits", "--binarize", "half"), 2, "half")
