"""Named random scopes: inside one, torch's global generators are a function of its name; after it, nothing changed.

Model code draws from torch's global generators. Because a scope is named by what happens in it and not by what
happened before, step 500 of a resumed run draws the same numbers as step 500 of a run that was never stopped.

The names are part of what a seed means: under another name a scope draws other numbers, so none is ever renamed.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator

import torch


def derive(seed: int, purpose: str, *place: int) -> int:
    """A seed of 63 bits for one named place; nearby places give unrelated seeds.

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
    """Draw as `(seed, purpose, place)` says, on every device, and restore the generators afterwards."""
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
    """`torch.manual_seed` without what it does for devices that are not in use.

    For each of them it keeps a call, with its stack as text, for the day the device is initialised: milliseconds and
    kilobytes in every scope.
    """
    if not on_cuda and torch.cuda.is_available():
        torch.manual_seed(number)
        return
    torch.default_generator.manual_seed(number)
    if on_cuda:
        torch.cuda.manual_seed_all(number)
    if on_mps:
        torch.mps.manual_seed(number)
