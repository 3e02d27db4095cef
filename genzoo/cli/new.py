"""`genzoo plugins new`."""

from __future__ import annotations

from pathlib import Path

import click

from genzoo.cli.options import json_option
from genzoo.plugins import registry
from genzoo.scaffold.kind import KINDS
from genzoo.scaffold.name import check_name, refuse_taken
from genzoo.scaffold.project import render, write_project


@click.command("new", epilog="\b\n" + "\n".join(f"{name:<11} {kind.summary}" for name, kind in KINDS.items()))
@click.argument("name")
@click.option(
    "--kind", type=click.Choice(list(KINDS)), default="likelihood", show_default=True, help="What to begin with."
)
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="The folder to make; genzoo-NAME.")
@json_option
def command(name: str, kind: str, out: Path | None, as_json: bool) -> None:
    """Write a plugin that works, for you to change: options, model, tests of its promises, packaging.

    NAME is what users will type, such as my-flow; its distribution is called genzoo-my-flow.
    """
    about = KINDS[kind]
    checked = check_name(name, {entry.spec.name for entry in registry().table(about.sort)})
    refuse_taken(checked, about.sort, registry())
    folder = Path(checked.distribution) if out is None else out
    files = render(checked, kind, about)
    write_project(files, folder)
    steps = f"cd {folder}\ngenzoo install -e .\npython -m pytest\n{about.trial.format(name=checked.bare)}".splitlines()
    if as_json:
        import json

        click.echo(json.dumps({"folder": str(folder), "files": sorted(map(str, files)), "next": steps}, indent=2))
        return
    click.echo(f"{about.summary}.")
    click.echo(f"Wrote {len(files)} files to {folder}.")
    click.echo("next:")
    for step in steps:
        click.echo(f"  {step}")
