"""What `genzoo install` and `genzoo plugins restore` show of an installation, and ask before it."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

import click

from genzoo.cli.options import show_table
from genzoo.errors import PluginError
from genzoo.installation.install import Plan
from genzoo.installation.plan import Item
from genzoo.installed import normalised


def show_plan(plan: Plan, *, err: bool) -> None:
    """What would be installed, and from where."""
    rows = [
        [item.name, item.version, plan.before[item.name] or "–", _size(item), item.revision or item.url]
        for item in plan.items
    ]
    show_table(["distribution", "version", "installed", "size", "from"], rows, err=err)


def _size(item: Item) -> str:
    return "–" if item.size is None else f"{max(item.size / 1e6, 0.001):.3f} MB"


def plan_content(plan: Plan) -> list[dict[str, object]]:
    """The same, for JSON."""
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


def carry_out(plan: Plan, *, yes: bool) -> dict[str, Any]:
    """Show a plan, ask where somebody can answer, and install it; returns what a fresh process saw then.

    Raises:
        PluginError: pip failed, or what was asked for is no plugin.
        click.Abort: the answer was no.
    """
    show_plan(plan, err=True)
    if not yes and sys.stdin.isatty() and sys.stderr.isatty():
        click.confirm("Install this?", default=True, abort=True, err=True)
    return plan.carry_out()


def show_brought(names: Sequence[str], seen: dict[str, Any], content: dict[str, Any], *, as_json: bool) -> None:
    """Show what plugins brought.

    Arguments:
        names: of the distributions.
        seen: by the fresh process that loaded them, as `look` gives it.
        content: what the JSON says besides.

    Raises:
        PluginError: one of them fails to load.
    """
    wanted = {normalised(name) for name in names}
    states = [state for state in seen["states"] if normalised(state["distribution"]) in wanted]
    models = [model for model in seen["models"] if normalised(model["distribution"]) in wanted]
    others = [other for other in seen["others"] if normalised(other["distribution"]) in wanted]
    if as_json:
        click.echo(json.dumps({**content, "plugins": states, "models": models, "others": others}, indent=2))
    elif models:
        show_table(["model", "family", "summary"], [[m["name"], m["family"], m["summary"]] for m in models])
    if not as_json and others:
        click.echo("Also: " + ", ".join(f"{other['sort']} {other['id']}" for other in others))
    for state in states:
        if state["state"] == "loaded" and state["reason"]:
            click.echo(f"Warning: {state['distribution']}: {state['reason']} {state['remedy']}", err=True)
    failed = [state for state in states if state["state"] == "failed"]
    if failed:
        told = " ".join(f"{state['distribution']} does not load: {state['reason'].rstrip('.')}." for state in failed)
        away = " ".join(state["distribution"] for state in failed)
        raise PluginError(f"{told} It is installed and harms nothing else. Remove it with: genzoo uninstall {away}")
