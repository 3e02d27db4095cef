"""What samples of tables are good for: a classifier trained on them, and whether they copy training rows.

Adult is UCI's census data, `adult.data` and `adult.test`, with a line of names put first and the periods after income
removed. Without files, the table is iris.

    python benchmarks/adult.py --train adult-train.csv --held-out adult-test.csv --target income --model made arf
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import genzoo

METRICS = ("tstr", "memorization", "log-likelihood")


def measured(arguments: argparse.Namespace, model: str, seed: int) -> str:
    """Train a model, and return its scores on held-out rows."""
    name, _, text = model.partition(":")
    options: dict[str, Any] = json.loads(text) if text else {}
    begun = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        run = genzoo.train(
            name,
            data=arguments.train,
            out=Path(folder) / "run",
            validation=0.1,
            test=0.0 if arguments.held_out else 0.3,
            seed=seed,
            device="cpu",
            precision="fp32",
            progress=False,
            **options,
        )
        seconds = time.process_time() - begun
        found = genzoo.evaluate(
            run, data=arguments.held_out, target=arguments.target, metrics=METRICS, seed=seed, device="cpu"
        )
    scores = {score.metric: score for score in found.scores.values()}
    words = [f"{metric} {scores[metric].value:.4f} ± {scores[metric].error:.4f}" for metric in METRICS]
    flagged = "flagged" if scores["memorization"].notes else "not flagged"
    return f"{model:12} seed {seed}: {', '.join(words)}; memorization {flagged}; {seconds:.0f} CPU seconds of training"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", default="iris", help="file of training rows")
    parser.add_argument("--held-out", help="file of held-out rows; by default three tenths of the others")
    parser.add_argument("--target", default="petal width (cm)", help="column to predict")
    parser.add_argument("--model", nargs="+", default=["made"], help="models, with options as JSON after a colon")
    parser.add_argument("--seeds", type=int, default=1, help="trainings of each model")
    arguments = parser.parse_args()
    for model in arguments.model:
        for seed in range(arguments.seeds):
            print(measured(arguments, model, seed), flush=True)


if __name__ == "__main__":
    main()
