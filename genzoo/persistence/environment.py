"""The versions and the machine that a run records."""

from __future__ import annotations

import platform
from datetime import UTC, datetime
from typing import Any

import torch

from genzoo.version import version


def environment() -> dict[str, Any]:
    return {
        "genzoo": version(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "platform": _platform(),
        "threads": torch.get_num_threads(),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _platform() -> str:
    """Return the system, its release, the machine and the C library, as `platform.platform` on Linux.

    That function starts `uname -p` in a process of its own.
    """
    libc = "".join(platform.libc_ver())
    return "-".join(filter(None, [platform.system(), platform.release(), platform.machine(), libc and f"with-{libc}"]))
