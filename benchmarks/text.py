"""Measure `gpt` on texts: beside nanoGPT's recipe for a CPU and n-grams, and beside a plain loop of its own network.

    shakespeare  characters of tiny Shakespeare, the first nine tenths to train and the last tenth to validate: nats per
                 character of `gpt`, and of nanoGPT's recipe for a CPU written out here, after equal CPU seconds. Both
                 see windows of 65 characters, and are scored on the last 64 of each window
    names        makemore's names, shuffled and cut into 80, 10 and 10 %: nats per character, with the end, of the test
                 names that are not in training; `gpt`, and `ngram` of orders 2 to 8 if it is installed, paired
    step         steps of genzoo in turn with a plain loop of the same network, optimizer and precision, not compiled
    sampling     texts of 256 characters with the cache in turn with the whole network for each character

Bars, which stand in parentheses beside the figures:

    shakespeare  0.20 nats below nanoGPT's recipe after 150 seconds
    names        0.05 nats below an n-gram of order 6 and 0.03 below the best order, in at most 360 seconds
    step         0.95 times as fast as the plain loop
    sampling     10 times as fast as the network alone

Seconds are CPU seconds of one thread. tinyshakespeare.txt and names.txt lie in --folder; a part without its file is
left out. With --short, all parts run for a moment on words of Python's documentation, and the figures mean nothing.

    python benchmarks/text.py [shakespeare] [names] [step] [sampling] [--folder FOLDER] [--seconds 150] [--epochs 4]
        [--rounds 40] [--seed 0] [--short] [-o key=value]...
"""

from __future__ import annotations

import argparse
import math
import pydoc_data.topics
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import genzoo
from genzoo.config.layers import parse_assignments
from genzoo.config.resolve import layer, resolve_config
from genzoo.config.training import GradientTraining
from genzoo.data.texts.lines import listed
from genzoo.engine.loss_buffer import LossBuffer
from genzoo.engine.muon import Muon, hidden_matrices
from genzoo.engine.schedule import Budget
from genzoo.models.factory import build_model
from genzoo.plugins.manager import get_registry
from genzoo.runtime.device import resolve_runtime
from genzoo.training import trainer as loop
from genzoo.training.run_training import LOSS_BLOCK
from genzoo.training.setup import TrainingSetup, build_setup
from genzoo.training.trainer import Trainer
from genzoo_text.gpt import GPT

PARTS = ("shakespeare", "names", "step", "sampling")
WINDOW, ORDERS, NGRAM = 65, range(2, 9), 1.523
NO_SPLIT = {"validation": 0.0, "test": 0.0}
BARS = {"shakespeare": 0.20, "order 6": 0.05, "best order": 0.03, "names": 360.0, "step": 0.95, "sampling": 10.0}
Array = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, slots=True)
class Work:
    """How long to measure.

    Arguments:
        seconds: CPU seconds of a training on Shakespeare.
        epochs: passes over the names.
        rounds: number of times that each function is timed.
        seed: of trainings and windows.
        options: settings of `gpt`, as for `genzoo train -o`.
        short: whether the figures mean nothing.
    """

    seconds: float
    epochs: float
    rounds: int
    seed: int
    options: dict[str, Any]
    short: bool


def trained(model: str, texts: list[str], work: Work, **settings: Any) -> tuple[genzoo.TrainedModel, float]:
    """Train on all texts, and return the model with the CPU seconds that it took."""
    with tempfile.TemporaryDirectory() as folder:
        begun = time.process_time()
        run = genzoo.train(model, texts, out=Path(folder) / "run", split=NO_SPLIT, seed=work.seed, **settings)
        return run.load(), time.process_time() - begun


def windows(text: str, count: int, seed: int) -> list[str]:
    """Return windows at random places of a text."""
    places = random.Random(seed)
    return [text[start : start + WINDOW] for start in (places.randrange(len(text) - WINDOW) for _ in range(count))]


def following(text: str) -> list[str]:
    """Return windows that begin at the last character of the one before, so that the others are scored once each."""
    return [text[start : start + WINDOW] for start in range(0, len(text) - WINDOW + 1, WINDOW - 1)]


