"""Measure sound: spoken digits to spectra and back, and spoken digits that a conditional model draws.

    griffin      spectral convergence of sounds from linear magnitudes and from `log-mel`, the latter between bands,
                 over test recordings; and CPU milliseconds a sound
    classifier   accuracy of a small network on real test recordings; it judges samples
    conditional  as many samples of each digit as test recordings have, from one set of samples: how many the classifier
                 judges right, and coverage of log-mel levels (k = 5); beside the same of real training recordings
    codes        bits per sample of mu-law levels of test recordings: of `gpt`, of `ngram`, and of an adaptive coder
                 that reads the training recordings and then the test recordings

The classifier never sees test recordings or samples. Rows of training that choose the model are its validation rows.

    GENZOO_DATA=FOLDER python benchmarks/sound.py [griffin] [classifier] [conditional] [--model vae] [-o KEY=VALUE]
    GENZOO_DATA=FOLDER python benchmarks/sound.py codes [--coders gpt ngram adaptive]
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sound_rows.adaptive import adaptive_bits
from torch import Tensor, nn

import genzoo
from genzoo.config.data import SplitSettings
from genzoo.config.layers import parse_assignments
from genzoo.config.settings import Settings
from genzoo.data.dataset import Dataset, category
from genzoo.data.sounds.builtin import spoken_digits
from genzoo.data.sounds.facts import samples_of
from genzoo.data.sounds.folder import sound_spec
from genzoo.data.transforms.log_mel import LogMelOptions, LogMelTransform
from genzoo.data.transforms.mu_law import MuLawTransform
from genzoo.features.log_mel import LogMelExtractor
from genzoo.metrics.metric import MetricInput
from genzoo.metrics.precision_recall import coverage

PARTS = ("griffin", "classifier", "conditional", "codes")
CODERS = ("adaptive", "ngram", "gpt")
BARS = {"linear": -20.0, "log_mel": -20.0, "milliseconds": 20.0, "real": 0.98, "right": 0.90, "coverage": 0.80}
STEPS, BATCH = 700, 64
MODEL: dict[str, Any] = {
    "network": "mlp",
    "latent": 16,
    "spread": "shared",
    "training": {"steps": 2000, "batch_size": 64, "patience": None},
}

CODES: dict[str, dict[str, Any]] = {
    "ngram": {"order": 3},
    "gpt": {"preset": "sounds", "training": {"epochs": None, "steps": 250}},
}
SHORT: dict[str, dict[str, Any]] = {
    "ngram": {"order": 2},
    "gpt": {"layers": 1, "heads": 2, "width": 16, "attention_window": 16, "training": {"steps": 1, "batch_size": 4}},
}


def made(rate: int = 4000) -> Dataset:
    """Return 240 tones of four pitches, the last 40 for the test: a stand-in for a short run."""
    rng = np.random.default_rng(0)
    labels = rng.integers(4, size=240)
    pitch = 200.0 * (labels + 1) * rng.uniform(0.97, 1.03, 240)
    time_ = np.arange(rate // 2) / rate
    events = 8000 * np.sin(2 * np.pi * pitch[:, None] * time_) * np.exp(-4 * time_)
    spec = sound_spec(rate // 2, rate)
    label = category("digit", list("abcd"))
    return Dataset("tones", spec, events.astype("i2"), labels, test_rows=40, label=label)


def griffin(dataset: Dataset, count: int) -> dict[str, float]:
    """Measure sounds from magnitudes."""
    rows = np.arange(len(dataset) - dataset.test_rows, len(dataset))[:count]
    x = torch.from_numpy(dataset.events[rows].astype("f4"))
    x = x[(x != 0).any(1)]
    options = LogMelOptions()
    transform = LogMelTransform.fit(options, dataset.spec, [dataset.events[: -dataset.test_rows]])
    spectra = transform.spectra
    started = time.process_time()
    linear = [spectra.sound_of_magnitudes(spectra.of(part).abs(), options.iterations) for part in torch.split(x, 16)]
    halfway = time.process_time()
    mel = transform.inverse(transform(x))
    ended = time.process_time()
    return {
        "linear": _convergence(spectra.of(torch.cat(linear)).abs(), spectra.of(x).abs()),
        "log_mel": _convergence(transform.bands(mel), transform.bands(x)),
        "milliseconds_linear": 1e3 * (halfway - started) / len(x),
        "milliseconds_log_mel": 1e3 * (ended - halfway) / len(x),
    }


def _convergence(found: Tensor, wanted: Tensor) -> float:
    """Return the mean over sounds of the relative error of magnitudes, in decibels."""
    error = (found - wanted).flatten(1).norm(dim=1) / wanted.flatten(1).norm(dim=1)
    return float((20 * error.log10()).mean())


class Judge:
    """A convolutional network on log-mel levels, trained on shifted and masked training recordings."""

    def __init__(self, dataset: Dataset, steps: int) -> None:
        assert dataset.labels is not None
        rows = np.arange(len(dataset) - dataset.test_rows)
        events = dataset.events[rows]
        self._levels = LogMelTransform.fit(LogMelOptions(), dataset.spec, [events])
        torch.manual_seed(0)
        layers: list[nn.Module] = []
        for inputs, width in ((1, 16), (16, 32), (32, 64), (64, 64)):
            layers += [nn.Conv2d(inputs, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(), nn.MaxPool2d(2)]
        size = int(np.max(dataset.labels)) + 1
        self._network = nn.Sequential(*layers, nn.AdaptiveAvgPool2d((4, 1)), nn.Flatten(), nn.Dropout(0.3))
        self._network.append(nn.Linear(64 * 4, size))
        self._train(
            self._levels(torch.from_numpy(events).float()), torch.from_numpy(np.asarray(dataset.labels)[rows]), steps
        )

    def _train(self, x: Tensor, target: Tensor, steps: int) -> None:
        optimizer = torch.optim.AdamW(self._network.parameters(), 2e-3, weight_decay=0.02)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=steps)
        for _ in range(steps):
            rows = torch.randint(len(x), (BATCH,))
            loss = nn.functional.cross_entropy(self._network(_varied(x[rows])), target[rows], label_smoothing=0.05)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
        self._network.eval()

    @torch.no_grad()
    def __call__(self, events: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Return the class of each sound, `(N,)`."""
        parts = torch.split(torch.from_numpy(events).float(), BATCH)
        return torch.cat([self._network(self._levels(part)).argmax(1) for part in parts]).numpy()


