"""Train one model in several processes, each with its share of every batch; or in one process.

Each process holds the whole model and takes the same steps. Gradients are averaged after the backward pass, sums over
events are added up, and batch normalization uses all events of a batch. Decisions of one process, such as the elapsed
time or the validation loss, are sent to all. So all processes end with the same weights, which is checked.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Any, TypeVar

import torch
from torch import Tensor, distributed, nn
from torch.distributed.distributed_c10d import PrefixStore, Store
from torch.distributed.rendezvous import rendezvous

from genzoo import errors
from genzoo.engine.heartbeat import Heartbeat, connect
from genzoo.engine.sharing.gradients import GradientMessage, in_messages
from genzoo.engine.sharing.noise import SlicedNoise
from genzoo.engine.sync_batchnorm import convert_batchnorm
from genzoo.errors import ConfigError, GenzooError, Interrupted, LostProcessError, pass_out_of_memory
from genzoo.runtime.dividing import dividing
from genzoo.runtime.launch import process_count, restarts
from genzoo.runtime.seeding import derive, random_scope
from genzoo.wording import argument

ResultT = TypeVar("ResultT")


_LONGEST_WAIT = timedelta(minutes=30)
"""How long a process waits for the others; they may all wait while the first one evaluates or saves."""


_LONGEST_START = timedelta(minutes=5)
"""How long a process waits for the others at the start."""


_LOOK = timedelta(seconds=2)
"""How often a process that waits for the others looks whether one of them is frozen."""


_WATCHED = (signal.SIGINT, signal.SIGTERM)
"""The signals that travel along with gradients."""


class Processes(ABC):
    """The processes that train one model, seen from one of them.

    Attributes:
        rank: rank of this process, from 0.
        count: number of processes.
    """

    rank: int
    count: int

    @property
    def first(self) -> bool:
        """True for the process that writes the run's files."""
        return self.rank == 0

    @abstractmethod
    def device(self, name: str) -> str:
        """Return the device of this process for the device `name` that the user chose."""

    @abstractmethod
    def scope(self, seed: int, step: int, events: int | None) -> contextlib.AbstractContextManager[None]:
        """Return the random scope of a step in which this process computes `events` at a time."""

    @property
    def noise(self) -> contextlib.AbstractContextManager[Any]:
        """A context for the model's draws in a step: `torch.randn` and `torch.rand` give this process's slice.

        Every call of torch in it takes longer, so enter it for the model only. Within a step, draws go on from one
        context to the next.
        """
        return contextlib.nullcontext()

    @abstractmethod
    def synchronize(self, module: nn.Module) -> None:
        """Make a module's batch normalization use the events of all processes."""

    def gradients(self, parameters: Sequence[nn.Parameter]) -> list[GradientMessage]:
        """Return the messages in which gradients of these parameters travel; none from a single process.

        Arguments:
            parameters: at least one.
        """
        return []

    def add_gradients(self, messages: Sequence[GradientMessage], loss: Tensor) -> Tensor:
        """Replace each gradient by its sum over all processes. Return the mean of a loss, which travels with them.

        If each process divides its loss by their number before the backward pass, the sums are the gradients of the
        mean loss.

        Arguments:
            messages: from `gradients`.
            loss: `()`, not divided.
        """
        return loss

    def watch(self, received: Callable[[], int | None]) -> None:  # noqa: B027
        """Send the signal that this process has received along with gradients.

        Arguments:
            received: returns its number, or `None`.
        """

    def heard(self) -> int | None:
        """Return the signal of any process that came along with gradients since the last call, or 0.

        Returns `None` if no gradients were sent since then, or if reading them would wait for a GPU. All processes get
        the same answer.
        """
        return None

    @abstractmethod
    def sums(self, statistics: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the sums of tensors over all processes; names and shapes must be the same in each."""

    @abstractmethod
    def clock(self, seconds: float) -> float:
        """Return the `seconds` of the first process."""

    @abstractmethod
    def largest(self, number: int) -> int:
        """Return the largest `number` of all processes; all must be at least 0."""

    @abstractmethod
    def of_first(self, work: Callable[[], ResultT]) -> ResultT:
        """Run `work` in the first process only, and return its result, plain values for JSON, in all processes.

        Raises:
            GenzooError: `work` raised it; all processes raise the same error.
        """

    @abstractmethod
    def agreed(self, work: Callable[[], ResultT]) -> ResultT:
        """Run `work` in all processes, and return its result here once it has succeeded in all.

        Raises:
            GenzooError: `work` raised it in one of the processes; all of them raise.
        """

    @abstractmethod
    def gather(self, value: Any) -> list[Any]:
        """Return the `value` of every process, by rank; plain values for JSON."""

    def divided(self, work: Callable[[int, int], ResultT]) -> list[ResultT]:
        """Call `work` with the rank in each process and their number, and return the results of all, by rank.

        Arguments:
            work: returns plain values for JSON.

        Raises:
            GenzooError: `work` raised it in one of the processes; all of them raise.
        """
        return self.gather(self.agreed(lambda: work(self.rank, self.count)))


class SingleProcess(Processes):
    """Training in one process, which needs no communication."""

    rank = 0
    count = 1

    def device(self, name: str) -> str:
        return name

    def scope(self, seed: int, step: int, events: int | None) -> contextlib.AbstractContextManager[None]:
        return random_scope(seed, "step", step)

    def synchronize(self, module: nn.Module) -> None:
        pass

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
    """Processes connected by torch's process group: gloo for tensors on the host, NCCL for tensors on CUDA.

    Arguments:
        rank, count: rank and size of the group.
        store: key-value store in which a failing process leaves its error. Defaults to `None`.
        heartbeat: finds frozen processes. Defaults to `None`: a frozen process is noticed after half an hour.
    """

    def __init__(self, rank: int, count: int, store: Store | None = None, heartbeat: Heartbeat | None = None) -> None:
        self.rank = rank
        self.count = count
        self._store = store
        self._heartbeat = heartbeat
        self._noise: SlicedNoise | None = None
        self._received: Callable[[], int | None] = lambda: None
        self._heard: int | None = None

    def __deepcopy__(self, memo: dict[int, Any]) -> ProcessGroup:
        """Return the same object: a copied module belongs to the same processes."""
        return self

    def device(self, name: str) -> str:
        if name == "cuda" or (name == "auto" and torch.cuda.is_available()):
            return f"cuda:{os.environ.get('LOCAL_RANK', self.rank)}"
        if name not in ("auto", "cpu"):
            raise ConfigError(
                f"{self.count} processes cannot share device {name!r}. Use {argument('device', 'cuda')}, which "
                f"gives each process its "
                f"own GPU, or {argument('device', 'cpu')}."
            )
        return "cpu"

    @contextlib.contextmanager
    def scope(self, seed: int, step: int, events: int | None) -> Iterator[None]:
        sliced = None if events is None else SlicedNoise(derive(seed, "step", step), self.rank, self.count, events)
        with random_scope(seed, "step", step, self.rank):
            self._noise = sliced
            try:
                yield
            finally:
                self._noise = None

    @property
    def noise(self) -> contextlib.AbstractContextManager[Any]:
        return contextlib.nullcontext() if self._noise is None else self._noise

    def synchronize(self, module: nn.Module) -> None:
        convert_batchnorm(module, self)

    def add(self, x: Tensor) -> Tensor:
        """Replace `x` by its sum over all processes, and return it."""
        with self._together():
            work = distributed.all_reduce(x, async_op=True)
            assert work is not None
            if self._heartbeat is None or x.is_cuda:
                work.wait()  # on a GPU, only the device waits
            else:
                while not self._completed(work, self._heartbeat):
                    pass
        return x

    def _completed(self, work: distributed.Work, heartbeat: Heartbeat) -> bool:
        """Wait for communication. Return false after a while, to be called again.

        Raises:
            LostProcessError: a process is frozen.
        """
        try:
            work.wait(_LOOK)
        except RuntimeError:
            if work.is_completed():
                raise
            if heartbeat.frozen is not None:
                raise LostProcessError(self._lost(heartbeat.frozen)) from None
            return False
        return True

    def gradients(self, parameters: Sequence[nn.Parameter]) -> list[GradientMessage]:
        return in_messages(parameters, len(_WATCHED))

    def add_gradients(self, messages: Sequence[GradientMessage], loss: Tensor) -> Tensor:
        received = None if loss.is_cuda else self._received()
        for message in messages:
            self.add(message.fill(loss, [received == number for number in _WATCHED]))
            message.give_out()
        if not loss.is_cuda:
            here = [int(number) for number, sent in zip(_WATCHED, messages[-1].extra(), strict=True) if sent > 0]
            self._heard = max(self._heard or 0, *here, 0)
        return messages[-1].mean_loss(self.count)

    def watch(self, received: Callable[[], int | None]) -> None:
        self._received = received

    def heard(self) -> int | None:
        heard, self._heard = self._heard, None
        return heard

    def sums(self, statistics: dict[str, Tensor]) -> dict[str, Tensor]:
        names = sorted(statistics)  # the same order in all processes
        flat = self.add(torch.cat([statistics[name].reshape(-1) for name in names]))
        parts = zip(names, torch.split(flat, [statistics[name].numel() for name in names]), strict=True)
        return {name: part.view_as(statistics[name]) for name, part in parts}

    # The following methods build all communication from sums, the one operation that `add` guards against lost
    # processes: each process fills its own place and leaves zeros in the others.

    def clock(self, seconds: float) -> float:
        return self.add(torch.tensor(seconds if self.first else 0.0, dtype=torch.float64)).item()

    def largest(self, number: int) -> int:
        numbers = torch.zeros(self.count, dtype=torch.int64)
        numbers[self.rank] = number
        return int(self.add(numbers).max())

    def of_first(self, work: Callable[[], ResultT]) -> ResultT:
        message: dict[str, Any] = {}
        if self.first:
            try:
                with dividing(None):
                    message = {"value": work()}
            except GenzooError as error:
                self.gather({"error": _as_message(error)})
                raise
        message = self.gather(message)[0]
        if "error" in message:
            raise _as_error(message["error"])
        value: ResultT = message["value"]
        return value

    def agreed(self, work: Callable[[], ResultT]) -> ResultT:
        try:
            result = work()
        except GenzooError as error:
            self.gather(_as_message(error))
            raise
        for message in self.gather(None):
            if message is not None:
                raise _as_error(message)
        return result

    def gather(self, value: Any) -> list[Any]:
        text = torch.frombuffer(bytearray(json.dumps(value).encode()), dtype=torch.uint8)
        sizes = torch.zeros(self.count, dtype=torch.int64)
        sizes[self.rank] = len(text)
        rows = torch.zeros(self.count, int(self.add(sizes).max()), dtype=torch.uint8)
        rows[self.rank, : len(text)] = text
        texts = zip(self.add(rows), sizes.tolist(), strict=True)
        return [json.loads(row[:size].numpy().tobytes()) for row, size in texts]

    def leave_word(self, error: BaseException) -> None:
        """Store why this process ends, so that the others can report it when they lose this process."""
        if self._store is not None and not isinstance(error, LostProcessError):
            with contextlib.suppress(RuntimeError):
                text = str(error) if isinstance(error, GenzooError) else f"{type(error).__name__}: {error}"
                self._store.set(_WORD, f"Rank {self.rank} ended: {text}")

    @contextlib.contextmanager
    def _together(self) -> Iterator[None]:
        """Run communication with the other processes.

        Raises:
            LostProcessError: one of them is gone, or does not answer.
        """
        try:
            yield
        except RuntimeError as error:
            pass_out_of_memory(error)
            raise LostProcessError(self._lost(self._word())) from error

    def _lost(self, why: str) -> str:
        return f"Rank {self.rank} of {self.count} processes lost another one. {why}"

    def _word(self) -> str:
        """Return the reason that a failed process has stored, or that one is frozen."""
        if self._heartbeat is not None and self._heartbeat.found is not None:
            return self._heartbeat.found
        with contextlib.suppress(RuntimeError):
            if self._store is not None and self._store.check([_WORD]):
                return str(self._store.get(_WORD), "utf-8")
        return "It was killed, or cannot be reached."


_WORD = "genzoo/word"


def _as_message(error: GenzooError) -> list[str]:
    return [type(error).__name__, str(error)]


def _as_error(message: Sequence[str]) -> GenzooError:
    """Return the error from another process's message."""
    name, text = message
    cls = getattr(errors, name, GenzooError)
    return GenzooError(text) if cls is Interrupted else cls(text)


@contextlib.contextmanager
def join_processes() -> Iterator[Processes]:
    """Join the processes that were launched together; yields a single process if there are no others.

    Raises:
        LostProcessError: the others cannot be reached.
    """
    if process_count() == 1:
        yield SINGLE_PROCESS
        return
    if distributed.is_initialized():  # by the caller, who also destroys the group
        group = ProcessGroup(distributed.get_rank(), distributed.get_world_size())
        with dividing(group.divided):
            yield group
        return
    store, rank, count = _join()
    beats = _of_this_start(connect(os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])))
    heartbeat = Heartbeat(beats, rank, count)
    processes = ProcessGroup(rank, count, store, heartbeat)
    try:
        with heartbeat.beating(), dividing(processes.divided):
            yield processes
    except BaseException as error:
        processes.leave_word(error)
        raise
    distributed.destroy_process_group()  # not after an error: it might wait for a lost process


def _join() -> tuple[Store, int, int]:
    """Join torch's process group; return its store, and the rank and number of processes."""
    cuda = torch.cuda.is_available() and distributed.is_nccl_available()
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", 0)) % torch.cuda.device_count())
    try:
        found, rank, count = next(iter(rendezvous("env://", timeout=_LONGEST_START)))
        store = _of_this_start(found)
        distributed.init_process_group(
            "cpu:gloo,cuda:nccl" if cuda else "gloo", store=store, rank=rank, world_size=count, timeout=_LONGEST_WAIT
        )
    except (RuntimeError, ValueError) as error:
        raise LostProcessError(
            f"{process_count()} processes were launched, as WORLD_SIZE says, and did not find each other at "
            f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}. Launch them with torchrun; to train in one "
            f"process, unset WORLD_SIZE."
        ) from error
    return store, rank, count


def _of_this_start(store: Store) -> Store:
    """Return a store without what processes wrote before torchrun restarted them, such as addresses nobody answers."""
    return PrefixStore(f"genzoo/start-{restarts()}", store)
