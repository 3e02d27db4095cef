"""Expectation-maximization (EM): passes over all events, restarts, and convergence.

References:
    "Maximum Likelihood from Incomplete Data via the EM Algorithm" (Dempster, Laird and Rubin, 1977).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from itertools import chain, islice
from typing import Any

import torch
from torch import Tensor

from genzoo.config.training import EMTraining
from genzoo.engine.distributed import SINGLE_PROCESS, Processes
from genzoo.engine.signals import Abandoned, Signals, StopCheck
from genzoo.errors import DivergenceError, PluginError
from genzoo.models.base import Generator, Model
from genzoo.models.objective import Batch, EMObjective
from genzoo.models.shared_blocks import SharedBlocks
from genzoo.models.state_dict import load_tensors, strip_prefix
from genzoo.plugins.registry import blame
from genzoo.runtime.cores import one_core, one_core_each
from genzoo.runtime.progress import Phase
from genzoo.runtime.seeding import random_scope

_ROUNDING = 32
"""Largest decrease of the mean log-likelihood that counts as rounding, in units of machine epsilon."""


_SETTLED = 10
"""EM may stop this many times `tol` below a maximum."""

_SAME = 1e-6
"""Largest difference of mean log-likelihoods, in nats, of ends at the same maximum."""

LOSS = "negative_log_likelihood"
"""Name of an EM step's loss: mean over events, nats, under the parameters at the start of the pass."""


class _TogetherAbandoned(Abandoned):
    """All processes have agreed to stop."""


