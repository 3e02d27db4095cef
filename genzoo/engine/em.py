"""Expectation-maximization: passes over all events, restarts, and when to stop."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from genzoo.config.settings import EMTraining
from genzoo.engine.distributed import SINGLE_PROCESS, Processes
from genzoo.engine.signals import Abandoned, Signals, StopCheck
from genzoo.errors import DivergenceError
from genzoo.models.base import Generator, Model
from genzoo.models.objective import Batch, EMObjective
from genzoo.models.state_dict import load_tensors, strip_prefix
from genzoo.runtime.seeding import random_scope

_ROUNDING = 32
"""Units in the last place, of the type computed in, by which rounding may lower the mean log-likelihood."""


LOSS = "negative_log_likelihood"
"""The name of an EM step's loss: mean over events, nats, under the parameters that the pass began with."""


class EMEngine:
    """EM of one model under one objective; a step is a pass over all events.

    A restart has converged when the mean log-likelihood changes by less than the tolerance from one pass to the
    next, and by no more than in the pass before: near a saddle, where EM may start, changes are small and grow. It has,
    too, when the likelihood falls by what rounding may be: EM never lowers it, so nothing more is to be gained in this
    precision. The restart that ends highest is kept, among those that end at a proper maximum where there is one.

    Arguments:
        model: on the device, of the type to compute in.
        objective: statistics and their maximisation.
        training: its settings.
        seed: names the random scope of each restart.
        warm: whether the first restart goes on from the parameters that the model has.
        processes: those that train together.
        events: all training events, by which each process begins, where a pass has only its share of them.
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
        signals: Signals | None = None,
    ) -> None:
        self.model = model.eval().requires_grad_(False)
        self.objective = objective
        self._training = training
        self._seed = seed
        self._warm = warm
        self._processes = processes
        self._events = events
        self._pass = 0
        self._last = -math.inf
        self._change = 0.0
        self._kept: dict[str, Tensor] = {}
        self._signals = signals or Signals(processes)
        types = [value.dtype for value in model.state_dict().values() if value.is_floating_point()]
        self._unit = max((torch.finfo(dtype).eps for dtype in types), default=0.0)
        self.ended: list[dict[str, Any]] = []
        """Of each restart that has ended: its log-likelihood per event, its passes, whether it converged, and what
        the objective reports."""

    @property
    def finished(self) -> bool:
        """Whether every restart has ended."""
        return len(self.ended) == self._training.n_init

    @property
    def converged(self) -> bool:
        """Whether the restart that is kept has converged."""
        return self.kept is not None and bool(self.kept["converged"])

    @property
    def kept(self) -> dict[str, Any] | None:
        """Of the restarts that have ended, the one that is kept."""
        return max(self.ended, key=_merit, default=None)

    @property
    def trained(self) -> Generator:
        """The generator as it stands; once finished or concluded, that of the best restart."""
        return self.model.generator

    @torch.no_grad()
    def conclude(self) -> None:
        """End where the budget did: the restart in progress has not converged, and the best one is kept."""
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
        self.objective.maximize(self.model, total)
        self._pass += 1
        change = abs(mean - self._last)
        converged = change < self._training.tol and change <= self._change
        converged |= mean < self._last and change <= _ROUNDING * self._unit * max(1.0, abs(mean))
        self._last, self._change = mean, change if self._pass > 1 else 0.0
        if converged or self._pass >= self._training.max_iter:
            self._end(converged)
        return {LOSS: torch.tensor(-mean, dtype=torch.float64)}

    def _statistics(self, blocks: Iterable[Batch]) -> dict[str, Tensor]:
        """Those of all blocks; of several processes none goes on to the next sum where another does not."""
        stopped = False
        total: dict[str, Tensor] = {}
        try:
            if self._pass == 0:
                self._begin(StopCheck(blocks if self._events is None else self._events, self._signals))
            self.objective.prepare_pass(self.model)
            for batch in StopCheck(blocks, self._signals):
                for name, value in self.objective.statistics(self.model, batch).items():
                    total[name] = total[name] + value if name in total else value
        except Abandoned:
            stopped = True
        if self._processes.largest(stopped):
            raise Abandoned
        return total

    def _begin(self, blocks: Iterable[Batch]) -> None:
        """The start of a restart, by all training events."""
        if self._warm and not self.ended:
            self.objective.adapt(self.model, blocks)
            return
        with random_scope(self._seed, "initialise", len(self.ended)):
            self.objective.initialize(self.model, blocks)

    def _end(self, converged: bool) -> None:
        fault = self.objective.fault(self.model)
        ended = {"log_likelihood": self._last, "passes": self._pass, "converged": converged, "fault": fault}
        self.ended.append({**ended, **self.objective.report(self.model)})
        if self.kept is self.ended[-1]:
            self._kept = {name: value.clone() for name, value in self.model.state_dict().items()}
        self._pass, self._last, self._change = 0, -math.inf, 0.0
        if self.finished:
            load_tensors(self.model, self._kept)

    def tensors(self) -> dict[str, Tensor]:
        """All tensors that an exact resume needs."""
        found = {f"model.{name}": value for name, value in self.model.state_dict().items()}
        return found | {f"kept.{name}": value for name, value in self._kept.items()}

    def numbers(self) -> dict[str, Any]:
        """All other state that an exact resume needs."""
        last = None if self._pass == 0 else self._last
        return {
            "pass": self._pass,
            "last": last,
            "change": self._change,
            "ended": [dict(restart) for restart in self.ended],
        }

    def restore(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
        """Take up what `tensors` and `numbers` gave.

        Raises:
            ArtifactError: they are those of another model.
        """
        load_tensors(self.model, strip_prefix(tensors, "model."))
        self._kept = strip_prefix(tensors, "kept.")
        self._pass = int(numbers["pass"])
        self._last = -math.inf if numbers["last"] is None else float(numbers["last"])
        self._change = float(numbers["change"])
        self.ended = [dict(restart) for restart in numbers["ended"]]


def _merit(restart: Mapping[str, Any]) -> tuple[bool, float]:
    """What orders restarts, the better one last."""
    return restart["fault"] is None, restart["log_likelihood"]
