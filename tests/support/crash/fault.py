"""File system faults, injected by a preloaded library into one call of many. Needs a C compiler."""

from __future__ import annotations

import ctypes
import enum
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

_SOURCE = Path(__file__).with_name("fault.c")


class Call(enum.IntFlag):
    """The kind of call that fails."""

    WRITE = 1
    SYNC = 2
    RENAME = 4
    CREATE = 8
    REMOVE = 16
    ANY = 31


class How(enum.IntEnum):
    """The kind of failure."""

    FAIL = 0  # this call fails
    FAIL_ON = 1  # this call and every later one fail
    KILL_BEFORE = 2
    KILL_AFTER = 3  # killed after a write of half the bytes


def preload() -> bool:
    """Restart this process with the library, unless it is loaded. Return False if there is no compiler for it."""
    if "fault.so" in os.environ.get("LD_PRELOAD", ""):
        del os.environ["LD_PRELOAD"]
        folder, _, rest = os.environ.pop("LD_LIBRARY_PATH").partition(os.pathsep)
        if rest:
            os.environ["LD_LIBRARY_PATH"] = rest
        shutil.rmtree(folder)
        return True
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None or not sys.platform.startswith("linux"):
        return False
    library = Path(tempfile.mkdtemp(prefix="genzoo-fault-")) / "fault.so"
    subprocess.run([compiler, "-O2", "-shared", "-fPIC", "-o", library, _SOURCE, "-ldl"], check=True)
    os.environ["LD_PRELOAD"] = library.name  # a name, as paths in it cannot have spaces
    searched = filter(None, [str(library.parent), os.environ.get("LD_LIBRARY_PATH")])
    os.environ["LD_LIBRARY_PATH"] = os.pathsep.join(searched)
    os.execv(sys.executable, [sys.executable, "-m", "crash", *sys.argv[1:]])
    raise AssertionError("execv does not return")


def arm(folder: Path, place: int, calls: Call, how: How, error: int = 0) -> None:
    """Make call number `place` of these kinds below `folder` fail, counted from 1; with 0, only count the calls."""
    ctypes.CDLL(None).fault_arm(f"{folder}/".encode(), ctypes.c_long(place), int(calls), int(how), error)


def counted() -> int:
    """Count the calls since `arm`."""
    found = ctypes.CDLL(None).fault_count
    found.restype = ctypes.c_long
    return int(found())
