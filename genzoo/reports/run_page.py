"""Make the page of a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from genzoo.config.run_config import RunConfig
from genzoo.config.training import BOUND_DRAWS, DirectTraining
from genzoo.data.columns.unseen import about_unknown
from genzoo.data.dataset import Dataset, Rows
from genzoo.errors import ConfigError, DataError, GenzooError
from genzoo.inference.trained_model import TrainedModel
from genzoo.metrics.evaluate import Evaluation, evaluate
from genzoo.metrics.evaluation.choice import Chosen
from genzoo.metrics.held_out import HeldOutScores
from genzoo.metrics.metric import Metric
from genzoo.persistence.checkpoint import checkpoints
from genzoo.persistence.run import Run
from genzoo.plugins.manager import get_registry
from genzoo.reports.curves import curve_section
from genzoo.reports.inside import inside_sections
from genzoo.reports.modalities.report import report_of
from genzoo.reports.overview.finding import finding_of_scores
from genzoo.reports.page import Block, Facts, Page, Picture, Pictures, Section, Text
from genzoo.reports.sections import as_text, evenly, how_many, how_many_inside, score_blocks
from genzoo.runtime.progress import Phase
from genzoo.spec.events import DataSpec
from genzoo.typing import Array
from genzoo.wording import KEEPS_ROWS

_MEANS = "These are means: what the model decodes, without the noise of each pixel that its samples have."

_RECORDED = ("genzoo", "torch", "python", "platform", "threads", "started", "device", "precision", "seconds", "steps")


@dataclass(frozen=True, slots=True)
class EvaluationTerms:
    """How to evaluate a run.

    Arguments:
        metrics: metrics to compute.
        features: feature extractor of sample metrics.
        samples: number of samples, and largest number of real rows, as for `evaluate`.
        draws: number of draws for a bound of the likelihood.
        seed: seed of samples and metrics.
        target: name of the column that `tstr` predicts, or `None`.
        stride: number of new bytes of each window for `bits-per-byte`, or `None`.
    """

    metrics: Sequence[Metric]
    features: Chosen | None = None
    samples: int | None = None
    draws: int = BOUND_DRAWS
    seed: int = 0
    target: str | None = None
    stride: int | None = None


@dataclass(frozen=True, slots=True)
class EvaluationEvents:
    """The real data to evaluate a run on, as far as they are available.

    Arguments:
        dataset: the data, or `None` if they are not available.
        rows: row numbers to evaluate on.
        shown: row numbers to show beside samples, also if there are none to evaluate on.
        where: what those rows are, such as `test rows`.
        own: the run's own data and its training rows, if they are available.
        lack: why something is missing.
    """

    dataset: Dataset | None
    rows: Rows
    shown: Rows
    where: str
    own: tuple[Dataset, Rows] | None
    lack: str | None = None


def run_page(run: Run, fitted: TrainedModel, terms: EvaluationTerms, dataset: Dataset | None = None) -> Page:
    """Make the page of a run: scores, curves, samples, latent space and settings.

    Arguments:
        fitted: model of the run.
        terms: how to evaluate it.
        dataset: data to evaluate on. Defaults to the run's test rows.

    Raises:
        ArtifactError: the run is damaged.
    """
    with Phase("making the report"):
        return _page(run, fitted, terms, dataset)


def _page(run: Run, fitted: TrainedModel, terms: EvaluationTerms, dataset: Dataset | None) -> Page:
    config, seed = run.config, terms.seed
    held = _held(run, dataset)
    # Means over many rows cost no space on the page, so components are described by more rows than are shown.
    real, more = (_events(held, most(fitted.data)) for most in (how_many, how_many_inside))
    samples, means = fitted.sample_shown(how_many(fitted.data), seed=seed)
    scores, blocks = _scores(run, fitted, held, terms)
    beside = list(_samples(fitted.data, real, samples, held, means=means))
    first = report_of(fitted.data.form).leads
    pictures = tuple(_pictures(fitted, real, samples, held, seed))
    sections = [
        Section("Pictures", (Pictures(pictures),)) if pictures else None,
        *(beside if first else []),
        Section("Scores", blocks),
        *([] if first else beside),
        _surprise(fitted, held),
        curve_section(run),
        *inside_sections(fitted, more, seed),
        Section("How it was trained", tuple(_facts(run, config, held, seed, fitted.sampling.stored))),
    ]
    name = _data_name(config, held)
    entry = get_registry().models.get(config.model)
    title = f"{entry.spec.name} on {name}"
    reference = f" {entry.spec.reference}." if entry.spec.reference else ""
    kept = f" {KEEPS_ROWS}" if entry.spec.keeps_rows else ""
    lead = f"{entry.spec.summary}.{reference} Data: {fitted.data.describe()}. {_status(run)}{kept}"
    shown = tuple(section for section in sections if section is not None)
    return Page(title, lead, shown, origin(run), _finding(scores, held))


def _surprise(fitted: TrainedModel, held: EvaluationEvents) -> Section | None:
    """Return a section about what surprises the model in real events, if it can say so."""
    show = report_of(fitted.data.form).surprise
    if show is None or held.dataset is None:
        return None
    blocks = show(fitted, held.dataset, held.shown, held.where)
    return Section("Surprise", tuple(blocks)) if blocks else None


def _finding(scores: Evaluation | None, held: EvaluationEvents) -> str:
    if scores is None:
        return ""
    return finding_of_scores(scores, held.where if scores.fit is None else "rows that the comparison held out")


def origin(run: Run) -> str:
    """Return the footer of a page: the versions that trained the run."""
    record = run.record
    known = [f"{name} {record[name]}" for name in ("genzoo", "torch", "python") if name in record]
    return f"Trained with {', '.join(known)}."


def _data_name(config: RunConfig, held: EvaluationEvents) -> str:
    return Path(config.data.source).stem if held.own is None else held.own[0].name


def _status(run: Run) -> str:
    """Return a sentence about the state of training, and about the weights on the page."""
    status = run.record.get("status")
    if status == "finished" and isinstance(run.config.training, DirectTraining):
        return "The direct fit has ended."
    if status == "finished":
        return f"Training finished after {run.record.get('steps', 'all')} steps."
    last = checkpoints(run.checkpoints)[-1:]
    where = f"its last checkpoint, {last[0].name}" if last else "its model folder"
    return f"Training has not finished ({status}). This page shows {where}."


def _held(run: Run, given: Dataset | None) -> EvaluationEvents:
    """Return the real data to evaluate on: all rows of `given`, or the run's own test rows."""
    config = run.config
    none = np.zeros(0, np.int64)
    lack, own, split = None, None, None
    try:
        data = run.open_data()
        split = data.split(config.split, config.seed)
        own = (data, split.train)
    except GenzooError as error:
        lack = f"The data of this run are not available, so this page shows no real data. {error}"
    if given is not None:
        rows = np.arange(len(given))
        shown = rows[~np.isin(rows, list(given.unknown))]  # the others are left out of the scores, which say so
        return EvaluationEvents(given, rows, shown, f"rows of {given.name}", own)
    if own is None or split is None:
        return EvaluationEvents(None, none, none, "", None, lack)
    names = ("test", "validation", "train")
    where = next(name for name in names if len(getattr(split, name)))
    if where != "test":
        scores = ", so there are no scores" if HeldOutScores.instead_of_test_rows(run) is None else ""
        lack = f"The run has no test rows{scores}. The real data on this page are {where} rows."
    return EvaluationEvents(own[0], split.test, getattr(split, where), f"{where} rows", own, lack)


