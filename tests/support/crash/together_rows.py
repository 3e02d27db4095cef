"""Trainings with a frozen process, and trainings and samples in many threads."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import threads
import together

from crash.sweep import Row

PROCESSES = 3


def frozen(folder: Path, rounds: int) -> Iterator[Row]:
    """Stop one of three processes of a training, `rounds` times: each process in turn, at another step."""
    if not rounds:
        return
    row = Row(f"one of {PROCESSES} processes freezes", "vae")
    for number in range(rounds):
        row.tried += 1
        victim, step = number % PROCESSES, 1 + 3 * number
        here = folder / f"frozen{number}"
        words = ["train", "vae", "--data", "iris", "--steps", "100", "--batch-size", "30", "--device", "cpu"]
        words += ["--precision", "fp32", "--out", str(here / "run")]
        ended = together.together(here, PROCESSES, together.freeze, victim, step, words)
        others = [rank for rank in range(PROCESSES) if rank != victim]
        said = [" ".join(ended.err[rank].split()) for rank in others]
        if any(ended.codes[rank] != 1 or "has not answered" not in said[at] for at, rank in enumerate(others)):
            row.failures.append(f"rank {victim} at step {step}: {said}")
    yield row


def beside(folder: Path, rounds: int) -> Iterator[Row]:
    """Train in 4 threads beside 8 that sample, `rounds` times."""
    if not rounds:
        return
    count, differ = threads.tried(folder, rounds)
    yield Row(f"{threads.TRAINERS} threads train and {threads.SAMPLERS} sample", "all", count, differ)
