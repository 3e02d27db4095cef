"""A stopped and resumed run ends like an uninterrupted run, bit for bit, with any settings."""

import errno
import hashlib
import importlib
import itertools
import json
import os
import shutil
import signal
import time
from pathlib import Path
from types import SimpleNamespace

import elsewhere
import forked
import numpy as np
import pytest
import toy_plugin

import genzoo
from genzoo.errors import ArtifactError, ConfigError, DataError, GenzooError, Interrupted
from genzoo.persistence.checkpoint import checkpoints
from genzoo.storage.lock import exclusive_lock
from genzoo.training.resume import prepare_resume

SMALL = {"latent": 8, "generator_widths": [16, 8, 8], "discriminator_widths": [8, 16]}
BASE = {"steps": 12, "batch_size": 16, "checkpoint_every": 5, "log_every": 1, "sample_every": 4}


def contents(run):
    """Return every file of a run with times removed: the crash harness compares the same, in code of its own."""
    found = {}
    for path in run.path.rglob("*"):
        if not path.is_file() or path.name == ".lock":
            continue
        name = str(path.relative_to(run.path))
        if path.suffix in (".json", ".jsonl"):
            lines = (
                [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
                if path.suffix == ".jsonl"
                else []
            )
            whole = lines or [json.loads(path.read_text(encoding="utf-8"))]
            found[name] = [{k: v for k, v in line.items() if k not in ("seconds", "started")} for line in whole]
        else:
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def stop(number, how=signal.SIGTERM):
    def watch(step):
        if step.number == number:
            os.kill(os.getpid(), how)

    return watch


def both(tmp_path, model, stops=(4, 7), **settings):
    """Return an uninterrupted run, and one that was stopped and resumed at each of `stops`."""
    whole = genzoo.train(model, out=tmp_path / "whole", **settings)
    with pytest.raises(Interrupted):
        genzoo.train(model, out=tmp_path / "part", callbacks=[stop(stops[0])], **settings)
    for number in stops[1:]:
        with pytest.raises(Interrupted):
            genzoo.resume(tmp_path / "part", callbacks=[stop(number)])
    return contents(whole), contents(genzoo.resume(tmp_path / "part"))


@pytest.mark.parametrize("precision", ["fp64", "fp32", "bf16", "fp16"])
@pytest.mark.parametrize("model", ["dcgan", "vae"])
def test_resume_is_exact_in_every_precision(tmp_path, model, precision):
    options = SMALL if model == "dcgan" else {"latent": 4, "widths": [16]}
    whole, part = both(tmp_path, model, data="digits", precision=precision, training=BASE, **options)
    assert part == whole
    state = json.loads((tmp_path / "part/checkpoints/step-000012/state.json").read_text(encoding="utf-8"))
    assert all(bool(numbers) == (precision == "fp16") for numbers in state["numbers"]["scalers"].values())


@pytest.mark.parametrize(
    "more",
    [
        {"ema": 0.9, "grad_accumulation": 4, "grad_clip": 0.5},
        {
            "schedule": {"name": "cosine", "warmup": 6, "floor": 0.1},
            "optimizer": {"name": "adamw", "weight_decay": 0.1},
        },
        {"optimizer": {"name": "sgd", "momentum": 0.9}},
        {"optimizer": {"name": "rmsprop", "momentum": 0.5}, "param_groups": {"discriminator": {"lr": 0.0001}}},
        {"keep_checkpoints": 3, "eval_steps": 4, "metrics": ["mmd"], "patience": 2},
    ],
)
def test_resume_is_exact_with_every_setting(tmp_path, more):
    whole, part = both(tmp_path, "dcgan", data="digits", precision="fp32", training={**BASE, **more}, **SMALL)
    assert part == whole


@pytest.mark.precision
def test_resume_is_exact_under_patience_and_in_the_middle_of_an_epoch(tmp_path):
    training = {
        "epochs": 40,
        "batch_size": 16,
        "patience": 2,
        "optimizer": {"lr": 0.5},
        "eval_steps": 3,
        "log_every": 1,
    }
    whole, part = both(tmp_path, "toy", stops=(4, 6, 9), training=training)
    assert part == whole
    assert len(whole["metrics.jsonl"]) > 9


@pytest.mark.parametrize("stops", [(1,), (3, 8), (4, 5, 6)])
def test_resume_is_exact_for_passes_of_em_and_restarts(tmp_path, stops):
    training = {"n_init": 3, "tol": 0.003, "log_every": 1, "sample_every": 7, "checkpoint_every": 50}
    whole, part = both(tmp_path, "gmm", stops=stops, data="iris", n_components=3, training=training)
    assert part == whole


@pytest.mark.precision
def test_resume_is_exact_with_tied_tensors(tmp_path, monkeypatch):
    class Tied(toy_plugin.ToyGaussian):
        def __init__(self, shape, offset):
            super().__init__(shape, offset)
            self.again = self.mean

    monkeypatch.setattr(toy_plugin, "ToyGaussian", Tied)
    whole, part = both(tmp_path, "toy", training={**BASE, "ema": 0.9})
    assert part == whole
    tied = json.loads((tmp_path / "part/checkpoints/step-000012/state.json").read_text(encoding="utf-8"))["tied"]
    assert tied["model.generator.again"] == "model.generator.mean"


@pytest.mark.precision
def test_channels_last_strides_of_weights_and_optimizer_survive_resuming(tmp_path):
    with pytest.raises(Interrupted):
        genzoo.train("dcgan", "digits", out=tmp_path / "run", training=BASE, callbacks=[stop(6)], **SMALL)
    _, prepared, _ = prepare_resume(str(tmp_path / "run"), {})
    strided = 0
    for group in prepared.engine._groups.values():
        for parameter, state in group._optimizer.state.items():
            assert state["exp_avg_sq"].stride() == parameter.stride()
            strided += not parameter.is_contiguous()
    assert strided, "no weight is channels_last, so nothing was tested"


class Slow:
    """Sends a signal before or after a function is called for the `when`-th time."""

    def __init__(self, monkeypatch, owner, name, when=1, *, after=False):
        self.left, self.ended = when, 0
        original = getattr(owner, name)

        def call(*arguments, **more):
            self.left -= 1
            come = self.left == 0
            if come and not after:
                os.kill(os.getpid(), signal.SIGINT)
            result = original(*arguments, **more)
            self.ended += 1
            if come and after:
                os.kill(os.getpid(), signal.SIGINT)
            return result

        monkeypatch.setattr(owner, name, call)


@pytest.mark.precision
@pytest.mark.parametrize(
    ("where", "model"),
    [
        ("genzoo.training.early_stopping.Validation.objective", "toy"),
        ("genzoo.training.callbacks.save_events", "toy"),
        ("genzoo.training.finalize._validation_scores", "toy"),
        ("genzoo.training.finalize.save_model", "toy"),
        ("genzoo_mixture.em.MixtureEM.statistics", "gmm"),
    ],
)
def test_a_signal_stops_long_work_and_resuming_repeats_it(tmp_path, monkeypatch, where, model):
    training = {"n_init": 2, "tol": 0.003} if model == "gmm" else {"steps": 9, "eval_steps": 3, "patience": 9}
    training |= {"log_every": 1, "sample_every": 3}
    whole = genzoo.train(model, "iris", out=tmp_path / "whole", training=training)
    with monkeypatch.context() as patch:
        slow = Slow(patch, *owner(where), when=1 if "finalize" in where else 2)
        with pytest.raises(Interrupted, match=r"genzoo\.resume") as caught:
            genzoo.train(model, "iris", out=tmp_path / "part", training=training)
        assert slow.left == 0, "the signal came"
        assert slow.ended == (0 if "finalize" in where else 1), "what took long was not waited for"
    assert caught.value.exit_code == 130
    assert genzoo.Run(tmp_path / "part").record["status"] == "interrupted"
    assert contents(genzoo.resume(tmp_path / "part")) == contents(whole)


STAGES = (
    "genzoo.engine.gradient.GradientEngine.update",
    "genzoo.engine.loss_buffer.LossBuffer.add",
    "genzoo.training.callbacks.MetricsLogger.losses",
    "genzoo.training.callbacks.Cadence.due",
    "genzoo.inference.export.write_bytes",
    "genzoo.training.early_stopping.EarlyStopping._judged",
    "genzoo.training.callbacks.save_checkpoint",
    "genzoo.training.callbacks.prune",
)


@pytest.mark.once
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("where", STAGES)
def test_a_signal_never_loses_a_line_of_the_log(tmp_path, monkeypatch, where, after):
    training = {**BASE, "eval_steps": 3, "patience": 9}
    whole = genzoo.train("toy", "digits", out=tmp_path / "whole", training=training)
    with monkeypatch.context() as patch:
        slow = Slow(patch, *owner(where), when=2, after=after)
        with pytest.raises(Interrupted):
            genzoo.train("toy", "digits", out=tmp_path / "part", training=training)
        assert slow.left <= 0, "the signal came"
    resumed = contents(genzoo.resume(tmp_path / "part"))
    assert [line["step"] for line in resumed["metrics.jsonl"] if "loss" in line] == list(range(1, 13))
    assert resumed == contents(whole)


@pytest.mark.once
@pytest.mark.parametrize("what", [".", "metrics.jsonl", "samples"])
def test_a_folder_removed_during_writing_is_reported_and_not_recreated(tmp_path, what):
    run = tmp_path / "run"

    def remove(step):
        if step.number == 6:
            shutil.rmtree(run / what) if (run / what).is_dir() else (run / what).unlink()

    with pytest.raises(GenzooError, match="was removed while it was written") as caught:
        genzoo.train("toy", out=run, training=BASE, callbacks=[remove])
    assert caught.value.exit_code == 1
    assert not (run / what).exists()
    if what != ".":
        assert genzoo.Run(run).record["status"] == "failed"
        assert genzoo.resume(run).record["status"] == "finished"


@pytest.mark.once
def test_a_smaller_budget_raises_and_leaves_the_run_unchanged(tmp_path):
    with pytest.raises(Interrupted):
        genzoo.train("toy", out=tmp_path / "run", training=BASE, callbacks=[stop(7)])
    before = contents(genzoo.Run(tmp_path / "run"))
    with pytest.raises(ConfigError, match="steps=5 is not more than the 7 steps already taken"):
        genzoo.resume(tmp_path / "run", steps=5)
    assert contents(genzoo.Run(tmp_path / "run")) == before
    assert genzoo.resume(tmp_path / "run", steps=12).record["steps"] == 12


@pytest.mark.precision
def test_a_resume_that_will_not_equal_a_fresh_run_is_reported(tmp_path):
    training = {**BASE, "schedule": {"name": "cosine"}}
    run = genzoo.train("toy", out=tmp_path / "run", training=training)
    with pytest.warns(UserWarning, match="The cosine schedule of the learning rate spans the budget"):
        genzoo.resume(run.path, steps=14)


@pytest.mark.once
def test_run_pictures_lists_only_files_saved_by_training(tmp_path):
    run = genzoo.train("toy", out=tmp_path / "run", training=BASE)
    (run.samples / "notes.txt").touch()
    (run.samples / "step-mine.csv").touch()
    assert [path.name for path in run.pictures()] == [f"step-{step:06d}.csv" for step in (4, 8, 12)]


def owner(where):
    """Resolve a dotted name to the object that has its last part as an attribute, and return both."""
    words = where.split(".")
    for count in range(len(words) - 1, 0, -1):
        try:
            found = importlib.import_module(".".join(words[:count]))
        except ImportError:
            continue
        for word in words[count:-1]:
            found = getattr(found, word)
        return found, words[-1]
    raise AssertionError(where)


@pytest.mark.once
def test_a_second_interrupt_ends_at_once_and_damages_nothing(tmp_path, monkeypatch):
    whole = genzoo.train("toy", out=tmp_path / "whole", training=BASE)
    ends = []

    def twice(step):
        if step.number == 6:
            try:
                os.kill(os.getpid(), signal.SIGINT)
            finally:
                ends.append(step.number)
                os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(Interrupted) as caught:
        genzoo.train("toy", out=tmp_path / "part", training=BASE, callbacks=[twice])
    assert caught.value.exit_code == 130
    assert checkpoints(tmp_path / "part/checkpoints")[-1].name == "step-000005", "nothing more was saved"
    assert contents(genzoo.resume(tmp_path / "part")) == contents(whole)


@pytest.mark.precision
def test_a_larger_budget_drops_the_evaluation_at_the_former_end(tmp_path):
    settings = {"batch_size": 16, "eval_steps": 4, "patience": 50, "log_every": 1, "optimizer": {"lr": 0.3}}
    settings |= {"checkpoint_every": 3, "sample_every": 1}
    whole = genzoo.train("toy", out=tmp_path / "whole", training={**settings, "steps": 14})
    for first in (6, 7, 10):
        part = genzoo.train("toy", out=tmp_path / str(first), training={**settings, "steps": first})
        assert any(line["step"] == first and "validation" in line for line in contents(part)["metrics.jsonl"])
        assert contents(genzoo.resume(part.path, steps=14)) == contents(whole)


@pytest.mark.precision
def test_a_larger_budget_reports_differences_from_a_fresh_run(tmp_path):
    for schedule, said in (("constant", False), ("cosine", True)):
        training = {"steps": 4, "schedule": {"name": schedule}}
        run = genzoo.train("toy", out=tmp_path / schedule, training=training)
        _, _, start = prepare_resume(str(run.path), {"steps": 8})
        assert any("spans the budget" in note for note in start.notes) == said


@pytest.mark.once
def test_a_budget_in_minutes_adds_up_over_resumes_when_clocks_change(tmp_path, monkeypatch):
    wall, steady = itertools.cycle((-1e9, 4e9)), itertools.count(1000.0)  # a second passes whenever anybody asks
    monkeypatch.setattr(time, "time", lambda: next(wall))
    monkeypatch.setattr("genzoo.training.trainer.time", SimpleNamespace(monotonic=lambda: next(steady)))
    settings = {"minutes": 0.5, "batch_size": 16, "checkpoint_every": 1}
    with pytest.raises(Interrupted):
        genzoo.train("toy", out=tmp_path / "run", training=settings, callbacks=[stop(10)])
    run = genzoo.resume(tmp_path / "run")
    assert (run.record["steps"], run.record["seconds"]) == (30, 30.0)


@pytest.mark.once
@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[:-9],
        lambda text: text + '{"step": 6, "lo',
        lambda text: text + "\x00\xff garbage\n[1]\n{}\nnull\n",
        lambda text: text + text,
        lambda text: "[" * 100_000 + "\n" + text,
    ],
)
def test_a_truncated_or_damaged_log_is_repaired(tmp_path, damage):
    settings = {**BASE, "checkpoint_every": 3, "keep_checkpoints": 3}
    whole = genzoo.train("toy", out=tmp_path / "whole", training=settings)
    with pytest.raises(Interrupted):
        genzoo.train("toy", out=tmp_path / "part", training=settings, callbacks=[stop(5, signal.SIGINT)])
    log = tmp_path / "part/metrics.jsonl"
    shutil.rmtree(tmp_path / "part/checkpoints/step-000005")  # so that the lines after step 3 are written again
    log.write_text(damage(log.read_text(encoding="utf-8")), encoding="utf-8")
    steps = [line["step"] for line in contents(genzoo.resume(tmp_path / "part"))["metrics.jsonl"] if "loss" in line]
    assert steps == [line["step"] for line in contents(whole)["metrics.jsonl"] if "loss" in line]


