"""The loop and its callbacks, with an engine that only counts."""

import os
import pickle
import signal

import pytest
import torch

import genzoo
import genzoo.persistence.run as run_module
from genzoo.config.resolve import layer, resolve_config
from genzoo.engine.dataloader import DataLoader
from genzoo.engine.schedule import Budget
from genzoo.engine.signals import Abandoned, Signals
from genzoo.persistence.checkpoint import checkpoints
from genzoo.plugins.manager import get_registry
from genzoo.training.api import start_run
from genzoo.training.run_training import run_training
from genzoo.training.setup import build_setup
from genzoo.training.trainer import Callback, Trainer


class Counting:
    """An engine whose loss is the number of its step."""

    def __init__(self, finished_after=None):
        self.taken = []
        self.finished_after = finished_after

    @property
    def finished(self):
        return len(self.taken) == self.finished_after

    def update(self, item, step, fraction):
        self.taken.append((item, step, fraction))
        return {"loss": torch.tensor(float(step))}


class Numbers(DataLoader):
    """A loader that yields the number of each step, of which five make an epoch."""

    def __init__(self):
        super().__init__(torch.device("cpu"), 5)
        self.closed = False

    def items(self, first):
        try:
            while True:
                yield first
                first += 1
        finally:
            self.closed = True


class Noting(Callback):
    """Notes each hook, and does something at one of them."""

    def __init__(self, notes, name="", at=None, do=None):
        self.notes, self.name, self.at, self.do = notes, name, at, do

    def note(self, hook, *rest):
        self.notes.append((self.name + hook, *rest))
        if (hook, *rest[:1]) == self.at:
            self.do(self)

    def on_start(self):
        self.note("start")

    def on_update(self, step):
        self.note("update", step.number)

    def on_step(self, step):
        self.note("step", step.number)

    def on_step_end(self, step, *, stopping):
        self.note("step_end", step.number, stopping)

    def on_interrupt(self, step, *, complete):
        self.note("interrupt", step.number, complete)

    def on_end(self, outcome, losses):
        self.note("end", outcome)


def trainer(steps=3, engine=None, loader=None, **options):
    return Trainer(engine or Counting(), loader or Numbers(), Budget(steps, None), seed=0, **options)


def stop(callback):
    callback.stop = True


def interrupt(_):
    os.kill(os.getpid(), signal.SIGTERM)


def test_all_callbacks_run_one_hook_before_any_runs_the_next():
    notes = []
    assert trainer(1).fit([Noting(notes, "a "), Noting(notes, "b ")]) == "finished"
    expected = [("start",), ("update", 1), ("step", 1), ("step_end", 1, False), ("end", "finished")]
    assert notes == [(name + hook, *rest) for hook, *rest in expected for name in ("a ", "b ")]


def test_a_function_serves_as_a_callback():
    steps, loader = [], Numbers()
    trainer(7, loader=loader).fit([steps.append])
    assert [(step.number, step.epoch, step.ends_epoch, step.last) for step in steps] == [
        (n, 1 + (n > 5), n == 5, n == 7) for n in range(1, 8)
    ]
    assert [step.losses[0].values["loss"] for step in steps] == [1, 2, 3, 4, 5, 6, 7]
    assert loader.closed


def test_a_callback_ends_training_after_its_step():
    notes = []
    assert trainer(9).fit([Noting(notes, at=("step", 2), do=stop)]) == "finished"
    assert notes[-2:] == [("step_end", 2, True), ("end", "finished")]


def test_training_ends_when_the_engine_has_finished():
    engine = Counting(finished_after=4)
    trainer(9, engine).fit()
    assert [step for _, step, _ in engine.taken] == [1, 2, 3, 4]


def test_a_training_continues_with_the_next_step_and_its_item():
    engine, notes = Counting(), []
    trainer(6, engine, steps_before=4).fit([Noting(notes)])
    assert engine.taken == [(5, 5, 4 / 6), (6, 6, 5 / 6)]
    assert notes[1] == ("update", 5)


def test_callbacks_that_were_cut_short_run_again_before_the_next_step():
    engine, notes = Counting(), []
    trainer(5, engine, steps_before=4, incomplete=True).fit([Noting(notes)])
    assert [note for note in notes if note[0] == "step"] == [("step", 4), ("step", 5)]
    assert [step for _, step, _ in engine.taken] == [5]


def test_nothing_is_trained_if_a_callback_has_stopped_before():
    engine, notes = Counting(), []
    assert trainer(5, engine, steps_before=4).fit([Noting(notes, at=("start",), do=stop)]) == "finished"
    assert not engine.taken
    assert notes == [("start",), ("end", "finished")]


@pytest.mark.parametrize(
    ("at", "ending"),
    [
        (("update", 2), [("update", 2), ("interrupt", 2, False), ("end", "interrupted")]),
        (("step", 2), [("step", 2), ("interrupt", 2, False), ("end", "interrupted")]),
        (("step_end", 2), [("step_end", 2, False), ("update", 3), ("interrupt", 3, False), ("end", "interrupted")]),
        (("end", "finished"), [("step_end", 3, False), ("end", "finished")]),
    ],
)
def test_a_signal_cuts_only_what_runs_again(at, ending):
    notes = []
    with Signals() as signals:
        assert trainer(3, signals=signals).fit([Noting(notes, at=at, do=interrupt)]) == "interrupted"
    assert notes[-len(ending) :] == ending


