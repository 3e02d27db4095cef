"""`genzoo plugins freeze`."""

from __future__ import annotations

import click

from genzoo.cli.options import json_option
from genzoo.installation.frozen import frozen_lines, header


@click.command("freeze")
@json_option
def command(as_json: bool) -> None:
    """Print installed plugins as lines for `genzoo plugins restore`, which pip can read, too."""
    lines = frozen_lines()
    if as_json:
        import json

        click.echo(json.dumps([{"distribution": name, "requirement": line} for name, line in lines.items()], indent=2))
        return
    click.echo("\n".join([header(), *lines.values()]))
