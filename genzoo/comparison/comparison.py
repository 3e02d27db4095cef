"""Run a comparison: fit every candidate on the same rows and seeds, and train the best one again as a run."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections import Counter, defaultdict
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from genzoo.comparison.aggregate import CandidateResult, Evidence, aggregate_results, not_ranked
from genzoo.comparison.candidate import Candidate
from genzoo.comparison.cluster.dispatch import run_on_cluster
from genzoo.comparison.fits.job import FitJob, FitResult
from genzoo.comparison.fits.journal import trial_key
from genzoo.comparison.ranking import LIKELIHOOD_FIGURES, Ranking, default_figure, rank
from genzoo.comparison.settle import TOLERANCE_OF_SUM
from genzoo.comparison.splits import SplitPlan, split_settings
from genzoo.comparison.store import ResultStore
from genzoo.comparison.workers import run_fit_jobs, with_threads
from genzoo.config.data import DataSettings
from genzoo.config.explain import as_sentence
from genzoo.config.run_config import RunConfig
from genzoo.config.training import EMTraining
from genzoo.data.conditions import joint_dataset
from genzoo.data.dataset import Dataset
from genzoo.data.degenerate.dependence import find_dependence
from genzoo.data.degenerate.remarks import stated
from genzoo.data.splits.notes import split_notes
from genzoo.errors import DivergenceError, GenzooError, explain_interruption
from genzoo.metrics.held_out import HeldOutScores
from genzoo.metrics.information_criteria import CRITERIA
from genzoo.metrics.metric import Score
from genzoo.metrics.protocol import measured_otherwise, same_protocol
from genzoo.metrics.weighting import counted_values
from genzoo.persistence.run import Run
from genzoo.plugins.manager import get_registry
from genzoo.reports.comparison_page import comparison_page
from genzoo.reports.formats import write_report
from genzoo.reports.html import write_page, write_pictures
from genzoo.reports.modalities.report import report_of
from genzoo.reports.result import Report, Row, likelihood_scores
from genzoo.reports.samples import PageSamples, write_page_samples
from genzoo.reports.sections import evenly, how_many
from genzoo.runtime.cluster import AnyCluster
from genzoo.runtime.progress import Phase
from genzoo.storage.atomic import put_in_place
from genzoo.storage.temporary import temporary_folder
from genzoo.text import counted
from genzoo.training.api import start_run
from genzoo.training.model_selection import selects
from genzoo.training.run_training import run_training
from genzoo.training.setup import build_setup
from genzoo.typing import Array


def train_best(
    path: Path,
    fit: RunConfig,
    dataset: Dataset,
    division: SplitPlan,
    *,
    everything: bool,
    held_out: Array | None = None,
) -> None:
    """Train a run with the first seed as the comparison fitted it, unless the run exists already.

    Cross-validation and repeated seeds make many fits. The run equals none of the folds, and the first of the seeds.

    Arguments:
        path: run directory.
        fit: settings of the fit.
        division: which rows the comparison used.
        everything: train on all rows, not only on the rows before the test set.
        held_out: scores of the rows that the comparison's fits held out, `(N,)`, to find unlikely rows with.
            Defaults to `None`.

    Raises:
        DivergenceError, Interrupted: as for any training. Nothing is left at `path`.
        GenzooError: the disk is full or read-only.
    """
    if fit.data.joint:  # its scores given the conditions say nothing of the likelihood of whole rows
        dataset, held_out = joint_dataset(dataset), None
    watched = selects(fit.training)
    split = split_settings(division.settings, everything=everything, watched=watched)
    rows = division.split(everything=everything, watched=watched)
    setup = build_setup(fit.model_copy(update={"split": split}), dataset, rows)
    config = setup.config.model_copy(update={"data_digest": dataset.digest()})
    if (path / "run.json").exists() and _is_of(Run(path), config):
        return
    try:
        with temporary_folder(path.parent) as folder:
            run = start_run(setup, folder / path.name)
            run_training(dataclasses.replace(setup, held_out=held_out), run)
            put_in_place(run.path, path)
    except OSError as error:
        raise GenzooError(f"Cannot write {path}: {error.strerror}.") from error


def _is_of(run: Run, config: RunConfig) -> bool:
    return run.record.get("status") == "finished" and run.config.model_dump() == config.model_dump()


_LEAST_TOLERANCE = 1e-12


Tie = Literal["figure", "cheapest"]
"""Which of the candidates that are not told apart is the best: the one with the best figure, or the cheapest."""


FitCallback = Callable[[int, int, str], None]
"""Called after every fit with the number of finished fits, the number of all fits, and the candidate's id."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """A checked comparison, ready to run.

    Arguments:
        candidates: the candidates.
        dataset: the data.
        settings: settings that any process can open the data from; `None` if they exist in memory only.
        division: which rows each fit uses.
        by: figure to rank by, or `None` for the default.
        tie: which of the candidates that are not told apart from the best is the best.
        seeds: number of seeds of the held-out fits.
        jobs: number of fits at a time; `None` for the default, which is 1 and, on a cluster of this machine, as many as
            the cores allow.
        threads: CPU threads of each fit.
        kept: folder of finished candidates, or `None`.
        features: feature extractor of sample metrics, `NAME` or `NAME=FILE`.
        target: name of the column that metrics predict, or `None`.
        on: the cluster that runs the fits, as for `connect`, or `None`.
    """

    candidates: tuple[Candidate, ...]
    dataset: Dataset
    settings: DataSettings | None
    division: SplitPlan
    by: str | None
    tie: Tie
    seeds: int
    jobs: int | None
    threads: int
    kept: ResultStore | None
    features: str | None = None
    target: str | None = None
    on: AnyCluster | None = None

    def candidate(self, name: str | None) -> Candidate | None:
        """Return the candidate with this id, or `None`."""
        return next((candidate for candidate in self.candidates if candidate.id == name), None)

    def run(self, callback: FitCallback | None = None) -> Report:
        """Fit the candidates that are not stored yet, rank all, and write the report if there is a folder.

        Raises:
            Interrupted: the user interrupted it. Finished candidates are stored.
            ArtifactError: another process works in the folder.
            GenzooError: a worker process died, or the disk is full. Finished candidates are stored.
        """
        with contextlib.nullcontext() if self.kept is None else self.kept.locked():
            return self._run(callback)

    def _run(self, callback: FitCallback | None) -> Report:
        found = {} if self.kept is None else self._found(self.kept)
        progress = functools.partial(self._progress, found)
        with contextlib.nullcontext() if self.kept is None else explain_interruption(progress):
            self._fit(found, callback)
        with Phase("ranking"):
            report = self._report([found[candidate.id] for candidate in self.candidates])
            if self.kept is not None:
                write_report(self.kept.path, report)
                write_page_samples(self.kept.path, self._shown(found))
        return report

    def _progress(self, found: Mapping[str, CandidateResult]) -> str:
        assert self.kept is not None
        kept = "is" if len(found) == 1 else "are"
        return (
            f"Interrupted. {len(found)} of {len(self.candidates)} candidates {kept} kept in {self.kept.path}. Run the "
            f"same command to continue with the others."
        )

    def write_page(self) -> None:
        """Write the report as an HTML page, and its pictures as files, if there is a folder.

        Raises:
            GenzooError: the disk is full or read-only.
        """
        if self.kept is not None:
            with Phase("writing the report"):
                page = comparison_page(self.kept.path)
                write_page(self.kept.path / "report.html", page)
                write_pictures(self.kept.path, page)

    def _shown(self, found: Mapping[str, CandidateResult]) -> PageSamples:
        """Return real rows (test rows if there are any) and the samples of all candidates."""
        rows = self.division.test_rows if len(self.division.test_rows) else self.division.rows
        most, drawn = how_many(self.dataset.spec), report_of(self.dataset.spec.form).pairs_picture is not None
        real = np.asarray(self.dataset.events[evenly(rows, most)])
        samples = {name: result.samples for name, result in found.items() if result.samples is not None}
        means = frozenset(name for name, result in found.items() if result.means)
        some = np.asarray(self.dataset.events[evenly(self.division.rows, most)]) if drawn else None
        return PageSamples(self.dataset.spec, real, samples, means, some)

    def keep_best(self, report: Report) -> Report:
        """Train the best candidate as a run in the folder, and return the report with the path of the run.

        Raises:
            Interrupted: the user interrupted it. The report is stored.
            GenzooError: training failed, or the disk is full. The report is stored.
        """
        best = self.candidate(report.best)
        if self.kept is None or best is None:
            return report
        path = self.kept.path / "best"
        what = f"training the best candidate, {best.id}, in {self.kept.path}"
        fit = self._for_criteria(best) if report.by in CRITERIA else best.config
        everything = report.by in (*CRITERIA, "cv")
        scores = self._held_out(best)
        message = f"Interrupted while {what}. The report is kept. Run the same command to continue."
        with explain_interruption(lambda: message):
            try:
                with (
                    Phase(f"training {best.id}", 1, part=1, at_most=True),
                    self.kept.locked(),
                    with_threads(self.threads),
                ):
                    train_best(path, fit, self.dataset, self.division, everything=everything, held_out=scores)
            except DivergenceError as error:
                # The error itself names a folder of checkpoints, which is deleted here. Its cause does not.
                message = f"{error.__cause__ or error} This happened while {what}. The report is kept."
                raise DivergenceError(message) from error
        Run(path).update(held_out=self._held_out_scores(report[best.id]).as_record())
        rows = [dataclasses.replace(row, run=str(path)) if row.id == best.id else row for row in report.rows]
        report = dataclasses.replace(report, rows=tuple(rows))
        write_report(self.kept.path, report)
        return report

    def _held_out(self, candidate: Candidate) -> Array | None:
        """Return scores of rows that fits of a stored candidate held out, as often as weights count the rows.

        There are as many rows as possible.
        """
        result = None if self.kept is None else self.kept.find(candidate)
        for figure, rows in (("cv", self.division.rows), ("test", self.division.test_rows)):
            if result is not None and (scores := result.held_out_scores(figure)) is not None:
                return counted_values(self.dataset, rows, scores)
        return None

    def _held_out_scores(self, row: Row) -> HeldOutScores:
        """Return the scores of a candidate's fits on the rows that they held out."""
        split, fold = self.division.split(everything=False, watched=False), self.division.fold
        likelihood = row.log_likelihood
        return HeldOutScores(
            train_rows=len(split.train),
            rows=len(split.test),
            folds=0 if fold is None else int(fold.max()) + 1,
            kind=likelihood.kind,
            measure=likelihood.measure,
            scores={**likelihood_scores(row), **row.metrics},
            reasons={name: row.reasons[name] for name in row.reasons if name in get_registry().metrics.names()},
        )

    def _found(self, kept: ResultStore) -> dict[str, CandidateResult]:
        known = {candidate.id: kept.find(candidate) for candidate in self.candidates}
        return {name: result for name, result in known.items() if result is not None}

    def _fit(self, found: dict[str, CandidateResult], callback: FitCallback | None) -> None:
        """Fit the candidates that are not in `found`, and add their results to it."""
        trials = [t for i, c in enumerate(self.candidates) if c.id not in found for t in self._trials(i, c)]
        waiting = Counter(trial.candidate for trial in trials)
        evidence = Evidence.of(self.dataset, self.division)
        arrived: dict[int, list[FitResult]] = defaultdict(list)

        def take(outcome: FitResult, *, fresh: bool) -> None:
            number = outcome.trial.candidate
            candidate = self.candidates[number]
            arrived[number].append(outcome)
            if len(arrived[number]) == waiting[number]:
                found[candidate.id] = aggregate_results(candidate, arrived.pop(number), evidence)
                if self.kept is not None:
                    self.kept.add(candidate, found[candidate.id])
            elif fresh and self.kept is not None:
                self.kept.add_fit(candidate, outcome)

        known = [] if self.kept is None else self.kept.find_fits(self.candidates, trials)
        for outcome in known:
            take(outcome, fresh=False)
        done_before = {trial_key(outcome.trial) for outcome in known}
        trials = [trial for trial in trials if trial_key(trial) not in done_before]
        # An error keeps the frames of a generator alive, and so the workers, unless it is closed.
        with (
            Phase("fitting candidates", len(trials), "fits") as phase,
            contextlib.closing(self.results(trials, phase)) as results,
        ):
            for done, outcome in enumerate(results, 1):
                take(outcome, fresh=True)
                phase.advance()
                if callback is not None:
                    callback(done, len(trials), self.candidates[outcome.trial.candidate].id)
        if self.kept is not None:
            self.kept.journal.remove()

    def results(self, trials: Iterable[FitJob], phase: Phase) -> Generator[FitResult]:
        """Run fits in this process, in others of this machine, or on a cluster.

        Arguments:
            trials: the fits. An iterator is asked for the next one when it can begin.
        """
        rows, settings, threads = (self.dataset, self.division), self.settings, self.threads
        if self.on is None:
            return run_fit_jobs(*rows, trials, settings=settings, jobs=self.jobs or 1, threads=threads, phase=phase)
        return run_on_cluster(
            *rows, trials, on=self.on, settings=settings, workers=self.jobs, threads=threads, phase=phase
        )

    def _trials(self, number: int, candidate: Candidate) -> list[FitJob]:
        """Return all fits of one candidate."""
        fold = self.division.fold
        folds = 0 if fold is None else int(fold.max()) + 1
        config, name = candidate.config, candidate.id
        trials = [FitJob(number, self._for_criteria(candidate), "criteria", name=name)]
        for repeat in range(self.seeds):
            trials.append(
                FitJob(number, config, "held-out", repeat=repeat, features=self.features, name=name, target=self.target)
            )
            trials += [FitJob(number, config, "fold", place, repeat, name=name) for place in range(folds)]
        return trials

    def _for_criteria(self, candidate: Candidate) -> RunConfig:
        """Return the settings of the fit for information criteria, which EM runs to a smaller tolerance.

        Criteria are sums over all rows. When EM stops at some change per row, the error of the sum grows with the
        number of rows, so the tolerance is divided by it. In float32 that would be below the rounding error.
        """
        config = candidate.config
        training = config.training
        if not isinstance(training, EMTraining) or "tol" in candidate.explicit or config.precision != "fp64":
            return config
        weights, rows = self.dataset.weights, self.division.rows
        events = len(rows) if weights is None else float(weights[rows].sum())
        tol = max(_LEAST_TOLERANCE, min(training.tol, TOLERANCE_OF_SUM / max(events, 1.0)))
        return config.model_copy(update={"training": training.model_copy(update={"tol": tol})})

    def _report(self, results: Sequence[CandidateResult]) -> Report:
        if self.by is not None:
            same_protocol(_scores(results, self.by))
        results, dependent = _without_density(_measured_alike(results), self.dataset)
        by, note = self.by, f"Ranked by {self.by}."
        if by is None:
            by, note = default_figure(results, folds=self.division.fold is not None)
        ranking: Ranking = rank(results, by, Evidence.of(self.dataset, self.division), cheapest=self.tie == "cheapest")
        notes = (
            note,
            *dependent,
            *ranking.notes,
            *self._about_equals(),
            *self._about_kept(),
            self._about_rows(),
            *self._about_split(),
        )
        return Report(self._about_data(), by, ranking.best, ranking.simplest, ranking.rows, notes, ranking.conflict)

    def _about_equals(self) -> list[str]:
        """Return a sentence for each candidate that was given in several ways and fitted once."""
        return [
            f"{' and '.join((one.id, *one.equals))} have the same settings: fitted once, as {one.id}."
            for one in self.candidates
            if one.equals
        ]

    def _about_kept(self) -> list[str]:
        """Return a sentence on candidates that contain training rows."""
        models = get_registry().models
        kept = [one.id for one in self.candidates if models.get(one.config.model).spec.keeps_rows]
        verb = "contains" if len(kept) == 1 else "contain"
        return [f"{' and '.join(kept)} {verb} training rows; people who have the model can read them."] if kept else []

    def _about_rows(self) -> str:
        split = self.division.split(everything=False, watched=False)
        text = f"Information criteria come from fits to all {len(self.division.rows)} rows. "
        columns = "train and test" if self.division.fold is None else "train, test and cv"
        text += f"The columns {columns} are mean log-likelihoods in nats per row; higher is better. "
        rows, others = counted(len(split.train), "row"), counted(len(split.test), "other")
        text += f"Fits for train and test use {rows}, and are tested on {others}."
        if self.seeds > 1:
            text += f" They are means over {self.seeds} seeds. Metrics of samples use the first seed."
        return text

    def _about_split(self) -> list[str]:
        """Return sentences on groups, on order, and on rows that are exactly equal."""
        settings = self.division.settings
        split = self.division.split(everything=False, watched=False)
        notes = [as_sentence(note) for note in split_notes(self.dataset, split, settings)]
        if settings.method != "random" and self.division.fold is not None:
            notes.append(
                "Folds are blocks of neighbors in that order, so cv also predicts rows from later ones; test does not."
            )
        return notes

    def _about_data(self) -> dict[str, Any]:
        fold, seed = self.division.fold, self.division.seed
        split = self.division.split(everything=False, watched=False)
        return {
            "name": self.dataset.name,
            "events": len(self.dataset),
            "event": self.dataset.spec.describe(),
            "sha256": self.dataset.digest(),
            "rows": {"criteria": len(self.division.rows), "train": len(split.train), "test": len(split.test)},
            "folds": 0 if fold is None else int(fold.max()) + 1,
            "seed": seed,
            "seeds": self.seeds,
        }


