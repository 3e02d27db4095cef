"""`genzoo evaluate`."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import click

from genzoo.cli.options import (
    device_option,
    draws_option,
    features_option,
    json_option,
    samples_option,
    tell,
    terminal_width,
    with_data_options,
)
from genzoo.plugins.manager import get_registry

if TYPE_CHECKING:
    from genzoo.data.dataset import Dataset, Rows
    from genzoo.metrics.evaluate import Evaluation
    from genzoo.runs.run import Run


@click.command("evaluate")
@click.argument("run")
@click.option("--data", metavar="D", help="Other data to judge by, all rows of them; the run's test rows without.")
@with_data_options
@click.option("--metric", "metrics", multiple=True, metavar="M", help="A metric, and no others; all without.")
@features_option
@samples_option
@draws_option
@click.option("--seed", type=int, default=0, envvar="GENZOO_SEED", show_default=True, help="Of the samples.")
@device_option
@json_option
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
    """Judge the model of RUN by events: their log-likelihood, and its samples beside them.

    They are the run's test rows, which it was not trained on, or all rows of --data. Samples are held against at most
    10,000 events, of more of them against evenly spaced ones.
    """
    from genzoo.cli.rows import open_data
    from genzoo.metrics.evaluate import evaluate
    from genzoo.metrics.evaluator import find_extractor, find_metrics
    from genzoo.metrics.likelihood import DRAWS
    from genzoo.runs.run import load, open_run

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
    found = evaluate(
        fitted,
        dataset,
        rows,
        chosen,
        seed=seed,
        features=extractor,
        trained_on=trained_on,
        split=split,
        samples=samples,
        draws=draws or DRAWS,
        average=None if opened is None else opened.config.ema,
    )
    _show(found, fitted.model, given["data"], as_json)
    asked = [metric.name for metric in chosen if metrics and metric.name in found.reasons]
    if asked:
        from genzoo.errors import DataError

        raise DataError(f"Metric {asked[0]!r} was asked for and has no score: {found.reasons[asked[0]]}.")


def _open(path: str) -> Run | None:
    """The run at a path; `None` where a model folder is."""
    from genzoo.errors import ArtifactError
    from genzoo.runs.run import open_run

    try:
        return open_run(path)
    except ArtifactError:
        return None


def _rows(run: Run) -> tuple[Dataset, Rows, Rows]:
    """The data of a run and the numbers of its training and test rows.

    Raises:
        ArtifactError: its data have changed.
    """
    dataset = run.open_data()
    split = dataset.split(run.config.split, run.config.seed)
    return dataset, split.train, split.test


def _training_rows(run: Run) -> tuple[Dataset, Rows] | None:
    """What a run was trained on, where its data are still there."""
    from genzoo.errors import GenzooError

    try:
        dataset, train, _ = _rows(run)
    except GenzooError:
        return None
    return dataset, train


def _show(found: Evaluation, model: str, data: str | None, as_json: bool) -> None:
    if as_json:
        from genzoo.storage.json_files import to_json

        click.echo(to_json(_as_dict(found, model), indent=2, ascii_only=True))
        return
    from genzoo.reports.terminal import print_scores

    events = "test events, which it was not trained on" if data is None else f"events of {data}"
    tell(f"{model} on {found.events} {events}")
    if len(found.unobserved):
        from genzoo.metrics.likelihood import named_rows

        tell(f"left out, as they have no value at all: {named_rows(found.unobserved)}")
    print_scores(found.scores, found.reasons, terminal_width())


def _as_dict(found: Evaluation, model: str) -> dict[str, Any]:
    told = found.scores.get("log-likelihood")
    return {
        "model": model,
        "events": found.events,
        "log_likelihood": {
            "test": None if told is None else told.value,
            "se": None if told is None else told.error,
            "kind": found.kind,
            "measure": found.measure,
        },
        "metrics": {name: dataclasses.asdict(score) for name, score in found.scores.items()},
        "reasons": dict(found.reasons),
        "unobserved": found.unobserved.tolist(),
    }
