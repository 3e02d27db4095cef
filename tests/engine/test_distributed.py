"""Two processes beside one: the same weights, the same end, and a clear word when one of them is gone."""

import functools
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from forked import command
from pyarrow import parquet
from refusals import assert_refused
from safetensors.torch import load_file
from together import (
    compiled,
    disagree,
    fail,
    freeze,
    kill,
    leave,
    normalize,
    perish,
    restarted,
    step_in_fp16,
    stop_early,
    streamed,
    talk,
    to_normalize,
    together,
    train,
    unlike,
)
from torch.nn import functional as F

import genzoo
from genzoo.config.resolve import layer, resolve_config
from genzoo.data.transforms import AffineTransform
from genzoo.engine.dataloader import ResidentLoader, StreamingLoader
from genzoo.engine.distributed import ProcessGroup
from genzoo.engine.sampler import ProcessShare, Sampler
from genzoo.errors import ConfigError
from genzoo.persistence.checkpoint import checkpoints
from genzoo.persistence.run import Run
from genzoo.plugins.manager import get_registry
from genzoo.runtime.device import Runtime
from genzoo.runtime.launch import process_count
from genzoo.runtime.seeding import random_scope
from genzoo.training.api import run_to_go_on
from genzoo.training.setup import build_setup

SIGKILL, SIGTERM = 9, 15


def state(run):
    return load_file(checkpoints(Path(run) / "checkpoints")[-1] / "state.safetensors")


def record(run):
    return json.loads((Path(run) / "run.json").read_text(encoding="utf-8"))


