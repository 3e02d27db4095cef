"""Make synthetic rows of a table: compare models, pick one, train it on all rows and draw from it.

Cross-validated log-likelihoods pick the best of models whose likelihoods measure the same. Models with another measure,
or with none, cannot be ranked by it. So the best of each measure, and all models without a likelihood, are compared by
their samples: the smallest mean rank wins. A model that keeps or copies training rows is never picked if there is
another.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import rankdata

from genzoo.comparison.api import prepare_comparison, settings_of_call
from genzoo.comparison.comparison import Comparison
from genzoo.config.counts import check_count
from genzoo.data.dataset import Dataset
from genzoo.data.opening.given import AnyData
from genzoo.errors import ConfigError, DataError, GenzooError
from genzoo.inference.export import check_suffix, save_events
from genzoo.metrics.memorization import PARTLY
from genzoo.persistence.run import Run
from genzoo.plugins.manager import get_registry
from genzoo.plugins.registry import Entry, Registry
from genzoo.reports.result import Report, Row
from genzoo.runtime.display import show_progress
from genzoo.runtime.progress import Phase
from genzoo.spec.entries import ModelSpec
from genzoo.spec.modality import MODALITIES
from genzoo.storage.paths import check_not_source, user_path
from genzoo.wording import argument

FOLDS = 5

_OF_SAMPLES = ("column-shapes", "pair-trends", "classifier-two-sample", "tstr")
"""Metrics that decide between models whose likelihoods cannot be compared."""


_FEW_TEXTS, _RARE_TEXTS = 5, 0.05
"""Least number of texts that stand in one row only, and least share of the rows with one, to say so."""


_REASONS = 3
"""Number of different reasons that are printed if every candidate failed."""


@dataclass(frozen=True, slots=True)
class Pick:
    """The candidate that a comparison picks for synthetic rows.

    Arguments:
        id: its id.
        reason: why, as a sentence.
        ranks: mean rank by samples of each candidate that was compared by them. Empty if likelihoods decided.
        left_out: why other candidates could not be picked, by id.
    """

    id: str
    reason: str
    ranks: Mapping[str, float] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, repr=False)
class Synthesis:
    """Synthetic rows, and how they came about.

    Arguments:
        out: file of the rows.
        count: number of rows.
        seed: seed of the comparison and of the rows.
        pick: the model that drew them.
        not_tried: why models of tables were no candidates, by name. Empty if the candidates were given.
        report: the comparison.
        run: the run of the model, trained on all rows.
    """

    out: Path
    count: int
    seed: int
    pick: Pick
    not_tried: Mapping[str, str]
    report: Report
    run: Run

    def __repr__(self) -> str:
        return f"{self.count} synthetic rows in {self.out}\n{self.pick.reason}"

    def as_dict(self) -> dict[str, Any]:
        """Return what `genzoo synthesize --json` prints."""
        return {
            "out": str(self.out),
            "count": self.count,
            "seed": self.seed,
            "best": self.pick.id,
            "reason": self.pick.reason,
            "ranks": dict(self.pick.ranks),
            "tried": [row.id for row in self.report.rows],
            "not_tried": dict(self.not_tried),
            "left_out": dict(self.pick.left_out),
            "run": str(self.run.path),
            "report": str(self.run.path.parent / "report.html"),
        }


def synthesize(
    data: AnyData,
    n: int,
    out: str | Path,
    *,
    models: Sequence[str] | None = None,
    folds: int = FOLDS,
    target: str | None = None,
    seed: int = 0,
    jobs: int = 1,
    threads: int = 1,
    weights: Any = None,
    device: str = "auto",
    progress: bool | None = None,
    **settings: Any,
) -> Synthesis:
    """Write synthetic rows of a table, drawn from the model that explains it best.

    Arguments:
        data: as for `train`.
        n: number of rows to write.
        out: file of the rows. The comparison, its report and the model are kept in a folder of the same name without
            the suffix; the same call continues there.
        models: candidates, as for `compare`. Defaults to the models of tables that have a likelihood, are fitted
            without training steps, keep no training rows and need no extra package.
        folds: number of folds of cross-validation. Defaults to 5.
        target: name of a column to predict: `tstr` then counts, too. Defaults to none.
        seed: seed of the comparison and of the rows. Defaults to 0.
        jobs, threads, weights, device, progress, settings: as for `compare`.

    Raises:
        ConfigError: the data are no table, or a setting is wrong.
        DataError: no model could be fitted.
        GenzooError: see `genzoo.errors`.
    """
    given, common = settings_of_call(data, settings, seed=seed, weights=weights, device=device)
    with show_progress(progress):
        file = check_file(out, n)
        comparison, not_tried = prepare_synthesis(
            models, given, common, file=file, folds=folds, target=target, jobs=jobs, threads=threads
        )
        return write_synthesis(comparison, not_tried, file, n, seed)


def check_file(out: str | Path, n: int) -> Path:
    """Return the path of the file of rows, after checking what can be checked before data are read.

    Raises:
        ConfigError: `n` is no number of rows, the suffix of the file names no format of tables, or it is a folder.
    """
    check_count("n", n)
    file = user_path(str(out))
    known = [suffix for form in MODALITIES.values() if form.columns for suffix in form.suffixes if suffix]
    if file.suffix.lower() not in known:
        raise ConfigError(f"Rows of a table cannot be written as {file.name!r}. Known: {', '.join(known)}.")
    if file.is_dir():
        raise ConfigError(f"{argument('out')} {file} is a folder. Name a file.")
    return file


def prepare_synthesis(
    models: Sequence[str] | None,
    given: tuple[Any, Mapping[str, Any]],
    common: Mapping[str, Any],
    *,
    file: Path,
    **terms: Any,
) -> tuple[Comparison, dict[str, str]]:
    """Prepare the comparison of the candidates, and return it with the reasons why other models are not tried.

    Arguments:
        file: the file of rows; the comparison is kept in a folder of the same name without the suffix.
        given, common, terms: as for `prepare_comparison`.

    Raises:
        ConfigError: the data are no table, a setting is wrong, or the rows would overwrite the data.
        DataError: the data cannot be used.
    """
    check_not_source(file, given[1].get("source"))
    wanted, not_tried = (models, {}) if models else usual_candidates(get_registry())
    comparison = prepare_comparison(
        wanted, given, common, by="cv", seeds=1, out=file.with_suffix(""), tables_only=True, **terms
    )
    return comparison, not_tried


def usual_candidates(zoo: Registry) -> tuple[list[str], dict[str, str]]:
    """Return the models of tables that are tried by default, and why each of the others is not, by name."""
    tried, others = [], {}
    for name, entry in zip(zoo.models.names(), zoo.models, strict=True):
        if not any(MODALITIES[modality].columns for modality in entry.spec.modalities):
            continue
        reason = _reason_against(zoo, entry)
        if reason is None:
            tried.append(name)
        else:
            others[name] = reason
    return tried, others


def _reason_against(zoo: Registry, entry: Entry[ModelSpec]) -> str | None:
    spec = entry.spec
    if spec.extra:
        return "it needs further packages"
    if spec.keeps_rows:
        return "it keeps training rows"
    if not {"likelihood", "likelihood-bound"} & spec.capabilities:
        return "it has no likelihood"
    if zoo.objective_of(entry, spec.objectives[0]).spec.kind not in ("direct", "em"):
        return "it is trained step by step, which may take minutes for each fold"
    return None


def write_synthesis(comparison: Comparison, not_tried: Mapping[str, str], file: Path, n: int, seed: int) -> Synthesis:
    """Run a comparison, train the model that it picks on all rows, and write rows of it.

    Raises:
        DataError: no candidate could be fitted.
        GenzooError: training failed, or the disk is full.
    """
    check_suffix(file, n, comparison.dataset.spec)
    found = comparison.run()
    models = get_registry().models
    keeping = {one.id for one in comparison.candidates if models.get(one.config.model).spec.keeps_rows}
    pick = pick_of(found, keeping)
    marked = tuple(_marked(row, pick.id) for row in found.rows)
    notes = (pick.reason, *about_rare_texts(comparison.dataset), *_about(pick, not_tried), *found.notes)
    report = dataclasses.replace(found, best=pick.id, rows=marked, notes=notes)
    try:
        report = comparison.keep_best(report)
    finally:
        comparison.write_page()
    run = report.best_run
    with Phase("drawing rows", n, "rows"):
        fitted = run.load()
        events, conditions = fitted.sample_given(n, seed=seed)
        if not np.isfinite(events).all():
            raise GenzooError(f"{pick.id} drew values that are not finite. Leave it out, and pick among the others.")
        save_events(file, events, fitted.data, conditions=conditions)
    return Synthesis(file, n, seed, pick, dict(not_tried), report, run)


def about_rare_texts(dataset: Dataset) -> list[str]:
    """Return a sentence for each column in which many rows have a text of their own, which synthetic rows repeat."""
    sentences = []
    for place, feature in enumerate(dataset.spec.features):
        if feature.levels is None:
            continue
        codes = np.asarray(dataset.events[:, place], np.float64)
        codes = codes[np.isfinite(codes)].astype(np.int64)
        alone = int((np.bincount(codes) == 1).sum())
        if alone >= max(_FEW_TEXTS, _RARE_TEXTS * len(codes)):
            sentences.append(
                f"Synthetic rows repeat the texts of {feature.name!r}, and {alone} of them stand in one row only. They "
                f"may show whom a row is about. To leave the column out, use {argument('drop', [feature.name])}."
            )
    return sentences


def _about(pick: Pick, not_tried: Mapping[str, str]) -> list[str]:
    """Return sentences about the candidates that could not be picked, and about the models that were not tried."""
    parts = {"Left out": pick.left_out, "Not tried": not_tried}
    return [
        f"{what}: {'; '.join(f'{name} ({reason})' for name, reason in reasons.items())}."
        for what, reasons in parts.items()
        if reasons
    ]


def _marked(row: Row, picked: str) -> Row:
    """Return a row with a verdict that fits the pick."""
    if row.id == picked:
        return dataclasses.replace(row, verdict="best")
    return dataclasses.replace(row, verdict="best by cv") if row.verdict.startswith("best") else row


def pick_of(report: Report, keeping: Collection[str] = ()) -> Pick:
    """Pick the candidate to draw synthetic rows from.

    Arguments:
        keeping: ids of the candidates that keep training rows by their own account. Defaults to none.

    Raises:
        DataError: no candidate could be fitted, or none has any score.
    """
    fitted = [row for row in report.rows if row.status == "ok"]
    if not fitted:
        first = {row.reasons["status"]: row.id for row in reversed(report.rows)}
        why = [f"{name}: {reason}" for reason, name in first.items()][: -_REASONS - 1 : -1]
        raise DataError(" ".join(["Every candidate failed.", *why]))
    copies = {row.id: reason for row in fitted if (reason := _copies(row)) is not None}
    copies |= {row.id: "it keeps training rows" for row in fitted if row.id in keeping}
    usable = [row for row in fitted if row.id not in copies] or fitted
    finalists = _best_of_each_measure(usable)
    if len(finalists) == 1:
        only = finalists[0]
        if only.cv.mean is None:
            return Pick(only.id, f"{only.id} is picked: it is the only candidate that can be picked.", left_out=copies)
        return Pick(
            only.id,
            f"{only.id} is picked: it has the highest cross-validated log-likelihood, {only.cv.mean:.4g} nats per row.",
            left_out=copies,
        )
    ranks = _mean_ranks(finalists)
    if not ranks:
        raise DataError("No candidate has a score of samples, so none can be picked. Name one, and train it.")
    best = min(ranks, key=lambda name: ranks[name])
    others = ", ".join(f"{name} {rank:.3g}" for name, rank in ranks.items() if name != best)
    reason = (
        f"{best} is picked by its samples, because not all candidates can be ranked by likelihood: its mean rank is "
        f"{ranks[best]:.3g} ({others})."
    )
    return Pick(best, reason, ranks, copies)


def _copies(row: Row) -> str | None:
    """Return why a candidate copies training rows; `None` if it does not, or if nothing is known."""
    score = row.metrics.get("memorization")
    if score is None or score.error is None:
        return None
    low = 2 * (score.value - 1.96 * score.error) - 1
    equal = score.parts.get("copies", 0.0) - score.parts.get("real_copies", 0.0)
    if max(low, equal) < PARTLY:
        return None
    return f"it copies training rows: memorization is {score.value:.2f}, and {equal:.0%} of its samples equal one"


def _best_of_each_measure(rows: Sequence[Row]) -> list[Row]:
    """Return the row with the best cross-validated likelihood of each measure, and all rows that have none."""
    best: dict[str | None, Row] = {}
    others = []
    for row in rows:
        value, measure = row.ranked_by("cv"), row.log_likelihood.measure
        if value is None:
            others.append(row)
        elif measure not in best or value > (best[measure].cv.mean or 0.0):
            best[measure] = row
    return [*best.values(), *others]


def _mean_ranks(rows: Sequence[Row]) -> dict[str, float]:
    """Return the mean rank of each candidate over the metrics that all of them have, by id."""
    ranks = []
    for name in _OF_SAMPLES:
        scores = [row.metrics.get(name) for row in rows]
        known = [score for score in scores if score is not None]
        if len(known) == len(rows):
            sign = -1 if known[0].direction == "higher" else 1
            ranks.append(rankdata([sign * score.value for score in known]))
    if not ranks:
        return {}
    return dict(zip((row.id for row in rows), np.mean(ranks, axis=0).tolist(), strict=True))