def measure_shakespeare(text: str, work: Work) -> None:
    cut = len(text) * 9 // 10
    train, held = text[:cut], following(text[cut:])
    settings = {"preset": "windows", "window": WINDOW, "device": "cpu", **work.options}
    _, once = trained("gpt", [train], work, **settings, steps=1)
    settings["minutes"] = max(work.seconds - once, 0.1) / 60
    taken: list[genzoo.Step] = []
    with patch.object(loop, "time", SimpleNamespace(monotonic=time.process_time)):  # minutes of the processor
        fitted, spent = trained("gpt", [train], work, **settings, callbacks=[taken.append])
    ours = nats_after_the_first(fitted, held)
    print(f"shakespeare: gpt {ours:.4f} nats per character, {len(taken)} steps in {spent:.0f} s", flush=True)
    alphabet = "".join(sorted(set(train)))
    network, count = nanogpt(numbered([train], alphabet)[0], len(alphabet), spent, work.seed)
    theirs = nanogpt_nats(network, numbered(held, alphabet))
    print(
        f"shakespeare: nanoGPT's recipe {theirs:.4f} nats per character, {count} steps in {spent:.0f} s; "
        f"{theirs - ours:+.4f} ({BARS['shakespeare']:+.2f}). ngram, which sees the whole text before, {NGRAM}.",
        flush=True,
    )


def nats_after_the_first(fitted: genzoo.TrainedModel, held: list[str]) -> float:
    """Return the mean nats of characters of windows, without the first one of each."""
    return -float(np.concatenate([logs[1:] for logs in fitted.log_prob_each(held)]).mean())


class Block(nn.Module):
    """A layer of GPT-2 as nanoGPT has it, without biases."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.before, self.between = nn.LayerNorm(width, bias=False), nn.LayerNorm(width, bias=False)
        self.look, self.mix = nn.Linear(width, 3 * width, bias=False), nn.Linear(width, width, bias=False)
        self.widen, self.narrow = nn.Linear(width, 4 * width, bias=False), nn.Linear(4 * width, width, bias=False)
        self.heads = heads

    def forward(self, x: Tensor) -> Tensor:
        parts = self.look(self.before(x)).chunk(3, dim=2)
        heads = (part.unflatten(2, (self.heads, -1)).transpose(1, 2) for part in parts)
        x = x + self.mix(F.scaled_dot_product_attention(*heads, is_causal=True).transpose(1, 2).flatten(2))
        return x + self.narrow(F.gelu(self.widen(self.between(x))))


class NanoGPT(nn.Module):
    """The network of nanoGPT's recipe for a CPU: 4 layers, 4 heads, width 128, and a table that serves both ends."""

    def __init__(self, symbols: int, window: int, layers: int = 4, heads: int = 4, width: int = 128) -> None:
        super().__init__()
        self.symbols, self.places = nn.Embedding(symbols, width), nn.Embedding(window, width)
        self.blocks = nn.Sequential(*[Block(width, heads) for _ in range(layers)])
        self.last = nn.LayerNorm(width, bias=False)
        for name, weight in self.named_parameters():
            if weight.ndim == 2:
                nn.init.normal_(weight, std=0.02 / math.sqrt(2 * layers) if "mix" in name or "narrow" in name else 0.02)

    def forward(self, codes: Tensor) -> Tensor:
        x = self.symbols(codes) + self.places.weight[: codes.shape[1]]
        return F.linear(self.last(self.blocks(x)), self.symbols.weight)

    def loss(self, codes: Tensor) -> Tensor:
        """Return the mean nats of the characters of windows after the first, `()`."""
        return F.cross_entropy(self(codes[:, :-1]).flatten(0, 1), codes[:, 1:].flatten())


def numbered(texts: list[str], alphabet: str) -> Tensor:
    """Return texts of equal length as numbers of their characters, `(N, L)`; others than the alphabet's as its last."""
    places = {character: place for place, character in enumerate(alphabet)}
    return torch.tensor([[places.get(character, len(alphabet) - 1) for character in text] for text in texts])


