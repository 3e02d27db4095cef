"""Time the contenders of a row in turn."""

from __future__ import annotations

import contextlib
import gc
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch

from gpu_rows.limits import Launches, Limits, count_launches, shares
from gpu_rows.row import Contender, Place, Row

ROUNDS = 7


@dataclass(frozen=True, slots=True)
class Timing:
    """What was measured of one contender.

    Arguments:
        step: median seconds of a step.
        start: seconds to build it, to compile it, and for its first steps.
        peak: most bytes of GPU memory, with its own copy of the data; `None` on a CPU.
    """

    step: float
    start: float
    peak: int | None


@dataclass(slots=True)
class Result:
    """What was measured of one row.

    Arguments:
        timings: by contender: genzoo, eager, compiled.
        failures: why a contender has no timing, in one line.
        ratios: how many times as fast as a plain loop genzoo is: median over rounds, by contender.
        shares: share of each limit, by limit; empty if they are not known.
        notes: why something else was not measured.
        launches: of a step of genzoo.
        repeats: whether two runs of genzoo from one seed ended with the same bits; `None` if that was not checked.
        seconds: of the whole row.
    """

    timings: dict[str, Timing] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    ratios: dict[str, float] = field(default_factory=dict)
    shares: dict[str, float] = field(default_factory=dict)
    launches: Launches | None = None
    repeats: bool | None = None
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0


@dataclass(slots=True)
class _Warm:
    """A contender after its first steps."""

    contender: Contender
    start: float
    peak: int | None
    seconds: list[float] = field(default_factory=list)


def measure(row: Row, place: Place, limits: Limits, deadline: float) -> Result:
    """Measure a row: warm up every contender, check that genzoo's bits repeat, then time all of them in turn.

    A contender that fails is left out, and the others go on.

    Arguments:
        limits: of the device, in the row's precision.
        deadline: value of `time.monotonic` after which no new round begins.
    """
    began, result = time.monotonic(), Result()
    torch.compiler.reset()
    try:
        data = row.data(place)
    except Exception as error:
        result.failures["genzoo"] = reason(error)
        return result
    builders: dict[str, Callable[[], Contender]] = {
        "genzoo": lambda: row.genzoo(place, data),
        "eager": lambda: row.plain(place, data, compiled=False),
    }
    if row.compiles:
        builders["compiled"] = lambda: row.plain(place, data, compiled=True)
    running: dict[str, _Warm] = {}
    for name, build in builders.items():
        with _noting(name, result, running):
            running[name] = _warm_up(build, row, place)
            if name == "genzoo":
                result.repeats = _repeats(build, running[name].contender, row, place)
    _time(row, place, running, result, deadline)
    for name, warm in running.items():
        result.timings[name] = Timing(statistics.median(warm.seconds), warm.start, warm.peak)
    if "genzoo" in running and not row.on_host:
        _compare_with_limits(row, place, data, running, limits, result)
    running.clear()
    free(place)
    result.seconds = time.monotonic() - began
    return result


@contextlib.contextmanager
def _noting(name: str, result: Result, running: dict[str, _Warm]) -> Iterator[None]:
    """Note why a contender failed, and leave it out from there on."""
    try:
        yield
    except Exception as error:
        running.pop(name, None)
        result.failures[name] = reason(error)
        gc.collect()


def reason(error: Exception) -> str:
    """Return the kind of an error and the first line of its message, at most 160 characters."""
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0]}".removesuffix(": ")[:160]


def free(place: Place) -> None:
    """Give back memory that nothing uses anymore."""
    torch.compiler.reset()
    gc.collect()
    if place.on_gpu:
        torch.cuda.empty_cache()


def _warm_up_steps(row: Row, place: Place) -> int:
    return min(2, row.warm_up) if place.short else row.warm_up


def _warm_up(build: Callable[[], Contender], row: Row, place: Place) -> _Warm:
    before = 0
    if place.on_gpu:
        place.synchronize()
        torch.cuda.reset_peak_memory_stats(place.device)
        before = torch.cuda.memory_allocated(place.device)
    began = time.perf_counter()
    contender = build()
    contender.advance(_warm_up_steps(row, place))
    place.synchronize()
    start = time.perf_counter() - began
    peak = torch.cuda.max_memory_allocated(place.device) - before if place.on_gpu else None
    return _Warm(contender, start, peak)


def _repeats(build: Callable[[], Contender], first: Contender, row: Row, place: Place) -> bool:
    """Check whether a second run of the first steps ends with the same bits."""
    one = {name: tensor.detach().cpu().clone() for name, tensor in first.state().items()}
    again = build()
    again.advance(_warm_up_steps(row, place))
    other = again.state()
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name].detach().cpu()) for name in one)


def _time(row: Row, place: Place, running: dict[str, _Warm], result: Result, deadline: float) -> None:
    """Time rounds; every contender takes some steps in each of them."""
    wanted = 0.05 if place.short else 0.5
    counts: dict[str, int] = {}
    for name in list(running):
        with _noting(name, result, running):
            one = _timed(running[name].contender, 1, place)
            counts[name] = max(1, min(row.most_steps, round(wanted / one)))
    for number in range(2 if place.short else ROUNDS):
        if number and time.monotonic() > deadline:
            break
        for name in list(running):
            with _noting(name, result, running):
                running[name].seconds.append(_timed(running[name].contender, counts[name], place) / counts[name])
    if "genzoo" in running:
        own = running["genzoo"].seconds
        for name, warm in running.items():
            if name != "genzoo":
                pairs = zip(warm.seconds, own, strict=True)
                result.ratios[name] = statistics.median(plain / genzoo for plain, genzoo in pairs)


def _timed(contender: Contender, steps: int, place: Place) -> float:
    place.synchronize()
    began = time.perf_counter()
    contender.advance(steps)
    place.synchronize()
    return time.perf_counter() - began


def _compare_with_limits(
    row: Row, place: Place, data: object, running: dict[str, _Warm], limits: Limits, result: Result
) -> None:
    """Count the work of a step, and find the shares of the limits."""
    if place.on_gpu:
        try:
            result.launches = count_launches(running["genzoo"].contender.advance)
        except Exception as error:
            result.notes.append(f"launches: {reason(error)}")
    if "eager" not in running:
        return
    try:
        work = row.work(place, data, running["eager"].contender)
    except Exception as error:
        result.notes.append(f"limits: {reason(error)}")
    else:
        result.shares = shares(work, limits, result.launches, result.timings["genzoo"].step)
