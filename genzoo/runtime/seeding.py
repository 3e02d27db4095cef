"""Named random scopes, which seed torch's global generators by name and restore them afterwards.

Model code draws from torch's global generators. A scope is named after its own purpose, such as step 500. Earlier
draws do not matter, so step 500 of a resumed run draws the same numbers as step 500 of an uninterrupted one.

Torch's generators belong to the whole process, so only one thread at a time is in a scope. The others wait.

Never rename a scope: under another name it draws other numbers for the same seed.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
from collections.abc import Iterator

import torch

_one_thread = threading.RLock()


def _renew_lock() -> None:
    """Replace the lock in a forked process, where the thread that held it does not exist."""
    global _one_thread
    _one_thread = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)


def derive(seed: int, purpose: str, *place: int) -> int:
    """Derive a seed of 63 bits for one named place; nearby places give unrelated seeds.

    Examples:
        >>> derive(0, "step", 1) == derive(0, "step", 1)
        True
        >>> derive(0, "step", 1) == derive(0, "step", 2)
        False
    """
    text = "/".join([str(seed), purpose, *map(str, place)])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


@contextlib.contextmanager
def random_scope(seed: int, purpose: str, *place: int) -> Iterator[None]:
    """Seed the generators of every device by `(seed, purpose, *place)`, and restore them afterwards.

    Other threads that enter a scope wait until this one is left. A thread may enter a scope inside another. It must not
    wait inside for another thread that enters one: both would wait forever.
    """
    with _one_thread:
        host = torch.get_rng_state()
        on_cuda = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
        devices = torch.cuda.get_rng_state_all() if on_cuda else []
        mps = torch.mps.get_rng_state() if torch.backends.mps.is_available() else None
        _seed(derive(seed, purpose, *place), on_cuda=on_cuda, on_mps=mps is not None)
        try:
            yield
        finally:
            torch.set_rng_state(host)
            if on_cuda:
                torch.cuda.set_rng_state_all(devices)
            if mps is not None:
                torch.mps.set_rng_state(mps)


def _seed(number: int, *, on_cuda: bool, on_mps: bool) -> None:
    """Seed like `torch.manual_seed`, but only the devices in use.

    For every device not yet initialized, `torch.manual_seed` stores a call with its stack trace. In every scope, that
    would cost milliseconds and kilobytes.
    """
    if not on_cuda and torch.cuda.is_available():
        torch.manual_seed(number)
        return
    torch.default_generator.manual_seed(number)
    if on_cuda:
        torch.cuda.manual_seed_all(number)
    if on_mps:
        torch.mps.manual_seed(number)
