"""`genzoo evaluate`."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import click

from genzoo.cli.options import device_option, json_option, with_data_options
from genzoo.plugins import registry

if TYPE_CHECKING:
    from genzoo.data.dataset import Dataset, Rows
    from genzoo.evaluation import Evaluation


@click.command("evaluate")
@click.argument("run")
@click.option("--data", metavar="D", help="Other data to judge by, all rows of them; the run's test rows without.")
@with_data_options
@click.option("--metric", "metrics", multiple=True, metavar="M", help="A metric of samples; all without.")
@click.option("--seed", type=int, default=0, envvar="GENZOO_SEED", show_default=True, help="Of the samples.")
@device_option
@json_option
def command(run: str, metrics: tuple[str, ...], seed: int, device: str, as_json: bool, **given: Any) -> None:
    """Judge the model of RUN by events: their log-likelihood, and its samples beside them.

    They are the run's test rows, which it was not trained on, or all rows of --data.
    """
    from genzoo.cli.matching import open_data
    from genzoo.evaluation import evaluate
    from genzoo.metrics.fidelity import find_metrics
    from genzoo.run import load

    chosen = find_metrics(registry(), metrics or None)
    fitted = load(run, device)
    if given["data"] is None:
        dataset, rows = _test_rows(run)
    else:
        import numpy as np

        dataset = open_data(fitted, given)
        rows = np.arange(len(dataset))
    found = evaluate(fitted, dataset, rows, chosen, seed=seed)
    _show(found, fitted.model, given["data"], as_json)


def _test_rows(path: str) -> tuple[Dataset, Rows]:
    """The data of a run and the numbers of its test rows.

    Raises:
        ArtifactError: it is no run directory, or its data have changed.
    """
    from genzoo.data.source import open_dataset
    from genzoo.errors import ArtifactError
    from genzoo.run import open_run

    run = open_run(path)
    config = run.config
    dataset = open_dataset(config.data, registry())
    if dataset.digest() != config.data_digest:
        raise ArtifactError(
            f"{run.path} was trained on other data than {config.data.source!r} holds now. Restore them, or name data "
            f"to judge by with --data."
        )
    return dataset, dataset.split(config.split, config.seed).test


def _show(found: Evaluation, model: str, data: str | None, as_json: bool) -> None:
    told = found.log_likelihood
    if as_json:
        from genzoo.files import to_json

        content = {
            "model": model,
            "events": found.events,
            "log_likelihood": {
                "test": None if told is None else told.mean,
                "se": None if told is None else told.se,
                "kind": found.kind,
                "measure": found.measure,
            },
            "metrics": {name: dataclasses.asdict(score) for name, score in found.scores.items()},
            "reasons": dict(found.reasons),
            "unobserved": found.unobserved.tolist(),
        }
        click.echo(to_json(content, indent=2))
        return
    events = "test events, which it was not trained on" if data is None else f"events of {data}"
    click.echo(f"{model} on {found.events} {events}")
    if len(found.unobserved):
        from genzoo.metrics.likelihood import named_rows

        click.echo(f"left out, as they have no value at all: {named_rows(found.unobserved)}")
    if told is not None:
        click.echo(f"log-likelihood: {told.mean:.4f} ± {told.se:.4f} nats per event ({found.kind}, {found.measure})")
    for name, score in found.scores.items():
        error = "" if score.error is None else f" ± {score.error:.4f}"
        protocol = ", ".join(f"{key} {value}" for key, value in score.protocol.items())
        click.echo(f"{name}: {score.value:.4f}{error} ({score.direction} is better; {protocol})")
    for name, reason in found.reasons.items():
        click.echo(f"{name}: – {reason}")
