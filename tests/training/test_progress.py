"""What is shown of a training, and that showing it changes nothing."""

import re
import types

import numpy as np
import pytest
import torch
from phases import Watcher

import genzoo
from genzoo.data.builtin import digits
from genzoo.engine.loss_buffer import LossRecord
from genzoo.engine.schedule import Budget
from genzoo.inference.rows.scoring import score
from genzoo.runtime import display
from genzoo.runtime.progress import Phase, observed
from genzoo.training.callbacks import TrainingPhase
from genzoo.training.trainer import Step


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def shown(budget, step, engine=None):
    trainer = types.SimpleNamespace(fraction=0.0)
    watcher = Watcher()
    with observed(watcher), TrainingPhase(trainer, engine, budget, early=False) as phase:
        phase.on_update(step)
    (view,) = watcher.ended
    return f"{int(100 * view.fraction)}%  {view.detail}"


@pytest.mark.parametrize(
    ("budget", "text"),
    [
        (Budget(1000, None), "50%  step 500/1000  epoch 1"),
        (Budget(None, 60.0), "50%  step 500  epoch 1"),
        (Budget(1000, 600.0), "50%  step 500/1000  epoch 1"),
        (Budget(3800, 60.0), "50%  step 500  epoch 1"),
        (Budget(1000, 60.0), "50%  step 500/1000  epoch 1"),
        (Budget(None, None), "0%  step 500  epoch 1"),
    ],
)
def test_the_limit_of_steps_is_shown_if_the_percentage_counts_it(budget, text):
    assert shown(budget, Step(500, 1, budget.spent(500, 30.0), 30.0, False, False)) == text


def test_losses_are_those_that_arrived_last():
    losses = (LossRecord(1, {"a": 9.0}), LossRecord(2, {"a": 1.0, "b": 2.0}))
    step = Step(2, 1, 0.5, 1.0, False, False, losses)
    assert shown(Budget(4, None), step) == "50%  step 2/4  epoch 1  a 1.000  b 2.000"


def test_em_counts_the_starts_that_have_ended():
    watcher = Watcher()
    with observed(watcher):
        data = np.random.default_rng(0).normal(size=(60, 2))
        genzoo.train("gmm", data, out="unused", training={"n_init": 3, "max_iter": 500})
    training = next(view for view in watcher.ended if view.name == "training")
    assert training.fraction == 1.0
    assert re.match(r"start 3/3  pass \d+  negative_log_likelihood ", training.detail)
    assert training.at_most


def weights(path):
    return genzoo.load(path).generator.state_dict()


@pytest.mark.parametrize("model", ["vae", "gmm"])
def test_a_training_gives_the_same_bits_with_and_without_progress(model, capsys, monkeypatch):
    monkeypatch.setattr(display, "_SHORT", 0.0)
    data = "digits" if model == "vae" else "iris"
    training = {"steps": 12}
    for progress in (False, True):
        genzoo.train(model, data, out=str(progress), training=training, precision="fp32", progress=progress)
        assert ("training" in capsys.readouterr().err) == progress
    quiet, loud = weights("False"), weights("True")
    assert all(torch.equal(quiet[name], loud[name]) for name in quiet)


def test_a_comparison_gives_the_same_bits_with_and_without_progress(capsys, monkeypatch):
    monkeypatch.setattr(display, "_SHORT", 0.0)
    found = [genzoo.compare(["gmm:n_components=1..2"], "iris", folds=2, progress=show) for show in (False, True)]
    err = capsys.readouterr().err
    assert "fitting candidates  100%  8/8 fits  took" in err
    assert [row.bic for row in found[0].rows] == [row.bic for row in found[1].rows]
    assert [row.cv for row in found[0].rows] == [row.cv for row in found[1].rows]


def test_nothing_is_shown_in_a_pipe_unless_asked_for(capsys, monkeypatch):
    monkeypatch.setattr(display, "_SHORT", 0.0)
    genzoo.train("gmm", "iris", out="run")
    genzoo.compare(["gaussian"], "iris")
    assert capsys.readouterr().err == ""


def test_validation_rows_are_scored_in_sight_with_as_many_draws_as_asked():
    watcher = Watcher()
    with observed(watcher):
        run = genzoo.train("vae", "digits", out="run", precision="fp32", training={"steps": 3, "bound_draws": 5})
    names = watcher.names()
    assert "computing likelihood bounds of 5 draws" in names
    assert names.index("training") < names.index("saving the model")
    model = run.load()
    assert model.bound_draws == 5
    assert score(model, digits(), 0.1).kind == "lower bound (5 draws)"


def test_a_phase_of_a_training_that_is_stopped_ends():
    watcher = Watcher()

    class StopError(Exception):
        """What a user's callback raises."""

    def stop(step):
        raise StopError

    with observed(watcher), pytest.raises(StopError):
        genzoo.train("vae", "digits", out="run", precision="fp32", training={"steps": 3}, callbacks=[stop])
    assert "training" in watcher.names()
    with observed(watcher), Phase("next"):
        pass
    assert watcher.names()[-1] == "next"
