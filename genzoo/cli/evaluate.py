"""`genzoo evaluate`."""

from __future__ import annotations

import dataclasses
import shutil
from typing import TYPE_CHECKING, Any

import click

from genzoo.cli.options import device_option, features_option, json_option, with_data_options
from genzoo.plugins import registry

if TYPE_CHECKING:
    from genzoo.data.dataset import Dataset, Rows
    from genzoo.evaluation import Evaluation
    from genzoo.run import Run


@click.command("evaluate")
@click.argument("run")
@click.option("--data", metavar="D", help="Other data to judge by, all rows of them; the run's test rows without.")
@with_data_options
@click.option("--metric", "metrics", multiple=True, metavar="M", help="A metric, and no others; all without.")
@features_option
@click.option("--samples", type=click.IntRange(1), metavar="N", help="Samples to draw, and the most events for them.")
@click.option("--draws", type=click.IntRange(1), metavar="N", help="Of a lower bound of the likelihood; 64 without.")
@click.option("--seed", type=int, default=0, envvar="GENZOO_SEED", show_default=True, help="Of the samples.")
@device_option
@json_option
def command(
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
    from genzoo.cli.matching import open_data
    from genzoo.evaluation import evaluate
    from genzoo.metrics.judge import find_extractor, find_metrics
    from genzoo.metrics.likelihood import DRAWS
    from genzoo.run import load

    zoo = registry()
    chosen = find_metrics(zoo, metrics or None)
    fitted = load(run, device)
    extractor = find_extractor(zoo, features, fitted.data)
    if given["data"] is None:
        dataset, train, rows = _rows(run)
        trained_on: tuple[Dataset, Rows] | None = (dataset, train)
        split = "test"
    else:
        import numpy as np

        dataset = open_data(fitted, given)
        trained_on = _training_rows(run)
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
        average=_average(run),
    )
    _show(found, fitted.model, given["data"], as_json)
    asked = [metric.name for metric in chosen if metrics and metric.name in found.reasons]
    if asked:
        from genzoo.errors import DataError

        raise DataError(f"Metric {asked[0]!r} was asked for and has no score: {found.reasons[asked[0]]}.")


def _open(path: str) -> Run | None:
    """The run at a path; `None` where a model folder is."""
    from genzoo.errors import ArtifactError
    from genzoo.run import open_run

    try:
        return open_run(path)
    except ArtifactError:
        return None


def _average(path: str) -> float | None:
    run = _open(path)
    return None if run is None else run.config.training.ema or None


def _rows(path: str) -> tuple[Dataset, Rows, Rows]:
    """The data of a run and the numbers of its training and test rows.

    Raises:
        ArtifactError: it is no run directory, or its data have changed.
    """
    from genzoo.run import open_run

    run = open_run(path)
    dataset = run.open_data()
    split = dataset.split(run.config.split, run.config.seed)
    return dataset, split.train, split.test


def _training_rows(path: str) -> tuple[Dataset, Rows] | None:
    """What a run was trained on, where its data are still there."""
    from genzoo.errors import GenzooError

    if _open(path) is None:
        return None
    try:
        dataset, train, _ = _rows(path)
    except GenzooError:
        return None
    return dataset, train


def _show(found: Evaluation, model: str, data: str | None, as_json: bool) -> None:
    if as_json:
        from genzoo.files import to_json

        click.echo(to_json(_as_dict(found, model), indent=2))
        return
    from genzoo.report.scores import show_scores

    events = "test events, which it was not trained on" if data is None else f"events of {data}"
    click.echo(f"{model} on {found.events} {events}")
    if len(found.unobserved):
        from genzoo.metrics.likelihood import named_rows

        click.echo(f"left out, as they have no value at all: {named_rows(found.unobserved)}")
    width = min(max(shutil.get_terminal_size((140, 24)).columns, 80), 200)
    show_scores(found.scores, found.reasons, width)


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
