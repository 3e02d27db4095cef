"""Run several processes of one training, with the functions that they run."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import torch
import toy_plugin
from forked import command, end, start
from torch import nn

import genzoo
from genzoo.config.resolve import layer, resolve_config
from genzoo.config.training import GradientTraining
from genzoo.engine import distributed, heartbeat
from genzoo.engine.distributed import Processes, join_processes
from genzoo.engine.gradient import GradientEngine
from genzoo.engine.sync_batchnorm import convert_batchnorm
from genzoo.errors import GenzooError
from genzoo.plugins.manager import get_registry
from genzoo.runtime.device import Runtime
from genzoo.training.api import start_run
from genzoo.training.run_training import run_training
from genzoo.training.setup import build_setup
from genzoo_mixture.em import MixtureEM
from genzoo_mixture.points import ExaminedBlocks

FOLDER = "GENZOO_TEST_FOLDER"


@dataclass(frozen=True)
class Ended:
    """The results of all processes by rank, as in `forked.Ended`."""

    codes: list[int | None]
    out: list[str]
    err: list[str]
    told: list[object]


def together(folder: Path, count: int, work: Callable[..., object], *given: object) -> Ended:
    """Run `work(*given)` in `count` processes, and wait for them."""
    port = free_port()
    places = [folder / str(rank) for rank in range(count)]
    started = [start(places[rank], _one, rank, count, port, str(folder), work, given) for rank in range(count)]
    ended = [end(place, process) for place, process in zip(places, started, strict=True)]
    return Ended(*([getattr(found, name) for found in ended] for name in ("code", "out", "err", "told")))


def free_port() -> int:
    """Return a free port, below the range that the system uses for outgoing connections."""
    while True:
        port = secrets.choice(range(20_000, 32_000))
        with socket.socket() as tried, contextlib.suppress(OSError):
            tried.bind(("127.0.0.1", port))
            return port


def _one(
    rank: int, count: int, port: int, folder: str, work: Callable[..., object], given: tuple[object, ...]
) -> object:
    named = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": count, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    os.environ.update({name: str(value) for name, value in named.items()}, **{FOLDER: folder})
    Path(folder, f"{rank}.pid").write_text(str(os.getpid()), encoding="utf-8")
    return work(*given)


def train(model: str, asked: dict[str, object], out: str, change: str | None = None) -> object:
    """Train; return a digest of this process's tensors, or the error.

    Arguments:
        change: when to change the last rank's weights behind the engine's back: `"start"` or `"end"`. Defaults to
        never.
    """
    config = resolve_config(get_registry(), model, layer(asked))
    try:
        with join_processes() as processes:
            prepared = processes.agreed(lambda: build_setup(config, processes=processes))
            generator = prepared.engine.model.generator
            if change and processes.rank == processes.count - 1:
                _touch(generator) if change == "start" else _touch_later(prepared.engine)
            run_training(prepared, start_run(prepared, Path(out)))
    except GenzooError as error:
        return [type(error).__name__, str(error)]
    tensors = prepared.engine.tensors()
    return hashlib.sha256(b"".join(tensors[name].numpy().tobytes() for name in sorted(tensors))).hexdigest()


@torch.no_grad()
def _touch(generator: nn.Module) -> None:
    next(generator.parameters()).add_(1e-3)


def _touch_later(engine: GradientEngine) -> None:
    update = engine.update

    def touching(*given: object) -> object:
        losses = update(*given)
        _touch(engine.model.generator)
        return losses

    engine.update = touching


def kill(victim: int, number: int, after: int, words: list[str]) -> int:
    """Run a command line; after a given step, the first process sends a signal to the process `victim`."""
    from genzoo.training import callbacks

    write = callbacks.MetricsLogger.on_update

    def watched(log: callbacks.MetricsLogger, step: object) -> None:
        write(log, step)
        if step.number == after:
            os.kill(int(Path(os.environ[FOLDER], f"{victim}.pid").read_text(encoding="utf-8")), number)

    callbacks.MetricsLogger.on_update = watched
    return command(*words)


def restarted(words: list[str]) -> int:
    """Run a command line as torchrun does after a process has failed."""
    os.environ["TORCHELASTIC_RESTART_COUNT"] = "1"
    return command(*words)


def streamed(many_rows: int, words: list[str]) -> object:
    """Run a command line that reads every Parquet file by row groups.

    Arguments:
        many_rows: rows above which their numbers are kept as bits.

    Returns:
        The exit code, and how many row groups were read.
    """
    from genzoo.data import dataset, row_groups
    from genzoo.data.readers.arrow import parquet

    parquet.LARGE, dataset.LARGE_ROWS, row_groups.KEPT = 1, many_rows, 1
    events, reads = row_groups.RowGroupEvents, []
    read = events.__getitem__

    def counted(self: object, rows: object) -> object:
        reads.append(rows)
        return read(self, rows)

    events.__getitem__ = counted
    return [command(*words), len(reads)]


def perish(words: list[str]) -> int:
    """Run a command line; all processes are killed before the first checkpoint."""
    from genzoo.training import callbacks

    callbacks.CheckpointSaver.on_start = lambda _: os.kill(os.getpid(), signal.SIGKILL)
    return command(*words)


def freeze(victim: int, after: int, words: list[str], busy: float = 0.0, stuck: int | None = None) -> int:
    """Run a command line; after a given step, the process `victim` is stopped, or busy for some seconds.

    A process counts as frozen after two seconds here. Another process kills the stopped one at the end.

    Arguments:
        stuck: rank of a process that does not come back from its next step. Defaults to none.
    """
    from genzoo.training import trainer

    heartbeat._GRACE = 1.0
    heartbeat._EVERY, heartbeat._LIMIT, distributed._LOOK = 0.2, 2.0, timedelta(seconds=0.2)
    rank, take = int(os.environ["RANK"]), trainer.Trainer.train_step

    def stopping(self: trainer.Trainer) -> object:
        if rank == victim and self._number == after:
            time.sleep(busy)
            if not busy:
                os.kill(os.getpid(), signal.SIGSTOP)
        if rank == stuck and self._number == after:
            time.sleep(600)
        return take(self)

    trainer.Trainer.train_step = stopping
    code = command(*words)
    if not busy:
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(Path(os.environ[FOLDER], f"{victim}.pid").read_text(encoding="utf-8")), signal.SIGKILL)
    return code


def leave(victim: int, after: int, words: list[str], *, start: bool = False) -> int:
    """Run a command line; one process gets SIGTERM during a pass, after a number of blocks.

    Each process writes how many blocks it processed.

    Arguments:
        start: whether the pass is the first of the start of EM. Defaults to false.
    """
    rank, went = int(os.environ["RANK"]), Path(os.environ[FOLDER], f"{os.environ['RANK']}.blocks")
    owner, name = (ExaminedBlocks, "_look") if start else (MixtureEM, "statistics")
    compute, count = getattr(owner, name), 0

    def counted(*given: object) -> object:
        nonlocal count
        count += 1
        went.write_text(str(count), encoding="utf-8")
        if rank == victim and count == after:
            os.kill(os.getpid(), signal.SIGTERM)
        return compute(*given)

    setattr(owner, name, counted)
    return command(*words)


def fail(words: list[str]) -> int:
    """Run a command line; the second process alone raises an error at the third step."""
    if os.environ["RANK"] == "1":
        losses = toy_plugin.NegativeLogLikelihood.losses

        def failing(self, model, batch, progress):
            if progress.step == 3:
                raise KeyError("only here")
            return losses(self, model, batch, progress)

        toy_plugin.NegativeLogLikelihood.losses = failing
    return command(*words)


def unlike(words: list[str]) -> int:
    """Run a command line with different data in each process."""
    words = [word.format(rank=os.environ["RANK"]) for word in words]
    return command(*words)


def to_normalize(kind: str) -> tuple[nn.Module, torch.Tensor]:
    """Return a batch normalization layer, and events for it."""
    torch.manual_seed(0)
    layer = {
        "1d": lambda: nn.BatchNorm1d(3),
        "2d": lambda: nn.BatchNorm2d(3, eps=0.1, momentum=0.3),
        "cumulative": lambda: nn.BatchNorm2d(3, momentum=None),
        "bare": lambda: nn.BatchNorm2d(3, affine=False, track_running_stats=False),
    }[kind]().double()
    if layer.affine:
        with torch.no_grad():
            layer.weight.add_(torch.rand(3))
            layer.bias.add_(torch.rand(3))
    if kind == "1d":
        return layer, torch.randn(7, 3, dtype=torch.float64) * 2 + 1e3
    events = torch.randn(7, 3, 4, 2, dtype=torch.float64) + 3.0
    return layer, events.contiguous(memory_format=torch.channels_last)


def normalize(kind: str, shares: list[int]) -> object:
    """Run a synchronized layer forward and backward on this process's events; return all numbers as lists."""
    layer, events = to_normalize(kind)
    with join_processes() as processes:
        module = nn.Sequential(layer)
        convert_batchnorm(module, processes)
        x = events.split(shares)[processes.rank].clone().requires_grad_()
        y = module(x)
        loss = (y.square() * y).sum()
        (slope,) = torch.autograd.grad(loss, x, create_graph=True)
        loss.backward(retain_graph=True)
        if parameters := list(module.parameters()):
            processes.add_gradients(processes.gradients(parameters), loss)
        (second,) = torch.autograd.grad(slope.square().sum(), x)
        found = {name: value.tolist() for name, value in module.state_dict().items()}
        gradients = {name: value.grad.tolist() for name, value in module.named_parameters()}
        module.eval()
        return {
            "type": type(module[0]).__name__,
            "y": y.tolist(),
            "slope": slope.tolist(),
            "second": second.tolist(),
            "state": found,
            "gradients": gradients,
            "evaluated": module(x).tolist(),
        }


