"""`genzoo plugins list`."""

from __future__ import annotations

import dataclasses

import click

from genzoo.cli.options import json_option, show_table
from genzoo.glance import unresolved
from genzoo.installed import CORE
from genzoo.plugins import PluginState, Zoo, zoo


@click.command("list")
@json_option
def command(as_json: bool) -> None:
    """List installed plugins and what became of each."""
    show_states(as_json)


def show_states(as_json: bool) -> None:
    """Print what became of every installed plugin."""
    states = [_looked_at(zoo(), state) for state in zoo().states]
    if as_json:
        import json

        click.echo(json.dumps([dataclasses.asdict(state) for state in states], indent=2))
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


def _looked_at(found: Zoo, state: PluginState) -> PluginState:
    """A state that also says which references of its plugin lead nowhere."""
    wrong = [] if state.distribution == CORE else list(unresolved(found.brought(state)))
    if not wrong:
        return state
    reason = " ".join([*filter(None, [state.reason]), *wrong])
    remedy = f"{state.remedy} More is told by `genzoo plugins doctor {state.distribution}`.".strip()
    return dataclasses.replace(state, reason=reason, remedy=remedy)