@pytest.mark.once
def test_a_damaged_checkpoint_is_reported_and_an_earlier_one_used(tmp_path):
    settings = {**BASE, "keep_checkpoints": 3}
    whole = genzoo.train("toy", out=tmp_path / "whole", training=settings)
    run = genzoo.train("toy", out=tmp_path / "part", training=settings)
    run.update(status="running")
    file = run.checkpoints / "step-000012/state.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"\x01")
    _, _, start = prepare_resume(str(run.path), {})
    assert start.step == 10
    assert "step-000012" in start.notes[0]
    assert "step-000010" in start.notes[0]
    with pytest.warns(UserWarning, match="Continuing from step-000010 instead"):
        resumed = genzoo.resume(run.path)
    assert contents(resumed) == contents(whole)


@pytest.mark.once
def test_a_run_stopped_before_its_first_checkpoint_starts_over(tmp_path):
    whole = genzoo.train("toy", out=tmp_path / "whole", training=BASE)
    with pytest.raises(Interrupted):
        genzoo.train("toy", out=tmp_path / "part", training=BASE, callbacks=[stop(2)])
    run = genzoo.Run(tmp_path / "part")
    for path in checkpoints(run.checkpoints):
        for file in path.iterdir():
            file.unlink()
        path.rmdir()
    with pytest.raises(ArtifactError, match="no checkpoint"):
        genzoo.resume(run.path)
    run.log.write_text("", encoding="utf-8")
    assert contents(genzoo.resume(run.path)) == contents(whole)


