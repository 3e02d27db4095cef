"""Choose the settings of one trial after another, and remember what came of them, in a study of Optuna."""

from __future__ import annotations

import itertools
import json
import math
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from genzoo.comparison.fits.job import FitResult
from genzoo.errors import ArtifactError, GenzooError
from genzoo.metrics.metric import Direction
from genzoo.runtime.seeding import derive
from genzoo.tuning.result import TuningTrial
from genzoo.tuning.space import Space
from genzoo.tuning.study import distribution_of, open_study, optuna_library, quiet, state_of

if TYPE_CHECKING:
    from optuna import Trial
    from optuna.trial import FrozenTrial

_STARTUP = 5
"""Trials that must have reached an evaluation before others are pruned there: `n_min_trials` of Optuna's pruner."""

_DRAWS = 1_000
"""How often to draw settings at random, if Optuna suggests some that were tried, until giving up."""

_ABOUT = "genzoo"
"""Name of the attribute of a trial in Optuna that says what became of it."""


class _Running(NamedTuple):
    """A trial of Optuna that goes on, its number in the search and its settings."""

    trial: Trial
    number: int
    settings: dict[str, Any]


class SettingSearch:
    """Asks Optuna's TPE sampler for settings, and reports what they are worth.

    With one trial at a time, the same seed tries the same settings, also if the search is interrupted and goes on: the
    sampler of each trial has a seed of its own. Settings that were tried are not tried again. The first trial has the
    model's default settings, if the search reaches them. See "Algorithms for Hyper-Parameter Optimization" (Bergstra
    et al., 2011).

    Arguments:
        space: the settings to search.
        defaults: what to draw for the default settings; `None` if the search does not reach them.
        trials: number of trials, earlier calls included.
        seed: seed of the search.
        direction: whether higher or lower values are better.
        file: Optuna's journal, which keeps the trials. Defaults to `None`: they are not kept.

    Raises:
        MissingExtraError: Optuna is not installed.
        ArtifactError: the journal is damaged.
        GenzooError: the journal cannot be written.
    """

    def __init__(
        self,
        space: Space,
        defaults: Mapping[str, Any] | None,
        *,
        trials: int,
        seed: int,
        direction: Direction,
        file: Path | None = None,
    ) -> None:
        self._space, self._trials, self._seed = space, trials, seed
        self._sign = -1.0 if direction == "higher" else 1.0
        self._lock = threading.Lock()  # with several jobs, fits are asked for in a thread of their own
        self._running: dict[int, _Running] = {}
        self._distributions = {axis.name: distribution_of(axis) for axis in space.axes}
        with quiet():
            self._study = open_study(file, direction)
            self._abandon_interrupted()
            waiting = self._study.get_trials(deepcopy=False, states=(state_of("WAITING"),))
            ended = self._ended(file)
            if defaults is not None and not ended and not waiting:
                self._study.enqueue_trial(dict(defaults))

    @property
    def trials(self) -> tuple[TuningTrial, ...]:
        """The trials that have ended, by their number."""
        return self._ended()

    def _ended(self, file: Path | None = None) -> tuple[TuningTrial, ...]:
        """Return the trials that have ended, by their number.

        Raises:
            ArtifactError: the record of one is damaged; the error names `file`.
        """
        kept = [trial for trial in self._study.get_trials(deepcopy=False) if trial.user_attrs.get(_ABOUT) is not None]
        try:
            found = [_trial_of(trial) for trial in kept if _status_of(trial) is not None]
            return tuple(sorted(found, key=lambda trial: trial.number))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ArtifactError(
                f"{file} is damaged: a trial lacks {error}. Delete its folder, and search again."
            ) from error

    def ask(self) -> tuple[int, dict[str, Any]] | None:
        """Return the number and the settings of the next trial; `None` if there is none."""
        with self._lock, quiet():
            done = [trial for trial in self._study.get_trials(deepcopy=False) if _status_of(trial) is not None]
            if len(done) + len(self._running) >= self._trials:
                return None
            taken = {_about(trial)["number"] for trial in done} | {one.number for one in self._running.values()}
            begun = next(one for one in itertools.count() if one + 1 not in taken)
            tried = {_key(_about(trial)["settings"]) for trial in done}
            tried |= {_key(one.settings) for one in self._running.values()}
            seed = derive(self._seed, "trial", begun)
            trial, settings = self._drawn(seed % 2**32)
            if _key(settings) in tried:
                self._study.tell(trial, state=state_of("FAIL"))  # without a status, so that it does not count
                fresh = self._untried(tried, np.random.default_rng(seed))
                if fresh is None:
                    return None
                self._study.enqueue_trial(fresh)
                trial, settings = self._drawn(seed % 2**32)
            self._running[trial.number] = _Running(trial, begun + 1, settings)
            return trial.number, settings

    def bars(self) -> tuple[float, ...]:
        """Return the loss that a training must have reached at each evaluation: the median of trials that ended."""
        if not self._space.compares_losses:
            return ()
        with self._lock:
            complete = [t for t in self._study.get_trials(deepcopy=False) if _status_of(t) == "complete"]
        known = [_about(trial)["losses"] for trial in complete]
        longest = max(map(len, known), default=0)
        there = ([each[n] for each in known if n < len(each)] for n in range(longest))
        return tuple(float(np.median(losses)) for losses in there if len(losses) >= _STARTUP)  # later ones have fewer

    def tell(self, number: int, result: FitResult) -> TuningTrial:
        """Keep what came of a trial, and return it.

        Raises:
            GenzooError: the disk is full or read-only.
        """
        with self._lock, quiet():
            trial, own, settings = self._running.pop(number)
            about, value = self._judged(own, settings, result)
            try:
                for place, loss in enumerate(about["losses"], 1):  # Optuna ranks pruned trials by their last report
                    if math.isfinite(loss):
                        trial.report(self._sign * loss, place)
                trial.set_user_attr(_ABOUT, about)
                state = {"complete": "COMPLETE", "pruned": "PRUNED", "failed": "FAIL"}[about["status"]]
                self._study.tell(trial, value if state == "COMPLETE" else None, state=state_of(state))
            except OSError as error:
                raise GenzooError(f"The trials of the search cannot be written: {error.strerror}.") from error
        return _as_trial(about)

    def fail(self, number: int, error: GenzooError) -> TuningTrial:
        """Keep that a trial could not begin, and return it."""
        with self._lock, quiet():
            trial, own, settings = self._running.pop(number)
            about = _record(settings, "failed", number=own, reason=str(error), exit_code=error.exit_code)
            trial.set_user_attr(_ABOUT, about)
            self._study.tell(trial, state=state_of("FAIL"))
        return _as_trial(about)

    def _judged(self, number: int, settings: dict[str, Any], result: FitResult) -> tuple[dict[str, Any], float | None]:
        """Return what is kept of a trial, and its value."""
        found, common = result.judgment, dict[str, Any](number=number, seconds=result.seconds)
        if result.failure is not None or found is None:
            failure = result.failure or "it was not judged"
            return _record(settings, "failed", reason=failure, exit_code=result.exit_code, **common), None
        common["losses"] = list(found.losses)
        if found.pruned:
            about = f"at evaluation {len(found.losses)}, its best loss was above the median of earlier trials"
            return _record(settings, "pruned", reason=about, **common), None
        measures: set[str] = {
            _about(t)["measure"] for t in self._study.get_trials(deepcopy=False) if _status_of(t) == "complete"
        }
        reason = found.reason
        if found.value is not None and not math.isfinite(found.value):
            reason = f"its value is {found.value}"
        elif result.measure is not None and measures and result.measure not in measures:
            reason = f"its likelihood is a {result.measure}, and the likelihoods before are a {min(measures)}"
        if reason is not None:
            return _record(settings, "failed", reason=reason, exit_code=1, **common), None
        judged = _record(
            settings,
            "complete",
            value=found.value,
            error=found.error,
            measure=result.measure,
            kind=result.kind,
            **common,
        )
        return judged, found.value

    def _drawn(self, seed: int) -> tuple[Trial, dict[str, Any]]:
        """Return a new trial of Optuna, and its settings."""
        self._study.sampler = optuna_library().samplers.TPESampler(seed=seed, constant_liar=True)
        trial = self._study.ask(self._distributions)
        return trial, self._space.settings(trial.params)

    def _untried(self, tried: set[str], rng: np.random.Generator) -> dict[str, Any] | None:
        """Draw settings at random that were not tried; `None` if there are none."""
        if self._space.count <= len(tried):
            return None
        for _ in range(_DRAWS):
            drawn = {axis.name: axis.draw(rng) for axis in self._space.axes}
            if _key(self._space.settings(drawn)) not in tried:
                return drawn
        return None

    def _abandon_interrupted(self) -> None:
        """Mark trials that a killed process left; they have no status, so their settings may be tried again."""
        for trial in self._study.get_trials(deepcopy=False, states=(state_of("RUNNING"),)):
            self._study.tell(trial.number, state=state_of("FAIL"))


def _record(settings: Mapping[str, Any], status: str, **found: Any) -> dict[str, Any]:
    """Return what is kept of a trial."""
    empty = dict.fromkeys(("value", "error", "measure", "kind", "reason", "seconds"))
    return {**empty, "losses": [], "exit_code": 0, **found, "settings": dict(settings), "status": status}


def _about(trial: FrozenTrial) -> dict[str, Any]:
    found: dict[str, Any] = trial.user_attrs[_ABOUT]
    return found


def _status_of(trial: FrozenTrial) -> str | None:
    """Return what became of a trial; `None` if it goes on, was interrupted, or repeated another one."""
    ended = trial.state.is_finished() and _ABOUT in trial.user_attrs
    return str(_about(trial)["status"]) if ended else None


def _trial_of(trial: FrozenTrial) -> TuningTrial:
    return _as_trial(_about(trial))


def _as_trial(about: Mapping[str, Any]) -> TuningTrial:
    names = ("number", "settings", "status", "value", "error", "reason", "seconds", "exit_code")
    return TuningTrial(**{name: about[name] for name in names})


def _key(settings: Mapping[str, Any]) -> str:
    return json.dumps(settings, sort_keys=True)
