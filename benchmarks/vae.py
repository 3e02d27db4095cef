"""Measure the quality of `vae` on digits, and compare bound and speed with Pythae's VAE on Fashion-MNIST.

    digits   the default `vae`, one run per seed: coverage, precision and recall of 500 samples and 500 held-out digits
             (pixels, k = 5), the bound of the test digits in nats, and seconds of training
    fashion  60,000 images of 28×28, binarized at half, for a fixed number of epochs: the bound of the test images with
             500 draws, for genzoo and for Pythae's VAE with the same layers, batch size, optimizer and epochs. The same
             code scores both
    speed    images per second of whole training runs, in alternating processes: Pythae's trainer, which has only fp32,
             `genzoo.train`, in fp32 or another precision, and a plain loop of PyTorch in the same precision as genzoo,
             without validation, checks, checkpoints and records. `auto` is what users get by default

Pythae is optional: `pip install pythae==0.1.2`. Or run `pip install --no-deps --target FOLDER pythae==0.1.2 tqdm
imageio cloudpickle`, and pass `--pythae FOLDER`.

    python benchmarks/vae.py [digits] [fashion] [speed] [--seeds 5] [--epochs 5] [--rounds 5] [--pythae FOLDER]
        [--precision fp32]
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import importlib.util
import io
import json
import logging
import math
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

import genzoo
from genzoo.config.data import SplitSettings
from genzoo.config.layers import parse_assignments
from genzoo.data.builtin import digits
from genzoo.data.download import fashion_mnist
from genzoo.data.images import binarize
from genzoo.errors import GenzooError
from genzoo.inference.row_likelihoods import kind_of, log_likelihoods
from genzoo.metrics.precision_recall import coverage, precision, recall
from genzoo.runtime.device import resolve_runtime

EVENTS = 500
WIDTH, LATENT, BATCH, RATE = 400, 16, 128, 1e-3
DRAWS = 500
PARTS = ("digits", "fashion", "speed")
TARGETS = {"coverage": 0.88, "recall": 0.85, "bound": -85.0, "seconds": 60.0}
PLAIN: dict[str, Any] = {
    "network": "mlp",
    "widths": (WIDTH,),
    "latent": LATENT,
    "prior": "normal",
    "activation": "relu",
    "encoder_dropout": 0.0,
    "decoder_dropout": 0.0,
}
"""Options for a model with the same layers as Pythae's."""


