"""Several processes that train one model, each with its part of every batch; or one process, for which nothing changes.

Each process holds the whole model and takes the same steps. Gradients are averaged between backward and step, sums over
events are added up, batch normalisation is over all events of a batch, and what only one process decides (how long a
step took, what validation rows say) is told to all. So they end with the same weights, which is checked.
"""

from __future__ import annotations

import contextlib
import json
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import timedelta
from typing import Any, TypeVar

import torch
from torch import Tensor, distributed, nn
from torch.distributed.distributed_c10d import Store
from torch.distributed.rendezvous import rendezvous

from genzoo import errors
from genzoo.engine.sharded_noise import SlicedNoise
from genzoo.engine.sync_batchnorm import convert_batchnorm
from genzoo.errors import ConfigError, GenzooError, Interrupted, LostProcessError
from genzoo.runtime.device import widest
from genzoo.runtime.launch import process_count
from genzoo.runtime.seeding import derive, random_scope

ResultT = TypeVar("ResultT")


_LONGEST_WAIT = timedelta(minutes=30)
"""How long a process waits for the others, who may wait for the first one to evaluate or to save."""


_LONGEST_START = timedelta(minutes=5)
"""How long it waits for them at the start."""


_BUCKET = 2**22
"""Numbers that are sent together."""


class Processes(ABC):
    """The processes that train one model, seen from one of them.

    Attributes:
        rank: of this one, from 0.
        count: how many there are.
    """

    rank: int
    count: int

    @property
    def first(self) -> bool:
        """Whether this is the one that keeps the records."""
        return self.rank == 0

    @abstractmethod
    def device(self, name: str) -> str:
        """The device that this process takes where `name` is asked for."""

    @abstractmethod
    def scope(self, seed: int, step: int, events: int | None) -> contextlib.AbstractContextManager[None]:
        """The random scope of a step, in which this process computes `events` at a time."""

    @abstractmethod
    def synchronize(self, module: nn.Module) -> None:
        """Make a module's batch normalisation one over all processes."""

    @abstractmethod
    def average_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """Put the mean over all processes in the place of each gradient."""

    @abstractmethod
    def means(self, losses: dict[str, Tensor]) -> dict[str, Tensor]:
        """Means over all processes of losses `()`."""

    @abstractmethod
    def sums(self, statistics: dict[str, Tensor]) -> dict[str, Tensor]:
        """Sums over all processes of tensors that have the same names and shapes in each."""

    @abstractmethod
    def clock(self, seconds: float) -> float:
        """The `seconds` of the first process."""

    @abstractmethod
    def largest(self, number: int) -> int:
        """The largest of every process's number, at least 0."""

    @abstractmethod
    def of_first(self, work: Callable[[], ResultT]) -> ResultT:
        """What `work` returns in the first process, which alone does it: plain values for JSON, or its error."""

    @abstractmethod
    def agreed(self, work: Callable[[], ResultT]) -> ResultT:
        """What `work` returns here, once it has succeeded in all processes; else the error of one that failed."""

    @abstractmethod
    def gather(self, value: Any) -> list[Any]:
        """The `value` of every process, by rank; plain values for JSON."""


class SingleProcess(Processes):
    """One process."""

    rank = 0
    count = 1

    def device(self, name: str) -> str:
        return name

    def scope(self, seed: int, step: int, events: int | None) -> contextlib.AbstractContextManager[None]:
        return random_scope(seed, "step", step)

    def synchronize(self, module: nn.Module) -> None:
        pass

    def average_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        pass

    def means(self, losses: dict[str, Tensor]) -> dict[str, Tensor]:
        return losses

    def sums(self, statistics: dict[str, Tensor]) -> dict[str, Tensor]:
        return statistics

    def clock(self, seconds: float) -> float:
        return seconds

    def largest(self, number: int) -> int:
        return number

    def of_first(self, work: Callable[[], ResultT]) -> ResultT:
        return work()

    def agreed(self, work: Callable[[], ResultT]) -> ResultT:
        return work()

    def gather(self, value: Any) -> list[Any]:
        return [value]