class EMEngine:
    """EM of one model under one objective; a step is a pass over all events.

    A restart has converged if the mean log-likelihood changes by less than the tolerance from one pass to the next, and
    not by more than in the pass before. Near a saddle point, where EM may start, changes are small but grow. A restart
    has also converged if the mean log-likelihood decreases by no more than rounding error. The best restart is kept;
    restarts that end at a proper maximum are preferred.

    Arguments:
        model: the model, on the device and in the number type to compute in.
        objective: computes statistics and maximizes the likelihood.
        training: settings of the training.
        seed: seed of the random scopes of restarts.
        warm: whether the first restart continues from the model's parameters. Defaults to false.
        processes: the processes that train together. Defaults to a single one.
        events: all training events, for initialization, if a pass has only the share of this process. Defaults to
            `None`: the events of the pass.
        beside: number of training events in the shares of lower and of higher ranks. Defaults to (0, 0).
        signals: says whether SIGINT or SIGTERM has come, which cuts a pass short. Defaults to never.
    """

    def __init__(
        self,
        model: Model,
        objective: EMObjective,
        training: EMTraining,
        seed: int,
        *,
        warm: bool = False,
        processes: Processes = SINGLE_PROCESS,
        events: Iterable[Batch] | None = None,
        beside: tuple[int, int] = (0, 0),
        signals: Signals | None = None,
    ) -> None:
        self.model = model.eval().requires_grad_(False)
        self.objective = objective
        self._training = training
        self._seed = seed
        self._warm = warm
        self._processes = processes
        self._events = events
        self._beside = beside
        self._pass = 0
        self._last = -math.inf
        self._change = 0.0
        self._kept: dict[str, Tensor] = {}
        self._start: dict[str, Any] = {}
        self._signals = signals or Signals(processes)
        types = [value.dtype for value in model.state_dict().values() if value.is_floating_point()]
        self._unit = max((torch.finfo(dtype).eps for dtype in types), default=0.0)
        self.ended: list[dict[str, Any]] = []
        """Facts about each ended restart: log-likelihood per event, passes, convergence, the objective's report."""

    @property
    def n_init(self) -> int:
        """Number of restarts."""
        return self._training.n_init

    @property
    def finished(self) -> bool:
        """True if every restart has ended."""
        return len(self.ended) == self.n_init

    @property
    def converged(self) -> bool:
        """True if the best restart has converged."""
        return self.kept is not None and bool(self.kept["converged"])

    @property
    def kept(self) -> dict[str, Any] | None:
        """Facts about the best of the ended restarts; `None` if none has ended."""
        return max(self.ended, key=_merit, default=None)

    @property
    def starts(self) -> dict[str, int] | None:
        """How many starts were `tried`, and how many `agreed`: led to the maximum of the best restart.

        `None` if there was only one. A start that the objective gave up early counts as one that did not agree.
        """
        best = self.kept
        if best is None:
            return None
        within = max(_SETTLED * self._training.tol, _SAME)
        alike = [
            restart
            for restart in self.ended
            if (restart["fault"] is None) == (best["fault"] is None)
            and abs(best["log_likelihood"] - restart["log_likelihood"]) <= within
        ]
        tried = sum(restart.get("starts", 1) for restart in self.ended)
        return {"tried": tried, "agreed": sum(restart.get("agreed", 1) for restart in alike)} if tried > 1 else None

    @property
    def trained(self) -> Generator:
        """The current generator; after the last restart, or after `conclude`, the best one."""
        return self.model.generator

    @torch.no_grad()
    def conclude(self) -> None:
        """End training at the end of the budget: end the current restart as not converged, and load the best one."""
        if self._pass:
            self._end(converged=False)
        if self._kept:
            load_tensors(self.model, self._kept)

    @torch.no_grad()
    def update(self, blocks: Iterable[Batch], step: int, fraction: float) -> dict[str, Tensor]:
        """Take one pass. If a signal cuts it short, the engine is left as it was before the pass.

        Arguments:
            blocks: all training events, or the share of this process. They are iterated more than once.
            step: number of the pass, counted from 1 over all restarts.
            fraction: share of the budget spent before it, 0 to 1.

        Returns:
            The mean negative log-likelihood before the update, named `LOSS`.

        Raises:
            DivergenceError: the log-likelihood is not finite.
            Abandoned: SIGINT or SIGTERM came; with several processes, to any of them.
        """
        if not self._signals.handled:
            return self._pass_over(blocks, step)
        tensors = {name: value.clone() for name, value in self.tensors().items()}
        numbers = self.numbers()
        try:
            with self._signals.abandonable:
                return self._pass_over(blocks, step)
        except Abandoned:
            self.restore(tensors, numbers)
            raise

    def _pass_over(self, blocks: Iterable[Batch], step: int) -> dict[str, Tensor]:
        total = self._processes.sums(self._statistics(blocks))
        mean = float(total["log_likelihood"] / total["weight"])
        if not math.isfinite(mean):
            raise DivergenceError(f"EM diverged: the mean log-likelihood was {mean} in pass {step}.")
        with blame("The objective"), self._between_passes():
            self.objective.maximize(self.model, total)
        self._pass += 1
        change = abs(mean - self._last)
        converged = change < self._training.tol and change <= self._change
        # An exact EM pass never decreases the likelihood. So a tiny decrease is rounding error, and in this precision
        # there is nothing more to gain.
        converged |= mean < self._last and change <= _ROUNDING * self._unit * max(1.0, abs(mean))
        # The first pass has no change yet. Its 0 keeps the second pass from converging, unless nothing changes at all.
        self._last, self._change = mean, change if self._pass > 1 else 0.0
        if converged or self._pass >= self._training.max_iter:
            self._end(converged)
        return {LOSS: torch.tensor(-mean, dtype=torch.float64)}

    def _statistics(self, blocks: Iterable[Batch]) -> dict[str, Tensor]:
        """Return the statistics of all blocks.

        Raises:
            Abandoned: this process or another one should stop. All processes agree on this before the next sum, because
                a process that waits for a sum with a stopped one would wait forever.
        """
        stopped = False
        total: dict[str, Tensor] = {}
        try:
            if self._pass == 0:
                self._begin(blocks)
            total = self._sums(StopCheck(blocks, self._signals))
        except _TogetherAbandoned:
            raise
        except Abandoned:
            stopped = True
        self._go_on(stopped=stopped)
        return total

    def _go_on(self, *, stopped: bool) -> None:
        """Agree with the other processes before a sum.

        Arguments:
            stopped: whether this process should stop.

        Raises:
            Abandoned: this process or another one should stop.
        """
        if self._processes.largest(stopped):
            raise _TogetherAbandoned

    def _add(self, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the sums of tensors over all processes, during the start."""
        self._go_on(stopped=False)
        return self._processes.sums(tensors)

    @blame("The objective")
    def _sums(self, blocks: Iterable[Batch]) -> dict[str, Tensor]:
        total: dict[str, Tensor] = {}
        with Phase("passing over", unit="rows") as phase:
            with self._between_passes():
                self.objective.prepare_pass(self.model)
            for found in self._found_in(phase.over(blocks, len)):
                for name, value in found.items():
                    total[name] = total[name].add_(value) if name in total else value.clone()
        if lacking := {"log_likelihood", "weight"} - total.keys():
            raise PluginError(f"The objective's statistics lack {', '.join(sorted(lacking))}.")
        return total

    def _found_in(self, blocks: Iterable[Batch]) -> Iterator[dict[str, Tensor]]:
        """Yield the statistics of each block, in the order of the blocks.

        On a CPU, threads may compute a block each. Several cores then work on one small operation each, which costs
        less than to divide every small operation among them.
        """
        statistics, waiting = partial(self.objective.statistics, self.model), iter(blocks)
        at_once = self._at_once
        first = list(islice(waiting, 2)) if at_once > 1 else []
        found = chain(first, waiting)
        yield from map(statistics, found) if len(first) < 2 else one_core_each(statistics, found, at_once)

    def _between_passes(self) -> AbstractContextManager[object]:
        """Compute on one core if threads compute the blocks.

        After an operation on several cores, PyTorch's threads wait busily for the next one, on the cores that the
        blocks need.
        """
        return one_core() if self._at_once > 1 else nullcontext()

    @property
    def _at_once(self) -> int:
        """How many blocks threads compute at the same time."""
        on_cpu = all(value.is_cpu for value in self.model.state_dict().values())
        return min(self.objective.at_once(self.model), torch.get_num_threads()) if on_cpu else 1

    @torch.no_grad()
    def refine(self, blocks: Iterable[Batch]) -> float:
        """Take one more pass after training has ended, in a single process.

        Arguments:
            blocks: all training events.

        Returns:
            The log-likelihood of all events before it, in nats.
        """
        total = self._sums(blocks)
        self.objective.maximize(self.model, total)
        return float(total["log_likelihood"])

    @blame("The objective")
    def _begin(self, blocks: Iterable[Batch]) -> None:
        """Initialize a restart from all training events; `blocks` are the share of this process."""
        self._start = {}
        share = StopCheck(blocks, self._signals)
        blocks = SharedBlocks(
            share if self._events is None else StopCheck(self._events, self._signals),
            share,
            rank=self._processes.rank,
            count=self._processes.count,
            before=self._beside[0],
            after=self._beside[1],
            add=self._add,
        )
        if self._warm and not self.ended:
            self.objective.adapt(self.model, blocks)
            return
        with Phase("finding a start"), random_scope(self._seed, "initialise", len(self.ended)):
            self._start = dict(self.objective.initialize(self.model, blocks) or {})

    def _end(self, converged: bool) -> None:
        fault = self.objective.fault(self.model)
        ended = {"log_likelihood": self._last, "passes": self._pass, "converged": converged, "fault": fault}
        self.ended.append({**ended, **self.objective.report(self.model), **self._start})
        if self.kept is self.ended[-1]:
            self._kept = {name: value.clone() for name, value in self.model.state_dict().items()}
        self._pass, self._last, self._change = 0, -math.inf, 0.0
        if self.finished:
            load_tensors(self.model, self._kept)

    def tensors(self) -> dict[str, Tensor]:
        """Return all tensors that an exact resume needs."""
        tensors = {f"model.{name}": value for name, value in self.model.state_dict().items()}
        return tensors | {f"kept.{name}": value for name, value in self._kept.items()}

    def numbers(self) -> dict[str, Any]:
        """Return all other state that an exact resume needs."""
        last = None if self._pass == 0 else self._last
        return {
            "pass": self._pass,
            "last": last,
            "change": self._change,
            "start": dict(self._start),
            "ended": [dict(restart) for restart in self.ended],
        }

    def restore(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
        """Restore the state that `tensors` and `numbers` returned.

        Raises:
            ArtifactError: the state belongs to another model.
        """
        load_tensors(self.model, strip_prefix(tensors, "model."))
        self._kept = strip_prefix(tensors, "kept.")
        self._pass = int(numbers["pass"])
        self._last = -math.inf if numbers["last"] is None else float(numbers["last"])
        self._change = float(numbers["change"])
        self._start = dict(numbers.get("start", {}))  # checkpoints of earlier versions have none
        self.ended = [dict(restart) for restart in numbers["ended"]]


def _merit(restart: Mapping[str, Any]) -> tuple[bool, float]:
    """Return the sort key of restarts: larger is better."""
    return restart["fault"] is None, restart["log_likelihood"]
