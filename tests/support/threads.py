"""Train and sample in many threads of one process at once, and count the results that differ from those alone."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

import genzoo

TRAINERS, SAMPLERS = 4, 8

TRAININGS: list[Callable[[Path], genzoo.Run]] = [
    lambda out: genzoo.train("dcgan", data="digits", training={"steps": 3}, precision="fp32", seed=1, out=out),
    lambda out: genzoo.train("vae", data="iris", training={"steps": 40}, precision="fp32", seed=2, out=out),
    lambda out: genzoo.train("gmm", data="iris", n_components=3, seed=3, out=out),
    lambda out: genzoo.train("autoencoder", data="wine", training={"steps": 40}, precision="fp32", seed=4, out=out),
]


def tried(folder: Path, rounds: int) -> tuple[int, list[str]]:
    """Run four trainings beside eight threads that sample, score and impute.

    Returns:
        How many results there were, and a line for each that differs from the one alone.
    """
    alone = [train(folder / f"alone{place}") for place, train in enumerate(TRAININGS)]
    expected_weights = [_weights(run) for run in alone]
    uses = _uses(alone)
    expected = [use() for use in uses]
    differ: list[str] = []
    count = 0
    for number in range(rounds):
        with ThreadPoolExecutor(TRAINERS + SAMPLERS) as pool:
            trained = [pool.submit(train, folder / f"round{number}-{place}") for place, train in enumerate(TRAININGS)]
            used = []
            place = number
            while not all(future.done() for future in trained):
                batch = [(at % len(uses), pool.submit(uses[at % len(uses)])) for at in range(place, place + SAMPLERS)]
                place += SAMPLERS
                used += [(at, future.result()) for at, future in batch]
        for at, found in used:
            count += 1
            if found != expected[at]:
                differ.append(f"use {at} in round {number}")
        for at, future in enumerate(trained):
            count += 1
            if _weights(future.result()) != expected_weights[at]:
                differ.append(f"weights of training {at} in round {number}")
    return count, differ


def _uses(runs: list[genzoo.Run]) -> list[Callable[[], str]]:
    """Return what the sampling threads do: functions that return a digest of their answer."""
    holes = np.array([[5.1, np.nan, 1.4, 0.2], [np.nan, 3.0, 4.5, np.nan]])
    models = [run.load() for run in runs]
    return [
        *(lambda run=run: _digest(run.sample(100, seed=1)) for run in runs),
        *(lambda model=model: _digest(model.sample(65, seed=2)) for model in models),
        lambda: _digest(models[1].log_prob_bound(_IRIS, draws=4, seed=1)),
        lambda: _digest(models[1].encode(_IRIS, seed=1)),
        lambda: _digest(models[2].impute(holes, draw=True, seed=5)),
    ]


_IRIS = np.array([[5.1, 3.5, 1.4, 0.2], [6.0, 3.0, 4.5, 1.5]])


def _digest(answer: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(answer).tobytes()).hexdigest()


def _weights(run: genzoo.Run) -> str:
    return hashlib.sha256((run.path / "model" / "model.safetensors").read_bytes()).hexdigest()