def _events(held: EvaluationEvents, most: int) -> Array | None:
    return None if held.dataset is None else np.asarray(held.dataset.events[evenly(held.shown, most)])


def _scores(
    run: Run, fitted: TrainedModel, held: EvaluationEvents, terms: EvaluationTerms
) -> tuple[Evaluation | None, tuple[Block, ...]]:
    """Return the scores if there are any, and the blocks that show them or say why there are none."""
    lack = () if held.lack is None else (Text(held.lack),)
    if held.dataset is None or not len(held.rows):
        kept = HeldOutScores.instead_of_test_rows(run)
        if kept is None:
            return None, lack
        own = kept.evaluation(run.config.model)
        return own, (*lack, Text(own.about), *score_blocks(own.scores, own.reasons))
    try:
        found = _evaluated(fitted, held, terms, run.config)
    except (ConfigError, DataError) as error:
        return None, (*lack, Text(f"There are no scores: {error}"))
    measured = f"; it measures {found.measure}" if found.measure else ""
    about = Text(f"Evaluated on {found.events} {held.where}. Likelihood: {found.kind}{measured}.")
    unknown = (Text(f"{about_unknown(found.unknown)}."),) if found.unknown else ()
    return found, (*lack, about, *unknown, *score_blocks(found.scores, found.reasons))


