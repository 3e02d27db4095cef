"""Run a search: try settings, then compare the best with the defaults on rows that the search never saw."""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from genzoo.comparison.api import as_fitted
from genzoo.comparison.candidate import Candidate
from genzoo.comparison.comparison import Comparison
from genzoo.comparison.fits.job import FitJob, TrialJudge
from genzoo.comparison.ranking import remedy
from genzoo.errors import GenzooError, explain_interruption
from genzoo.metrics.metric import Direction
from genzoo.plugins.manager import get_registry
from genzoo.reports.comparison_page import comparison_page
from genzoo.reports.formats import write_report
from genzoo.reports.html import write_page
from genzoo.reports.result import Report
from genzoo.runtime.progress import Phase
from genzoo.text import counted
from genzoo.tuning.folder import TuneFolder, TuneHeader
from genzoo.tuning.page import search_section
from genzoo.tuning.result import Tuning, TuningTrial, ranked
from genzoo.tuning.search import SettingSearch
from genzoo.tuning.space import Space

TrialCallback = Callable[[TuningTrial], None]
"""Called after every trial."""


@dataclass(frozen=True, slots=True)
class Tuner:
    """A checked search, ready to run.

    Arguments:
        space: the settings to search.
        comparison: compares candidates on the test rows; its candidate has the default settings.
        metric: metric that judges the trials; `None` for the mean log-likelihood.
        direction: whether higher or lower values are better.
        trials: number of trials.
        top: number of the best trials that are compared with the defaults.
        seed: seed of the search.
        folder: the folder that keeps it, and what its trials share; `None` if nothing is kept.
    """

    space: Space
    comparison: Comparison
    metric: str | None
    direction: Direction
    trials: int
    top: int
    seed: int
    folder: tuple[TuneFolder, TuneHeader] | None

    @property
    def by(self) -> str:
        """The figure that ranks the trials."""
        return self.metric or "log-likelihood"

    def run(self, callback: TrialCallback | None = None) -> Tuning:
        """Try settings, and compare the best with the defaults. A search that was kept goes on where it ended.

        Raises:
            Interrupted: the user interrupted it. Trials that have ended are kept.
            GenzooError: no trial could be judged, a worker process died, or the disk is full.
        """
        if self.folder is None:
            return self._run(None, callback)
        folder, header = self.folder
        with folder.locked(header):
            return self._run(folder, callback)

    def _run(self, folder: TuneFolder | None, callback: TrialCallback | None) -> Tuning:
        search = SettingSearch(
            self.space,
            self.space.defaults(get_registry()),
            trials=self.trials,
            seed=self.seed,
            direction=self.direction,
            file=None if folder is None else folder.trials,
        )
        with contextlib.nullcontext() if folder is None else explain_interruption(lambda: _kept(search, folder)):
            self._search(search, callback)
        trials = search.trials
        report, comparison = self._judged_again(trials)
        if comparison.kept is not None and folder is not None:
            write_report(comparison.kept.path, report)
            report = comparison.keep_best(report)
            page = comparison_page(comparison.kept.path)
            section = search_section(trials, self.space, self.by, self.direction)
            write_page(folder.page, dataclasses.replace(page, sections=(*page.sections, section)))
        given = {axis.name: axis.text for axis in self.space.axes}
        model = comparison.candidates[0].config.model
        place = None if folder is None else folder.path
        count = None if self.space.count == math.inf else int(self.space.count)
        return Tuning(model, self.by, self.direction, given, count, trials, report, place)

    def _search(self, search: SettingSearch, callback: TrialCallback | None) -> None:
        """Run trials until there are enough."""
        comparison = self.comparison
        total = min(self.trials - len(search.trials), self.space.count)
        unfit: list[TuningTrial] = []  # trials that could not begin
        with (
            Phase("trying settings", total, "trials", at_most=True) as phase,
            contextlib.closing(comparison.results(self._jobs(search, unfit), phase)) as results,
        ):

            def end(trial: TuningTrial) -> None:
                phase.advance()
                if callback is not None:
                    callback(trial)

            for result in results:
                end(search.tell(result.trial.candidate, result))
                while unfit:
                    end(unfit.pop(0))
            for trial in unfit:
                end(trial)

    def _jobs(self, search: SettingSearch, unfit: list[TuningTrial]) -> Iterator[FitJob]:
        """Yield a fit for each trial that Optuna suggests; trials that cannot begin go to `unfit`."""
        comparison = self.comparison
        while (asked := search.ask()) is not None:
            number, settings = asked
            try:
                wanted = self.space.candidate(get_registry(), settings)
            except GenzooError as error:  # values that do not go together
                unfit.append(search.fail(number, error))
                continue
            (candidate,) = as_fitted([wanted], comparison.dataset, comparison.settings)
            yield FitJob(
                number,
                candidate.config,
                "validation",
                features=comparison.features,
                name=candidate.id,
                target=comparison.target,
                judge=TrialJudge(self.metric, search.bars()),
            )

    def _judged_again(self, trials: tuple[TuningTrial, ...]) -> tuple[Report, Comparison]:
        """Compare the best trials with the defaults on the test rows."""
        best = ranked(trials, self.direction)[: self.top]
        if not best:
            raise _nothing_judged(trials)
        winners = [self.space.candidate(get_registry(), trial.settings) for trial in best]
        fitted = as_fitted(winners, self.comparison.dataset, self.comparison.settings)
        comparison = dataclasses.replace(self.comparison, candidates=_once([*self.comparison.candidates, *fitted]))
        found = comparison.run()
        conflict = None if found.conflict is None else found.conflict.removesuffix(remedy()) + remedy("metric")
        notes = (*self._about(trials, best), *found.notes)
        return dataclasses.replace(found, notes=notes, conflict=conflict), comparison

    def _about(self, trials: tuple[TuningTrial, ...], best: tuple[TuningTrial, ...]) -> Iterator[str]:
        """Yield sentences on the search, and on what its rows and the rows of the table are."""
        split = self.comparison.division.split(everything=False, watched=True)
        counts = {status: sum(trial.status == status for trial in trials) for status in ("pruned", "failed")}
        beside = " and ".join(f"{count} {status}" for status, count in counts.items() if count)
        settings = " and ".join(axis.name for axis in self.space.axes)
        yield (
            f"The search tried {counted(len(trials), 'combination')} of {settings}{f' ({beside})' if beside else ''}, "
            f"ranked by {self.by} of {counted(len(split.validation), 'validation row')}. "
            f"{'These were all that there are. ' if len(trials) >= self.space.count else ''}The best "
            f"{counted(len(best), 'trial')} and the default settings are judged again here, on "
            f"{counted(len(split.test), 'test row')} that no trial has seen."
        )
        value = f"{best[0].value:.4g}" + (f" ± {best[0].error:.2g}" if best[0].error is not None else "")
        yield (
            f"On validation rows, the best trial had {self.by} {value}. That value is too good, because it was picked "
            f"among many; use the figures of the table."
        )


def _once(wanted: list[Candidate]) -> tuple[Candidate, ...]:
    """Return candidates with settings of their own; trials with the default settings are these."""
    found: dict[str, Candidate] = {}
    for candidate in wanted:
        found.setdefault(candidate.config.model_dump_json(), candidate)
    return tuple(found.values())


def _kept(search: SettingSearch, folder: TuneFolder) -> str:
    trials = counted(len(search.trials), "trial")
    return f"Interrupted. {trials} are kept in {folder.path}. Run the same command to continue."


def _nothing_judged(trials: tuple[TuningTrial, ...]) -> GenzooError:
    """Return the error of a search without any value; its exit code is the code of the first trial that failed."""
    first = next((trial for trial in trials if trial.status == "failed"), None)
    reason = "" if first is None else f" The first: {first.reason}"
    error = GenzooError(f"None of {counted(len(trials), 'trial')} could be judged.{reason}")
    error.exit_code = 1 if first is None else first.exit_code or 1
    return error
