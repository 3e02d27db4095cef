"""`genzoo plugins`: list, doctor, freeze and restore."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import click

from genzoo.cli.command import LazyGroup
from genzoo.cli.options import json_option, yes_option
from genzoo.cli.output import print_json, show_table
from genzoo.cli.plugins.install import apply_plan, plan_content, show_brought
from genzoo.errors import CheckError, PluginError
from genzoo.packaging.doctor import Diagnosis, environment_findings, examine
from genzoo.packaging.freeze import frozen_lines, header, read_frozen
from genzoo.packaging.install import planned
from genzoo.packaging.plan import Request
from genzoo.packaging.subprocess_probe import probe
from genzoo.plugins.discovery import CORE, bundled_plugins
from genzoo.plugins.manager import PluginManager, PluginState, get_manager
from genzoo.plugins.validation import unresolved_references


@click.command("doctor")
@click.argument("name", required=False, metavar="[PLUGIN]")
@json_option
def doctor_command(name: str | None, as_json: bool) -> None:
    """Diagnose all installed plugins, or only distribution PLUGIN; exit with 5 if there is a problem.

    Each plugin is imported in a new process, and the import timed. Problems are: it imports torch or prints, a
    reference in its specs is missing or of the wrong kind, or a requirement is not installed.
    """
    diagnoses = _examine(name)
    around = environment_findings()
    if as_json:
        plugins = [dataclasses.asdict(diagnosis) for diagnosis in diagnoses]
        print_json({"plugins": plugins, "findings": around})
    else:
        _show(diagnoses, around)
    count = len(around) + sum(len(diagnosis.findings) for diagnosis in diagnoses)
    if count:
        raise CheckError(f"{'One finding' if count == 1 else f'{count} findings'} above.")


def _examine(name: str | None) -> list[Diagnosis]:
    """Diagnose plugins; on a terminal, print the one at work."""
    if not sys.stderr.isatty():
        return examine(name)
    try:
        return examine(name, lambda label: click.echo(f"\r\x1b[K{label}", err=True, nl=False))
    finally:
        click.echo("\r\x1b[K", err=True, nl=False)


def _examined_state(diagnosis: Diagnosis) -> str:
    return f"{diagnosis.state}, bundled" if diagnosis.bundled else diagnosis.state


def _show(diagnoses: list[Diagnosis], around: list[str]) -> None:
    rows = [
        [
            d.distribution,
            d.version,
            d.name,
            _examined_state(d),
            "–" if d.milliseconds is None else f"{d.milliseconds:.0f} ms",
        ]
        for d in diagnoses
    ]
    show_table(["distribution", "version", "plugin", "state", "import"], rows)
    for text in around:
        click.echo(f"\n{text}")
    for diagnosis in diagnoses:
        for text in diagnosis.findings:
            click.echo(f"\n{diagnosis.distribution}: {text}")


@click.command("freeze")
@json_option
def freeze_command(as_json: bool) -> None:
    """Print installed plugins as requirement lines, for genzoo plugins restore or pip.

    \b
    genzoo plugins freeze > plugins.txt
    """
    lines = frozen_lines()
    if as_json:
        print_json([{"distribution": name, "requirement": line} for name, line in lines.items()])
        return
    click.echo("\n".join([header(), *lines.values()]))


@click.command("list")
@json_option
def list_command(as_json: bool) -> None:
    """List installed plugins, and whether each was loaded."""
    show_states(as_json)


def show_states(as_json: bool) -> None:
    """Print the state of every installed plugin."""
    states = [_with_references(get_manager(), state) for state in get_manager().states]
    if as_json:
        print_json([dataclasses.asdict(state) for state in states])
        return
    show_table(
        ["distribution", "version", "plugin", "state"],
        [[state.distribution, state.version, state.name, _state(state)] for state in states],
    )
    for state in states:
        if state.reason:
            click.echo(f"\n{state.distribution}: {state.reason} {state.remedy}".rstrip())


def _state(state: PluginState) -> str:
    return f"{state.state}, bundled" if state.bundled else state.state


def _with_references(manager: PluginManager, state: PluginState) -> PluginState:
    """Add the references of a plugin that cannot be resolved to its state."""
    wrong = [] if state.distribution == CORE else list(unresolved_references(manager.brought(state)))
    if not wrong:
        return state
    reason = " ".join([*filter(None, [state.reason]), *wrong])
    remedy = f"{state.remedy} For more, run `genzoo plugins doctor {state.distribution}`.".strip()
    return dataclasses.replace(state, reason=reason, remedy=remedy)


_COMMANDS = {
    "list": "List installed plugins, and whether each was loaded.",
    "doctor": "Diagnose installed plugins.",
    "check": "Test a model, metric or dataset against the plugin contract.",
    "freeze": "Print installed plugins as requirement lines.",
    "restore": "Install the plugins that freeze printed.",
    "new": "Create a working plugin for you to change.",
}


_FILES = {
    **dict.fromkeys(("list", "doctor", "freeze", "restore"), "plugins.command"),
    **dict.fromkeys(("check", "new"), "plugins.development"),
}


@click.group("plugins", cls=LazyGroup, lines=_COMMANDS, files=_FILES, invoke_without_command=True)
@json_option
@click.pass_context
def plugins_command(ctx: click.Context, /, as_json: bool) -> None:
    """List, test, create, freeze and restore plugins; without a command, list them."""
    if ctx.invoked_subcommand is None:
        show_states(as_json)
    elif as_json:
        raise click.UsageError(f"--json belongs after {ctx.invoked_subcommand!r}.", ctx)


@click.command("restore")
@click.argument("file", type=click.Path(path_type=Path))
@yes_option
@json_option
def restore_command(file: Path, yes: bool, as_json: bool) -> None:
    """Install the plugins in FILE, the output of genzoo plugins freeze.

    genzoo itself does not change. If a plugin cannot be installed, the others are, and the error names it with the
    reason.

    \b
    genzoo plugins restore plugins.txt
    """
    requests, lost = read_frozen(file)
    bundled = bundled_plugins()
    for request in requests:
        if request.name in bundled:
            click.echo(f"Note: {request.name} comes with this genzoo, so there is nothing to install.", err=True)
    requests = [request for request in requests if request.name not in bundled]
    items: list[dict[str, object]] = []
    try:
        items += _install(requests, yes)
    except PluginError as error:
        if len(requests) == 1:
            lost[requests[0].text] = str(error)
        for request in requests if len(requests) > 1 else ():
            try:
                items += _install([request], yes)
            except PluginError as reason:
                lost[request.text] = str(reason)
    names = [str(item["name"]) for item in items if item["requested"]]
    names += [request.name for request in requests if request.name is not None]
    seen, _ = probe()
    show_brought(names, seen, {"installed": items, "missing": lost}, as_json=as_json)
    if lost:
        reasons = " ".join(f"{text} cannot be installed: {reason}" for text, reason in lost.items())
        raise PluginError(f"{reasons} All others are installed.")


def _install(requests: list[Request], yes: bool) -> list[dict[str, object]]:
    if not requests:
        return []
    with planned(requests) as plan:
        if plan.items:
            apply_plan(plan, yes=yes)
        return plan_content(plan)
