"""`genzoo install`."""

from __future__ import annotations

import json

import click

from genzoo.cli.installing import carry_out, plan_content, show_brought, show_plan
from genzoo.cli.options import json_option
from genzoo.installation.child import look
from genzoo.installation.install import Plan, planned
from genzoo.installation.request import parse_request


@click.command("install")
@click.argument("packages", metavar="[PKG]...", nargs=-1)
@click.option("-e", "--editable", "folders", multiple=True, metavar="PATH", help="A folder to install in place.")
@click.option("--upgrade", "-U", is_flag=True, help="Bring what is installed already to its newest version.")
@click.option("--dry-run", is_flag=True, help="Show what would be installed, and change nothing.")
@click.option("--yes", "-y", is_flag=True, help="Ask nothing. Without a terminal nothing is asked either.")
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    /,
    packages: tuple[str, ...],
    folders: tuple[str, ...],
    upgrade: bool,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Install plugins beside genzoo, which stays as it is.

    PKG is a name, with or without versions (genzoo-theirs, "genzoo-theirs>=2"), a path, a wheel or an address. pip
    first resolves it against genzoo, torch and all they stand on at their installed versions; what it found is shown,
    and then exactly that is installed. A fresh process loads the plugins and tells what they brought.
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
            seen = carry_out(plan, yes=yes)
            names = [item.name for item in plan.items if item.requested]
        else:
            click.echo("All of it is installed already.", err=True)
            seen, _ = look()
            names = [request.name for request in requests if request.name is not None]
        show_brought(names, seen, {"installed": plan_content(plan)}, as_json=as_json)


def _show_dry(plan: Plan, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"would_install": plan_content(plan)}, indent=2))
    elif plan.items:
        show_plan(plan, err=False)
    else:
        click.echo("All of it is installed already.")
