"""`python tests/support/starved.py`: run commands with little memory, and print a table of the outcomes.

Each command runs in a process of its own that has imported what it needs, and may take only so many more megabytes. It
must finish, or say in one sentence that memory ran out, with exit code 1.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

SPARE = (1, 2, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)
"""Megabytes that a command may take."""

COMMANDS = {
    "read": ("data", "TABLE"),
    "read CSV": ("data", "TEXT"),
    "read Parquet": ("data", "PARQUET"),
    "train gmm": ("train", "gmm", "--data", "TABLE", "--out", "OUT", "-o", "training.n_init=1"),
    "train vae": ("train", "vae", "--data", "TABLE", "--out", "OUT", "--steps", "2", "-o", "training.batch_size=20000"),
    "train dcgan": ("train", "dcgan", "--data", "IMAGES", "--out", "OUT", "--steps", "2"),
    "sample": ("sample", "RUN", "-n", "200000", "--out", "OUT.npy"),
    "score": ("score", "RUN", "--data", "TABLE", "--out", "OUT.csv"),
    "evaluate": ("evaluate", "RUN", "--data", "TABLE"),
    "compare": ("compare", "gaussian", "gmm", "--data", "TABLE", "--jobs", "1"),
}


def prepare(folder: Path) -> None:
    """Write the data and a trained model."""
    import pyarrow as pa
    from pyarrow import csv, parquet

    import genzoo

    rows = np.random.default_rng(0).normal(size=(60_000, 12))
    np.save(folder / "TABLE.npy", rows)
    np.save(folder / "IMAGES.npy", np.random.default_rng(0).integers(0, 255, (400, 32, 32), np.uint8))
    table = pa.table({f"c{place}": column for place, column in enumerate(rows.T)})
    csv.write_csv(table, folder / "TEXT.csv")
    parquet.write_table(table, folder / "PARQUET.parquet")
    genzoo.train("gmm", rows[:2_000], out=folder / "RUN", device="cpu", n_components=3)


def starve(name: str, spare: int, folder: Path) -> tuple[bool, str]:
    """Run a command with so many megabytes; return whether that ended well, and what it said."""
    paths = {"TABLE": "TABLE.npy", "IMAGES": "IMAGES.npy", "TEXT": "TEXT.csv", "PARQUET": "PARQUET.parquet"}
    with tempfile.TemporaryDirectory(dir=folder) as space:
        words = [word.replace("OUT", f"{space}/out") for word in COMMANDS[name]]
        words = [str(folder / paths.get(word, word)) if word in {*paths, "RUN"} else word for word in words]
        command = [sys.executable, __file__, "--child", str(spare), *words]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
    said = " ".join(ended.stderr.split())
    short = ended.returncode == 1 and "Memory ran out" in said and "Traceback" not in said
    return ended.returncode == 0 or short, f"exit {ended.returncode}: {said[-600:]}"


def child(spare: int, words: Sequence[str]) -> int:
    import scipy.linalg
    import scipy.optimize
    import torch

    import genzoo.data.inspect
    import genzoo.data.readers.arrow.parquet
    import genzoo.data.readers.csv_files
    import genzoo.metrics.evaluate
    import genzoo.training.api
    from genzoo.cli.main import main
    from genzoo.plugins.manager import get_registry

    assert scipy.optimize
    assert genzoo.data.inspect
    torch.set_num_threads(1)
    for name in get_registry().models.names():
        get_registry().models.get(name)
    # OpenBLAS ends the process if it cannot allocate its buffers. numpy and scipy bring one OpenBLAS each.
    np.ones((600, 600)) @ np.ones((600, 600))
    scipy.linalg.svd(np.ones((600, 600)))
    torch.nn.functional.conv2d(torch.ones(1, 1, 4, 4), torch.ones(1, 1, 2, 2))
    taken = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + spare * 2**20, taken + spare * 2**20))
    return main(words)


def rows(names: Sequence[str], spares: Sequence[int], folder: Path) -> Iterator[tuple[str, int, list[str]]]:
    """Yield each command with the number of trials and what went wrong."""
    for name in names:
        ends = [(spare, *starve(name, spare, folder)) for spare in spares]
        yield name, len(ends), [f"{spare} MB: {said}" for spare, well, said in ends if not well]


def run(names: Sequence[str]) -> int:
    print(f"{'test':<28} {'count':>6}  outcome")
    failed = 0
    with tempfile.TemporaryDirectory() as made:
        prepare(Path(made))
        for name, tried, wrong in rows(names or list(COMMANDS), SPARE, Path(made)):
            print(f"{f'little memory: {name}':<28} {tried:>6}  {tried - len(wrong)} well, {len(wrong)} not", flush=True)
            print(*(f"    {end}" for end in wrong), sep="\n", end="\n" * bool(wrong))
            failed += len(wrong)
    return 1 if failed else 0


if __name__ == "__main__":
    given = sys.argv[1:]
    sys.exit(child(int(given[1]), given[2:]) if given[:1] == ["--child"] else run(given))
