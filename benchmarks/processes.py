"""Compare training in several processes with a plain PyTorch loop under DistributedDataParallel (DDP).

Both train the same autoencoder of linear layers on random binary images of 28×28, with the same batch, optimizer and
precision, in as many processes, each with one thread. Whole runs alternate: genzoo writes its log, checkpoints and
pictures, and the plain loop writes nothing.

    python benchmarks/processes.py [--processes 2] [--rounds 5] [--rows 60000] [--epochs 3] [--batch 128] [--width 400]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import distributed, nn
from torch.nn import functional as F
from torch.nn.parallel import DistributedDataParallel

import genzoo
from genzoo.data.dataset import Dataset
from genzoo.data.images import binary_spec
from genzoo.typing import Array

LATENT, RATE, SIDE = 16, 1e-3, 28
TARGET = 0.95


def images(rows: int) -> Array:
    """Return random binary images, `(rows, 1, 28, 28)`."""
    return (np.random.default_rng(0).random((rows, 1, SIDE, SIDE)) < 0.4).astype(np.uint8)


class Plain(nn.Module):
    """An autoencoder of linear layers, which returns the loss of images `(N, 784)`, `()`."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(SIDE**2, width), nn.ReLU(), nn.Linear(width, 2 * LATENT))
        self.decoder = nn.Sequential(nn.Linear(LATENT, width), nn.ReLU(), nn.Linear(width, SIDE**2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mean, log_variance = self.encoder(x).chunk(2, 1)
        z = mean + (0.5 * log_variance).exp() * torch.randn_like(mean)
        reconstruction = F.binary_cross_entropy_with_logits(self.decoder(z), x, reduction="sum")
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum()
        loss: torch.Tensor = (reconstruction + divergence) / len(x)
        return loss


def train_plain(given: argparse.Namespace) -> list[float]:
    """Train by a plain loop; return the seconds at the end of each epoch."""
    distributed.init_process_group("gloo")
    rank, count = distributed.get_rank(), distributed.get_world_size()
    torch.manual_seed(0)
    model = DistributedDataParallel(Plain(given.width))
    optimizer = torch.optim.Adam(model.parameters(), RATE, fused=True)
    events = torch.from_numpy(images(given.rows)).flatten(1)
    own, times, begun = given.batch // count, [], time.perf_counter()
    for epoch in range(given.epochs):
        order = torch.randperm(given.rows, generator=torch.Generator().manual_seed(epoch))
        for step in range(given.rows // given.batch):
            chosen = order[step * given.batch + rank * own :][:own]
            optimizer.zero_grad()
            model(events[chosen].float()).backward()
            optimizer.step()
        times.append(time.perf_counter() - begun)
    distributed.destroy_process_group()
    return times


def train_genzoo(given: argparse.Namespace) -> list[float]:
    """Train with genzoo; return the seconds at the end of each epoch, in the first process."""
    events, times = images(given.rows), []  # type: tuple[Array, list[float]]
    training: dict[str, Any] = {"epochs": given.epochs, "batch_size": given.batch, "patience": None, "ema": 0.0}
    training |= {"eval_steps": None, "optimizer": {"name": "adam", "lr": RATE}, "schedule": {"name": "constant"}}
    model: dict[str, Any] = {"network": "mlp", "widths": (given.width,), "latent": LATENT, "prior": "normal"}
    model |= {"activation": "relu", "encoder_dropout": 0.0, "decoder_dropout": 0.0}
    genzoo.train(
        "vae",
        Dataset("images", binary_spec(events), events),
        precision="fp32",
        device="cpu",
        out=given.out,
        objective={"name": "elbo", "beta": 1.0, "warmup": 0.0, "free_bits": 0.0},
        training=training,
        split={"validation": 0.0, "test": 0.0},
        callbacks=[lambda step: times.append(step.seconds) if step.ends_epoch else None],
        progress=False,
        **model,
    )
    return times


CONTENDERS = {"plain DDP": train_plain, "genzoo": train_genzoo}


def measure(name: str, given: argparse.Namespace) -> float:
    """Run one contender in its own processes; return images per second over all epochs but the first."""
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={given.processes}"]
    sizes = [f"--{size}={getattr(given, size)}" for size in ("rows", "epochs", "batch", "width")]
    with tempfile.TemporaryDirectory() as folder:
        words = [*launcher, __file__, "--contender", name, *sizes, "--out", str(Path(folder, "run"))]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        shown = subprocess.run(words, check=True, env=environment, stdout=subprocess.PIPE, text=True).stdout
    times = json.loads(shown.splitlines()[-1])
    return (given.epochs - 1) * (given.rows // given.batch * given.batch) / (times[-1] - times[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=60_000)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--batch", type=int, default=128, help="size of the whole batch")
    parser.add_argument("--width", type=int, default=400, help="width of the hidden layers")
    parser.add_argument("--contender", choices=CONTENDERS, help=argparse.SUPPRESS)
    parser.add_argument("--out", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.contender:
        times = CONTENDERS[given.contender](given)
        if os.environ["RANK"] == "0":
            print(json.dumps(times))
        return
    print(f"images per second in {given.processes} processes of one thread, batch {given.batch}, alternating runs")
    speeds: dict[str, list[float]] = {name: [] for name in CONTENDERS}
    for _ in range(given.rounds):
        for name, found in speeds.items():
            found.append(measure(name, given))
        print("  " + "  ".join(f"{name} {found[-1]:,.0f}" for name, found in speeds.items()), flush=True)
    ratios = [ours / plain for plain, ours in zip(*speeds.values(), strict=True)]
    print(f"genzoo is {statistics.median(ratios):.2f} times as fast as plain DDP (target: {TARGET})")


if __name__ == "__main__":
    main()
