"""`genzoo plugins doctor`."""

from __future__ import annotations

import dataclasses
import sys

import click

from genzoo.cli.options import json_option, show_table
from genzoo.errors import CheckError
from genzoo.installation.doctor import Diagnosis, environment_findings, examine


@click.command("doctor")
@click.argument("name", required=False)
@json_option
def command(name: str | None, as_json: bool) -> None:
    """Examine installed plugins, or those of distribution NAME; exit with 5 where something is wrong.

    Each is imported in a fresh process: how long that takes, whether it imports torch or prints, whether everything
    that its specs name is there and of the right kind, and whether what it requires is installed.
    """
    found = _examine(name)
    around = environment_findings()
    if as_json:
        import json

        plugins = [dataclasses.asdict(diagnosis) for diagnosis in found]
        click.echo(json.dumps({"plugins": plugins, "findings": around}, indent=2))
    else:
        _show(found, around)
    count = len(around) + sum(len(diagnosis.findings) for diagnosis in found)
    if count:
        raise CheckError(f"{'One finding' if count == 1 else f'{count} findings'} above.")


def _examine(name: str | None) -> list[Diagnosis]:
    """The diagnoses; where somebody watches, with a line that says what is looked at."""
    if not sys.stderr.isatty():
        return examine(name)
    try:
        return examine(name, lambda label: click.echo(f"\r\x1b[K{label}", err=True, nl=False))
    finally:
        click.echo("\r\x1b[K", err=True, nl=False)


def _state(diagnosis: Diagnosis) -> str:
    return f"{diagnosis.state}, bundled" if diagnosis.bundled else diagnosis.state


def _show(found: list[Diagnosis], around: list[str]) -> None:
    rows = [
        [d.distribution, d.version, d.name, _state(d), "–" if d.milliseconds is None else f"{d.milliseconds:.0f} ms"]
        for d in found
    ]
    show_table(["distribution", "version", "plugin", "state", "import"], rows)
    for text in around:
        click.echo(f"\n{text}")
    for diagnosis in found:
        for text in diagnosis.findings:
            click.echo(f"\n{diagnosis.distribution}: {text}")
