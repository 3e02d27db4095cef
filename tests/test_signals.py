"""What a signal does to a command, wherever it comes."""

import os
import signal
import time

import pytest

from genzoo.engine.abandon import Abandoned
from genzoo.signals import Signals

CODES = [(signal.SIGINT, 130, "Interrupted."), (signal.SIGTERM, 143, "Terminated.")]


@pytest.mark.parametrize(("number", "code", "said"), CODES)
def test_a_signal_while_data_are_read_ends_the_command_at_once(cli, monkeypatch, number, code, said):
    def read(*_):
        os.kill(os.getpid(), number)
        time.sleep(600)

    monkeypatch.setattr("genzoo.preparation.open_dataset", read)
    found, out, err = cli("train", "toy", "--out", "run")
    assert (found, out) == (code, "")
    assert err.endswith(f"Error: {said}\n")


@pytest.mark.parametrize(("number", "code", "said"), CODES)
def test_a_signal_in_a_long_pass_says_how_to_go_on(cli, monkeypatch, number, code, said):
    def sums(*_):
        os.kill(os.getpid(), number)
        time.sleep(600)

    with monkeypatch.context() as patch:
        patch.setattr("genzoo_mixture.em.MixtureEM.statistics", sums)
        found, _, err = cli("train", "gmm", "--data", "iris", "--out", "run dir")
    assert found == code
    assert "genzoo train --resume 'run dir'" in " ".join(err.split())
    assert "Traceback" not in err
    found, _, err = cli("train", "--resume", "run dir")
    assert found == 0, err


def test_what_may_be_left_undone_is_left_at_the_first_signal_only():
    with Signals() as signals:
        os.kill(os.getpid(), signal.SIGTERM)
        assert signals.received == signal.SIGTERM, "outside it is only noted"
        with pytest.raises(Abandoned), signals.abandonable:
            raise AssertionError("not reached: the signal came before")
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
        assert signals.exit_code == 143, "what came first was SIGTERM"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_signal_within_what_may_be_left_undone_ends_it():
    def wait():
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(600)

    with Signals() as signals:
        with pytest.raises(Abandoned), signals.abandonable:
            wait()
        assert not signals.abandonable.entered
