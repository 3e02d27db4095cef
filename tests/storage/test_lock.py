"""One process at a time trains into a run, and the second is told who does."""

import multiprocessing
import os
import re
import signal
import socket

import elsewhere
import forked
import pytest

import genzoo
from genzoo.errors import ArtifactError
from genzoo.storage.lock import exclusive_lock


@pytest.fixture
def holder(tmp_path):
    """Another process that holds `tmp_path`."""
    hearing, telling = multiprocessing.Pipe(duplex=False)
    process = forked.start(
        tmp_path.with_name(f"{tmp_path.name}-holder") / "said", elsewhere.keep_hold, str(tmp_path), telling
    )
    assert hearing.poll(forked.LONGEST)
    yield process
    process.kill()
    process.join()


def test_the_second_process_is_told_who_holds_a_folder(tmp_path, holder):
    who = rf"process {holder.pid} on {re.escape(socket.gethostname())} since \d{{4}}-\d\d-\d\dT[\d:]{{8}}\+00:00\."
    with pytest.raises(ArtifactError, match=who), exclusive_lock(tmp_path):
        pass


def test_a_lock_dies_with_its_process(tmp_path, holder):
    os.kill(holder.pid, signal.SIGKILL)
    holder.join()
    with exclusive_lock(tmp_path):
        pass
    with exclusive_lock(tmp_path):
        pass


@pytest.mark.once
def test_a_run_in_training_is_not_resumed_but_can_be_read(tmp_path):
    seen = []

    def look(step):
        if step.number == 7:
            with pytest.raises(ArtifactError, match=f"in use by process {os.getpid()}"):
                genzoo.resume(tmp_path / "run", steps=9)
            seen.append(genzoo.load(tmp_path / "run").sample(3).shape)
            seen.append(len(genzoo.Run(tmp_path / "run").sample(2)))

    genzoo.train("toy", out=tmp_path / "run", training={"steps": 8, "checkpoint_every": 2}, callbacks=[look])
    assert seen == [(3, 4), 2]


@pytest.mark.once
def test_a_state_that_another_process_went_on_from_is_not_trained_twice(tmp_path):
    from genzoo.training.resume import prepare_resume
    from genzoo.training.run_training import run_training

    genzoo.train("toy", out=tmp_path / "run", training={"steps": 5})
    run, prepared, start = prepare_resume(str(tmp_path / "run"), {"steps": 8})
    genzoo.resume(tmp_path / "run", steps=7)
    with pytest.raises(ArtifactError, match="meanwhile"):
        run_training(prepared, run, (), start)
    assert run.record["steps"] == 7
