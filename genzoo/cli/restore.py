"""`genzoo plugins restore`."""

from __future__ import annotations

from pathlib import Path

import click

from genzoo.cli.installing import carry_out, plan_content, show_brought
from genzoo.cli.options import json_option
from genzoo.errors import PluginError
from genzoo.installation.child import look
from genzoo.installation.frozen import read_frozen
from genzoo.installation.install import planned
from genzoo.installation.request import Request
from genzoo.installed import bundled_plugins


@click.command("restore")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--yes", "-y", is_flag=True, help="Ask nothing. Without a terminal nothing is asked either.")
@json_option
def command(file: Path, yes: bool, as_json: bool) -> None:
    """Install the plugins of FILE again, which `genzoo plugins freeze` printed.

    Beside the genzoo that is installed now, which stays as it is. Of plugins that cannot be had all others are
    installed, and those are named at the end, with the reason.
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
    seen, _ = look()
    show_brought(names, seen, {"installed": items, "missing": lost}, as_json=as_json)
    if lost:
        told = " ".join(f"{text} cannot be had: {reason}" for text, reason in lost.items())
        raise PluginError(f"{told} All others are installed.")


def _install(requests: list[Request], yes: bool) -> list[dict[str, object]]:
    if not requests:
        return []
    with planned(requests) as plan:
        if plan.items:
            carry_out(plan, yes=yes)
        return plan_content(plan)