def measure_digits(seed: int, options: dict[str, Any], folder: Path) -> dict[str, float]:
    """Train the default model with one seed, and return its scores."""
    begun = time.perf_counter()
    run = genzoo.train("vae", "digits", seed=seed, out=folder / f"seed-{seed}", **options)
    seconds = time.perf_counter() - begun
    dataset = digits()
    split = dataset.split(SplitSettings(), seed)
    held_out = np.sort(np.random.default_rng(seed).permutation(np.concatenate([split.validation, split.test]))[:EVENTS])
    real = dataset.events[held_out].reshape(EVENTS, -1).astype(np.float64)
    samples = run.sample(EVENTS, seed=seed).reshape(EVENTS, -1).astype(np.float64)
    given = genzoo.MetricInput(real_features=real, sample_features=samples)
    scores = {metric.name: metric.score(given).value for metric in (coverage, precision, recall)}
    fitted = run.load()
    bound = log_likelihoods(fitted, dataset, split.test, seed, DRAWS)
    epochs = run.record["steps"] / (len(split.train) // run.config.training.batch_size)
    return scores | {"bound": float(bound.mean()), "seconds": seconds, "epochs": epochs}


def show_digits(seeds: int, options: dict[str, Any]) -> None:
    names = ("coverage", "precision", "recall", "bound", "seconds", "epochs")
    print("digits    " + "  ".join(f"{name:>9}" for name in names) + f"   (bound of {DRAWS} draws of the test rows)")

    def show(title: str, scores: dict[str, float]) -> None:
        cells = (f"{scores[name]:9.3f}" if name in scores else " " * 9 for name in names)
        print(f"{title:10}" + "  ".join(cells), flush=True)

    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(seeds):
            rows.append(measure_digits(seed, options, Path(folder)))
            show(f"seed {seed}", rows[-1])
    show("mean", {name: statistics.mean(row[name] for row in rows) for name in names})
    show("target", TARGETS)


def binary_fashion(rows: int | None = None) -> genzoo.Dataset:
    """Load Fashion-MNIST as 0 and 1: all of it by default, or only the first `rows` training images."""
    found = binarize(fashion_mnist())
    return found if rows is None else dataclasses.replace(found, events=found.events[:rows], labels=None, test_rows=0)


def train_ours(
    dataset: genzoo.Dataset, epochs: int, seed: int, folder: Path, times: list[float], precision: str = "fp32"
) -> genzoo.Run:
    """Train with genzoo, by default in fp32 as Pythae does; append the seconds at the end of every epoch to `times`."""
    training: dict[str, Any] = {"epochs": epochs, "batch_size": BATCH, "optimizer": {"name": "adam", "lr": RATE}}
    training |= {"patience": None, "eval_steps": None, "ema": 0.0, "schedule": {"name": "constant"}}
    return genzoo.train(
        "vae",
        dataset,
        seed=seed,
        out=folder / f"run-{seed}",
        objective={"name": "elbo", "beta": 1.0, "warmup": 0.0, "free_bits": 0.0},
        training=training,
        split={"validation": 0.0, "test": 0.0},
        precision=precision,
        callbacks=[lambda step: times.append(step.seconds) if step.ends_epoch else None],
        **PLAIN,
    )


def train_pythae(dataset: genzoo.Dataset, epochs: int, seed: int, folder: Path, times: list[float]) -> Any:
    """Train Pythae's VAE with the same layers by Pythae's trainer; arguments as for `train_ours`."""
    from pythae.data.datasets import BaseDataset
    from pythae.models import VAE, VAEConfig
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder, BaseEncoder
    from pythae.trainers import BaseTrainer, BaseTrainerConfig
    from pythae.trainers.training_callbacks import TrainingCallback

    class Encoder(BaseEncoder):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Sequential(nn.Linear(784, WIDTH), nn.ReLU())
            self.mean, self.log_variance = nn.Linear(WIDTH, LATENT), nn.Linear(WIDTH, LATENT)

        def forward(self, x: torch.Tensor) -> Any:
            found = self.inner(x.flatten(1))
            return ModelOutput(embedding=self.mean(found), log_covariance=self.log_variance(found))

    class Decoder(BaseDecoder):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.Sequential(nn.Linear(LATENT, WIDTH), nn.ReLU(), nn.Linear(WIDTH, 784), nn.Sigmoid())

        def forward(self, z: torch.Tensor) -> Any:
            return ModelOutput(reconstruction=self.layers(z).view(-1, 1, 28, 28))

    class Clock(TrainingCallback):  # type: ignore[misc]
        def on_epoch_end(self, training_config: Any, **_: Any) -> None:
            times.append(time.perf_counter() - begun)

    torch.manual_seed(seed)
    settings = VAEConfig(input_dim=(1, 28, 28), latent_dim=LATENT, reconstruction_loss="bce")
    model = VAE(settings, Encoder(), Decoder())
    rows = len(dataset) - dataset.test_rows
    data = torch.from_numpy(dataset.events[:rows]).float()
    config = BaseTrainerConfig(
        output_dir=str(folder / f"pythae-{seed}"),
        num_epochs=epochs,
        learning_rate=RATE,
        per_device_train_batch_size=BATCH,
        optimizer_cls="Adam",
        seed=seed,
        no_cuda=True,
    )
    logging.disable(logging.INFO)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        examples = BaseDataset(data, torch.zeros(len(data)))
        trainer = BaseTrainer(model, examples, training_config=config, callbacks=[Clock()])
        begun = time.perf_counter()
        trainer.train()
    return trainer._best_model


def train_plainly(
    dataset: genzoo.Dataset, epochs: int, seed: int, _: Path, times: list[float], precision: str = "fp32"
) -> None:
    """Train a VAE with the same layers by a plain loop of PyTorch; arguments as for `train_ours`."""
    torch.manual_seed(seed)
    narrow = resolve_runtime("cpu", precision).precision == "bf16"
    encoder = nn.Sequential(nn.Linear(784, WIDTH), nn.ReLU(), nn.Linear(WIDTH, 2 * LATENT))
    decoder = nn.Sequential(nn.Linear(LATENT, WIDTH), nn.ReLU(), nn.Linear(WIDTH, 784))
    optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], RATE, fused=True)
    data = torch.from_numpy(dataset.events[: len(dataset) - dataset.test_rows]).float().flatten(1)
    begun = time.perf_counter()
    for _ in range(epochs):
        order = torch.randperm(len(data))
        for rows in order[: len(order) // BATCH * BATCH].split(BATCH):
            x = data[rows]
            with torch.autocast("cpu", torch.bfloat16, enabled=narrow):
                mean, log_variance = encoder(x).float().chunk(2, -1)
                logits = decoder(mean + torch.randn_like(mean) * (0.5 * log_variance).exp())
            likelihood = -functional.binary_cross_entropy_with_logits(logits.float(), x, reduction="none").sum(-1)
            divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(-1)
            optimizer.zero_grad()
            (divergence - likelihood).mean().backward()
            optimizer.step()
        times.append(time.perf_counter() - begun)


def copy_weights(peer: Any, fitted: genzoo.TrainedModel) -> None:
    """Copy the weights of Pythae's model to genzoo's, which has the same layers."""
    ours: Any = fitted.generator
    with torch.no_grad():
        for target, source in (
            (ours.encoder[0], peer.encoder.inner[0]),
            (ours.decoder[0], peer.decoder.layers[0]),
            (ours.decoder[2], peer.decoder.layers[2]),
        ):
            target.load_state_dict(source.state_dict())
        heads = (peer.encoder.mean, peer.encoder.log_variance)
        ours.encoder[2].weight.copy_(torch.cat([head.weight for head in heads]))
        ours.encoder[2].bias.copy_(torch.cat([head.bias for head in heads]))


def show_fashion(seeds: int, epochs: int, test_rows: int, peer: bool) -> None:
    dataset = binary_fashion()
    rows = np.arange(len(dataset) - dataset.test_rows, len(dataset))[:test_rows]
    print(f"fashion   {epochs} epochs of 60,000 binary images, {len(rows)} test images")
    ahead = []
    with tempfile.TemporaryDirectory() as name:
        for seed in range(seeds):
            times: list[float] = []
            fitted = train_ours(dataset, epochs, seed, Path(name), times).load()
            ours = _show_bound("genzoo", fitted, dataset, rows, seed, times[-1])
            if peer:
                times.clear()
                found = train_pythae(dataset, epochs, seed, Path(name), times)
                copy_weights(found, fitted)
                theirs = _show_bound("pythae", fitted, dataset, rows, seed, times[-1])
                difference = ours - theirs
                ahead.append(float(difference.mean()))
                print(f"{'':10}seed {seed}: genzoo is ahead by {ahead[-1]:.3f} ± {_error(difference):.3f} nats, paired")
    if len(ahead) > 1:
        print(
            f"genzoo is ahead of pythae by {statistics.mean(ahead):.3f} ± {_error(np.array(ahead)):.3f} nats "
            f"over {len(ahead)} seeds (target: no worse)"
        )


def _show_bound(
    title: str, fitted: genzoo.TrainedModel, dataset: genzoo.Dataset, rows: Any, seed: int, seconds: float
) -> Any:
    """Print the mean bound of some rows, and return their bounds."""
    found = log_likelihoods(fitted, dataset, rows, seed, DRAWS)
    kind = kind_of(fitted, DRAWS)
    print(f"{title:10}seed {seed}: {found.mean():9.3f} ± {_error(found):.3f} nats, {kind}; {seconds:.1f} s", flush=True)
    return found


def _error(values: Any) -> float:
    """Return the standard error of a mean."""
    return float(values.std(ddof=1)) / math.sqrt(len(values))


def images_per_second(contender: str, rows: int, epochs: int, precision: str) -> float:
    """Train, and return images per second over all epochs but the first."""
    dataset = binary_fashion(rows)
    times: list[float] = []
    own = {"genzoo": train_ours, "plain": train_plainly}
    train = partial(own[contender], precision=precision) if contender in own else train_pythae
    with tempfile.TemporaryDirectory() as folder:
        train(dataset, epochs, 0, Path(folder), times)
    return (epochs - 1) * (rows // BATCH * BATCH if contender in own else rows) / (times[-1] - times[0])


def show_speed(rounds: int, folder: str | None, precision: str, rows: int = 60_000, epochs: int = 3) -> None:
    print(
        f"speed     images per second, batch {BATCH}, {torch.get_num_threads()} threads, alternating processes; genzoo "
        f"and the plain loop in {precision}, pythae in fp32"
    )
    speeds: dict[str, list[float]] = {"pythae": [], "genzoo": [], "plain": []}
    for _ in range(rounds):
        for contender, found in speeds.items():
            words = [sys.executable, __file__, "--contender", contender, "--rows", str(rows), "--epochs", str(epochs)]
            words += ["--precision", precision, *(["--pythae", folder] if folder else [])]
            shown = subprocess.run(words, check=True, capture_output=True, text=True).stdout
            found.append(float(json.loads(shown.splitlines()[-1])))
        print("          " + "  ".join(f"{name} {found[-1]:,.0f}" for name, found in speeds.items()), flush=True)
    for name, found in speeds.items():
        print(f"{name:10}{statistics.median(found):9,.0f} (from {min(found):,.0f} to {max(found):,.0f})")
    for name, target in (("pythae", " (target: 2)"), ("plain", ", the plain loop")):
        ratios = [a / b for a, b in zip(speeds["genzoo"], speeds[name], strict=True)]
        print(f"genzoo is {statistics.median(ratios):.2f} times as fast as {name}{target}")


def have_images() -> bool:
    """Return whether Fashion-MNIST is here or can be downloaded; if not, print why."""
    try:
        fashion_mnist()
    except GenzooError as error:
        print(f"Skipping fashion and speed. {error}")
        return False
    return True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", default=PARTS, metavar="|".join(PARTS))
    parser.add_argument(
        "--seeds", type=int, default=None, help="number of seeds; by default 5 for digits, 1 for fashion"
    )
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--test-rows", type=int, default=10_000)
    parser.add_argument("--pythae", metavar="FOLDER", help="folder with Pythae, if it is not installed beside genzoo")
    parser.add_argument(
        "-o", action="append", default=[], metavar="KEY=VALUE", help="options for digits, as for genzoo train"
    )
    parser.add_argument("--precision", choices=("fp32", "bf16", "auto"), default="fp32", help="of genzoo, for speed")
    parser.add_argument("--contender", choices=("genzoo", "pythae", "plain"), help=argparse.SUPPRESS)
    parser.add_argument("--rows", type=int, default=20_000, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.pythae:
        sys.path.append(arguments.pythae)
    if arguments.contender:
        print(json.dumps(images_per_second(arguments.contender, arguments.rows, arguments.epochs, arguments.precision)))
        return
    peer = importlib.util.find_spec("pythae") is not None
    images = not {"fashion", "speed"} & {*arguments.parts} or have_images()
    if "digits" in arguments.parts:
        show_digits(arguments.seeds or 5, parse_assignments(arguments.o))
    if "fashion" in arguments.parts and images:
        show_fashion(arguments.seeds or 1, arguments.epochs, arguments.test_rows, peer)
    if "speed" in arguments.parts and peer and images:
        show_speed(arguments.rounds, arguments.pythae, arguments.precision)
    if not peer:
        print("Pythae is not installed: pip install pythae==0.1.2, or see --pythae.")


if __name__ == "__main__":
    main()
