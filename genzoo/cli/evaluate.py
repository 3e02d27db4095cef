"""`genzoo evaluate`."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import click

from genzoo.cli.command import ComputingCommand
from genzoo.cli.options import (
    device_option,
    draws_option,
    features_option,
    json_option,
    metric_option,
    samples_option,
    seed_option,
    with_data_options,
)
from genzoo.cli.output import print_line, terminal_width
from genzoo.config.settings import BOUND_DRAWS
from genzoo.plugins.manager import get_registry

if TYPE_CHECKING:
    from genzoo.data.dataset import Dataset, Rows
    from genzoo.metrics.evaluate import Evaluation
    from genzoo.metrics.metric import Score
    from genzoo.persistence.run import Run


@click.command("evaluate", cls=ComputingCommand, needs="genzoo.metrics.evaluate")
@click.argument("run")
@click.option("--data", metavar="DATA", help="Evaluate on all rows of this dataset instead of the run's test rows.")
@metric_option
@features_option
@samples_option
@draws_option
@seed_option("sampling")
@device_option
@json_option
@with_data_options
def evaluate_command(
    run: str,
    metrics: tuple[str, ...],
    features: str | None,
    samples: int | None,
    draws: int | None,
    seed: int,
    device: str,
    as_json: bool,
    **given: Any,
) -> None:
    """Compute the log-likelihood and the sample metrics of RUN, a run directory or a model folder.

    Rows are the run's test rows, which the model was not trained on, or all rows of --data. Samples are compared with
    at most 10,000 real rows; larger sets are subsampled evenly.

    \b
    genzoo evaluate RUN
    genzoo evaluate RUN --metric coverage --metric recall
    """
    from genzoo.cli.rows import open_data
    from genzoo.metrics.evaluate import evaluate
    from genzoo.metrics.evaluator import find_extractor, find_metrics
    from genzoo.persistence.run import load, open_run

    zoo = get_registry()
    chosen = find_metrics(zoo, metrics or None)
    fitted = load(run, device)
    extractor = find_extractor(zoo, features, fitted.data)
    opened = _open(run)
    if given["data"] is None:
        dataset, train, rows = _rows(opened or open_run(run))
        trained_on: tuple[Dataset, Rows] | None = (dataset, train)
        split = "test"
    else:
        import numpy as np

        dataset = open_data(fitted, given)
        trained_on = None if opened is None else _training_rows(opened)
        rows = np.arange(len(dataset))
        split = f"all rows of {given['data']}"
    evaluation = evaluate(
        fitted,
        dataset,
        rows,
        chosen,
        seed=seed,
        features=extractor,
        trained_on=trained_on,
        split=split,
        samples=samples,
        draws=draws or BOUND_DRAWS,
        average=None if opened is None else opened.config.ema,
    )
    _show(evaluation, fitted.model, given["data"], opened, as_json)
    asked = [metric.name for metric in chosen if metrics and metric.name in evaluation.reasons]
    if asked:
        from genzoo.errors import DataError

        raise DataError(f"Metric {asked[0]!r} has no score: {evaluation.reasons[asked[0]]}.")


def _open(path: str) -> Run | None:
    """Open the run at a path; return None for a model folder."""
    from genzoo.errors import ArtifactError
    from genzoo.persistence.run import open_run

    try:
        return open_run(path)
    except ArtifactError:
        return None


def _rows(run: Run) -> tuple[Dataset, Rows, Rows]:
    """Return the data of a run, and the numbers of its training and test rows.

    Raises:
        ArtifactError: the data have changed.
    """
    dataset = run.open_data()
    split = dataset.split(run.config.split, run.config.seed)
    return dataset, split.train, split.test


def _training_rows(run: Run) -> tuple[Dataset, Rows] | None:
    """Return the training rows of a run, or None if its data are gone or have changed."""
    from genzoo.errors import GenzooError

    try:
        dataset, train, _ = _rows(run)
    except GenzooError:
        return None
    return dataset, train


def _show(evaluation: Evaluation, model: str, data: str | None, run: Run | None, as_json: bool) -> None:
    unfinished = None if run is None else run.unfinished
    if as_json:
        from genzoo.storage.json_files import to_json

        status = None if run is None else run.record.get("status")
        content = {"status": status, "unfinished": unfinished, **_as_dict(evaluation, model)}
        click.echo(to_json(content, indent=2, ascii_only=True))
        return
    from genzoo.reports.terminal import print_scores

    if run is not None and unfinished is not None:
        print_line(f"look at: {run.path}: {unfinished}")
    events = "test events, which it was not trained on" if data is None else f"events of {data}"
    print_line(f"{model} on {evaluation.events} {events}")
    if len(evaluation.unobserved):
        from genzoo.metrics.row_likelihoods import named_rows

        print_line(f"left out, because all their values are missing: {named_rows(evaluation.unobserved)}")
    print_scores(evaluation.scores, evaluation.reasons, terminal_width())
    if evaluation.unseen:
        from genzoo.data.columns.unseen import about_unseen

        print_line(f"look at: {about_unseen(evaluation.unseen)}")
    if evaluation.density_rests_on is not None:
        print_line(f"look at the log-likelihood: {evaluation.density_rests_on}")


def _as_dict(evaluation: Evaluation, model: str) -> dict[str, Any]:
    likelihood = evaluation.scores.get("log-likelihood")
    return {
        "model": model,
        "events": evaluation.events,
        "log_likelihood": {
            "test": None if likelihood is None else likelihood.value,
            "se": None if likelihood is None else likelihood.error,
            "kind": evaluation.kind,
            "measure": evaluation.measure,
        },
        "metrics": {name: _score(score) for name, score in evaluation.scores.items()},
        "reasons": dict(evaluation.reasons),
        "unobserved": evaluation.unobserved.tolist(),
        "density_rests_on": evaluation.density_rests_on,
        "unseen": {str(row): text for row, text in evaluation.unseen.items()},
    }


def _score(score: Score) -> dict[str, Any]:
    """Return a score for JSON, without the parts of its error, which only a comparison needs."""
    plain = dataclasses.asdict(score)
    del plain["shared"]
    return plain
