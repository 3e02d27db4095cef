"""Standard streams that are closed or full, and a current folder that is gone."""

import os
import signal
import subprocess
import sys

import pytest

from genzoo.engine.signals import Signals

GENZOO = f"{sys.executable} -m genzoo"


def shell(folder, line):
    """The exit code, stdout and stderr of a line of bash."""
    done = subprocess.run(["bash", "-o", "pipefail", "-c", line], cwd=folder, capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("--version >&-", 0),
        ("--help >&- 2>&-", 0),
        ("nonsense 2>&-", 2),
        ("nonsense 2>/dev/full", 2),
        ("nonsense 2> >(true)", 2),
        ("models --help <&- >&- 2>&-", 0),
        ("models --help | true", 1),
        ("nonsense 2>&1 | true", 2),
    ],
)
def test_a_stream_that_cannot_be_written_ends_nothing_with_a_traceback(tmp_path, words, code):
    assert shell(tmp_path, f"{GENZOO} {words}") == (code, "", "")


def test_results_that_find_no_room_are_an_error(tmp_path):
    code, _, err = shell(tmp_path, f"{GENZOO} --version >/dev/full")
    assert (code, err.count("Error:"), err.count("\n")) == (1, 1, 1)


def test_no_file_takes_the_place_of_a_closed_stream(tmp_path):
    program = (
        "import os, sys; from genzoo.cli.entry import _open_streams; _open_streams(); "
        "print('lost'); print('lost', file=sys.stderr); os.write(os.open('log', os.O_CREAT | os.O_WRONLY), b'kept')"
    )
    assert shell(tmp_path, f'{sys.executable} -c "{program}" <&- >&- 2>&-') == (0, "", "")
    assert (tmp_path / "log").read_text(encoding="utf-8") == "kept"


def test_a_deleted_folder_is_named_and_help_works_there(tmp_path):
    (tmp_path / "gone").mkdir()
    code, out, err = shell(tmp_path, f"cd gone && rmdir ../gone && {GENZOO} --version && {GENZOO} data iris")
    assert code == 2
    assert out.startswith("genzoo ")
    assert err == "Error: The current folder was deleted. Change to a folder that exists, and try again.\n"


def test_a_training_leaves_an_ignored_signal_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Signals() as signals:
            os.kill(os.getpid(), signal.SIGINT)
            assert signals.received is None
            os.kill(os.getpid(), signal.SIGTERM)
            assert signals.received == signal.SIGTERM
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
