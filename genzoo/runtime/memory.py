"""The memory that a computation takes at most."""

from __future__ import annotations

import contextlib
import ctypes
import gc
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


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
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
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
