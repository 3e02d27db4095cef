"""`genzoo runs` and `genzoo push`."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from genzoo.cli.command import Command, ComputingCommand, LazyGroup, Option
from genzoo.cli.options import features_option, json_option, metric_option, samples_option, seed_option, with_options
from genzoo.cli.output import print_json, print_line, show_table, show_unfinished
from genzoo.config.run_config import runs_folder
from genzoo.errors import ConfigError
from genzoo.persistence.listing import (
    STATUSES,
    RunSummary,
    describe_run,
    differences,
    find_run,
    list_runs,
    remove_run,
    summary_rows,
)
from genzoo.text import counted, seconds_text, shortened, size_text

_with_filters = with_options(
    Option(["--model", "models"], multiple=True, metavar="MODEL", help="List only this model; may be repeated."),
    Option(["--data", "sources"], multiple=True, metavar="DATA", help="List only these data; may be repeated."),
    Option(
        ["--status", "statuses"],
        multiple=True,
        type=click.Choice(STATUSES),
        help="List only runs with this status; may be repeated.",
    ),
    Option(
        ["--folder"],
        type=click.Path(path_type=Path),
        metavar="DIR",
        help="Folder to look in.  [default: GENZOO_RUNS, or runs]",
    ),
)


_COMMANDS = {
    "list": "List runs and comparisons, the newest first.",
    "show": "Show how a run was trained and how that ended.",
    "compare": "Show the settings and results in which runs differ.",
    "remove": "Remove runs and comparisons with all their files.",
}


@click.group(
    "runs", cls=LazyGroup, lines=_COMMANDS, files=dict.fromkeys(_COMMANDS, "runs"), invoke_without_command=True
)
@_with_filters
@json_option
@click.pass_context
def runs_command(ctx: click.Context, /, as_json: bool, **filters: Any) -> None:
    """List runs and comparisons, the newest first; show, compare or remove them.

    A run is named by its folder, or by its name in the folder of runs.

    \b
    genzoo runs --model gmm --status finished
    genzoo runs show RUN
    genzoo runs compare RUN RUN
    genzoo runs remove RUN
    """
    if ctx.invoked_subcommand is None:
        _list(filters, as_json)
    elif as_json or any(filters.values()):
        raise click.UsageError(f"Options belong after {ctx.invoked_subcommand!r}.", ctx)


@click.command("list", cls=Command)
@_with_filters
@json_option
def list_command(as_json: bool, **filters: Any) -> None:
    """List runs and comparisons, the newest first."""
    _list(filters, as_json)


def _list(filters: dict[str, Any], as_json: bool) -> None:
    folder = filters["folder"]
    found = list_runs(folder, models=filters["models"], data=filters["sources"], statuses=filters["statuses"])
    if as_json:
        print_json([summary.as_dict() for summary in found])
        return
    if not found:
        fitting = " fits" if any(filters[name] for name in ("models", "sources", "statuses")) else ""
        print_line(f"No run in {runs_folder() if folder is None else folder}{fitting}.")
        return
    header, *rows = summary_rows(found)
    show_table(header, rows)


@click.command("show", cls=Command)
@click.argument("run")
@json_option
def show_command(run: str, as_json: bool) -> None:
    """Show how RUN was trained and how that ended."""
    summary = find_run(run)
    described = describe_run(summary)
    if as_json:
        print_json(described)
        return
    record = described["record"]
    facts = {
        "run": str(summary.path),
        "model": f"{summary.model} ({described['config'].get('model')})",
        "data": described["config"].get("data", {}).get("source"),
        "status": summary.status,
        "steps": summary.steps,
        "time": None if summary.seconds is None else seconds_text(summary.seconds),
        "started": record.get("started"),
        "loss": ", ".join(f"{name} {_cell(value)}" for name, value in (described["loss"] or {}).items()),
        "computed on": ", ".join(str(record[name]) for name in ("device", "precision") if record.get(name)),
        "versions": ", ".join(f"{name} {record[name]}" for name in ("genzoo", "torch", "python") if record.get(name)),
        "size": size_text(summary.bytes),
    }
    for name, value in facts.items():
        if value not in (None, ""):
            print_line(f"{name}: {value}")
    for part in ("options", "objective", "training", "split"):
        content = described["config"].get(part) or {}
        print_line(f"{part}: {json.dumps({name: value for name, value in content.items() if value not in (None, [])})}")


@click.command("compare", cls=Command)
@click.argument("runs", nargs=-1, required=True, metavar="RUN...")
@click.option("--all", "everything", is_flag=True, help="Show what is equal, too.")
@json_option
def compare_command(runs: Sequence[str], everything: bool, as_json: bool) -> None:
    """Show the settings and results in which runs differ, side by side.

    To find out which model is better, fit them to the same rows with genzoo compare.
    """
    if len(runs) < 2:
        raise ConfigError("Name at least two runs to compare.")
    summaries = [find_run(run) for run in runs]
    found = differences([describe_run(summary) for summary in summaries], everything=everything)
    if as_json:
        print_json({"runs": [str(one.path) for one in summaries], "differences": found})
        return
    rows = [[name, *map(_cell, values)] for name, values in found.items()]
    show_table(["", *(summary.name for summary in summaries)], rows)
    if not found:
        click.echo("They have the same settings and results.")


def _cell(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.6g}"
    return shortened(value, 40) if isinstance(value, str) else json.dumps(value)


@click.command("remove", cls=Command)
@click.argument("runs", nargs=-1, required=True, metavar="RUN...")
@click.option("--yes", "-y", is_flag=True, help="Do not ask for confirmation. Needed without a terminal.")
@json_option
def remove_command(runs: Sequence[str], yes: bool, as_json: bool) -> None:
    """Remove runs and comparisons with all their files. A run that is being trained is left alone."""
    summaries = list({summary.path.resolve(): summary for summary in map(find_run, runs)}.values())
    if not yes:
        _confirm(summaries)
    for summary in summaries:
        remove_run(summary)
        if not as_json:
            print_line(f"removed {summary.path}")
    if as_json:
        print_json({"removed": [str(summary.path) for summary in summaries]})


def _confirm(summaries: Sequence[RunSummary]) -> None:
    """Ask whether to remove.

    Raises:
        ConfigError: nobody can answer.
        Abort: the answer is no.
    """
    for summary in summaries:
        what = f"{summary.model or summary.kind} on {summary.data}" if summary.data else summary.kind
        print_line(f"{summary.path}: {what}, {summary.status}, {size_text(summary.bytes)}", err=True)
    if not sys.stdin.isatty():
        raise ConfigError("Removing runs needs a confirmation, and there is no terminal to ask on. Add --yes.")
    click.confirm(f"Remove {counted(len(summaries), 'folder')}?", abort=True, err=True)


@click.command("push", cls=ComputingCommand, needs="genzoo.verbs.sharing")
@click.argument("run")
@click.argument("to", metavar="USER/NAME")
@click.option("--private", is_flag=True, help="Only you may read a repository that is made.")
@click.option("--with-rows", is_flag=True, help="Upload the model even if it contains rows of its training data.")
@click.option("--no-scores", is_flag=True, help="Do not evaluate the model on the run's test rows for the card.")
@metric_option
@features_option
@samples_option
@seed_option("samples for the scores")
@json_option
def push_command(run: str, to: str, no_scores: bool, metrics: tuple[str, ...], as_json: bool, **given: Any) -> None:
    """Upload the model in RUN to the repository USER/NAME of the Hugging Face Hub, with a card.

    Only the weights, the settings and the card with the scores are uploaded: no data, samples or log. The settings
    have the names of columns, their categories, and the range of their numbers. Log in first: hf auth login. Others
    then use the model by its address: hub:USER/NAME.

    \b
    genzoo push runs/RUN me/faces --private
    genzoo sample hub:me/faces -n 64 --out grid.png
    """
    from genzoo.verbs.sharing import push

    show_unfinished(run)
    page = push(run, to, scores=not no_scores, metrics=metrics or None, **given)
    if as_json:
        print_json({"page": page, "model": f"hub:{to}"})
    else:
        print_line(f"Uploaded to {page}\nnext:\n  genzoo sample hub:{to} -n 64")