def nanogpt(codes: Tensor, symbols: int, seconds: float, seed: int) -> tuple[NanoGPT, int]:
    """Train by nanoGPT's recipe for so many CPU seconds, and return the network and its number of steps.

    The recipe takes 2,000 steps. Here its cosine ends with the seconds.

    Arguments:
        codes: a long text as numbers below `symbols`, `(n,)`.
    """
    torch.manual_seed(seed)
    network, batch, rise = NanoGPT(symbols, WINDOW - 1), 12, 100
    groups = [
        {"params": [p for p in network.parameters() if p.ndim == 2], "weight_decay": 0.1},
        {"params": [p for p in network.parameters() if p.ndim < 2], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, 1e-3, (0.9, 0.99), fused=True)
    begun, count = time.process_time(), 0
    while (share := (time.process_time() - begun) / seconds) < 1:
        rate = 1e-4 + 9e-4 * 0.5 * (1 + math.cos(math.pi * share))
        for group in optimizer.param_groups:
            group["lr"] = rate * min(1.0, (count + 1) / (rise + 1))
        starts = torch.randint(len(codes) - WINDOW, (batch,))
        network.loss(codes[starts[:, None] + torch.arange(WINDOW)]).backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        count += 1
    return network, count


def nanogpt_nats(network: NanoGPT, codes: Tensor) -> float:
    with torch.no_grad():
        total = sum(float(network.loss(part)) * len(part) for part in codes.split(128))
    return total / len(codes)


def measure_names(words: list[str], work: Work) -> None:
    random.Random(42).shuffle(words)
    low, high = int(0.8 * len(words)), int(0.9 * len(words))
    train = list(dict.fromkeys(words[:low]))
    test = [word for word in words[high:] if word not in set(train) and len(word) < max(map(len, train))]
    sizes = np.array([len(word) + 1 for word in test])
    fitted, spent = trained("gpt", train, work, **{**work.options, "epochs": work.epochs})
    ours = np.asarray(fitted.log_prob(test))
    print(
        f"names: gpt {-ours.sum() / sizes.sum():.4f} nats per character of {len(test)} new names, trained on "
        f"{len(train)}, {spent:.0f} s ({BARS['names']:g})",
        flush=True,
    )
    if "ngram" not in {entry.spec.name for entry in get_registry().models}:
        print("names: ngram is not installed")
        return
    found = {order: np.asarray(trained("ngram", train, work, order=order)[0].log_prob(test)) for order in ORDERS}
    best = max(found, key=lambda order: found[order].sum())
    for name, order in (("order 6", 6), ("best order", best)):
        gain, error = paired(ours - found[order], sizes)
        print(
            f"names: ngram of order {order} {-found[order].sum() / sizes.sum():.4f}; gpt is {gain:.4f} ± {error:.4f} "
            f"better ({BARS[name]:.2f}, {name})",
            flush=True,
        )


def paired(differences: Array, sizes: Array) -> tuple[float, float]:
    """Return the difference per character of differences per name, with its standard error, a ratio's."""
    gain = float(differences.sum() / sizes.sum())
    rest = differences - gain * sizes
    return gain, float(rest.std() * math.sqrt(len(rest)) / sizes.sum())


def measure_step(text: str, work: Work) -> None:
    data = listed(windows(text, 4096, work.seed))
    # The plain loop reads bytes, so both networks have as many symbols.
    settings = layer({**work.options, "tokens": "bytes", "device": "cpu", "split": NO_SPLIT})
    config = resolve_config(get_registry(), "gpt", settings)
    setup = build_setup(config, data)
    budget = Budget(10**9, None)
    trainer = Trainer(setup.engine, setup.loader, budget, seed=0, losses=LossBuffer(torch.device("cpu"), LOSS_BLOCK))
    sides: dict[str, Callable[[], object]] = {"genzoo": trainer.train_step, "plain": plain_step(setup)}
    times = alternated(sides, work.rounds)
    mine, other = (statistics.median(times[name]) for name in ("genzoo", "plain"))
    print(f"step: genzoo {1e3 * mine:.1f} ms, plain {1e3 * other:.1f} ms: {other / mine:.3f} times ({BARS['step']})")


def plain_step(setup: TrainingSetup) -> Callable[[], object]:
    """Return a step of a plain loop of the same network, with genzoo's optimizer and precision."""
    config, training, data = setup.config, setup.config.training, setup.dataset
    assert isinstance(training, GradientTraining)
    runtime = resolve_runtime("cpu", config.precision)
    torch.manual_seed(0)
    seen = setup.transform.spec_after(data.spec)
    generator = build_model(get_registry().models.get("gpt"), config.options, seen).generator.train()
    assert isinstance(generator, GPT)
    settings, codes = training.optimizer, setup.transform(torch.from_numpy(data.events[:])).long()
    matrices = hidden_matrices(generator)
    dtype = torch.bfloat16 if runtime.precision == "bf16" else None
    optimizer = Muon(generator.parameters(), matrices, settings.lr, settings.betas, fused=True, dtype=dtype)

    def step() -> None:
        batch = codes[torch.randint(len(codes), (training.batch_size,))]
        with runtime.autocast():
            loss = -generator.log_prob(batch).mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def alternated(sides: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Return CPU seconds of functions that are called in turn, without the first fifth of the rounds."""
    times: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, call in sides.items():
            begun = time.process_time()
            call()
            times[name].append(time.process_time() - begun)
    return {name: found[rounds // 5 :] for name, found in times.items()}


def measure_sampling(text: str, work: Work) -> None:
    longest, n = (32, 2) if work.short else (256, 16)
    data = listed([text[:longest]] * 4)
    config = resolve_config(get_registry(), "gpt", layer({**work.options, "device": "cpu"}))
    generator = build_model(get_registry().models.get("gpt"), config.options, data.spec).generator.eval()
    assert isinstance(generator, GPT)
    none = torch.empty(n, 0, dtype=torch.int64)

    def cached() -> None:
        list(islice(generator.generate(none), longest))

    def uncached() -> None:
        codes = torch.full((n, 1), data.spec.end or 0)
        for _ in range(longest):
            hidden = generator.network(codes)[:, -1]
            codes = torch.cat([codes, genzoo.draw_symbols(generator.network.logits(hidden))[:, None]], dim=1)

    with torch.no_grad():
        times = alternated({"cached": cached, "uncached": uncached}, 1)
    quick, slow = (times[name][0] for name in ("cached", "uncached"))
    print(
        f"sampling: {n} texts of {longest} characters in {quick:.2f} s, uncached {slow:.2f} s: "
        f"{slow / quick:.1f} times as fast ({BARS['sampling']:g})",
        flush=True,
    )


def text_of(folder: Path, short: bool) -> str | None:
    if short:
        return "".join(pydoc_data.topics.topics.values()).encode("ascii", "ignore").decode()[:20_000]
    path = folder / "tinyshakespeare.txt"
    return path.read_text("utf-8") if path.is_file() else None


def names_of(folder: Path, short: bool) -> list[str] | None:
    if short:
        return sorted(pydoc_data.topics.topics)
    path = folder / "names.txt"
    return path.read_text("utf-8").split() if path.is_file() else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", help=f"some of {', '.join(PARTS)}; all by default")
    parser.add_argument("--folder", type=Path, default=Path("../shared/data"))
    parser.add_argument("--seconds", type=float, default=150.0, help="CPU seconds of each training on Shakespeare")
    parser.add_argument("--epochs", type=float, default=4.0, help="passes over the names")
    parser.add_argument("--rounds", type=int, default=40, help="of timed steps")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--short", action="store_true")
    parser.add_argument("-o", dest="options", action="append", default=[], metavar="KEY=VALUE")
    given = parser.parse_args()
    torch.set_num_threads(1)
    work = Work(given.seconds, given.epochs, given.rounds, given.seed, parse_assignments(given.options), given.short)
    if given.short:
        work = Work(0.5, 1, 2, given.seed, {"layers": 1, "width": 16, **work.options}, True)
    text, names = text_of(given.folder, given.short), names_of(given.folder, given.short)
    for part in given.parts or PARTS:
        if part == "names":
            found: Any = names
        else:
            found = text
        if found is None:
            print(f"{part}: its file is not in {given.folder}")
        elif part == "names":
            measure_names(found, work)
        else:
            {"shakespeare": measure_shakespeare, "step": measure_step, "sampling": measure_sampling}[part](found, work)


if __name__ == "__main__":
    main()
