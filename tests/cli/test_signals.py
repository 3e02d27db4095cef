"""What a signal does to a command, wherever it comes."""

import os
import signal
import subprocess
import sys
import time

import pytest

from genzoo.engine.signals import Abandoned, Signals

CODES = [(signal.SIGINT, 130, "Interrupted."), (signal.SIGTERM, 143, "Terminated.")]


@pytest.mark.once
@pytest.mark.parametrize(("number", "code", "said"), CODES)
def test_a_signal_while_data_are_read_ends_the_command_at_once(cli, monkeypatch, number, code, said):
    def read(*_):
        os.kill(os.getpid(), number)
        time.sleep(600)

    monkeypatch.setattr("genzoo.training.preparation.open_dataset", read)
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


START = """
import importlib.abc, os, signal, sys

for number in (signal.SIGINT, signal.SIGTERM):  # whatever this process was started from
    signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
numbers = list(map(int, sys.argv[1:]))


def send():
    if numbers:
        os.kill(os.getpid(), numbers.pop(0))


def sending(function):
    return lambda *a, **k: (send(), function(*a, **k))[1]


from genzoo.cli.entry import start
"""
IMPORTING = """
class Slow(importlib.abc.MetaPathFinder):
    def find_spec(self, name, *_):
        if name == "click":
            send()


sys.meta_path.insert(0, Slow())
start()
"""
REPORTING = """
import genzoo.cli.main as line


def work(*_, **__):
    send()
    raise AssertionError("not reached")


line.root.main = work
line.textwrap.fill = sending(line.textwrap.fill)
sys.stdout.flush = sending(sys.stdout.flush)
start()
"""
UNWINDING = """
import genzoo.cli.main as line


def work(*_, **__):
    try:
        send()
    finally:
        send()
        raise AssertionError("not reached")


line.root.main = work
start()
"""
EVALUATING = """
import genzoo.cli.main as line

line.root.main = lambda *_, **__: exec("send()", globals())
start()
"""
MISTAKING = """
import genzoo.cli.main as line
from genzoo.errors import PluginError


def work(*_, **__):
    try:
        send()
    except KeyboardInterrupt:
        raise PluginError("numpy cannot be imported")


line.root.main = work
start()
"""
INT, TERM = signal.SIGINT, signal.SIGTERM


def sent(folder, program, *numbers):
    """The exit code and stderr of a process that gets signals at known places."""
    (folder / "program.py").write_text(START + program, encoding="utf-8")
    words = [sys.executable, "-m", "program", *(str(int(number)) for number in numbers)]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True)
    return done.returncode, done.stderr


@pytest.mark.parametrize(("number", "code", "said"), CODES)
def test_a_signal_while_the_command_line_is_imported_ends_it_in_good_order(tmp_path, number, code, said):
    assert sent(tmp_path, IMPORTING, number) == (code, f"Error: {said}\n")


@pytest.mark.parametrize("numbers", [(INT, INT, INT), (TERM, INT, TERM), (TERM, TERM, INT)])
def test_a_signal_while_another_is_reported_changes_nothing(tmp_path, numbers):
    said = {INT: "Interrupted", TERM: "Terminated"}[numbers[0]]
    assert sent(tmp_path, REPORTING, *numbers) == (128 + numbers[0], f"Error: {said}.\n")


@pytest.mark.parametrize("numbers", [(INT, INT), (TERM, INT), (INT, TERM)])
def test_a_signal_while_another_unwinds_the_work_ends_it_at_once(tmp_path, numbers):
    said = {INT: "Interrupted", TERM: "Terminated"}[numbers[0]]
    assert sent(tmp_path, UNWINDING, *numbers) == (128 + numbers[0], f"Error: {said}.\n")


@pytest.mark.parametrize(("number", "code", "said"), CODES)
def test_a_signal_while_text_is_evaluated_gives_its_exit_code_too(tmp_path, number, code, said):
    assert sent(tmp_path, EVALUATING, number) == (code, f"Error: {said}\n")


@pytest.mark.parametrize(("number", "code", "said"), CODES)
def test_a_signal_that_other_code_takes_for_a_failure_is_told_as_a_signal(tmp_path, number, code, said):
    assert sent(tmp_path, MISTAKING, number) == (code, f"Error: {said}\n")


def test_a_signal_that_was_ignored_before_stays_so(monkeypatch, cli):
    monkeypatch.setattr("genzoo.cli.main.root.main", lambda *_, **__: os.kill(os.getpid(), INT))
    before = signal.signal(INT, signal.SIG_IGN)
    try:
        assert cli("models") == (0, "", "")
    finally:
        signal.signal(INT, before)
