"""Measure time and memory of `genzoo evaluate`: every metric of samples, for 10,000 samples and 10,000 real images.

The real images are the test images of Fashion-MNIST if they are on this machine, else noise. Samples are 10,000
training images with noise added. Each metric is timed in the order of the registry; the first of the four metrics that
share nearest neighbors computes them.

    python benchmarks/evaluate.py [--events 10000] [--threads 2]
"""

from __future__ import annotations

import argparse
import resource
import time
from typing import Any

import numpy as np
import torch

import genzoo
from genzoo.config.data import DataSettings
from genzoo.data.dataset import Dataset
from genzoo.data.loading import open_dataset
from genzoo.data.transforms import AffineTransform
from genzoo.errors import GenzooError
from genzoo.metrics.evaluation.choice import find_extractor, find_metrics
from genzoo.metrics.evaluation.reference import make_reference
from genzoo.metrics.evaluator import compute_metrics
from genzoo.plugins.manager import get_registry


class Shelf(genzoo.Generator):
    """A generator whose samples are given events, in order."""

    def __init__(self, events: torch.Tensor) -> None:
        super().__init__()
        self.register_buffer("events", events)
        self._next = 0

    def sample(self, n: int, *, condition: Any = None, **options: Any) -> torch.Tensor:
        place = torch.arange(self._next, self._next + n) % len(self.events)
        self._next += n
        return self.events[place]


def images(count: int) -> Dataset:
    """Return twice `count` images: training images first, then real images to evaluate on."""
    try:
        found = open_dataset(DataSettings(source="fashion-mnist"), get_registry())
        events = np.concatenate([found.events[:count], found.events[-10_000:][:count]])
        return Dataset("fashion-mnist", found.spec, events)
    except GenzooError:
        events = np.random.default_rng(0).integers(0, 256, (2 * count, 1, 28, 28)).astype(np.uint8)
        spec = genzoo.DataSpec((1, 28, 28), "image", (genzoo.Feature("pixel"),), (0.0, 255.0), 1.0, "uint8")
        return Dataset("noise", spec, events)


def peak() -> float:
    """Return the peak memory of this process, in gigabytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def now() -> tuple[float, float]:
    """Return the seconds on the clock and of the CPU."""
    return time.perf_counter(), time.process_time()


def cost(begun: tuple[float, float]) -> str:
    """Return the seconds on the clock and of the CPU since then, and the peak of memory, as columns."""
    return "".join(f"{after - before:10.1f}" for before, after in zip(begun, now(), strict=True)) + f"{peak():10.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=10_000)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    dataset = images(arguments.events)
    count = len(dataset) // 2
    noise = np.random.default_rng(1).normal(0, 20, (count, 1, 28, 28))
    made = torch.from_numpy(dataset.events[:count] + noise).float()
    model = genzoo.TrainedModel(
        "benchmark", Shelf(made), AffineTransform(torch.zeros(()), torch.ones(())), dataset.spec
    )
    metrics = [m for m in find_metrics(get_registry()) if "likelihood" not in m.needs and m.takes("image")]
    print(
        f"{dataset.name}: {count} real events, {count} samples, {dataset.spec.size} pixels, {arguments.threads} threads"
    )
    print(f"{'':24}{'seconds':>10}{'CPU s':>10}{'peak GB':>10}{'score':>12}{'±':>10}")
    extractor = find_extractor(get_registry(), None, dataset.spec)
    rows = np.arange(len(dataset))
    begun = now()
    reference = make_reference(dataset, rows[count:], metrics, extractor, trained_on=(dataset, rows[:count]))
    print(f"{'real events':24}{cost(begun)}", flush=True)
    for metric in metrics:
        _timed(metric)
    found = compute_metrics(model, reference, metrics, seed=0)
    total = cost(begun)
    for name, score in found.scores.items():
        print(f"{name:24}{_COSTS[name]}{score.value:12.4f}{score.error or 0:10.4f}")
        for note in score.notes:
            print(f"    {note}")
    for name, reason in found.reasons.items():
        print(f"{name:24} – {reason}")
    print(f"{'total':24}{total}")


_COSTS: dict[str, str] = {}


def _timed(metric: Any) -> None:
    """Make a metric record its time, and the peak memory so far, in `_COSTS`."""
    score = type(metric).score

    def watched(self: Any, given: Any) -> Any:
        begun = now()
        found = score(self, given)
        _COSTS[self.name] = cost(begun)
        return found

    if not hasattr(score, "watched"):
        watched.watched = True  # type: ignore[attr-defined]
        type(metric).score = watched


if __name__ == "__main__":
    main()
