"""Small training runs of the three families, and what must be equal in two runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FAMILIES = {
    "gmm": "gmm --data iris -o n_components=3 -o training.n_init=2 -o training.tol=0.003 "
    "-o training.checkpoint_every=2 -o training.log_every=1 -o training.sample_every=4",
    "vae": "vae --data digits --steps 12 --batch-size 16 -o widths=[16] -o latent=4 -o training.checkpoint_every=3 "
    "-o training.log_every=1 -o training.eval_steps=5 --keep 2 -o training.sample_every=4",
    "dcgan": "dcgan --data digits --steps 12 --batch-size 16 -o latent=8 -o generator_widths=[16,8,8] "
    "-o discriminator_widths=[8,16] -o training.checkpoint_every=3 -o training.log_every=2 -o training.ema=0.9 "
    "-o training.sample_every=4",
}


SHORT = {
    "gmm": "-o training.checkpoint_every=10 -o training.sample_every=10",
    "vae": "--steps 4 -o training.checkpoint_every=3 -o training.eval_steps=3",
    "dcgan": "--steps 4 -o training.checkpoint_every=2",
}
"""The same with fewer checkpoints, for sweeps over all calls."""


def train(family: str, out: Path, *, short: bool = False) -> list[str]:
    """Return the command line that trains a family."""
    more = SHORT[family].split() if short else []
    return ["train", *FAMILIES[family].split(), *more, "--device", "cpu", "--out", str(out)]


def resume(out: Path) -> list[str]:
    """Return the command line that resumes a run."""
    return ["train", "--resume", str(out)]


def sample(run: Path, log: Path) -> list[str]:
    """Return the command line that samples from a run, to a file beside a log."""
    return ["sample", str(run), "-n", "2", "--out", str(log.with_suffix(".npy"))]


def state(run: Path) -> dict[str, Any]:
    """Return every file of a run with times removed: all that must not depend on interruptions."""
    files = (path for path in sorted(run.rglob("*")) if path.is_file() and path.name != ".lock")
    return {str(path.relative_to(run)): _content(path) for path in files}


def _content(path: Path) -> Any:
    if path.name == "metrics.jsonl":
        return [_untimed(json.loads(line)) for line in path.read_bytes().splitlines()]
    if path.name in ("run.json", "state.json"):
        return _untimed(json.loads(path.read_bytes()))
    return path.read_bytes()


def _untimed(content: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in content.items() if key not in ("seconds", "started")}


def differences(found: dict[str, Any], wanted: dict[str, Any]) -> list[str]:
    """Return the files in which two runs differ."""
    return sorted(name for name in found.keys() | wanted.keys() if found.get(name) != wanted.get(name))