SINGLE_PROCESS = SingleProcess()


class ProcessGroup(Processes):
    """Processes that torch's process group connects: gloo for tensors on the host, NCCL for those on CUDA.

    Arguments:
        rank, count: as the group has them.
        store: of keys and values, where one that fails leaves word; `None` for none.
    """

    def __init__(self, rank: int, count: int, store: Store | None = None) -> None:
        self.rank = rank
        self.count = count
        self._store = store

    def __deepcopy__(self, memo: dict[int, Any]) -> ProcessGroup:
        """Itself: a copy of a module belongs to the same processes."""
        return self

    def device(self, name: str) -> str:
        if name == "cuda" or (name == "auto" and torch.cuda.is_available()):
            return f"cuda:{os.environ.get('LOCAL_RANK', self.rank)}"
        if name not in ("auto", "cpu"):
            raise ConfigError(
                f"Device {name!r} was asked for, and {self.count} processes cannot share it. Use --device cuda, of "
                f"which each takes its own, or --device cpu."
            )
        return "cpu"

    @contextlib.contextmanager
    def scope(self, seed: int, step: int, events: int | None) -> Iterator[None]:
        with contextlib.ExitStack() as entered:
            entered.enter_context(random_scope(seed, "step", step, self.rank))
            if events is not None:
                entered.enter_context(SlicedNoise(derive(seed, "step", step), self.rank, self.count, events))
            yield

    def synchronize(self, module: nn.Module) -> None:
        convert_batchnorm(module, self)

    def add(self, x: Tensor) -> Tensor:
        """Put the sum over all processes in the place of `x`; returns it."""
        with self._together():
            distributed.all_reduce(x)
        return x

    def average_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        for bucket in _buckets(parameters):
            # Behind the gradients, who has one at all: a parameter without stays so, unless another process has one.
            known = [parameter.grad is not None for parameter in bucket]
            parts = [torch.zeros_like(p) if p.grad is None else p.grad for p in bucket]
            sizes = [part.numel() for part in parts]
            flat = self.add(torch.cat([*(part.reshape(-1) for part in parts), parts[0].new_tensor(known)]))
            *found, told = torch.split(flat, [*sizes, len(bucket)])
            anywhere = known if all(known) else (told > 0).tolist()
            for parameter, part, mean, given in zip(bucket, parts, found, anywhere, strict=True):
                parameter.grad = part.copy_(mean.view_as(part) / self.count) if given else None

    def means(self, losses: dict[str, Tensor]) -> dict[str, Tensor]:
        values = [value.detach() for value in losses.values()]
        total = self.add(torch.stack([value.to(widest(value.device)) for value in values]))
        return dict(zip(losses, (total / self.count).unbind(), strict=True))

    def sums(self, statistics: dict[str, Tensor]) -> dict[str, Tensor]:
        names = sorted(statistics)
        flat = self.add(torch.cat([statistics[name].reshape(-1) for name in names]))
        found = zip(names, torch.split(flat, [statistics[name].numel() for name in names]), strict=True)
        return {name: part.view_as(statistics[name]) for name, part in found}

    def clock(self, seconds: float) -> float:
        return self.add(torch.tensor(seconds if self.first else 0.0, dtype=torch.float64)).item()

    def largest(self, number: int) -> int:
        found = torch.zeros(self.count, dtype=torch.int64)
        found[self.rank] = number
        return int(self.add(found).max())

    def of_first(self, work: Callable[[], ResultT]) -> ResultT:
        told: dict[str, Any] = {}
        if self.first:
            try:
                told = {"value": work()}
            except GenzooError as error:
                self.gather({"error": _told(error)})
                raise
        found = self.gather(told)[0]
        if "error" in found:
            raise _error(found["error"])
        value: ResultT = found["value"]
        return value

    def agreed(self, work: Callable[[], ResultT]) -> ResultT:
        try:
            result = work()
        except GenzooError as error:
            self.gather(_told(error))
            raise
        for told in self.gather(None):
            if told is not None:
                raise _error(told)
        return result

    def gather(self, value: Any) -> list[Any]:
        text = torch.frombuffer(bytearray(json.dumps(value).encode()), dtype=torch.uint8)
        sizes = torch.zeros(self.count, dtype=torch.int64)
        sizes[self.rank] = len(text)
        rows = torch.zeros(self.count, int(self.add(sizes).max()), dtype=torch.uint8)
        rows[self.rank, : len(text)] = text
        found = zip(self.add(rows), sizes.tolist(), strict=True)
        return [json.loads(bytes(row[:size].tolist())) for row, size in found]

    def leave_word(self, error: BaseException) -> None:
        """Tell the others why this process ends, for when they find it gone."""
        if self._store is not None and not isinstance(error, LostProcessError):
            with contextlib.suppress(RuntimeError):
                text = str(error) if isinstance(error, GenzooError) else f"{type(error).__name__}: {error}"
                self._store.set(_WORD, f"Rank {self.rank} ended: {text}")

    @contextlib.contextmanager
    def _together(self) -> Iterator[None]:
        """Whatever needs the other processes.

        Raises:
            LostProcessError: one of them is gone, or does not answer.
        """
        try:
            yield
        except RuntimeError as error:
            raise LostProcessError(
                f"Rank {self.rank} of {self.count} processes lost another one. {self._word()}"
            ) from error

    def _word(self) -> str:
        """What a process that failed has left to say."""
        with contextlib.suppress(RuntimeError):
            if self._store is not None and self._store.check([_WORD]):
                return str(self._store.get(_WORD), "utf-8")
        return "It was killed, or cannot be reached."


