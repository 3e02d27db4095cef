"""Processes forked from a server that has imported their modules, as imports take most of a short process's time."""

from __future__ import annotations

import gc
import json
import multiprocessing
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import bf16
import torch
import toy_plugin

from genzoo.cli.main import main
from genzoo.plugins.manager import get_manager

_WARM = (
    "torch._dynamo",
    "PIL.GifImagePlugin",
    "PIL.JpegImagePlugin",
    "PIL.PngImagePlugin",
    "joblib",
    "sklearn.datasets",
    "genzoo.comparison.comparison",
    "genzoo.storage.tables",
    "genzoo.training.trainer",
    "genzoo.cli.train",
    "rich.live",
    "genzoo_gan.dcgan",
    "genzoo_gan.objectives",
    "genzoo_mixture.build",
    "genzoo_mixture.em",
    "genzoo_vae.autoencoder",
    "genzoo_vae.build",
    "genzoo_vae.objectives",
)
"""Modules that the server imports once for all processes."""

LONGEST = 120
"""Seconds after which a process is killed, and its test fails."""


@dataclass(frozen=True)
class Ended:
    """The result of a process: exit code, stdout, stderr, and what its work returned."""

    code: int | None
    out: str
    err: str
    told: object


def start(place: Path, work: Callable[..., object], *given: object) -> ForkServerProcess:
    """Start a process that runs `work(*given)`.

    Arguments:
        place: path of the output files, with no suffix.
        work: returns an exit code, or a result that can be written as JSON.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(_WARM))
    place.parent.mkdir(parents=True, exist_ok=True)
    process = context.Process(target=_child, args=(str(place), work, given))
    process.start()
    return process


def end(place: Path, process: ForkServerProcess) -> Ended:
    """Wait for a process from `start`, and return its result."""
    process.join(LONGEST)
    if process.exitcode is None:
        process.kill()
        process.join()
    out, err, told = (Path(f"{place}.{kind}") for kind in ("out", "err", "json"))
    return Ended(
        process.exitcode,
        out.read_text(encoding="utf-8"),
        err.read_text(encoding="utf-8"),
        json.loads(told.read_text(encoding="utf-8")) if told.exists() else None,
    )


def run(place: Path, work: Callable[..., object], *given: object) -> Ended:
    """Run `work(*given)` in another process, and wait for it."""
    return end(place, start(place, work, *given))


def command(*words: object) -> int:
    """Run a command line."""
    return main([str(word) for word in words])


def _child(place: str, work: Callable[..., object], given: tuple[object, ...]) -> None:
    gc.freeze()  # as in `warm`
    for number, kind in ((1, "out"), (2, "err")):
        file = os.open(f"{place}.{kind}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, number)
    sys.stdout, sys.stderr = (os.fdopen(number, "w", buffering=1, encoding="utf-8") for number in (1, 2))
    torch.set_num_threads(1)
    os.fsync = os.fstat  # as in `conftest`
    bf16.force()
    get_manager().add("genzoo-toy", toy_plugin)
    told = work(*given)
    if isinstance(told, int):
        sys.exit(told)
    Path(f"{place}.json").write_text(json.dumps(told), encoding="utf-8")