def _without_density(results: Sequence[CandidateResult], dataset: Dataset) -> tuple[list[CandidateResult], list[str]]:
    """Take all densities out of the ranking by likelihood if the columns of the data depend on each other.

    Returns:
        The candidates, and a sentence on each relation between columns.
    """
    found = find_dependence(dataset).relations
    if not found or not any(_is_density(result) for result in results):
        return list(results), []
    reasons = dict.fromkeys(LIKELIHOOD_FIGURES, f"no density: {stated(found[0])}; {found[0].advice}")
    marked = [
        dataclasses.replace(result, row=not_ranked(result.row, reasons)) if _is_density(result) else result
        for result in results
    ]
    sentences = [
        f"{stated(relation)}, so no density of all columns has a largest likelihood, and likelihoods are not ranked. "
        f"To rank them, {relation.advice}."
        for relation in found
    ]
    return marked, sentences


def _is_density(result: CandidateResult) -> bool:
    return "density" in (result.row.log_likelihood.measure or "")


def _scores(results: Sequence[CandidateResult], metric: str) -> dict[str, Score]:
    """Return the scores of one metric, by the id of each candidate that has one."""
    return {result.row.id: result.row.metrics[metric] for result in results if metric in result.row.metrics}


def _measured_alike(results: Sequence[CandidateResult]) -> list[CandidateResult]:
    """Remove scores with another protocol than most candidates have for that metric, and note why."""
    lost: dict[str, dict[str, str]] = defaultdict(dict)
    for metric in dict.fromkeys(name for result in results for name in result.row.metrics):
        for owner, reason in measured_otherwise(_scores(results, metric)).items():
            lost[owner][metric] = reason
    found = []
    for result in results:
        row, reasons = result.row, lost[result.row.id]
        kept = {name: score for name, score in row.metrics.items() if name not in reasons}
        changed = dataclasses.replace(row, metrics=kept, reasons={**row.reasons, **reasons})
        found.append(dataclasses.replace(result, row=changed))
    return found
