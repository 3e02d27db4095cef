"""Make synthetic rows of a table: compare models, pick one, train it on all rows and draw from it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from genzoo.comparison.api import prepare_comparison, settings_of_call
from genzoo.comparison.comparison import Comparison
from genzoo.comparison.pick import Pick, pick_of
from genzoo.comparison.ranking import remedy
from genzoo.config.counts import check_count
from genzoo.config.training import GradientTraining
from genzoo.data.dataset import Dataset
from genzoo.data.opening.given import AnyData
from genzoo.engine.schedule import Budget
from genzoo.errors import ConfigError, GenzooError
from genzoo.inference.export import check_suffix, save_events
from genzoo.persistence.run import Run
from genzoo.plugins.manager import get_registry
from genzoo.plugins.registry import Entry, Registry
from genzoo.reports.result import Report, Row
from genzoo.runtime.cluster import AnyCluster
from genzoo.runtime.display import show_progress
from genzoo.runtime.progress import Phase
from genzoo.spec.entries import ModelSpec
from genzoo.spec.modality import MODALITIES
from genzoo.storage.paths import check_not_source, user_path
from genzoo.wording import argument

FOLDS = 5

_MOST_STEPS = 1000
"""Largest number of steps of a training that is tried by default. `flow` spends about 12 CPU seconds on them."""


_FEW_TEXTS, _RARE_TEXTS = 5, 0.05
"""Least number of texts that stand in one row only, and least share of the rows with one, to say so."""


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
    thorough: bool = False,
    seed: int = 0,
    jobs: int | None = None,
    threads: int = 1,
    on: AnyCluster | None = None,
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
        models: candidates, as for `compare`. Defaults to the models of tables that have a likelihood, take at most
            1,000 training steps for these rows, keep no training rows and need no extra package.
        folds: number of folds of cross-validation. Defaults to 5.
        target: name of a column to predict: `tstr` then counts, too. Defaults to none.
        thorough: whether to try models that take more training steps, too, unless `models` are given. Defaults to
            false.
        seed: seed of the comparison and of the rows. Defaults to 0.
        jobs, threads, on, weights, device, progress, settings: as for `compare`.

    Raises:
        ConfigError: the data are no table, or a setting is wrong.
        DataError: no model could be fitted.
        GenzooError: see `genzoo.errors`.
    """
    given, common = settings_of_call(data, settings, seed=seed, weights=weights, device=device)
    with show_progress(progress):
        file = check_file(out, n)
        comparison, not_tried = prepare_synthesis(
            models,
            given,
            common,
            file=file,
            thorough=thorough,
            folds=folds,
            target=target,
            jobs=jobs,
            threads=threads,
            on=on,
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
    thorough: bool = False,
    **terms: Any,
) -> tuple[Comparison, dict[str, str]]:
    """Prepare the comparison of the candidates, and return it with the reasons why other models are not tried.

    Arguments:
        file: the file of rows; the comparison is kept in a folder of the same name without the suffix.
        thorough: whether to try models with many training steps, too. Defaults to false.
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
    if not (models or thorough):
        comparison, long = _quick(comparison)
        not_tried = dict(sorted({**not_tried, **long}.items()))
    return comparison, not_tried


def _quick(comparison: Comparison) -> tuple[Comparison, dict[str, str]]:
    """Leave out candidates that take many training steps for these rows; return why, by id."""
    rows = len(comparison.division.rows)
    long = {}
    for one in comparison.candidates:
        training = one.config.training
        if isinstance(training, GradientTraining):
            steps = Budget.of(training, max(1, rows // training.batch_size)).steps
            if steps is None or steps > _MOST_STEPS:
                long[one.id] = (
                    f"training it takes {'any number of' if steps is None else f'{steps:,}'} steps for these rows, and "
                    f"more than {_MOST_STEPS:,} may take minutes; {argument('thorough', True)} tries it"
                )
    kept = tuple(one for one in comparison.candidates if one.id not in long)
    return dataclasses.replace(comparison, candidates=kept), long


def usual_candidates(zoo: Registry) -> tuple[list[str], dict[str, str]]:
    """Return the models of tables that are tried by default if they train fast, and why no other is, by name."""
    tried, others = [], {}
    for name, entry in zip(zoo.models.names(), zoo.models, strict=True):
        if not any(MODALITIES[modality].columns for modality in entry.spec.modalities):
            continue
        reason = _reason_against(entry)
        if reason is None:
            tried.append(name)
        else:
            others[name] = reason
    return tried, others


def _reason_against(entry: Entry[ModelSpec]) -> str | None:
    spec = entry.spec
    if spec.extra:
        return "it needs further packages"
    if spec.keeps_rows:
        return "it keeps training rows"
    if not {"likelihood", "likelihood-bound", "likelihood-estimate"} & spec.capabilities:
        return "it has no likelihood"
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
    conflict = () if found.conflict is None else (found.conflict.removesuffix(remedy()),)  # samples have decided
    notes = (pick.reason, *conflict, *about_rare_texts(comparison.dataset), *_about(pick, not_tried), *found.notes)
    report = dataclasses.replace(found, best=pick.id, rows=marked, notes=notes, conflict=None, reason=pick.reason)
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
