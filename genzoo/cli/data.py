"""`genzoo data`."""

from __future__ import annotations

from typing import Any

import click

from genzoo.cli.options import data_layer, show_table, tell, with_data_options
from genzoo.plugins.manager import get_registry


@click.command("data")
@click.argument("data", required=False)
@with_data_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def data_command(data: str | None, as_json: bool, **given: Any) -> None:
    """List built-in data; with DATA (a name or a path) what was found in it and what looks wrong."""
    import json

    if data is None:
        entries = list(get_registry().datasets)
        if as_json:
            rows = [
                {"id": e.id, "name": e.spec.name, "modality": e.spec.modality, "summary": e.spec.summary}
                for e in entries
            ]
            click.echo(json.dumps(rows, indent=2))
        else:
            table = [[e.spec.name, e.spec.modality, e.spec.summary] for e in entries]
            show_table(["name", "modality", "summary"], table)
        return
    from genzoo.config.settings import DataSettings, validate
    from genzoo.data.inspect import inspect
    from genzoo.data.loading import open_dataset

    settings = validate(DataSettings, data_layer(data, given), "Data")
    found = inspect(open_dataset(settings, get_registry()))
    if as_json:
        click.echo(json.dumps(found.as_dict(), indent=2))
        return
    for key, value in found.facts.items():
        tell(f"{key}: {value}")
    if found.columns:
        missing = any(column.missing for column in found.columns)
        header = ["column", "type", "kind", "values", *["missing"] * missing]
        cells = [[c.name, c.type, c.kind, c.values, *[str(c.missing)] * missing] for c in found.columns]
        click.echo()
        show_table(header, cells)
        click.echo()
    for remark in found.remarks:
        tell(f"look at: {remark}")
    if not found.remarks:
        click.echo("nothing looks wrong")
