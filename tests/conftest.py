"""Fixtures for all tests, which share one registry: the installed plugins and the toy plugin."""

from __future__ import annotations

import gc
import os
import signal
from pathlib import Path

import bf16
import pytest
import slow
import torch
import toy_plugin
from warm import warm

from genzoo.cli.main import main
from genzoo.plugins.manager import get_manager
from genzoo.reports import charts
from genzoo.wording import SHELL, speaking_everywhere

collect_ignore_glob = ["data/plugins/*", "support/outside/*"]  # run in processes of their own, or need other packages

_TERMINAL = {"COLUMNS", "LINES", "FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "MPLBACKEND"}
_record = os.environ.get(slow.VARIABLE)
_PROCESSES = {"RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"}

for _name in [*os.environ]:  # tests must not depend on the environment of the shell
    if _name in _TERMINAL | _PROCESSES or (_name.startswith("GENZOO_") and not _name.startswith("GENZOO_TEST_")):
        del os.environ[_name]
bf16.force()
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # a shell starts background jobs like that
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(bf16.Guard())
    if _record is not None:
        config.pluginmanager.register(slow.Recorder(Path(_record)))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]):
    """Mark slow tests, and run tests marked `long` first, so that no worker is left with one at the end."""
    if _record is None:
        slow.mark(items)
    slow.group(items)
    yield
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


@pytest.fixture(scope="session", autouse=True)
def _toy() -> None:
    torch.set_num_threads(1)
    os.fsync = os.fstat  # a disk takes milliseconds for each of the 40 of a training, and tests survive no power cut
    # Modules and collected tests are a million objects. Comparisons collect garbage before each fit, and need not look
    # through these; see `genzoo.comparison.workers`.
    gc.collect()
    gc.freeze()
    get_manager().add("genzoo-toy", toy_plugin)


@pytest.fixture(scope="session")
def forked():
    """Yield a function that runs work in a fork of a warm Python; see `warm.Warm`."""
    with warm() as server:
        yield server


@pytest.fixture
def in_a_shell():
    """Let messages of calls name flags, as the command line does."""
    with speaking_everywhere(SHELL):
        yield


@pytest.fixture
def undrawn(monkeypatch):
    """Leave the charts of pages empty: drawing takes longer than a small comparison. `tests/reports` draws them."""
    monkeypatch.setattr(charts, "_saved", lambda figure, form, metadata: b"")


@pytest.fixture
def cli(capsys, tmp_path: Path, monkeypatch):
    """Return a function that runs a command line in an empty folder and returns exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)

    def call(*words: object):
        capsys.readouterr()
        code = main([str(word) for word in words])
        shown = capsys.readouterr()
        return code, shown.out, shown.err

    return call
