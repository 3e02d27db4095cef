"""`genzoo evaluate`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from genzoo.cli.command import ComputingCommand
from genzoo.cli.options import (
    check_data_given,
    device_option,
    draws_option,
    features_option,
    json_option,
    metric_option,
    samples_option,
    sampling_layer,
    sampling_option,
    seed_option,
    target_option,
    with_data_options,
)
from genzoo.cli.output import print_json, print_line, terminal_width

if TYPE_CHECKING:
    from genzoo.metrics.evaluate import Evaluation
    from genzoo.persistence.run import Run


@click.command("evaluate", cls=ComputingCommand, needs="genzoo.metrics.evaluate")
@click.argument("run")
@click.option("--data", metavar="DATA", help="Evaluate on all rows of this dataset instead of the run's test rows.")
@metric_option
@features_option
@samples_option
@draws_option
@target_option
@click.option(
    "--stride",
    type=int,
    metavar="BYTES",
    help="bits-per-byte of a model of windows: let windows overlap, each with so many new bytes.  "
    "[default: none; each window is scored from nothing]",
)
@sampling_option
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
    target: str | None,
    stride: int | None,
    options: tuple[str, ...],
    seed: int,
    device: str,
    as_json: bool,
    **given: Any,
) -> None:
    """Compute the log-likelihood and the sample metrics of RUN, a run directory or a model folder.

    Rows are the run's test rows, which the model was not trained on, or all rows of --data. Samples are compared with
    at most 10,000 real rows; larger sets are subsampled evenly. A row with a category that the model does not know is
    impossible under it: such rows are counted, named and left out of all scores. The best model of a comparison may be
    trained on all rows. The scores of its fit without the test rows, which the comparison kept, are then printed.

    \b
    genzoo evaluate RUN
    genzoo evaluate RUN --metric coverage --metric recall
    genzoo evaluate RUN --metric bits-per-byte --stride 128
    """
    from genzoo.cli.rows import open_data, settings_of
    from genzoo.verbs.evaluation import evaluate_rows, find_terms, kept_scores
    from genzoo.verbs.given import open_asked

    sampling = sampling_layer(options)
    opened, fitted = open_asked(run, device)
    fitted = fitted.with_sampling(sampling)
    terms = find_terms(fitted, metrics, features, samples, draws, seed, target, stride)
    evaluation = None
    if given["data"] is None:
        check_data_given(given)
        choices = {"features": features, "samples": samples, "draws": draws, "target": target, "stride": stride}
        evaluation = kept_scores(opened, metrics, **choices, sampling=sampling or None)
    if evaluation is None:
        dataset = (
            None if given["data"] is None else open_data(fitted, settings_of(given, fitted, opened), keep_unknown=True)
        )
        evaluation = evaluate_rows(opened, fitted, dataset, terms, given["data"])
    _show(evaluation, given["data"], opened, as_json)
    asked = [name for name in metrics if name in evaluation.reasons]
    if asked:
        from genzoo.errors import DataError

        raise DataError(f"Metric {asked[0]!r} has no score: {evaluation.reasons[asked[0]]}.")


def _show(evaluation: Evaluation, data: str | None, run: Run | None, as_json: bool) -> None:
    unfinished = None if run is None else run.unfinished
    if as_json:
        status = None if run is None else run.record.get("status")
        print_json({"status": status, "unfinished": unfinished, **evaluation.as_dict()})
        return
    from genzoo.reports.terminal import print_scores

    if run is not None and unfinished is not None:
        print_line(f"look at: {run.path}: {unfinished}")
    if evaluation.about:
        print_line(f"{evaluation.model} has no test rows of its own. {evaluation.about}")
    else:
        events = "test events, which it was not trained on" if data is None else f"events of {data}"
        print_line(f"{evaluation.model} on {evaluation.events} {events}")
    if len(evaluation.unobserved):
        from genzoo.inference.row_likelihoods import named_rows

        print_line(f"left out, because all their values are missing: {named_rows(evaluation.unobserved)}")
    if evaluation.unknown:
        from genzoo.data.columns.unseen import about_unknown

        print_line(f"look at: {about_unknown(evaluation.unknown)}")
    print_scores(evaluation.scores, evaluation.reasons, terminal_width())
    if evaluation.unseen:
        from genzoo.data.columns.unseen import about_unseen

        print_line(f"look at: {about_unseen(evaluation.unseen)}")
    if evaluation.density_rests_on is not None:
        print_line(f"look at the log-likelihood: {evaluation.density_rests_on}")
