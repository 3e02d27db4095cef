"""Number of processes launched for one training."""

from __future__ import annotations

import os

from genzoo.errors import ConfigError
from genzoo.wording import argument


def process_count() -> int:
    """Return the number of processes that `torchrun` launched for one training, or 1."""
    launched = all(os.environ.get(name) for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"))
    return int(os.environ["WORLD_SIZE"]) if launched and os.environ["WORLD_SIZE"].isdecimal() else 1


def is_first_process() -> bool:
    """Return whether this is the only process of a training, or the one that writes the run."""
    return process_count() == 1 or os.environ["RANK"] == "0"


def restarts() -> int:
    """Return how often `torchrun --max-restarts` has started these processes again, because one of them had failed."""
    count = os.environ.get("TORCHELASTIC_RESTART_COUNT", "")
    return int(count) if process_count() > 1 and count.isdecimal() else 0


def require_single_process(what: str) -> None:
    """Check that this is the only process.

    Arguments:
        what: name of the command or option, for the error message.

    Raises:
        ConfigError: several processes were launched.
    """
    if process_count() > 1:
        raise ConfigError(
            f"{what} runs in one process, and {process_count()} were launched. Only genzoo train runs in several. "
            f"Leave torchrun out; for comparisons, use {argument('jobs')}."
        )


def launch_command(processes: int) -> str:
    """Return the start of a command line that runs in this many processes."""
    return "genzoo" if processes == 1 else f"torchrun --nproc-per-node {processes} -m genzoo"
