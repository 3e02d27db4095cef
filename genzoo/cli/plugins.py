"""`genzoo plugins`: a group whose bare call lists."""

from __future__ import annotations

import click

from genzoo.cli.group import LazyGroup
from genzoo.cli.listing import show_states
from genzoo.cli.options import json_option

_COMMANDS = {
    "list": "List installed plugins and what became of each.",
    "doctor": "Examine plugins in fresh processes and say what is wrong with them.",
    "check": "Hold a model, metric or dataset to what every plugin promises.",
    "freeze": "Print installed plugins as lines that restore them.",
    "restore": "Install frozen plugins again.",
    "new": "Write a plugin that works, for you to change.",
}
_FILES = {"list": "listing", "check": "promises"}


@click.group("plugins", cls=LazyGroup, lines=_COMMANDS, files=_FILES, invoke_without_command=True)
@json_option
@click.pass_context
def command(ctx: click.Context, /, as_json: bool) -> None:
    """List installed plugins and what became of each, or do what a command below says."""
    if ctx.invoked_subcommand is None:
        show_states(as_json)
    elif as_json:
        raise click.UsageError(f"--json belongs after {ctx.invoked_subcommand!r}.", ctx)