@pytest.mark.once
def test_resuming_on_other_data_names_the_difference(tmp_path):
    data = tmp_path / "table.csv"
    rows = np.random.default_rng(0).normal(size=(90, 2))

    def write(values, header="a,b"):
        lines = [header, *(",".join(f"{value:.4f}" for value in row) for row in values)]
        data.write_text("\n".join(lines) + "\n", encoding="utf-8")

    write(rows)
    run = genzoo.train("toy", data, out=tmp_path / "run", training={"steps": 3})
    wide = np.column_stack([rows, rows[:, 0] * 2 + 1])
    for values, header, said in (
        (rows[:80], "a,b", "there were 90 rows, and there are 80"),
        (rows[:, :1], "a", "column 'b' is missing"),
        (wide, "a,b,c", "column 'c' is new"),
        (rows + 1, "a,b", "some values differ"),
    ):
        write(values, header)
        with pytest.raises(ArtifactError, match=said):
            genzoo.resume(run.path, steps=5)
        with pytest.raises(ArtifactError, match=said):
            run.open_data()
    data.unlink()
    with pytest.raises(DataError, match=r"table\.csv"):
        genzoo.resume(run.path, steps=5)
    write(rows)
    assert genzoo.resume(run.path, steps=5).record["steps"] == 5


