"""What another process does in a test, until somebody ends it."""

from __future__ import annotations

import os
import signal
import time
from multiprocessing.connection import Connection
from pathlib import Path

from forked import command

import genzoo
from genzoo.comparison.store import ResultStore
from genzoo.storage.lock import exclusive_lock


def keep_hold(folder: str, telling: Connection) -> None:
    """Hold a folder, and tell so."""
    with exclusive_lock(Path(folder)):
        telling.send("held")
        time.sleep(600)


def compare_until_killed(said: str, wanted: list[str], out: str, jobs: int) -> None:
    """Compare candidates; once two of them are kept, the process kills itself.

    Before, it tells the processes that it has started in `<said>.workers`.
    """
    add = ResultStore.add

    def killed(self: ResultStore, candidate: object, result: object) -> None:
        add(self, candidate, result)
        if len(list((self.path / "rows").glob("*.json"))) == 2:
            workers = [
                child
                for task in Path("/proc/self/task").iterdir()
                for child in (task / "children").read_text(encoding="utf-8").split()
            ]
            Path(f"{said}.workers").write_text(" ".join(workers), encoding="utf-8")
            os.kill(os.getpid(), signal.SIGKILL)

    ResultStore.add = killed
    genzoo.compare(wanted, data="iris", out=out, jobs=jobs)


def command_in(folder: str, words: list[str]) -> int:
    """The command line in a folder."""
    os.chdir(folder)
    return command(*words)
