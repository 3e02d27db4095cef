"""Watch a process while it handles an untrusted folder: its memory, and its system calls."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import genzoo
from genzoo.cli.main import main

_RUN = {"pickle.find_class", "subprocess.Popen", "os.system", "os.exec", "os.fork", "os.posix_spawn"}
_CHANGE = {"os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.chmod", "shutil.rmtree"}
_WRITE = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def load(known: str, folder: str) -> dict[str, object]:
    """Load a known model, then another; return how much the second raised the peak memory."""
    genzoo.load(known).sample(2)
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
    before, refused = _peak(), ""
    try:
        genzoo.load(folder)
    except genzoo.ArtifactError as error:
        refused = str(error)
    return {"rise": _peak() - before, "refused": refused}


def _peak() -> int:
    found = next(
        line for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines() if line.startswith("VmHWM")
    )
    return int(found.split()[1]) * 1024


def audit(folder: str, out: str, words: list[str]) -> dict[str, object]:
    """Run a command line twice in a folder; return the second exit code, and what it executed, contacted or changed.

    The first run is not watched, as libraries do more when they are first used.

    Arguments:
        out: folder in which it may write.
    """
    os.chdir(folder)
    assert main(words) == 0
    seen: list[tuple[str, str]] = []
    allowed = os.path.realpath(out)

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        if event in _RUN or event.startswith("socket.") or (_changes(event, arguments) and not within(arguments[0])):
            seen.append((event, str(arguments)[:200]))

    def within(path: object) -> bool:
        return os.path.realpath(os.fsdecode(path)).startswith(allowed)

    sys.addaudithook(watch)
    code, found = main(words), [*seen]
    return {"code": code, "seen": found}


def _changes(event: str, arguments: tuple[object, ...]) -> bool:
    if event == "open":
        return isinstance(arguments[0], (str, bytes)) and bool(arguments[2] & _WRITE)
    return event in _CHANGE