_WORD = "genzoo/word"


def _buckets(parameters: Iterable[nn.Parameter]) -> Iterator[list[nn.Parameter]]:
    """Parameters in order, cut where one is of another type or the numbers become too many."""
    bucket: list[nn.Parameter] = []
    size = 0
    for parameter in parameters:
        if bucket and (size + parameter.numel() > _BUCKET or parameter.dtype != bucket[0].dtype):
            yield bucket
            bucket, size = [], 0
        bucket.append(parameter)
        size += parameter.numel()
    if bucket:
        yield bucket


def _told(error: GenzooError) -> list[str]:
    return [type(error).__name__, str(error)]


def _error(told: Sequence[str]) -> GenzooError:
    """The error that another process told of."""
    name, message = told
    cls = getattr(errors, name, GenzooError)
    return GenzooError(message) if cls is Interrupted else cls(message)


@contextlib.contextmanager
def join_processes() -> Iterator[Processes]:
    """This process among those that were launched with it; alone where none was.

    Raises:
        LostProcessError: the others cannot be reached.
    """
    if process_count() == 1:
        yield SINGLE_PROCESS
        return
    if distributed.is_initialized():  # by whoever calls
        yield ProcessGroup(distributed.get_rank(), distributed.get_world_size())
        return
    processes = _join()
    try:
        yield processes
    except BaseException as error:
        processes.leave_word(error)
        raise
    distributed.destroy_process_group()  # only now: where another is gone, it might wait for that


def _join() -> ProcessGroup:
    cuda = torch.cuda.is_available() and distributed.is_nccl_available()
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", 0)) % torch.cuda.device_count())
    try:
        store, rank, count = next(iter(rendezvous("env://", timeout=_LONGEST_START)))
        distributed.init_process_group(
            "cpu:gloo,cuda:nccl" if cuda else "gloo", store=store, rank=rank, world_size=count, timeout=_LONGEST_WAIT
        )
    except (RuntimeError, ValueError) as error:
        raise LostProcessError(
            f"{process_count()} processes were launched, as WORLD_SIZE says, and did not find each other at "
            f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}. Launch them with torchrun; to train in one "
            f"process, unset WORLD_SIZE."
        ) from error
    return ProcessGroup(rank, count, store)