def _pictures(
    fitted: TrainedModel, real: Array | None, samples: Array, held: EvaluationEvents, seed: int
) -> Iterator[Picture]:
    """Yield the components over the data, and samples beside real rows, as far as such events are drawn so."""
    report = report_of(fitted.data.form)
    if real is None or held.dataset is None:
        return
    if report.components_picture is not None:
        whole = held.own is not None and held.dataset is held.own[0]
        rows = np.arange(len(held.dataset)) if whole else held.shown
        events = np.asarray(held.dataset.events[evenly(rows, how_many(fitted.data))])
        over = report.components_picture(fitted, events, seed, "row")
        yield from [] if over is None else [over]
    if report.pairs_picture is not None:
        pairs = report.pairs_picture(real, samples, fitted.data, held.where)
        yield from [] if pairs is None else [pairs]


def _evaluated(fitted: TrainedModel, held: EvaluationEvents, terms: EvaluationTerms, config: RunConfig) -> Evaluation:
    assert held.dataset is not None
    return evaluate(
        fitted,
        held.dataset,
        held.rows,
        terms.metrics,
        seed=terms.seed,
        features=terms.features,
        trained_on=held.own,
        split="test" if held.where == "test rows" else f"all {held.where}",
        samples=terms.samples,
        draws=terms.draws,
        average=config.ema,
        target=terms.target,
    )


def _samples(
    data: DataSpec, real: Array | None, samples: Array, held: EvaluationEvents, *, means: bool
) -> Iterator[Section]:
    note = (Text(_MEANS),) if means else ()
    form, report = data.form, report_of(data.form)
    sets = {} if real is None else {f"Real data ({held.where})": real}
    yield Section("Samples", (*note, *report.show({**sets, "Samples of the model": samples}, data)))
    if report.distributions is not None and real is not None:
        about = (
            f"Distribution of each {form.value} in {len(real)} {held.where} and {len(samples)} samples, with mean ± "
            f"standard deviation, or the most frequent level and its share."
        )
        if report.about_distributions is not None:
            about = report.about_distributions(len(real), len(samples), held.where)
        yield Section(form.values.capitalize(), (Text(about), *report.distributions(real, samples, data)))


def _facts(
    run: Run, config: RunConfig, held: EvaluationEvents, seed: int, sampling: Mapping[str, Any]
) -> Iterator[Block]:
    record = run.record
    yield Facts(
        (
            ("model", config.model),
            ("objective", config.objective.name),
            ("data", config.data.source),
            ("training rows", "unknown" if held.own is None else str(len(held.own[1]))),
            ("seed of training", str(config.seed)),
            ("seed of this page", str(seed)),
            *((name, as_text(record[name])) for name in _RECORDED if name in record),
        )
    )
    settings = config.model_dump(mode="json")
    groups = ("options", "objective", "training", "data", "split")
    for group in groups:
        if settings[group]:
            yield Facts(tuple((key, as_text(value)) for key, value in settings[group].items()), f"Settings: {group}")
    if sampling:
        yield Facts(tuple((key, as_text(value)) for key, value in sampling.items()), "Sampling options of this page")
    digests = (("data", config.data_digest), ("weights", record.get("weights")))
    yield Facts(tuple((name, as_text(value)) for name, value in digests), "Digests (SHA-256)")
