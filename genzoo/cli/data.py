"""`genzoo data`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from genzoo.cli.command import Command
from genzoo.cli.options import data_layer, json_option, split_layer, with_data_options, with_split_options
from genzoo.cli.output import print_json, print_line, show_table
from genzoo.plugins.manager import get_registry

if TYPE_CHECKING:
    from genzoo.data.inspect import ColumnFacts


@click.command("data", cls=Command)
@click.argument("data", required=False)
@json_option
@with_split_options
@with_data_options
def data_command(data: str | None, as_json: bool, **given: Any) -> None:
    """List built-in data, or inspect DATA, a built-in name or a path.

    An inspection prints the columns, their kinds and missing values, and what looks wrong. For images, it prints the
    range of their values and every file that cannot be read.

    \b
    genzoo data iris
    genzoo data measurements.csv --drop id --kind grade=categorical
    """
    if data is None:
        entries = list(get_registry().datasets)
        if as_json:
            rows = [
                {"id": e.id, "name": e.spec.name, "modality": e.spec.modality, "summary": e.spec.summary}
                for e in entries
            ]
            print_json(rows)
        else:
            table = [[e.spec.name, e.spec.modality, e.spec.summary] for e in entries]
            show_table(["name", "modality", "summary"], table)
        return
    from genzoo.config.data import DataSettings, SplitSettings
    from genzoo.config.settings import validate
    from genzoo.data.inspect import inspect
    from genzoo.data.loading import open_readable

    settings = validate(DataSettings, data_layer(data, given), "Data")
    split = validate(SplitSettings, split_layer(given), "The split")
    inspection = inspect(open_readable(settings, get_registry(), split), split)
    if as_json:
        print_json(inspection.as_dict())
        return
    for key, value in inspection.facts.items():
        print_line(f"{key}: {'; '.join(value) if isinstance(value, list) else value}")
    for file in inspection.unreadable:
        print_line(f"unreadable: {file}")
    if inspection.columns:
        _show_columns(inspection.columns)
    for remark in inspection.remarks:
        print_line(f"look at: {remark}")
    if not inspection.remarks:
        click.echo("nothing looks wrong")


def _show_columns(columns: Sequence[ColumnFacts]) -> None:
    missing = any(column.missing for column in columns)
    todo = any(column.todo for column in columns)
    header = ["column", "type", "kind", "values", *["missing"] * missing, *["to do"] * todo]
    cells = [
        [
            c.name,
            c.type if c.unit is None else f"{c.type} ({c.unit})",
            c.kind,
            c.values,
            *[str(c.missing)] * missing,
            *[c.todo or ""] * todo,
        ]
        for c in columns
    ]
    click.echo()
    show_table(header, cells)
    click.echo()
