"""`genzoo install` and `genzoo uninstall`."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from typing import Any

import click

from genzoo.cli.options import json_option, yes_option
from genzoo.cli.output import print_json, show_table
from genzoo.errors import ConfigError, PluginError
from genzoo.packaging.install import InstallPlan, planned, removable, uninstall
from genzoo.packaging.plan import PlannedPackage, parse_request
from genzoo.packaging.subprocess_probe import probe
from genzoo.plugins.discovery import normalize_name


@click.command("install")
@click.argument("packages", metavar="[PKG]...", nargs=-1)
@click.option(
    "-e",
    "--editable",
    "folders",
    multiple=True,
    metavar="PATH",
    help="Install the plugin in this folder in place; may be repeated.",
)
@click.option("--upgrade", "-U", is_flag=True, help="Also upgrade plugins that are installed already.")
@click.option("--dry-run", is_flag=True, help="Print what would be installed, but change nothing.")
@yes_option
@json_option
@click.pass_context
def install_command(
    ctx: click.Context,
    /,
    packages: tuple[str, ...],
    folders: tuple[str, ...],
    upgrade: bool,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Install plugins without changing genzoo.

    PKG is a name, with or without versions (genzoo-theirs, "genzoo-theirs>=2"), a path, a wheel or a URL. pip resolves
    it with genzoo, torch and their dependencies fixed at the installed versions. The plan is printed and then
    installed exactly. A new process then loads the plugins and lists what they add.

    \b
    genzoo install genzoo-theirs
    genzoo install -e my-plugin
    """
    if not packages and not folders:
        raise click.UsageError("Name a package to install, or a folder with -e.", ctx)
    requests = [parse_request(text) for text in packages]
    requests += [parse_request(text, editable=True) for text in folders]
    with planned(requests, upgrade=upgrade) as plan:
        if dry_run:
            _show_dry(plan, as_json)
            return
        if plan.items:
            seen = apply_plan(plan, yes=yes)
            names = [item.name for item in plan.items if item.requested]
        else:
            click.echo("Everything is installed already.", err=True)
            seen, _ = probe()
            names = [request.name for request in requests if request.name is not None]
        show_brought(names, seen, {"installed": plan_content(plan)}, as_json=as_json)


def _show_dry(plan: InstallPlan, as_json: bool) -> None:
    if as_json:
        print_json({"would_install": plan_content(plan)})
    elif plan.items:
        show_plan(plan, err=False)
    else:
        click.echo("Everything is installed already.")


def show_plan(plan: InstallPlan, *, err: bool) -> None:
    """Print what would be installed, and from where."""
    rows = [
        [item.name, item.version, plan.before[item.name] or "–", _size(item), item.revision or item.url]
        for item in plan.items
    ]
    show_table(["distribution", "version", "installed", "size", "from"], rows, err=err)


def _size(item: PlannedPackage) -> str:
    return "–" if item.size is None else f"{max(item.size / 1e6, 0.001):.3f} MB"


def plan_content(plan: InstallPlan) -> list[dict[str, object]]:
    """Return the plan as content for JSON."""
    return [
        {
            "name": item.name,
            "version": item.version,
            "installed": plan.before[item.name],
            "from": item.revision or item.url,
            "sha256": item.digest,
            "size": item.size,
            "requested": item.requested,
        }
        for item in plan.items
    ]


def apply_plan(plan: InstallPlan, *, yes: bool) -> dict[str, Any]:
    """Print a plan, ask for confirmation on a terminal, and install it.

    Returns:
        What a new process then found, as `InstallPlan.carry_out` returns it.

    Raises:
        ConfigError: there is no terminal to confirm it on, and no `--yes`.
        PluginError: pip failed, or a requested package is no plugin.
        click.Abort: the answer was no.
    """
    show_plan(plan, err=True)
    if not yes:
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise ConfigError(
                "Nothing was installed: there is no terminal to confirm it on. Check the list above, and add --yes."
            )
        click.confirm("Install this?", default=True, abort=True, err=True)
    return plan.carry_out()


def show_brought(names: Sequence[str], seen: dict[str, Any], content: dict[str, Any], *, as_json: bool) -> None:
    """Print what plugins add to the zoo.

    Arguments:
        names: distributions of the plugins.
        seen: what the new process that loaded them found, as `probe` returns it.
        content: further keys of the JSON.

    Raises:
        PluginError: a plugin fails to load.
    """
    wanted = {normalize_name(name) for name in names}
    states = [state for state in seen["states"] if normalize_name(state["distribution"]) in wanted]
    models = [model for model in seen["models"] if normalize_name(model["distribution"]) in wanted]
    others = [other for other in seen["others"] if normalize_name(other["distribution"]) in wanted]
    if as_json:
        print_json({**content, "plugins": states, "models": models, "others": others})
    elif models:
        show_table(["model", "family", "summary"], [[m["name"], m["family"], m["summary"]] for m in models])
    if not as_json and others:
        click.echo("Also: " + ", ".join(f"{other['kind']} {other['id']}" for other in others))
    for state in states:
        if state["state"] == "loaded" and state["reason"]:
            click.echo(f"Warning: {state['distribution']}: {state['reason']} {state['remedy']}", err=True)
    failed = [state for state in states if state["state"] == "failed"]
    if failed:
        reasons = [f"{state['distribution']} does not load: {state['reason'].rstrip('.')}." for state in failed]
        names = [state["distribution"] for state in failed]
        raise PluginError(
            f"{' '.join(reasons)} It is installed; other plugins still work. Remove it with: genzoo uninstall "
            f"{' '.join(names)}"
        )


@click.command("uninstall")
@click.argument("packages", metavar="PKG...", nargs=-1, required=True)
@yes_option
@json_option
def uninstall_command(packages: tuple[str, ...], yes: bool, as_json: bool) -> None:
    """Remove plugins.

    PKG is a distribution with an entry point for genzoo. Dependencies of genzoo are never removed.
    """
    names = removable(packages)
    if not yes and sys.stdin.isatty() and sys.stderr.isatty():
        click.confirm(f"Remove {', '.join(names)}?", default=True, abort=True, err=True)
    left, kept = uninstall(names)
    if kept:
        files = ", ".join(map(repr, kept[:5])) + (f" and {len(kept) - 5} more" if len(kept) > 5 else "")
        click.echo(
            f"Warning: {', '.join(names)} claimed {files}, which belong to others. They were left alone.", err=True
        )
    if as_json:
        print_json({"removed": list(names), "no_longer_required": list(left)})
        return
    click.echo(f"Removed: {', '.join(names)}")
    if left:
        pip = f"{shlex.quote(sys.executable)} -m pip uninstall {' '.join(left)}"
        click.echo(f"No longer required: {', '.join(left)}. Remove with: {pip}", err=True)