@pytest.mark.once
def test_a_run_out_of_patience_but_unsaved_takes_no_more_steps(tmp_path, monkeypatch):
    settings = {"steps": 3000, "optimizer": {"lr": 0.5}, "patience": 2, "log_every": 1}
    whole = genzoo.train("toy", out=tmp_path / "whole", training=settings)
    with monkeypatch.context() as patch:
        patch.setattr("genzoo.training.finalize.save_model", lambda *_: os.kill(os.getpid(), signal.SIGTERM))
        with pytest.raises(Interrupted):
            genzoo.train("toy", out=tmp_path / "part", training=settings)
    assert contents(genzoo.resume(tmp_path / "part")) == contents(whole)
    with pytest.raises(ConfigError, match="patience"):
        genzoo.resume(tmp_path / "part", steps=9000)


@pytest.mark.once
def test_the_last_checkpoints_and_the_best_are_kept(tmp_path, monkeypatch):
    values = itertools.chain([3.0, 1.0], itertools.repeat(2.0))
    monkeypatch.setattr("genzoo.training.early_stopping.Validation.objective", lambda _: next(values))
    settings = {"steps": 40, "checkpoint_every": 1, "keep_checkpoints": 3, "eval_steps": 5, "patience": 90}
    run = genzoo.train("toy", out=tmp_path / "run", training=settings)
    assert run.record["best"].items() >= {"by": "objective", "value": 1.0, "step": 10}.items()
    assert [path.name for path in checkpoints(run.checkpoints)] == [f"step-{n:06d}" for n in (10, 38, 39, 40)]