def _varied(x: Tensor) -> Tensor:
    """Shift levels `(N, 1, bands, F)` in time, pitch and loudness, and mask some bands and times."""
    x = torch.roll(x, int(torch.randint(-4, 9, ())), 3)
    x = torch.roll(x, int(torch.randint(-2, 3, ())), 2)
    x = (x + 0.06 * torch.randn(len(x), 1, 1, 1) * (x > 0)).clamp(0, 1)
    for side in (2, 3):
        start = int(torch.randint(x.shape[side] - 6, ()))
        x = x.clone()
        x.narrow(side, start, 6).zero_()
    return x


def conditional(dataset: Dataset, judge: Judge, args: argparse.Namespace) -> dict[str, float]:
    """Train a conditional model, and judge as many samples of each class as the test has."""
    assert dataset.labels is not None
    started = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        options = {**MODEL, **parse_assignments(args.option)} if args.model == "vae" else parse_assignments(args.option)
        run = genzoo.train(
            args.model,
            data={"source": dataset, "condition": ["digit"]},
            split=SplitSettings(validation=0.05).model_dump(),
            out=Path(folder) / "run",
            device="cpu",
            precision=args.precision,
            **options,
        )
        trained = time.process_time() - started
        fitted = run.load()
    test = np.arange(len(dataset) - dataset.test_rows, len(dataset))
    labels = np.asarray(dataset.labels)[test]
    started = time.process_time()
    samples = fitted.sample(
        len(test), condition=labels[:, None].astype("f8"), mean=args.mean, options=args.sampling, output="array"
    )
    features = LogMelExtractor(dataset.spec, dataset.events[test])
    seen = features(dataset.events[test])
    rng = np.random.default_rng(0)
    train = rng.choice(len(dataset) - dataset.test_rows, len(test), replace=False)
    return {
        "seconds_training": trained,
        "seconds_sampling": time.process_time() - started,
        "right": float((judge(samples) == labels).mean()),
        "coverage": _coverage(seen, features(samples)),
        "coverage_of_training_rows": _coverage(seen, features(dataset.events[train])),
    }


