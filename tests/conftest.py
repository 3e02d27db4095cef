"""One zoo for all tests: the installed plugins and the toy one."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import bf16
import pytest
import torch
import toy_plugin
from warm import warm

from genzoo.cli.main import main
from genzoo.plugins.manager import get_manager

collect_ignore_glob = ["data/plugins/*"]  # fixtures with tests of their own, run in processes of their own

_TERMINAL = {"COLUMNS", "LINES", "FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "MPLBACKEND"}
_PROCESSES = {"RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"}

for _name in [*os.environ]:  # what whoever runs the tests has set for themselves
    if _name in _TERMINAL | _PROCESSES or (_name.startswith("GENZOO_") and not _name.startswith("GENZOO_TEST_")):
        del os.environ[_name]
bf16.force()
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # as a shell starts what runs in the background
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(bf16.Guard())


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what is marked `long`, so that no process is left with it when the others have ended.

    README trains networks, and what it shows may not depend on this CPU.
    """
    for item in items:
        if isinstance(item, pytest.DoctestItem) and item.path.name == "README.md":
            item.add_marker("precision")
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


@pytest.fixture(scope="session", autouse=True)
def _toy() -> None:
    torch.set_num_threads(1)
    get_manager().add("genzoo-toy", toy_plugin)


@pytest.fixture(scope="session")
def forked():
    """Has a fork of a Python that is warm do something in a folder."""
    with warm() as found:
        yield found


@pytest.fixture
def cli(capsys, tmp_path: Path, monkeypatch):
    """Run a command line in an empty folder; gives exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)

    def call(*words: object):
        capsys.readouterr()
        code = main([str(word) for word in words])
        shown = capsys.readouterr()
        return code, shown.out, shown.err

    return call