class _Sparse(genzoo.GradientObjective):
    """A discriminator that only some processes use, and a loss that overflows fp16 in one process at step 2."""

    def __init__(self, processes: Processes) -> None:
        self._rank = processes.rank

    def losses(self, model, batch, progress):
        factor = 1e38 if self._rank and progress.step == 2 else 1.0
        yield {"generator": model.generator.mean.sum() * factor}
        discriminator = model.discriminator
        yield {"discriminator": discriminator.used.sum() + (discriminator.sometimes.sum() if self._rank else 0.0)}


class _Idle(genzoo.Discriminator):
    def __init__(self) -> None:
        super().__init__()
        self.used = nn.Parameter(torch.zeros(3))
        self.sometimes = nn.Parameter(torch.zeros(2))
        self.never = nn.Parameter(torch.ones(2))

    def forward(self, x):
        return x.flatten(1).sum(1)


def step_in_fp16() -> object:
    """Run three steps in fp16; return scales and parameters after each."""
    told = []
    with join_processes() as processes:
        model = genzoo.Model(genzoo.Parts(toy_plugin.ToyGaussian((2,), 0.0), _Idle()))
        settings = GradientTraining(steps=3, batch_size=4, optimizer={"name": "adam", "lr": 0.5, "weight_decay": 0.1})
        cpu = torch.device("cpu")
        engine = GradientEngine(model, _Sparse(processes), settings, Runtime(cpu, "fp16"), processes)
        batch = genzoo.Batch(torch.zeros(2, 2))
        for step in range(1, 4):
            losses = engine.update(batch, step, 0.0)
            scale = engine.numbers()["scalers"]["generator"]["scale"]
            parameters = {name: value.tolist() for name, value in model.named_parameters()}
            told.append({"scale": scale, "losses": {k: v.item() for k, v in losses.items()}, **parameters})
    return told


