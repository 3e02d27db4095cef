"""Sweeps: kills at random moments, and a fault in every file system call in turn."""

from __future__ import annotations

import errno
import json
import random
import shutil
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from crash import case, child, fault
from crash.fault import Call, How


@dataclass
class Row:
    """One line of the table: a fault, the number of trials, and the failures."""

    fault: str
    family: str
    tried: int = 0
    failures: list[str] = field(default_factory=list)


class Trial:
    """Runs of one family in a folder, with an undisturbed run to compare with."""

    def __init__(self, family: str, folder: Path, *, short: bool = False) -> None:
        self.family = family
        self._short = short
        self.folder = folder / family
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self._log = folder / f"{family}.log"
        child.warm(case.train(family, self.folder / "warm", short=short))
        child.warm(case.sample(self.folder / "warm", self._log))
        ended = child.run(case.train(family, self._run, short=short), self._log)
        assert ended.code == 0, ended.said
        self.seconds = ended.seconds
        self._wanted = case.state(self._run)

    @property
    def _run(self) -> Path:
        return self.folder / "run"

    def _next(self) -> list[str]:
        """Return the command that resumes the run, or trains it if there is nothing to resume."""
        return case.resume(self._run) if self._run.exists() else case.train(self.family, self._run, short=self._short)

    def killed(self, seed: int) -> str | None:
        """Kill a run at a random moment, resume it, perhaps kill it again; return what is wrong in the end."""
        rng = random.Random(seed)
        shutil.rmtree(self.folder)
        self.folder.mkdir()
        after = rng.uniform(0.0, 0.95) * self.seconds
        while (ended := child.run_signalled(self._next(), self._log, after)).code != -signal.SIGKILL:
            after /= 2  # the run ended before the signal
            shutil.rmtree(self._run)
        if rng.random() < 0.3 and self._run.exists():
            ended = child.run_signalled(self._next(), self._log, rng.uniform(0.0, 0.7) * self.seconds)
            if ended.code == 0:
                return self._judge()
            if ended.code != -signal.SIGKILL:
                return f"the resume exits with {ended.code}: {ended.said}"
        return self._recovered()

    def struck(self, place: int, calls: Call, how: How, error: int = 0) -> str | None:
        """Make one call fail, resume the run, and return what is wrong."""
        shutil.rmtree(self.folder)
        self.folder.mkdir()
        ended = child.run(self._next(), self._log, before=lambda: fault.arm(self.folder, place, calls, how, error))
        if how in (How.KILL_BEFORE, How.KILL_AFTER):
            if ended.code != -signal.SIGKILL:
                return f"was not killed: {ended.code} {ended.said}"
        elif wrong := wrong_end(ended):
            return wrong
        return self._recovered() if ended.code else self._judge()

    def calls(self, calls: Call) -> int:
        """Count the calls of these kinds that a training run makes."""
        shutil.rmtree(self.folder)
        self.folder.mkdir()
        return child.run_counting(
            self._next(), self._log, lambda: fault.arm(self.folder, 0, calls, How.FAIL), fault.counted
        )

    def _recovered(self) -> str | None:
        looked = child.run(case.sample(self._run, self._log), self._log)
        if looked.code not in (0, 4):  # 4 before the first checkpoint
            return f"sampling exits with {looked.code}: {looked.said}"
        ended = child.run(self._next(), self._log)
        if ended.code and not self._over():
            return f"the resume exits with {ended.code}: {ended.said}"
        return self._judge()

    def _over(self) -> bool:
        """Return whether the run ended before the fault."""
        record = self._run / "run.json"
        return record.exists() and json.loads(record.read_bytes())["status"] == "finished"

    def _judge(self) -> str | None:
        wrong = case.differences(case.state(self._run), self._wanted)
        if wrong:
            return f"differs in {', '.join(wrong)}"
        left = sorted(path.name for path in self.folder.iterdir() if path != self._run)
        return f"left {', '.join(left)}" if left else None


def wrong_end(ended: child.Ended) -> str | None:
    """Return what is wrong with the end of a command after a file system error."""
    if ended.code not in (0, 1):
        return f"exits with {ended.code}: {ended.said}"
    if ended.code == 1 and (ended.said.count("Error:") != 1 or "Traceback" in ended.said):
        return f"says {ended.said}"
    if "error of its own" in ended.said:
        return f"says {ended.said}"
    return None


def kills(trials: dict[str, Trial], seeds: range) -> Iterator[Row]:
    """Kill runs at random moments, one for each seed."""
    rows = {name: Row("SIGKILL at a random moment", name) for name in trials}
    for seed in seeds:
        name = list(trials)[seed % len(trials)]
        note(rows[name], f"seed {seed}", trials[name].killed(seed))
    yield from rows.values()


SWEEPS: tuple[tuple[str, Call, How, int], ...] = (
    ("SIGKILL before each call", Call.ANY, How.KILL_BEFORE, 0),
    ("SIGKILL after each call, half-way through a write", Call.ANY, How.KILL_AFTER, 0),
    ("EIO at each write", Call.WRITE, How.FAIL, errno.EIO),
    ("ENOSPC at each write, half of it done", Call.WRITE, How.FAIL, errno.ENOSPC),
    ("ENOSPC from each write, sync or new file on", Call.WRITE | Call.SYNC | Call.CREATE, How.FAIL_ON, errno.ENOSPC),
    ("EIO at each fsync", Call.SYNC, How.FAIL, errno.EIO),
    ("EIO at each rename", Call.RENAME, How.FAIL, errno.EIO),
    ("EROFS from each new file on", Call.CREATE | Call.RENAME | Call.REMOVE, How.FAIL_ON, errno.EROFS),
)


def sweeps(trial: Trial, every: int = 1) -> Iterator[Row]:
    """Make each call that changes files fail in turn, or every `every`-th."""
    for name, calls, how, error in SWEEPS:
        row = Row(name, trial.family)
        for place in range(1, trial.calls(calls) + 1, every):
            note(row, f"call {place}", trial.struck(place, calls, how, error))
        yield row


def note(row: Row, what: str, wrong: Any) -> None:
    """Count a trial, and keep what is wrong with it."""
    row.tried += 1
    if wrong:
        row.failures.append(f"{what}: {wrong}")