def codes(dataset: Dataset, args: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Measure bits per sample of test recordings, and the CPU seconds that each coder takes to learn and to code."""
    test = np.arange(len(dataset) - dataset.test_rows, len(dataset))
    samples = float(samples_of(dataset.events[test]).sum())
    found = {}
    for name in args.coders:
        started = time.process_time()
        if name == "adaptive":
            bits, learned = float(adaptive_bits(sequences(dataset), dataset.spec.size)[test].sum()), started
        else:
            given = SHORT if args.short else CODES
            with tempfile.TemporaryDirectory() as folder:
                run = genzoo.train(
                    name,
                    data=dataset,
                    split=SplitSettings(validation=0.05).model_dump(),
                    out=Path(folder) / "run",
                    device="cpu",
                    **given.get(name, {}),
                )
                learned, fitted = time.process_time(), run.load()
            bits = -float(fitted.log_prob(dataset.events[test]).sum()) / math.log(2)
        found[name] = {
            "bits_per_sample": bits / samples,
            "seconds_training": learned - started,
            "seconds": time.process_time() - started,
        }
        print(json.dumps({name: found[name]}), flush=True)
    return found


def sequences(dataset: Dataset) -> list[np.ndarray[Any, Any]]:
    """Return the mu-law levels of each sound, without what follows it."""
    transform = MuLawTransform.fit(Settings(), dataset.spec, ())
    levels = transform(torch.from_numpy(dataset.events).float()).numpy().astype(np.int64)
    return [row[:size] for row, size in zip(levels, samples_of(dataset.events).tolist(), strict=True)]


def _coverage(real: np.ndarray[Any, Any], samples: np.ndarray[Any, Any]) -> float:
    return coverage.score(MetricInput(real_features=real, sample_features=samples)).value


def main() -> None:
    """Run the parts, and print a line of JSON for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--model", default="vae")
    parser.add_argument("-o", "--option", action="append", default=[], help="option of the model")
    parser.add_argument("-s", "--sampling", type=json.loads, default={}, help="sampling options as JSON")
    parser.add_argument("--noise", dest="mean", action="store_false", help="keep the noise that the model adds")
    parser.add_argument("--precision", default="auto", help="of training")
    parser.add_argument("--steps", type=int, default=STEPS, help="steps of the classifier")
    parser.add_argument("--coders", nargs="+", choices=CODERS, default=CODERS, help="coders of the part codes")
    parser.add_argument("--short", action="store_true", help="a short run on made tones")
    args = parser.parse_args()
    args.parts = args.parts or PARTS
    if unknown := set(args.parts).difference(PARTS):
        parser.error(f"unknown part {unknown.pop()!r}; known: {', '.join(PARTS)}")
    dataset = made() if args.short else spoken_digits()
    results: dict[str, Any] = {}
    if "griffin" in args.parts:
        results["griffin"] = griffin(dataset, 64)
    if {"classifier", "conditional"} & set(args.parts):
        started = time.process_time()
        judge = Judge(dataset, 20 if args.short else args.steps)
        test = np.arange(len(dataset) - dataset.test_rows, len(dataset))
        right = float((judge(dataset.events[test]) == np.asarray(dataset.labels)[test]).mean())
        results["classifier"] = {"real": right, "seconds": time.process_time() - started}
        print(json.dumps({"classifier": results.pop("classifier")}), flush=True)
        if "conditional" in args.parts:
            results["conditional"] = conditional(dataset, judge, args)
    if "codes" in args.parts:
        results["codes"] = codes(dataset, args)
    for name, found in results.items():
        print(json.dumps({name: found}))
    print(json.dumps({"bars": BARS}))


if __name__ == "__main__":
    main()
