"""Trainings that start at the same moment in one folder, under default names."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from crash import child
from crash.sweep import Row

AT_ONCE = 8
TRAIN = "train gaussian --data iris --device cpu -o training.sample_every=1000 --seed"


def starts(folder: Path, rounds: int) -> Iterator[Row]:
    """Start 8 trainings at once, `rounds` times."""
    if not rounds:
        return
    folder.mkdir()
    child.warm([*TRAIN.split(), "0", "--out", str(folder / "warm")])
    row = Row(f"{AT_ONCE} trainings start at once, {rounds} times", "gaussian")
    for number in range(rounds):
        row.tried += AT_ONCE
        row.failures += [f"round {number}: {wrong}" for wrong in _round(folder / "round")]
    yield row


def _round(folder: Path) -> list[str]:
    """Return what is wrong after one round."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    words = [[*TRAIN.split(), str(seed)] for seed in range(AT_ONCE)]
    ended = child.run_together(words, folder, before=lambda: os.chdir(folder))
    wrong = [f"exits with {one.code}: {one.said}" for one in ended if one.code or "Traceback" in one.said]
    found = sorted((folder / "runs").iterdir())
    seeds = [_seed(run) for run in found]
    if not wrong and sorted(seeds, key=str) != list(range(AT_ONCE)):
        wrong.append(f"runs {[run.name for run in found]} have seeds {seeds}")
    return wrong


def _seed(run: Path) -> object:
    """Return the seed of a finished run, or what is wrong with it."""
    try:
        status = json.loads((run / "run.json").read_bytes())["status"]
        seed = json.loads((run / "config.json").read_bytes())["seed"]
    except (OSError, ValueError, KeyError) as error:
        return repr(error)
    return seed if status == "finished" and (run / "model/model.safetensors").exists() else status
