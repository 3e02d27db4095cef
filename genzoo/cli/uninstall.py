"""`genzoo uninstall`."""

from __future__ import annotations

import shlex
import sys

import click

from genzoo.cli.options import json_option
from genzoo.installation.install import removable, uninstall


@click.command("uninstall")
@click.argument("packages", metavar="PKG...", nargs=-1, required=True)
@click.option("--yes", "-y", is_flag=True, help="Ask nothing. Without a terminal nothing is asked either.")
@json_option
def command(packages: tuple[str, ...], yes: bool, as_json: bool) -> None:
    """Remove plugins; only a distribution with an entry point of genzoo's, and never what genzoo runs on."""
    names = removable(packages)
    if not yes and sys.stdin.isatty() and sys.stderr.isatty():
        click.confirm(f"Remove {', '.join(names)}?", default=True, abort=True, err=True)
    left = uninstall(names)
    if as_json:
        import json

        click.echo(json.dumps({"removed": list(names), "no_longer_required": list(left)}, indent=2))
        return
    click.echo(f"Removed: {', '.join(names)}")
    if left:
        pip = f"{shlex.quote(sys.executable)} -m pip uninstall {' '.join(left)}"
        click.echo(f"Nothing requires any more: {', '.join(left)}. Remove with: {pip}", err=True)