def compiled(words: list[object]) -> object:
    """Train with stages that a backend takes as they are; return its exit code and how many graphs the backend got."""
    graphs = []

    def backend(graph: torch.fx.GraphModule, inputs: list[torch.Tensor]) -> Callable[..., object]:
        graphs.append(graph)
        return graph

    compiler = torch.compile
    torch.compile = lambda *given, mode=None, **options: compiler(*given, backend=backend, **options)  # type: ignore[assignment, misc]
    code = command(*words)
    return {"code": code, "graphs": len(graphs)}


def talk() -> object:
    """Exchange messages between processes; return what this process received."""
    with join_processes() as processes:
        own = processes.gather({"rank": processes.rank, "text": "é" * processes.rank})
        first = processes.of_first(lambda: [processes.rank, float("inf"), 0.1])
        clock = processes.clock(10.0 + processes.rank)
        some = processes.largest(15 if processes.rank else 0)
        return {"own": own, "first": first, "clock": clock, "any": some}


def disagree() -> object:
    """Return the error that every process gets if the second one fails to prepare."""

    def work(rank: int) -> None:
        if rank:
            raise genzoo.DataError("gone from here")

    with join_processes() as processes:
        try:
            processes.agreed(lambda: work(processes.rank))
        except GenzooError as error:
            return [type(error).__name__, str(error), error.exit_code]
    return None


def stop_early(after: int, out: str) -> object:
    """Train with a callback that stops after a step; return how many steps the run took."""

    class Stop(genzoo.Callback):
        def on_step(self, step: genzoo.Step) -> None:
            self.stop = step.number == after

    settings = {"steps": 9, "batch_size": 16}
    run = genzoo.train("toy", "iris", out=out, precision="fp32", training=settings, callbacks=[Stop()])
    return [run.record["steps"]]
