"""The memory that a computation takes at most, and what the C library does with memory that was freed."""

from __future__ import annotations

import contextlib
import ctypes
import gc
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""Numbers of two parameters of glibc's `mallopt`."""

_LARGEST_ADAPTED = 2**25
"""Up to this many bytes, glibc adapts the size of the blocks that it keeps by itself."""


def keep_freed_memory() -> None:
    """Let the C library keep freed memory for what comes next, up to 64 MiB for each thread, if it is glibc.

    By default, it does so for blocks of sizes that were freed before. The workers of Dask begin with an environment
    that makes it return memory to the system after each operation, and the page faults to get it back take half of the
    time of a small fit.
    """
    if set_parameter := _c_function("mallopt"):
        set_parameter(_MMAP_THRESHOLD, _LARGEST_ADAPTED)
        set_parameter(_TRIM_THRESHOLD, 2 * _LARGEST_ADAPTED)


@dataclass(slots=True)
class Peak:
    """The memory of a computation.

    Attributes:
        bytes: what it took at most, beyond what was in use before; `None` until it has ended, and on systems that do
            not record it for a part of a process.
    """

    bytes: int | None = None


@contextlib.contextmanager
def peak_memory(device: torch.device) -> Iterator[Peak]:
    """Measure the memory of the block: of the GPU if it computes there, else of the process, which Linux records."""
    peak = Peak()
    on_gpu = device.type == "cuda"
    before = _start_on_gpu(device) if on_gpu else _start()
    yield peak
    after = torch.cuda.max_memory_allocated(device) if on_gpu else _in_use("VmHWM")
    if before is not None and after is not None:
        peak.bytes = max(0, after - before)


def _start_on_gpu(device: torch.device) -> int:
    torch.cuda.reset_peak_memory_stats(device)
    return torch.cuda.memory_allocated(device)


def _start() -> int | None:
    """Forget the process's peak, and return the bytes that it uses."""
    gc.collect()
    # Memory that was freed and kept would be used again, and not count.
    if trim := _c_function("malloc_trim"):
        trim(0)
    try:
        _RESET.write_text("5", encoding="ascii")
    except OSError:
        return None
    return _in_use("VmRSS")


def _in_use(name: str) -> int | None:
    """Return an entry of Linux's record of the process, in bytes."""
    try:
        lines = _STATUS.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return None
    found = next((line for line in lines if line.startswith(f"{name}:")), None)
    return None if found is None else int(found.split()[1]) * 1024


def _c_function(name: str) -> Callable[..., Any] | None:
    """Return a function of the C library, or `None` if it has none of this name."""
    with contextlib.suppress(OSError, AttributeError, TypeError):
        found: Callable[..., Any] = getattr(ctypes.CDLL(None), name)
        return found
    return None