def test_a_pass_that_is_cut_short_leaves_the_step_before_as_the_last():
    class Undone(Counting):
        def update(self, item, step, fraction):
            if step == 3:
                raise Abandoned
            return super().update(item, step, fraction)

    notes = []
    assert trainer(9, Undone()).fit([Noting(notes)]) == "interrupted"
    assert notes[-3:] == [("step_end", 2, False), ("interrupt", 2, True), ("end", "interrupted")]


def test_steps_can_be_taken_one_at_a_time():
    loader = Numbers()
    mine = trainer(2, loader=loader)
    assert [mine.train_step().number, mine.train_step().last] == [1, True]
    assert mine.done
    mine.close()
    assert loader.closed


def test_a_run_reads_its_model_once(tmp_path, monkeypatch):
    reads = []
    original = run_module.load_model
    monkeypatch.setattr(run_module, "load_model", lambda *given: reads.append(given) or original(*given))
    run = genzoo.train("gaussian", "iris", out=tmp_path / "run")
    assert run.load() is run.load()
    run.sample(2)
    run.log_prob(run.sample(3))
    assert len(reads) == 1


def test_a_run_reads_its_model_again_once_training_has_replaced_it(tmp_path):
    run = genzoo.train("toy", "iris", out=tmp_path / "run", precision="fp32", training={"steps": 2, "batch_size": 16})
    before = run.load().generator.state_dict()
    genzoo.resume(run.path, steps=9)
    after = run.load().generator.state_dict()
    assert any(not torch.equal(before[name], after[name]) for name in before)


@pytest.mark.filterwarnings("always::genzoo.FormerNameWarning")
def test_the_former_name_of_callbacks_still_works(tmp_path):
    steps = []
    with pytest.warns(genzoo.FormerNameWarning, match="watchers is now called callbacks"):
        run = genzoo.train("gaussian", "iris", out=tmp_path / "run", watchers=[steps.append])
    assert len(steps) == run.record["steps"]
    assert run.fitted() is run.load()
    with pytest.raises(genzoo.ConfigError, match="watchers is the former name of callbacks"):
        genzoo.resume(run.path, watchers=[], callbacks=[])


def test_a_callback_can_be_used_again():
    stopping = Noting([], at=("step", 2), do=stop)
    for _ in range(2):
        engine = Counting()
        trainer(9, engine).fit([stopping])
        assert len(engine.taken) == 2


@pytest.mark.parametrize("wrong", [Callback, Noting, 3, object()])
def test_what_is_no_callback_raises_before_a_run_exists(tmp_path, wrong):
    with pytest.raises(genzoo.ConfigError, match=r"neither a genzoo.Callback nor a function of a Step"):
        genzoo.train("gaussian", "iris", out=tmp_path / "run", callbacks=[wrong])
    assert not (tmp_path / "run").exists()


def test_a_callback_that_is_in_no_list_is_named():
    with pytest.raises(genzoo.ConfigError, match="callbacks is a list, such as"):
        genzoo.train("gaussian", "iris", callbacks=print)


def test_the_run_is_finished_when_the_callbacks_of_users_end(tmp_path):
    seen = []

    class Looks(Callback):
        def on_end(self, outcome, losses):
            run = genzoo.Run(tmp_path / "run")
            seen.append((outcome, run.record["status"], run.load().generator.state_dict()))
            raise RuntimeError("after all")

    with pytest.raises(RuntimeError, match="after all"):
        genzoo.train("gmm", "iris", out=tmp_path / "run", training={"n_init": 3}, callbacks=[Looks()])
    outcome, status, weights = seen[0]
    assert (outcome, status) == ("finished", "finished")
    run = genzoo.Run(tmp_path / "run")
    assert run.record["status"] == "finished"
    assert all(torch.equal(value, run.load().generator.state_dict()[name]) for name, value in weights.items())


def test_a_failing_on_interrupt_loses_no_step(tmp_path):
    class Fails(Callback):
        def on_step(self, step):
            if step.number == 3:
                os.kill(os.getpid(), signal.SIGTERM)

        def on_interrupt(self, step, *, complete):
            raise RuntimeError("cannot tell")

    training = {"steps": 9, "batch_size": 16, "checkpoint_every": 100}
    with pytest.raises(RuntimeError, match="cannot tell"):
        genzoo.train("toy", "iris", out=tmp_path / "run", precision="fp32", training=training, callbacks=[Fails()])
    assert checkpoints(tmp_path / "run" / "checkpoints")[-1].name == "step-000003"
    assert genzoo.resume(tmp_path / "run").record["steps"] == 9


def test_a_setup_can_be_trained_again_after_a_signal(tmp_path):
    config = {"training": {"steps": 5, "batch_size": 16}, "precision": "fp32", "data": {"source": "iris"}}
    setup = build_setup(resolve_config(get_registry(), "toy", layer(config)))

    def terminate(step):
        if step.number == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(genzoo.Interrupted, match=r"^Terminated"):
        run_training(setup, start_run(setup, tmp_path / "one"), [terminate])
    run = start_run(setup, tmp_path / "two")
    run_training(setup, run)
    assert run.record["status"] == "finished"


def test_a_run_gives_a_model_on_the_host_wherever_the_last_one_went(tmp_path):
    run = genzoo.train("gaussian", "iris", out=tmp_path / "run")
    run.load().to(torch.device("meta"))
    assert run.load().device == torch.device("cpu")
    assert len(pickle.dumps(run)) < 1000


def test_a_run_can_be_loaded_while_its_files_are_replaced(tmp_path, monkeypatch):
    run = genzoo.train("gaussian", "iris", out=tmp_path / "run")
    monkeypatch.setattr("pathlib.Path.stat", lambda *_, **__: (_ for _ in ()).throw(FileNotFoundError("just replaced")))
    assert run._stamp() == (None, None, None)
