"""`python -m crash`: kill small training runs or fail their disk, resume them, and print a table of the outcomes."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from crash import fault

KILLS = 210
ROUNDS = 20
TOGETHER = 12


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=KILLS, help="SIGKILLs at random moments, over all families")
    parser.add_argument("--every", type=int, default=1, help="strike every N-th call of the sweeps; 0 for none")
    parser.add_argument("--family", action="append", help="only these families")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="times that 8 trainings start at once")
    parser.add_argument("--together", type=int, default=TOGETHER, help="frozen processes, and rounds of threads")
    parser.add_argument("--only", choices=["starts", "outputs", "together", "runs"], help="only this part")
    given = parser.parse_args()
    struck = bool(given.every) and fault.preload()
    with tempfile.TemporaryDirectory(prefix="genzoo-crash-") as folder:
        return _try(given, Path(folder), struck)


def _try(given: argparse.Namespace, folder: Path, struck: bool) -> int:
    import bf16  # this and those import torch

    from crash import case, outputs, starts, sweep, together_rows

    bf16.force()
    rows: list[sweep.Row] = []
    if given.only in (None, "starts"):
        rows += _shown(starts.starts(folder / "starts", given.rounds))
    if given.only in (None, "together"):
        rows += _shown(together_rows.frozen(folder / "together", given.together))
        rows += _shown(together_rows.beside(folder / "together", given.together))
    if struck and given.only in (None, "outputs"):
        rows += _shown(outputs.outputs(folder / "outputs", given.every))
    if given.only not in (None, "runs"):
        return _summary(rows)
    names = given.family or list(case.FAMILIES)
    trials = {name: sweep.Trial(name, folder / "whole") for name in names}
    rows += _shown(sweep.kills(trials, range(given.kills)))
    if struck:
        swept = [sweep.Trial(name, folder / "short", short=True) for name in names]
        rows += [row for trial in swept for row in _shown(sweep.sweeps(trial, given.every))]
    elif given.every:
        print("There is no C compiler, so calls of the file system were not struck.")
    return _summary(rows)


def _summary(rows: list) -> int:
    tried, failed = sum(row.tried for row in rows), sum(len(row.failures) for row in rows)
    print(f"\n{tried} faults tried, {tried - failed} survived, {failed} not.")
    return 1 if failed else 0


def _shown(rows: Iterable) -> Iterable:
    """Rows as they come, printed."""
    print(f"{'fault':<52} {'family':<8} {'tried':>6} {'survived':>9}", flush=True)
    for row in rows:
        print(f"{row.fault:<52} {row.family:<8} {row.tried:>6} {row.tried - len(row.failures):>9}", flush=True)
        for failure in row.failures[:5]:
            print(f"    {' '.join(failure.split())[:600]}", flush=True)
        yield row


if __name__ == "__main__":
    sys.exit(main())
