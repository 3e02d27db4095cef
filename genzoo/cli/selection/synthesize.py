"""`genzoo synthesize`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from genzoo.cli.command import ComputingCommand
from genzoo.cli.options import (
    data_layer,
    device_option,
    fits_on_option,
    jobs_option,
    json_option,
    run_layer,
    seed_option,
    target_option,
    with_data_options,
)
from genzoo.cli.output import print_json, print_line, show_notes, show_remarks, terminal_width


@click.command("synthesize", cls=ComputingCommand, needs="genzoo.comparison.synthesize")
@click.argument("data")
@click.option("-n", "count", type=int, required=True, metavar="N", help="Number of rows to write.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    metavar="FILE",
    help="File of the rows. The report and the model go to a folder of the same name without the suffix.",
)
@click.option(
    "--model",
    "models",
    multiple=True,
    metavar="MODEL",
    help="Candidate, as for compare; may be repeated.  [default: models of tables with a likelihood that take at most "
    "1,000 training steps]",
)
@click.option("--thorough", is_flag=True, help="Try models that take more training steps, too.")
@click.option("--folds", type=int, default=5, show_default=True, metavar="K", help="Folds of cross-validation.")
@jobs_option
@fits_on_option
@target_option
@seed_option("the comparison and the rows")
@device_option
@json_option
@with_data_options
def synthesize_command(
    data: str,
    count: int,
    out: Path,
    models: tuple[str, ...],
    thorough: bool,
    folds: int,
    jobs: int | None,
    on: str | None,
    as_json: bool,
    **given: Any,
) -> None:
    """Write synthetic rows of the table DATA, drawn from the model that explains it best.

    Models of tables are compared by cross-validation, and by their samples if their likelihoods measure different
    things. The one that is picked is trained on all rows. Models that keep or copy training rows are left out. By
    default, models that take more than 1,000 training steps are not tried, as they may take minutes.

    \b
    genzoo synthesize customers.csv -n 10000 --out synthetic.csv
    """
    from genzoo.comparison.synthesize import about_rare_texts, check_file, prepare_synthesis, write_synthesis

    file = check_file(out, count)
    common = run_layer(("seed", "device"), given)
    comparison, not_tried = prepare_synthesis(
        models,
        (None, data_layer(data, given)),
        common,
        file=file,
        thorough=thorough,
        folds=folds,
        jobs=jobs,
        threads=1,
        on=on,
        target=given["target"],
    )
    show_remarks(comparison.dataset)
    show_notes(about_rare_texts(comparison.dataset))
    found = write_synthesis(comparison, not_tried, file, count, given["seed"])
    if as_json:
        print_json(found.as_dict())
        return
    from rich.console import Console

    from genzoo.reports.terminal import print_report

    print_report(found.report, Console(width=terminal_width(), highlight=False, soft_wrap=False))
    print_line(f"rows:   {found.out}")
    print_line(f"report: {found.run.path.parent / 'report.html'}")
    print_line(f"model:  {found.run.path}")
