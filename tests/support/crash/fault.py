"""Faults of the file system, by a preloaded library: one call of many is struck. It takes a C compiler."""

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
    """What is struck."""

    WRITE = 1
    SYNC = 2
    RENAME = 4
    CREATE = 8
    REMOVE = 16
    ANY = 31


class How(enum.IntEnum):
    """How it is struck."""

    FAIL = 0  # this call fails
    FAIL_ON = 1  # and so does every later one
    KILL_BEFORE = 2
    KILL_AFTER = 3  # a write has put half of its bytes on the disk


def preload() -> bool:
    """Start this process again with the library, unless it has it; whether it has.

    Without a compiler nothing is done.
    """
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
    os.environ["LD_PRELOAD"] = library.name  # in which a path could hold no space
    searched = filter(None, [str(library.parent), os.environ.get("LD_LIBRARY_PATH")])
    os.environ["LD_LIBRARY_PATH"] = os.pathsep.join(searched)
    os.execv(sys.executable, [sys.executable, "-m", "crash", *sys.argv[1:]])
    raise AssertionError("execv does not return")


def arm(folder: Path, place: int, calls: Call, how: How, error: int = 0) -> None:
    """Strike the call of number `place`, from 1, of those of these kinds below `folder`; 0 only counts them."""
    ctypes.CDLL(None).fault_arm(f"{folder}/".encode(), ctypes.c_long(place), int(calls), int(how), error)


def counted() -> int:
    """How many such calls there were since `arm`."""
    found = ctypes.CDLL(None).fault_count
    found.restype = ctypes.c_long
    return int(found())
