"""Commands that write a file or a folder: their output is whole or absent, and the same command works again."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

from crash import case, child, fault
from crash.fault import Call, How
from crash.sweep import SWEEPS, Row, note, wrong_end

COMMANDS = {
    "sample": "sample RUN -n 6 --out OUT/pictures",
    "rows": "score RUN --data digits --out OUT/rows.csv",
    "report": "report RUN --metric bits-per-dim --out OUT/page.html",
    "new": "plugins new example --kind metric --out OUT/example",
}


class Output:
    """One command that writes to a folder, with its undisturbed output to compare with."""

    def __init__(self, name: str, run: Path, folder: Path) -> None:
        self.name = name
        self._out = folder / "out"
        self._log = folder / f"{name}.log"
        self._words = [word.replace("RUN", str(run)).replace("OUT", str(self._out)) for word in COMMANDS[name].split()]
        self._clear()
        child.warm(self._words)
        self._wanted = self._found()

    def _clear(self) -> None:
        shutil.rmtree(self._out, ignore_errors=True)
        self._out.mkdir(parents=True)

    def _found(self) -> dict[str, bytes]:
        files = (path for path in sorted(self._out.rglob("*")) if path.is_file())
        return {str(path.relative_to(self._out)): path.read_bytes() for path in files}

    def calls(self, calls: Call) -> int:
        """Count the calls of these kinds that the command makes."""
        self._clear()
        return child.run_counting(
            self._words, self._log, lambda: fault.arm(self._out, 0, calls, How.FAIL), fault.counted
        )

    def struck(self, place: int, calls: Call, how: How, error: int) -> str | None:
        """Make one call fail, run the command again, and return what is wrong."""
        self._clear()
        ended = child.run(self._words, self._log, before=lambda: fault.arm(self._out, place, calls, how, error))
        if how in (How.KILL_BEFORE, How.KILL_AFTER):
            if ended.code != -signal.SIGKILL:
                return f"was not killed: {ended.code} {ended.said}"
        elif wrong := wrong_end(ended):
            return wrong
        shown = {path.name for path in self._out.iterdir() if not path.name.startswith(".")}
        if shown and self._visible() != self._wanted:
            return f"left a part: {sorted(self._visible())}"
        again = child.run(self._words, self._log)
        if again.code and not (shown and again.code == 2 and "exists already" in again.said):
            return f"the second time exits with {again.code}: {again.said}"
        left = [path.name for path in self._out.iterdir() if path.name.startswith(".")]
        if left and again.code == 0:
            return f"left {', '.join(left)}"
        return None if self._visible() == self._wanted else f"differs: {sorted(self._visible())}"

    def _visible(self) -> dict[str, bytes]:
        return {name: content for name, content in self._found().items() if not name.startswith(".genzoo-")}


def outputs(folder: Path, every: int) -> Iterator[Row]:
    """Make each call that changes files fail in turn, or every `every`-th, for each command."""
    run = folder / "run"
    folder.mkdir()
    child.warm(case.train("vae", run, short=True))
    for command in (Output(name, run, folder) for name in COMMANDS):
        for name, calls, how, error in SWEEPS:
            row = Row(name, command.name)
            for place in range(1, command.calls(calls) + 1, every):
                note(row, f"call {place}", command.struck(place, calls, how, error))
            yield row
