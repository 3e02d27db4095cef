"""`genzoo report` and `describe`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from genzoo.cli.command import ComputingCommand
from genzoo.cli.options import (
    check_data_given,
    data_layer,
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
from genzoo.cli.output import print_json, print_line, show_table, show_unfinished, terminal_width
from genzoo.errors import ConfigError
from genzoo.plugins.manager import get_registry
from genzoo.runtime.progress import Phase
from genzoo.storage.paths import user_path

if TYPE_CHECKING:
    from genzoo.inference.description.figures import Description
    from genzoo.inference.trained_model import TrainedModel
    from genzoo.persistence.run import Run
    from genzoo.reports.page import Page


@click.command("report", cls=ComputingCommand, needs="genzoo.reports.run_page")
@click.argument("run", metavar="RUN|DIR")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Output file: .html.  [default: report.html in the folder]",
)
@click.option("--data", metavar="DATA", help="Evaluate a run on all rows of this dataset instead of its test rows.")
@metric_option
@features_option
@samples_option
@draws_option
@target_option
@sampling_option
@seed_option("sampling and metrics")
@device_option
@json_option
@with_data_options
def report_command(run: str, out: Path | None, seed: int, as_json: bool, **given: Any) -> None:
    """Write one HTML page about RUN, a run directory, or DIR, the folder of a comparison.

    The page contains its images and needs no network. It evaluates a run on its test rows, or on all rows of --data.

    \b
    genzoo report RUN --out report.html
    """
    from genzoo.persistence.open_run import is_comparison
    from genzoo.reports.html import write_pictures
    from genzoo.verbs.report import RunReport, page_of_comparison

    place = user_path(run)
    if is_comparison(place):
        _check_no_choices(given)
        with Phase("making the report"):
            folder, page = place, page_of_comparison(place, seed)
    else:
        folder, page = _run_page(run, seed, given)
    found = RunReport(page).save(out or folder / "report.html")
    if out is None and is_comparison(place):
        write_pictures(folder, page)
    if as_json:
        print_json(found.as_dict())
    else:
        print_line(f"report: {found.path}")


def _check_no_choices(given: dict[str, Any]) -> None:
    """Check that no option was given that only the report of a run has.

    Raises:
        ConfigError: one was given.
    """
    chosen = ["--data"] if data_layer(given["data"], given) else []
    chosen += ["--metric"] if given["metrics"] else []
    chosen += ["-o"] if given["options"] else []
    chosen += [f"--{name}" for name in ("features", "samples", "draws", "target") if given[name] is not None]
    if chosen:
        raise ConfigError(
            f"{chosen[0]} is for the report of a run. The report of a comparison shows stored results. Leave it out."
        )


def _run_page(path: str, seed: int, given: dict[str, Any]) -> tuple[Path, Page]:
    """Return the folder of a run, and its page.

    Raises:
        ArtifactError: there is no run, or it is damaged.
    """
    from genzoo.cli.rows import open_data, settings_of
    from genzoo.reports.run_page import run_page
    from genzoo.verbs.evaluation import find_terms
    from genzoo.verbs.given import open_asked
    from genzoo.verbs.report import find_run

    run = find_run(path)
    fitted = open_asked(run, given["device"])[1].with_sampling(sampling_layer(given["options"]))
    metrics, features, samples, draws = (given[name] for name in ("metrics", "features", "samples", "draws"))
    terms = find_terms(fitted, metrics, features, samples, draws, seed, given["target"])
    check_data_given(given)
    dataset = None if given["data"] is None else open_data(fitted, settings_of(given, fitted, run), keep_unknown=True)
    return run.path, run_page(run, fitted, terms, dataset)


@click.command("describe", cls=ComputingCommand)
@click.argument("run", metavar="RUN|COMPARISON")
@click.option("--data", metavar="DATA", help="Describe all rows of this dataset instead of the run's own data.")
@click.option(
    "--rows",
    type=click.IntRange(0),
    default=5,
    show_default=True,
    metavar="N",
    help="Number of least likely rows to explain.",
)
@click.option(
    "--out",
    "--output",
    "out",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Also draw the description: .png.  [default: no picture]",
)
@seed_option("samples of the model")
@device_option
@json_option
@with_data_options
def describe_command(
    run: str, rows: int, out: Path | None, seed: int, device: str, as_json: bool, **given: Any
) -> None:
    """Describe what the model in RUN says about its data, in words and figures.

    The description lists the components and what makes them different, the columns that separate them, the
    dependencies between columns, and the least likely rows with the values that make them unlikely. For the folder of a
    comparison, it describes the best model. Without its data, samples of the model are described.

    \b
    genzoo describe RUN
    genzoo describe RUN --data new.csv --rows 10 --out picture.png
    """
    from genzoo.verbs.given import open_asked

    if out is not None:
        _check_picture(out)
    check_data_given(given)
    show_unfinished(run)
    opened, model = open_asked(run, device)
    found, where = _described(opened, model, given, rows, seed)
    if out is not None:
        from genzoo.reports.description_figure import write_picture

        with Phase("drawing"):
            write_picture(out, found)
    if as_json:
        print_json({**found.as_dict(), "out": None if out is None else str(out)})
        return
    _print_description(found, where)
    if out is not None:
        print_line(f"picture: {out}")


def _check_picture(out: Path) -> None:
    if out.suffix.lower() != ".png":
        raise ConfigError(f"A picture cannot be written as {out.name!r}. Known: .png.")
    if not out.parent.is_dir():
        raise ConfigError(f"{out} is in a folder that does not exist: {out.parent}.")


def _described(
    run: Run | None, model: TrainedModel, given: dict[str, Any], rows: int, seed: int
) -> tuple[Description, str | None]:
    """Return the description, and what the described rows are; `None` if these are samples of the model."""
    from genzoo.cli.rows import open_data, settings_of
    from genzoo.verbs.description import describe

    if given["data"] is not None:
        dataset = open_data(model, settings_of(given, model, run))
        return model.describe(dataset.everything, weights=dataset.weights, rows=rows, seed=seed), dataset.name
    found = describe(run or model, rows=rows, seed=seed)
    return found, Path(run.config.data.source).name if run is not None and found.rows else None


def _print_description(found: Description, where: str | None) -> None:
    import textwrap

    from genzoo.reports.description import description_sections
    from genzoo.reports.page import Table, Text

    zoo = get_registry().models
    summary = next((zoo.get(name).spec.summary for name in zoo.names() if zoo.get(name).id == found.model), None)
    for place, section in enumerate(description_sections(found, where, summary, terminal_width())):
        if place:
            click.echo()
        print_line(section.title.upper())
        for block in section.blocks:
            if isinstance(block, Text):
                for line in textwrap.wrap(block.text, terminal_width(), break_long_words=False):
                    print_line(line)
            elif isinstance(block, Table):
                print_line(f"{block.caption}:")
                show_table(block.header, block.rows)
