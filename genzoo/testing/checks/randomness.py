"""Promises about randomness: models draw random numbers from the core's random scopes and nowhere else."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import numpy as np
import torch
from torch import Tensor

from genzoo.models.base import Decoder
from genzoo.runtime.seeding import random_scope as core_scope
from genzoo.testing.promise import Promise, expect
from genzoo.testing.subject import Case, Subject
from genzoo.training.run_training import train_in_memory


@contextlib.contextmanager
def chance(seed: int) -> Iterator[None]:
    """Seed the global generators of NumPy and Python inside the block, and restore their states after it."""
    numbers, python = np.random.get_state(), random.getstate()
    np.random.seed(seed)
    random.seed(seed)
    try:
        yield
    finally:
        np.random.set_state(numbers)
        random.setstate(python)


_SEEDING: tuple[tuple[Any, str], ...] = (
    (torch, "manual_seed"),
    (torch, "seed"),
    (torch, "set_rng_state"),
    (torch, "Generator"),
    (torch.random, "manual_seed"),
    (torch.random, "seed"),
    (torch.random, "set_rng_state"),
    (torch.random, "fork_rng"),
    (np.random, "seed"),
    (np.random, "default_rng"),
    (np.random, "RandomState"),
    (random, "seed"),
    (random, "Random"),
)
"""Functions and classes that seed a random generator or make a new one."""


def random_scope(subject: Subject) -> None:
    """Random draws depend only on the core's random scope: the model seeds nothing and has no generator of its own."""
    for case in subject.principal:
        for what, draw in _draws(case):
            seen: list[str] = []
            first, again, other = (_in_scope(draw, seed, seen) for seed in (1, 1, 2))
            expect(not seen, f"On {case.name}, {what} calls {', '.join(sorted(set(seen)))}.")
            expect(torch.equal(first, again), f"On {case.name}, the same scope gives different draws of {what}.")
            expect(not torch.equal(first, other), f"On {case.name}, different scopes give the same draws of {what}.")
        events = _in_scope(dict(_draws(case))["samples"], 3, []).flatten(1)
        expect(len(torch.unique(events, dim=0)) > 1, f"On {case.name}, all samples of one scope are identical.")


def same_seed(subject: Subject) -> None:
    """Training twice with the same seed gives bit-identical weights."""
    for case in subject.principal:
        first, second = (_weights(case, seed) for seed in (0, 1))
        for name, value in second.items():
            same = torch.equal(value, first[name])
            expect(same, f"On {case.name}, {name!r} differs between two trainings with the same seed.")


def _weights(case: Case, seed: int) -> dict[str, Tensor]:
    """Train with the global generators of NumPy and Python seeded by `seed`, and return the weights."""
    with chance(seed):
        return train_in_memory(case.setup()).generator.state_dict()


def _draws(case: Case) -> Iterator[tuple[str, Callable[[], Tensor]]]:
    """Yield the methods that draw random numbers, each with a name for messages."""
    _ = case.wide, case.data  # trained and fitted when first used, which is no draw
    yield "samples", lambda: case.sample(50)
    if isinstance(case.wide, Decoder):
        yield "the prior", lambda: case.prior(50)


def _in_scope(draw: Callable[[], Tensor], seed: int, seen: list[str]) -> Tensor:
    with torch.no_grad(), core_scope(seed, "promise"), _watched(seen):
        return draw().clone()


@contextlib.contextmanager
def _watched(seen: list[str]) -> Iterator[None]:
    """Append to `seen` every function called that seeds a generator, and every global generator that was drawn from."""
    numbers, python = np.random.get_state(), random.getstate()
    with contextlib.ExitStack() as stack:
        for module, name in _SEEDING:
            stack.enter_context(mock.patch.object(module, name, _noting(seen, module, name)))
        yield
    if any(np.any(one != two) for one, two in zip(numbers, np.random.get_state(), strict=True)):
        seen.append("NumPy's global generator")
    if python != random.getstate():
        seen.append("Python's global generator")


def _noting(seen: list[str], module: Any, name: str) -> Any:
    """Make a replacement for a function or class that appends to `seen` at every call."""
    original = getattr(module, name)
    note = f"{module.__name__}.{name}"

    def call(*args: Any, **options: Any) -> Any:
        seen.append(note)
        return original(*args, **options)

    def make(_: type, *args: Any, **options: Any) -> Any:
        return call(*args, **options)

    return type(name, (original,), {"__new__": make}) if isinstance(original, type) else call


PROMISES = (Promise.of(random_scope), Promise.of(same_seed))
