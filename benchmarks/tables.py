"""Measure reading a large CSV file beside other readers, and the commands that a new user types on files of tables.

The large file has six columns of decimals, three of whole numbers and two of texts. Each reader reads it in a process
of its own, and they take turns. Only reading is timed, without imports. pyarrow, pandas and polars return a
table; genzoo goes on to an array of numbers and codes, with missing values marked.

    python benchmarks/tables.py [--gigabytes 1] [--rounds 3] [--folder DIR] [--files FILE ...]

With --files, each file is described, compared, sampled and imputed on the command line, and every command is timed.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import csv

BLOCK = 200_000

READERS = {
    "pyarrow": "from pyarrow import csv\nread = csv.read_csv",
    "pandas": "import pandas\nread = pandas.read_csv",
    "pandas, engine pyarrow": "import pandas\nread = lambda path: pandas.read_csv(path, engine='pyarrow')",
    "polars": "import polars\nread = polars.read_csv",
    "genzoo": (
        "from genzoo.config.data import DataSettings\nfrom genzoo.data.loading import open_dataset\n"
        "from genzoo.plugins.manager import get_registry\nregistry = get_registry()\n"
        "import genzoo.data.readers.csv_files, genzoo.data.table\n"
        "read = lambda path: open_dataset(DataSettings(source=path), registry)"
    ),
}

TIMED = """
import json, resource, sys, time
{reader}
begun = time.perf_counter()
table = read(sys.argv[1])
seconds = time.perf_counter() - begun
print(json.dumps([seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024]))
"""


def block(rng: np.random.Generator) -> pa.Table:
    cities = np.array(["Bonn", "Ulm", "Aachen", "Kiel", "Mainz", "Trier"])
    columns: dict[str, np.ndarray] = {f"d{i}": rng.normal(10.0**i, 5, BLOCK).round(4) for i in range(6)}
    columns |= {f"n{i}": rng.integers(0, 10 ** (2 * i + 1), BLOCK) for i in range(3)}
    columns["city"] = cities[rng.integers(len(cities), size=BLOCK)]
    columns["code"] = np.char.add("c", rng.integers(500, size=BLOCK).astype(str))
    return pa.table({name: pa.array(values) for name, values in columns.items()})


def write(path: Path, size: float) -> int:
    """Write a table of about `size` bytes, and return its number of rows."""
    rng, rows = np.random.default_rng(0), 0
    first = block(rng)
    with csv.CSVWriter(path, first.schema) as writer:
        while not rows or path.stat().st_size < size:
            writer.write_table(first if not rows else block(rng))
            rows += BLOCK
    return rows


def read(reader: str, path: Path) -> tuple[float, int]:
    """Return seconds and peak memory in MB of reading in a new process."""
    code = TIMED.format(reader=READERS[reader])
    ended = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False)
    if ended.returncode:
        sys.exit(f"{reader}: {ended.stderr}")
    seconds, peak = json.loads(ended.stdout)
    return seconds, peak


def compare_readers(path: Path, rounds: int) -> None:
    found: dict[str, list[tuple[float, int]]] = {name: [] for name in READERS}
    for _ in range(rounds):
        for name, runs in found.items():
            runs.append(read(name, path))
    genzoo = [seconds for seconds, _ in found["genzoo"]]
    for name, runs in found.items():
        ratio = statistics.median(own / other for own, (other, _) in zip(genzoo, runs, strict=True))
        seconds, peak = statistics.median(run[0] for run in runs), max(run[1] for run in runs)
        print(f"{name:24} {seconds:6.2f} s, at most {peak:6,} MB; genzoo takes {ratio:.2f} times as long", flush=True)


def walk(path: Path, folder: Path) -> None:
    """Type what a new user types on one file, and print the time of each command."""
    out, run, holes = folder / f"{path.stem}-compared", folder / f"{path.stem}-run", folder / f"{path.stem}-holes.csv"
    lines = path.read_text(encoding="utf-8").splitlines()[:200]
    lines[1::2] = [line.replace(line.split(",")[0], "", 1) for line in lines[1::2]]
    holes.write_text("\n".join(lines) + "\n", encoding="utf-8")
    data = ["--data", str(path)]
    commands = {
        "read": ["data", str(path)],
        "compare": ["compare", "gaussian", "gmm:n_components=3", "naive-bayes", *data, "--out", str(out)],
        "train": ["train", "naive-bayes", *data, "--out", str(run)],
        "sample": ["sample", str(run), "-n", "1000", "--out", str(folder / f"{path.stem}-samples.csv")],
        "impute": ["impute", str(run), "--data", str(holes), "--out", str(folder / f"{path.stem}-filled.csv")],
        "describe": ["describe", str(run)],
    }
    for verb, words in commands.items():
        begun = time.perf_counter()
        ended = subprocess.run([sys.executable, "-m", "genzoo", *words], capture_output=True, text=True, check=False)
        said = "" if not ended.returncode else f": {ended.stderr.strip()}"
        print(
            f"{path.name}: {verb} {time.perf_counter() - begun:.1f} s, exit code {ended.returncode}{said}", flush=True
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gigabytes", type=float, default=1.0, help="size of the large file; 0 for none")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="folder for the tables; a temporary one by default")
    parser.add_argument("--files", type=Path, nargs="*", default=[], help="files of tables")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        if arguments.gigabytes:
            large = Path(folder) / "large.csv"
            rows = write(large, arguments.gigabytes * 1e9)
            print(f"{large.stat().st_size / 1e9:.2f} GB, {rows:,} rows")
            compare_readers(large, arguments.rounds)
            large.unlink()
        for path in arguments.files:
            walk(path, Path(folder))


if __name__ == "__main__":
    main()
