"""How many processes were launched for one training."""

from __future__ import annotations

import os

from genzoo.errors import ConfigError


def process_count() -> int:
    """How many processes were launched for one training, as `torchrun` tells each of them; 1 without."""
    told = all(os.environ.get(name) for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"))
    return int(os.environ["WORLD_SIZE"]) if told and os.environ["WORLD_SIZE"].isdecimal() else 1


def require_single_process(what: str) -> None:
    """Refuse what only one process does.

    Raises:
        ConfigError: several were launched.
    """
    if process_count() > 1:
        raise ConfigError(
            f"{what} is for one process, and {process_count()} were launched; several are for genzoo train. Leave "
            f"torchrun out; comparisons take --jobs."
        )


def launch_command(processes: int) -> str:
    """What to type in front of `train` for that many processes."""
    return "genzoo" if processes == 1 else f"torchrun --nproc-per-node {processes} -m genzoo"