@pytest.mark.once
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EROFS])
def test_a_failing_disk_leaves_the_last_good_checkpoint(tmp_path, monkeypatch, number):
    whole = genzoo.train("toy", out=tmp_path / "whole", training=BASE)
    real = os.fsync

    def refuse(descriptor):
        if "step-000010" in str(Path(f"/proc/self/fd/{descriptor}").readlink()):
            raise OSError(number, os.strerror(number))
        real(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", refuse)
        with pytest.raises(GenzooError, match=os.strerror(number)) as caught:
            genzoo.train("toy", out=tmp_path / "part", training=BASE)
    assert caught.value.exit_code == 1
    run = genzoo.Run(tmp_path / "part")
    assert [path.name for path in checkpoints(run.checkpoints)] == ["step-000006"]
    assert run.record["status"] == "failed"
    assert run.sample(2).shape == (2, 4)
    assert contents(genzoo.resume(run.path)) == contents(whole)


@pytest.mark.once
def test_a_run_with_an_unsaved_model_is_not_finished(tmp_path, monkeypatch):
    whole = genzoo.train("toy", out=tmp_path / "whole", training=BASE)

    def refuse(*_):
        raise GenzooError("no space")

    with monkeypatch.context() as patch:
        patch.setattr("genzoo.training.finalize.save_model", refuse)
        with pytest.raises(GenzooError, match="no space"):
            genzoo.train("toy", out=tmp_path / "part", training=BASE)
    assert genzoo.Run(tmp_path / "part").record["status"] == "failed"
    assert contents(genzoo.resume(tmp_path / "part")) == contents(whole)


@pytest.mark.parametrize("jobs", [pytest.param(1, marks=pytest.mark.full), 2])
def test_a_killed_comparison_does_not_refit_finished_candidates(tmp_path, jobs):
    wanted = ["gaussian", "gmm:n_components=2..3,training.n_init=1"]
    whole = genzoo.compare(wanted, data="iris", out=tmp_path / "whole")
    killed = forked.run(
        tmp_path / "said", elsewhere.compare_until_killed, str(tmp_path / "said"), wanted, str(tmp_path / "part"), jobs
    )
    assert killed.code == -signal.SIGKILL, killed.err
    workers = (tmp_path / "said.workers").read_text(encoding="utf-8").split()
    assert len(workers) >= jobs - 1
    deadline = time.monotonic() + 60
    while any(Path("/proc", worker).exists() for worker in workers):
        assert time.monotonic() < deadline, "the processes of the comparison outlive it"
        time.sleep(0.05)
    kept = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "part/rows").glob("*.json")}
    assert len(kept) == 2
    # The journal has one of the two fits of each finished candidate, and with several jobs perhaps one of the third.
    of_the_third = len((tmp_path / "part/fits.jsonl").read_text(encoding="utf-8").split("\n\n")) - len(kept)
    assert of_the_third in ({0} if jobs == 1 else {0, 1})
    fits = []
    report = genzoo.compare(wanted, data="iris", out=tmp_path / "part", callback=lambda *seen: fits.append(seen))
    assert len(fits) == 2 - of_the_third, "fitted to all rows and without the test rows"
    assert {name: (tmp_path / "part/rows" / name).stat().st_mtime_ns for name in kept} == kept
    figures = [[(row.id, row.bic, row.verdict) for row in found.rows] for found in (whole, report)]
    assert figures[0] == figures[1]
    assert report.best == whole.best
    assert genzoo.Run(tmp_path / "part/best").record["status"] == "finished"


def test_two_comparisons_do_not_work_in_one_folder(tmp_path):
    genzoo.compare(["gaussian"], data="iris", out=tmp_path / "out")
    with exclusive_lock(tmp_path / "out"), pytest.raises(ArtifactError, match=f"in use by process {os.getpid()}"):
        genzoo.compare(["gaussian"], data="iris", out=tmp_path / "out")


@pytest.mark.once
def test_a_second_interrupt_says_what_is_saved(tmp_path):
    def interrupt_twice(step):
        if step.number == 6:
            raise KeyboardInterrupt  # as the second Ctrl-C does

    with pytest.raises(Interrupted, match=r"Interrupted at once. Only step-000005 is saved. Go on with: genzoo.resume"):
        genzoo.train("toy", out=tmp_path / "run", training={**BASE, "checkpoint_every": 5}, callbacks=[interrupt_twice])
    assert genzoo.Run(tmp_path / "run").record["status"] == "interrupted"
