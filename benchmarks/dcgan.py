"""Compare the speed of a training step of `dcgan` with a plain PyTorch loop of the same recipe.

The recipe is the tutorial's: batches of 256 images of 28×28, cross-entropy, both losses from one forward pass, Adam
with a learning rate of 1e-4. All contenders take turns in one process, a few steps each. Prints medians and ratios of
the time per step.

    plain            a plain loop: fp32, PyTorch's default memory layout and optimizer settings
    engine, default  the engine as `genzoo train dcgan -o preset=tutorial` runs it on this machine
    plain, equal     the plain loop with the engine's precision, memory layout and fused optimizers
    engine, as plain the engine with fp32 and PyTorch's default memory layout

    python benchmarks/dcgan.py [--rounds 20] [--steps 1] [--batch-size 256]
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

import genzoo
from genzoo.config.resolve import layer, resolve_config
from genzoo.config.training import GradientTraining
from genzoo.data.transforms import AffineTransform
from genzoo.engine.dataloader import ResidentLoader
from genzoo.engine.gradient import GradientEngine
from genzoo.engine.sampler import Sampler
from genzoo.engine.schedule import Budget
from genzoo.models.factory import build_model, build_objective
from genzoo.plugins.manager import get_registry
from genzoo.runtime.device import Runtime, resolve_runtime
from genzoo.training.trainer import Trainer

SHAPE = (1, 28, 28)
ROWS = 4096

Stepper = Callable[[int], None]


def events() -> np.ndarray[Any, Any]:
    return np.random.default_rng(0).integers(0, 256, (ROWS, *SHAPE), dtype=np.uint8)


def fresh_model() -> tuple[genzoo.Model, genzoo.GradientObjective, GradientTraining]:
    config = resolve_config(get_registry(), "dcgan", layer({"preset": "tutorial"}))
    entry = get_registry().models.get("dcgan")
    data = genzoo.DataSpec(SHAPE, "image", (genzoo.Feature("pixel"),), (0.0, 255.0), 1.0, "uint8")
    torch.manual_seed(0)
    model = genzoo.Model(build_model(entry, config.options, data))
    objective = build_objective(get_registry().objective_of(entry, config.objective.name), config.objective.options)
    assert isinstance(objective, genzoo.GradientObjective)
    return model, objective, config.training


def engine_steps(runtime: Runtime, batch_size: int, *, channels_last: bool) -> Stepper:
    """Return a function that runs steps of the engine, assembled as by `genzoo train`."""
    model, objective, training = fresh_model()
    training = training.model_copy(update={"batch_size": batch_size})
    model = model.to(runtime.device)
    if channels_last:
        model = model.to(memory_format=torch.channels_last)
    transform = AffineTransform(torch.tensor(127.5), torch.tensor(127.5)).to(runtime.device)
    engine = GradientEngine(model, objective, training, runtime)
    order = Sampler(np.arange(ROWS), batch_size, seed=0)
    feed = ResidentLoader(order, events(), transform, runtime, channels_last)
    trainer = Trainer(engine, feed, Budget(10**9, None), seed=0)

    def run(count: int) -> None:
        for _ in range(count):
            trainer.train_step()

    return run


def plain_steps(runtime: Runtime, batch_size: int, *, channels_last: bool, fused: bool) -> Stepper:
    """Return a function that runs steps of the plain loop, with no part of the engine."""
    model, _, _ = fresh_model()
    generator, discriminator = model.generator.train(), model.discriminator.train()
    if channels_last:
        generator, discriminator = (m.to(memory_format=torch.channels_last) for m in (generator, discriminator))
    assert isinstance(generator, genzoo.Decoder)
    assert isinstance(generator, nn.Module)
    data = torch.from_numpy(events()).float().sub(127.5).div(127.5)
    options = {"fused": True} if fused else {}
    optimizers = [torch.optim.Adam(m.parameters(), 1e-4, **options) for m in (generator, discriminator)]
    autocast = runtime.precision == "bf16"
    permutation, place = torch.randperm(ROWS), 0

    def step() -> None:
        nonlocal permutation, place
        if place + batch_size > ROWS:
            permutation, place = torch.randperm(ROWS), 0
        real = data[permutation[place : place + batch_size]]
        place += batch_size
        if channels_last:
            real = real.contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            samples = generator.decode(torch.randn(batch_size, 100))
            real_logits, sample_logits = discriminator(real), discriminator(samples)
            ones, zeros = torch.ones_like(real_logits), torch.zeros_like(real_logits)
            entropy = F.binary_cross_entropy_with_logits
            discriminator_loss = entropy(real_logits, ones) + entropy(sample_logits, zeros)
            generator_loss = entropy(sample_logits, ones)
        for optimizer in optimizers:
            optimizer.zero_grad(set_to_none=True)
        discriminator_loss.backward(inputs=list(discriminator.parameters()), retain_graph=True)
        generator_loss.backward(inputs=list(generator.parameters()))
        for optimizer in optimizers:
            optimizer.step()
        discriminator_loss.item()

    def run(count: int) -> None:
        for _ in range(count):
            step()

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--steps", type=int, default=1, help="steps of each contender in a round")
    parser.add_argument("--batch-size", type=int, default=256)
    arguments = parser.parse_args()
    runtime = resolve_runtime("cpu", "auto")
    exact = Runtime(runtime.device, "fp32")
    size = arguments.batch_size
    contenders = {
        # Contenders that are compared run next to each other, so that a change of the machine's speed affects both.
        "engine, as plain": engine_steps(exact, size, channels_last=False),
        "plain": plain_steps(exact, size, channels_last=False, fused=False),
        "engine, default": engine_steps(runtime, size, channels_last=True),
        "plain, equal": plain_steps(runtime, size, channels_last=True, fused=True),
    }
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for run in contenders.values():
        run(2)
    for _ in range(arguments.rounds):
        for name, run in contenders.items():
            begun = time.perf_counter()
            run(arguments.steps)
            seconds[name].append((time.perf_counter() - begun) / arguments.steps)
    print(
        f"{torch.get_num_threads()} threads, engine precision {runtime.precision}, batches of {size} images of {SHAPE}"
    )
    for name, values in seconds.items():
        least, middle, most = min(values), statistics.median(values), max(values)
        print(f"{name:18} {middle * 1e3:8.1f} ms per step (from {least * 1e3:.1f} to {most * 1e3:.1f})")
    for one, other, target in (
        ("plain", "engine, default", "1.6 if the CPU has AVX512-BF16"),
        ("plain, equal", "engine, default", "0.98"),
        ("plain", "engine, as plain", "0.98"),
    ):
        ratios = [a / b for a, b in zip(seconds[one], seconds[other], strict=True)]
        print(f"{other} is {statistics.median(ratios):.3f} times as fast as {one} (target: {target})")


if __name__ == "__main__":
    main()