def lines(run):
    return [json.loads(line) for line in (Path(run) / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]


def said(text):
    return " ".join(text.split())


def config(model="toy", **asked):
    return resolve_config(get_registry(), model, layer(asked))


def assert_alike(one, two, tolerance, relative=0.0):
    one, two = state(one), state(two)
    assert one.keys() == two.keys()
    assert any(name.startswith("model.") for name in one)
    for name, value in one.items():
        assert torch.allclose(value, two[name], rtol=relative, atol=tolerance), name


DCGAN = [
    "dcgan",
    "--steps",
    8,
    "--batch-size",
    16,
    "-o",
    "generator_widths=[8,8,4]",
    "-o",
    "discriminator_widths=[4,8]",
]
VAE = [
    "vae",
    "--data",
    "iris",
    "--batch-size",
    16,
    "--steps",
    8,
    "-o",
    "widths=[16]",
    "-o",
    "encoder_dropout=0",
    "-o",
    "decoder_dropout=0",
]


@pytest.mark.parametrize(
    "words",
    [
        DCGAN,
        [
            *DCGAN,
            "-o",
            "objective=wasserstein-gp",
            "-o",
            "objective.discriminator_steps=2",
            "-o",
            "training.grad_accumulation=2",
        ],
        [*VAE, "-o", "objective.draws=3", "-o", "training.grad_clip=0.5", "-o", "training.eval_steps=4"],
    ],
    ids=["dcgan", "discriminator-steps-and-parts", "vae"],
)
def test_two_processes_train_as_one_does_on_the_same_batches(tmp_path, words):
    words = ["train", *words, "--precision", "fp64", "--device", "cpu"]
    ended = together(tmp_path / "logs", 2, command, *words, "--out", tmp_path / "two")
    assert ended.codes == [0, 0], ended.err
    together(tmp_path / "logs", 1, command, *words, "--out", tmp_path / "one")
    assert_alike(tmp_path / "one", tmp_path / "two", 1e-8)
    for one, two in zip(lines(tmp_path / "one"), lines(tmp_path / "two"), strict=True):
        assert one["step"] == two["step"]
        assert one.get("loss", {}) == pytest.approx(two.get("loss", {}), rel=1e-8)
        assert one.get("validation", 0.0) == pytest.approx(two.get("validation", 0.0), rel=1e-8)
    assert record(tmp_path / "two")["processes"] == 2
    assert len(genzoo.load(tmp_path / "two").sample(2)) == 2
    assert ended.out[1] == ended.err[1] == "", "one of them speaks"


def test_two_compiled_processes_train_as_one_uncompiled_does(tmp_path):
    words = [
        "train",
        "flow",
        "--data",
        "iris",
        "--batch-size",
        16,
        "--steps",
        3,
        "--precision",
        "fp64",
        "--device",
        "cpu",
    ]
    words += ["-o", "dropout=0", "-o", "layers=1", "-o", "widths=[8]"]
    one, two = ([*words, "--out", tmp_path / name] for name in ("one", "two"))
    ended = together(tmp_path / "logs", 2, compiled, [*two, "-o", "training.compile=true"])
    assert ended.codes == [0, 0], ended.err
    assert all(said["graphs"] > 0 and said["code"] == 0 for said in ended.told), ended
    together(tmp_path / "logs", 1, command, *one)
    assert_alike(tmp_path / "one", tmp_path / "two", 1e-8)


@pytest.mark.parametrize("count", [pytest.param(2, marks=pytest.mark.full), 3])
def test_em_in_several_processes_is_that_of_one(tmp_path, count):
    table = np.random.default_rng(0).normal(size=(200, 3)) + np.repeat([[0.0], [4.0]], 100, 0)
    table[np.random.default_rng(1).random(table.shape) < 0.1] = np.nan
    np.savetxt(tmp_path / "holes.csv", table, delimiter=",", header="a,b,c", comments="")
    words = ["train", "gmm", "--data", tmp_path / "holes.csv", "--precision", "fp64", "-o", "n_components=2"]
    words += ["-o", "training.n_init=2", "--device", "cpu", "-o", "training.block_size=64"]
    ended = together(tmp_path / "logs", count, command, *words, "--out", tmp_path / "several")
    assert ended.codes == [0] * count, ended.err
    together(tmp_path / "logs", 1, command, *words, "--out", tmp_path / "one")
    assert_alike(tmp_path / "one", tmp_path / "several", 1e-13, relative=1e-10)
    one, several = (record(tmp_path / name)["restarts"] for name in ("one", "several"))
    assert [restart["passes"] for restart in one] == [restart["passes"] for restart in several]


@pytest.mark.parametrize("many_rows", [1, 2**23])
def test_em_in_two_processes_reads_row_groups_as_one_does(tmp_path, many_rows):
    """Of files that no process holds whole, with row numbers in bits or as numbers."""
    (tmp_path / "parts").mkdir()
    for part in range(2):
        rows = np.random.default_rng(part).normal(size=(110, 3)) + 1.5 * part
        table = pa.table({name: rows[:, place] for place, name in enumerate("abc")})
        parquet.write_table(table, tmp_path / "parts" / f"{part}.parquet", row_group_size=30)
    words = ["train", "gmm", "--data", tmp_path / "parts", "--precision", "fp64", "-o", "n_components=2"]
    words += ["--device", "cpu", "-o", "training.block_size=11", "-o", "training.max_iter=8", "-o", "training.tol=0"]
    words += ["-o", "init_params=random"]  # rounding chooses between equal starts, and when EM ends near a maximum
    ended = together(tmp_path / "logs", 2, streamed, many_rows, [*words, "--out", tmp_path / "two"])
    assert [code for code, _ in ended.told] == [0, 0], ended.err
    alone = together(tmp_path / "logs", 1, streamed, many_rows, [*words, "--out", tmp_path / "one"])
    assert_alike(tmp_path / "one", tmp_path / "two", 1e-13, relative=1e-10)
    assert 0 < max(reads for _, reads in ended.told) <= 0.6 * alone.told[0][1], "each reads its share"
    one, two = (genzoo.load(tmp_path / name).validation_scores for name in ("one", "two"))
    assert len(one) == 33
    np.testing.assert_allclose(two, one, rtol=1e-10)


def test_a_start_from_shares_is_that_from_all_events(tmp_path):
    """Of more events than a start keeps, some weightless, with outliers and a box along principal components."""
    rng = np.random.default_rng(0)
    table = rng.normal(size=(30_000, 2)) @ [[3.0, 1.0], [0.0, 0.3]] + np.repeat([[0.0], [9.0]], 15_000, 0)
    frame = {"a": table[:, 0], "b": table[:, 1], "w": rng.integers(0, 3, len(table))}
    parquet.write_table(pa.table(frame), tmp_path / "table.parquet")
    words = ["train", "gmm", "--data", tmp_path / "table.parquet", "--weight", "w", "--precision", "fp64"]
    words += ["-o", "n_components=3", "-o", "noise=true", "-o", "init_params=kmeans", "--device", "cpu"]
    words += ["-o", "training.max_iter=1"]
    ended = together(tmp_path / "logs", 3, command, *words, "--out", tmp_path / "several")
    assert ended.codes == [0] * 3, ended.err
    together(tmp_path / "logs", 1, command, *words, "--out", tmp_path / "one")
    assert state(tmp_path / "one")["model.generator.axes"].any()
    assert_alike(tmp_path / "one", tmp_path / "several", 1e-13, relative=1e-10)


@pytest.mark.parametrize("model", ["dcgan", "vae"])
def test_the_default_run_ends_with_the_same_bits_in_both(tmp_path, model):
    """With dropout, whose noise is no slice of one, and with patience."""
    asked = {"training": {"steps": 4}, "device": "cpu", "precision": "fp32"}
    if model == "vae":
        asked["training"] = {"steps": 40, "batch_size": 16, "eval_steps": 2, "patience": 2}
        asked["data"] = {"source": "iris"}
    ended = together(tmp_path / "logs", 2, train, model, asked, str(tmp_path / "run"))
    assert ended.codes == [0, 0], ended.err
    assert isinstance(ended.told[0], str), ended.told
    assert ended.told[0] == ended.told[1]
    assert record(tmp_path / "run")["status"] == "finished"


@pytest.mark.parametrize("moment", ["start", "end"])
def test_processes_that_have_grown_apart_say_so(tmp_path, moment):
    asked = {"training": {"steps": 2, "batch_size": 8}, "device": "cpu", "precision": "fp32"}
    asked["options"] = {"widths": [4]}
    ended = together(tmp_path / "logs", 2, train, "vae", asked, str(tmp_path / "run"), moment)
    assert [name for name, _ in ended.told] == ["GenzooError"] * 2
    assert f"Rank 1 holds other weights than rank 0 at the {moment}" in ended.told[0][1]
    assert not (tmp_path / "run" / "model").exists()


@pytest.mark.once
def test_a_killed_process_ends_the_other_clearly_and_the_run_resumes(tmp_path):
    words = ["train", *DCGAN[:2], 12, *DCGAN[3:], "--device", "cpu", "-o", "training.checkpoint_every=4"]
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    assert together(tmp_path / "logs", 2, command, *words, "--out", whole).codes == [0, 0]
    ended = together(tmp_path / "logs", 2, kill, 1, SIGKILL, 6, [*words, "--out", cut])
    assert ended.codes == [1, -SIGKILL]
    word = said(ended.err[0])
    assert "Rank 0 of 2 processes lost another one. It was killed, or cannot be reached." in word
    assert f"torchrun --nproc-per-node 2 -m genzoo train --resume {shlex.quote(str(cut))}" in word
    assert record(cut)["status"] == "failed"
    ended = together(tmp_path / "logs", 2, kill, 0, SIGKILL, 10, ["train", "--resume", cut])
    assert ended.codes == [-SIGKILL, 1]
    assert "Rank 1 of 2 processes lost another one." in said(ended.err[1])
    assert "Traceback" not in ended.err[0] + ended.err[1]
    assert together(tmp_path / "logs", 2, command, "train", "--resume", cut).codes == [0, 0]
    assert record(cut)["weights"] == record(whole)["weights"]
    assert all(torch.equal(value, state(cut)[name]) for name, value in state(whole).items())
    assert [line["step"] for line in lines(cut)] == [line["step"] for line in lines(whole)]


@pytest.mark.parametrize("victim", [0, pytest.param(1, marks=pytest.mark.full), 2])
def test_a_frozen_process_is_named_by_all_others(tmp_path, victim):
    words = ["train", "vae", "--data", "iris", "--steps", 40, "--batch-size", 30, "--device", "cpu"]
    words += ["--precision", "fp32", "--out", tmp_path / "run"]
    ended = together(tmp_path / "logs", 3, freeze, victim, 5, words)
    for rank in {0, 1, 2} - {victim}:
        assert ended.codes[rank] == 1
        word = said(ended.err[rank])
        named = f"Rank {victim} (process" in word or (victim == 0 and "Rank 0 or its launcher has not" in word)
        assert named
        assert "has not answered for 2 s." in word
        assert "--resume" in word


def test_a_process_that_is_stuck_ends_if_another_is_frozen(tmp_path):
    words = ["train", "vae", "--data", "iris", "--steps", 40, "--batch-size", 30, "--device", "cpu"]
    words += ["--precision", "fp32", "--out", tmp_path / "run"]
    ended = together(tmp_path / "logs", 3, freeze, 1, 5, words, 0.0, 2)
    assert ended.codes == [1, -SIGKILL, 1]
    assert "Error: Rank 1 (process" in ended.err[2]


def test_a_process_that_computes_for_long_is_not_frozen(tmp_path):
    words = ["train", "vae", "--data", "iris", "--steps", 10, "--batch-size", 30, "--device", "cpu"]
    words += ["--precision", "fp32", "--out", tmp_path / "run"]
    assert together(tmp_path / "logs", 2, freeze, 1, 5, words, 4.0).codes == [0, 0]


@pytest.mark.once
@pytest.mark.parametrize("model", ["dcgan", pytest.param("gmm", marks=pytest.mark.full)])  # the next test has EM, too
def test_a_signal_to_one_process_stops_both_after_the_same_step(tmp_path, model):
    words = {
        "dcgan": ["train", *DCGAN[:2], 8, *DCGAN[3:], "--device", "cpu"],
        "gmm": ["train", "gmm", "--data", "iris", "-o", "n_components=3", "-o", "init_params=random"],
    }[model]
    words += [] if model == "dcgan" else ["-o", "training.tol=0", "-o", "training.max_iter=12", "--device", "cpu"]
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    ended = together(tmp_path / "logs", 2, kill, 1, SIGTERM, 3, [*words, "--out", cut])
    assert ended.codes == [143, 143], ended.err
    assert f"torchrun --nproc-per-node 2 -m genzoo train --resume {shlex.quote(str(cut))}" in said(ended.err[0])
    assert record(cut)["status"] == "interrupted"
    assert 3 <= record(cut)["steps"] < 8
    assert together(tmp_path / "logs", 2, command, "train", "--resume", cut).codes == [0, 0]
    together(tmp_path / "logs", 2, command, *words, "--out", whole)
    assert all(torch.equal(value, state(cut)[name]) for name, value in state(whole).items())


@pytest.mark.once
@pytest.mark.parametrize("victim", [0, 1])
def test_a_pass_of_em_is_left_undone_by_all_when_one_is_told_to_end(tmp_path, victim):
    words = ["train", "gmm", "--data", "iris", "-o", "n_components=3", "-o", "init_params=random", "--device", "cpu"]
    words += [
        "-o",
        "training.tol=0",
        "-o",
        "training.max_iter=6",
        "-o",
        "training.block_size=10",
    ]  # of 60 rows each, so 6 blocks a pass
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    ended = together(tmp_path / "logs", 2, leave, victim, 3 * 6 + 2, [*words, "--out", cut])
    assert ended.codes == [143, 143], ended.err
    assert record(cut)["status"] == "interrupted"
    assert record(cut)["steps"] == 3
    blocks = [int((tmp_path / "logs" / f"{rank}.blocks").read_text(encoding="utf-8")) for rank in range(2)]
    assert blocks[victim] == 3 * 6 + 2
    assert blocks[1 - victim] == 4 * 6
    assert together(tmp_path / "logs", 2, command, "train", "--resume", cut).codes == [0, 0]
    together(tmp_path / "logs", 2, command, *words, "--out", whole)
    assert all(torch.equal(value, state(cut)[name]) for name, value in state(whole).items())
    assert [line["step"] for line in lines(cut)] == [line["step"] for line in lines(whole)]


@pytest.mark.once
def test_a_start_of_em_is_left_by_all_when_one_is_told_to_end(tmp_path):
    words = ["train", "gmm", "--data", "iris", "--device", "cpu", "-o", "training.block_size=10"]
    cut = functools.partial(leave, start=True)
    ended = together(tmp_path / "logs", 2, cut, 1, 3, [*words, "--out", tmp_path / "run"])
    assert ended.codes == [143, 143], ended.err
    assert record(tmp_path / "run")["steps"] == 0
    assert together(tmp_path / "logs", 2, command, "train", "--resume", tmp_path / "run").codes == [0, 0]


@pytest.mark.once
def test_a_process_that_fails_alone_is_quoted_by_the_other(tmp_path):
    words = ["train", "toy", "--device", "cpu", "--out", str(tmp_path / "run")]
    ended = together(tmp_path / "logs", 2, fail, words)
    assert ended.codes == [1, 3]
    assert "lost another one. Rank 1 ended: The objective failed: KeyError: 'only here'" in said(ended.err[0])
    assert "Traceback" not in ended.err[0]


@pytest.mark.once
def test_a_divergence_is_told_once_and_ends_both_alike(tmp_path):
    words = ["train", "toy", "-o", "objective=toy-exploding", "--device", "cpu", "--out", tmp_path / "run"]
    ended = together(tmp_path / "logs", 2, command, *words)
    assert ended.codes == [6, 6]
    assert "Training diverged" in ended.err[0]
    assert ended.err[1] == ""


@pytest.mark.once
def test_processes_with_different_data_raise_before_writing(tmp_path):
    for rank in range(2):
        np.save(tmp_path / f"{rank}.npy", np.random.default_rng(rank).normal(size=(90, 2)))
    words = ["train", "toy", "--data", str(tmp_path / "{rank}.npy"), "--device", "cpu", "--out", str(tmp_path / "run")]
    ended = together(tmp_path / "logs", 2, unlike, words)
    assert ended.codes == [4, 4]
    assert "must have the same data" in said(ended.err[0])
    assert not (tmp_path / "run").exists()


@pytest.mark.once
def test_minutes_end_all_processes_after_the_same_step(tmp_path):
    words = ["train", "toy", "--device", "cpu", "--minutes", 0.005, "--out", tmp_path / "run"]
    ended = together(tmp_path / "logs", 2, command, *words)
    assert ended.codes == [0, 0], ended.err
    assert record(tmp_path / "run")["seconds"] >= 0.3


def test_what_is_wrong_with_one_process_ends_all(tmp_path):
    ended = together(tmp_path, 2, disagree)
    assert ended.told == [["DataError", "gone from here", 4]] * 2


@pytest.mark.once
def test_what_is_wrong_with_all_is_told_once(tmp_path):
    (tmp_path / "there").mkdir()
    ended = together(tmp_path / "logs", 2, command, "train", "toy", "--device", "cpu", "--out", tmp_path / "there")
    assert ended.codes == [2, 2]
    assert "exists already" in said(ended.err[0])
    assert ended.err[1] == ""


def test_processes_tell_each_other_plain_values(tmp_path):
    ended = together(tmp_path, 2, talk)
    everything = {
        "own": [{"rank": 0, "text": ""}, {"rank": 1, "text": "é"}],
        "first": [0, float("inf"), 0.1],
        "clock": 10.0,
        "any": 15,
    }
    assert ended.told == [everything, everything], ended.err


@pytest.mark.parametrize("kind", ["1d", "2d", "cumulative", "bare"])
def test_batch_normalisation_is_over_the_events_of_all_processes(tmp_path, kind):
    """Beside torch's own layer on the whole batch, of which one process has more than the other."""
    own, events = to_normalize(kind)
    ended = together(tmp_path, 2, normalize, kind, [5, 2])
    assert ended.codes == [0, 0], ended.err
    x = events.clone().requires_grad_()
    y = own(x)
    (slope,) = torch.autograd.grad((y.square() * y).sum(), x, create_graph=True)
    (y.square() * y).sum().backward(retain_graph=True)
    (second,) = torch.autograd.grad(slope.square().sum(), x)

    def joined(name):
        return torch.cat([torch.tensor(told[name], dtype=torch.float64) for told in ended.told])

    assert [told["type"] for told in ended.told] == ["SyncBatchNorm"] * 2
    assert torch.allclose(joined("y"), y, rtol=1e-9)
    assert torch.allclose(joined("slope"), slope, rtol=1e-8, atol=1e-8)
    assert torch.allclose(joined("second"), second, rtol=1e-6, atol=1e-6)
    for told in ended.told:
        for name, value in own.state_dict().items():
            found = torch.tensor(told["state"][f"0.{name}"], dtype=value.dtype)
            assert torch.allclose(found, value, rtol=1e-12), name
        for name, value in own.named_parameters():
            found = torch.tensor(told["gradients"][f"0.{name}"], dtype=torch.float64)
            assert torch.allclose(found, value.grad, rtol=1e-8, atol=1e-8), name
    if kind != "bare":
        assert torch.allclose(joined("evaluated"), own.eval()(x), rtol=1e-9)


def test_a_loss_that_overflows_in_one_process_costs_all_of_them_the_step(tmp_path):
    ended = together(tmp_path, 2, step_in_fp16)
    assert ended.codes == [0, 0], ended.err
    assert ended.told[0] == ended.told[1]
    first, second, third = ended.told[0]
    assert second["scale"] == first["scale"] / 2
    assert second["generator.mean"] == first["generator.mean"] != third["generator.mean"]
    assert first["discriminator.never"] == third["discriminator.never"] == [1.0, 1.0], (
        "nobody used it, so it does not decay"
    )
    assert first["discriminator.sometimes"] == pytest.approx([-0.5, -0.5], rel=1e-3), (
        "Adam's first step has the rate's size"
    )


def drawn(rank, draw, events=4):
    processes = ProcessGroup(rank, 2)
    with processes.scope(7, 3, events), processes.noise:
        return draw()


@pytest.mark.parametrize(
    ("draw", "place"),
    [
        (lambda n: torch.randn(n, 5), 0),
        (lambda n: torch.rand((n, 1, 1), dtype=torch.float64), 0),
        (lambda n: torch.randn(size=(3, n, 2)), 1),
        (lambda n: torch.randn(2 * n, 3), 0),
        (lambda n: torch.randn_like(torch.empty(n, 3, 8, 8).contiguous(memory_format=torch.channels_last)), 0),
        (lambda n: torch.rand_like(torch.empty(2, n), dtype=torch.float64), 1),
    ],
)
def test_noise_of_the_processes_is_that_of_one_in_slices(draw, place):
    with random_scope(7, "step", 3):
        whole = draw(8), draw(8)
    for rank in range(2):
        one, two = drawn(rank, lambda: (draw(4), draw(4)))
        for mine, all_of_it in ((one, whole[0]), (two, whole[1])):
            assert torch.equal(mine, all_of_it.chunk(2, place)[rank])
            assert mine.is_contiguous(memory_format=torch.channels_last) == all_of_it.is_contiguous(
                memory_format=torch.channels_last
            )


def test_what_is_drawn_once_for_all_events_is_the_same_in_all_processes():
    with random_scope(7, "step", 3):
        whole = torch.randn(3)
    assert torch.equal(drawn(0, lambda: torch.randn(3)), whole)
    assert torch.equal(drawn(1, lambda: torch.randn(3)), whole)


def test_other_noise_is_independent_between_processes_and_repeats():
    def dropped(rank):
        return drawn(rank, lambda: F.dropout(torch.ones(1000), 0.5))

    assert not torch.equal(dropped(0), dropped(1))
    assert torch.equal(dropped(1), dropped(1))
    generator = torch.Generator().manual_seed(5)
    asked = drawn(1, lambda: torch.randn(4, generator=generator))
    assert torch.equal(asked, torch.randn(4, generator=torch.Generator().manual_seed(5)))


def test_each_process_sees_its_stretch_of_every_part():
    whole = Sampler(np.arange(100, 200), 24, seed=1)
    shares = [Sampler(np.arange(100, 200), 24, seed=1, share=ProcessShare(rank, 2, 4)) for rank in range(2)]
    assert [order.steps_per_epoch for order in shares] == [4, 4]
    for step in (1, 3, 5, 8):
        epoch, place = whole.locate(step)
        rows = whole.epoch(epoch)[place]
        own = [order.epoch(order.locate(step)[0])[order.locate(step)[1]] for order in shares]
        for part in range(3):
            both = np.concatenate([rows[part * 4 : part * 4 + 4] for rows in own])
            assert np.array_equal(both, rows[part * 8 : part * 8 + 8])


def test_a_stream_gives_the_share_of_a_process_too():
    rows = np.random.default_rng(0).normal(size=(100, 2))
    order = Sampler(np.arange(100), 24, seed=1, share=ProcessShare(1, 2, 4))
    plain, runtime = AffineTransform(torch.zeros(()), torch.ones(())), Runtime(torch.device("cpu"), "fp64")
    feeds = [feed(order, rows, plain, runtime) for feed in (ResidentLoader, StreamingLoader)]
    one, two = (feed.items(3) for feed in feeds)
    for _ in range(5):
        resident, streamed = next(one), next(two)
        assert len(resident) == 12
        assert torch.equal(resident.index, streamed.index)
        assert torch.equal(resident.x, streamed.x)
    two.close()


def test_processes_are_counted_where_a_launcher_says_all_about_them(monkeypatch):
    for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    assert process_count() == 1
    monkeypatch.setenv("WORLD_SIZE", "4")
    assert process_count() == 1, "a number alone is nobody's launch"
    for name in ("RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.setenv(name, "0")
    assert process_count() == 4


@pytest.mark.once
def test_a_batch_that_does_not_divide_is_refused():
    with pytest.raises(ConfigError, match=r"batch of 16 events does not divide among 3 processes.*batch_size=15"):
        build_setup(config(), processes=ProcessGroup(0, 3))
    with pytest.raises(ConfigError, match=r"3 processes of 2 parts each.*batch_size=18"):
        build_setup(config(training={"grad_accumulation": 2}), processes=ProcessGroup(0, 3))
    assert build_setup(config(training={"batch_size": 18}), processes=ProcessGroup(2, 3)).loader.share == ProcessShare(
        2, 3, 6
    )


@pytest.mark.once
def test_what_several_processes_do_not_do_is_refused(cli, monkeypatch, tmp_path):
    with pytest.raises(ConfigError, match=r"training\.compile does not work with batch normalization in 2 processes"):
        build_setup(config("dcgan", training={"compile": True}), processes=ProcessGroup(0, 2))
    with pytest.raises(ConfigError, match="2 processes cannot share device 'cuda:0'"):
        build_setup(config(device="cuda:0"), processes=ProcessGroup(0, 2))
    cli("train", "toy", "--out", "run")
    for name, value in {"RANK": 0, "WORLD_SIZE": 2, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": 1}.items():
        monkeypatch.setenv(name, str(value))
    assert_refused(cli("train", "toy", "--dry-run"), 2, "--dry-run runs in one process", "Leave torchrun out")
    assert_refused(
        cli("compare", "toy", "--data", "iris"), 2, "genzoo compare runs in one process, and 2 were launched"
    )
    with pytest.raises(ConfigError, match=r"genzoo\.compare runs in one process"):
        genzoo.compare(["toy"], "iris")
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert cli("compare", "toy", "--data", "iris") == (2, "", ""), "the other one tells"


@pytest.mark.once
def test_a_run_goes_on_in_as_many_processes_only(cli, tmp_path):
    cli("train", "toy", "--out", "run", "--steps", "4")
    ended = together(tmp_path / "logs", 2, command, "train", "--resume", tmp_path / "run", "--steps", 8)
    assert ended.codes == [2, 2]
    assert "was trained by 1 process, and this is one of 2" in said(ended.err[0])
    record = json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))
    (tmp_path / "run" / "run.json").write_text(json.dumps({**record, "processes": 2}), encoding="utf-8")
    assert_refused(cli("train", "--resume", "run", "--steps", "8"), 2, "torchrun --nproc-per-node 2 -m genzoo train")


def test_devices_are_taken_by_the_number_of_the_process(monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "3")
    assert ProcessGroup(7, 8).device("cuda") == "cuda:3"
    assert ProcessGroup(7, 8).device("cpu") == "cpu"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert ProcessGroup(7, 8).device("auto") == "cuda:3"


def _torchrun(*words):
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "genzoo"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run([*launcher, *map(str, words)], env=environment, capture_output=True, text=True, timeout=300)


def test_torchrun_trains(tmp_path):
    words = ["train", "gmm", "--data", "iris", "--device", "cpu", "--out", tmp_path / "run", "--json"]
    done = _torchrun(*words)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["status"] == "finished"
    assert record(tmp_path / "run")["processes"] == 2


@pytest.mark.precision
def test_only_a_run_of_the_same_training_goes_on_after_a_restart(tmp_path, monkeypatch):
    asked, out = config(), tmp_path / "run"
    for name, value in {"RANK": 0, "WORLD_SIZE": 2, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": 1}.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "1")
    assert run_to_go_on(asked, out) is None, "it has not begun"
    Run.create(out, asked)
    assert run_to_go_on(asked, out) == str(out)
    assert run_to_go_on(asked.model_copy(update={"seed": 7}), out) is None
    assert run_to_go_on(asked, None) is None
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "0")
    assert run_to_go_on(asked, out) is None, "the first start never overwrites or continues a run"


@pytest.mark.once
def test_a_restart_before_the_first_checkpoint_begins_in_the_same_run(tmp_path):
    words = ["train", "toy", "--steps", 4, "--device", "cpu", "--out"]
    ended = together(tmp_path / "logs", 2, perish, [*words, tmp_path / "cut"])
    assert ended.codes[0] == -SIGKILL
    assert checkpoints(tmp_path / "cut" / "checkpoints") == []
    ended = together(tmp_path / "logs", 2, restarted, [*words, tmp_path / "cut"])
    assert ended.codes == [0, 0], ended.err
    together(tmp_path / "logs", 2, command, *words, tmp_path / "whole")
    assert record(tmp_path / "cut")["weights"] == record(tmp_path / "whole")["weights"]
    assert [line["step"] for line in lines(tmp_path / "cut")] == [line["step"] for line in lines(tmp_path / "whole")]


_DIES_ONCE = """
import os, signal, sys, genzoo

def die(step):
    if step.number == 7 and os.environ["TORCHELASTIC_RESTART_COUNT"] == "0":
        os.kill(os.getpid(), signal.SIGKILL)

training = {"steps": 12, "batch_size": 16, "checkpoint_every": 4}
genzoo.train("vae", "iris", training=training, widths=[4], device="cpu", out=sys.argv[1], callbacks=[die])
"""


@pytest.mark.full
def test_torchrun_restarts_a_training_that_goes_on_by_itself(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(_DIES_ONCE, encoding="utf-8")
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    for name, restarts in (("cut", "1"), ("whole", "0")):
        words = [*launcher, "--max-restarts", restarts, str(script), str(tmp_path / name)]
        if name == "whole":
            script.write_text(_DIES_ONCE.replace("== 7", "== -1"), encoding="utf-8")
        done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr
    assert record(tmp_path / "cut")["status"] == "finished"
    assert record(tmp_path / "cut")["weights"] == record(tmp_path / "whole")["weights"]
    assert [line["step"] for line in lines(tmp_path / "cut")] == [line["step"] for line in lines(tmp_path / "whole")]


@pytest.mark.cuda
def test_two_gpus_train_as_one_does(tmp_path):
    if torch.cuda.device_count() < 2:
        pytest.skip("needs two GPUs")
    words = ["train", "dcgan", "--steps", 20, "--precision", "fp64", "--device", "cuda", "-o", "training.compile=false"]
    assert _torchrun(*words, "--out", tmp_path / "two").returncode == 0
    command(*words, "--out", tmp_path / "one")
    assert_alike(tmp_path / "one", tmp_path / "two", 1e-8)


def test_processes_stop_together_if_a_callback_of_the_first_stops(tmp_path):
    ended = together(tmp_path / "logs", 2, stop_early, 5, str(tmp_path / "run"))
    assert ended.codes == [0, 0], ended.err
    assert ended.told == [[5], [5]]
    assert genzoo.Run(tmp_path / "run").record["status"] == "finished"
