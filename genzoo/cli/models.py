"""`genzoo models`."""

from __future__ import annotations

from typing import get_args

import click

from genzoo.cli.output import print_json, show_table
from genzoo.models.reference import known_name
from genzoo.plugins.manager import get_registry
from genzoo.plugins.registry import Entry
from genzoo.spec.entries import ModelSpec
from genzoo.spec.events import Kind
from genzoo.spec.modality import plurals


@click.command("models")
@click.argument("name", required=False, metavar="[MODEL]")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def models_command(name: str | None, as_json: bool) -> None:
    """List the models of the zoo, or describe MODEL and its options.

    \b
    genzoo models
    genzoo models gmm
    """
    zoo = get_registry()
    entries = [zoo.models.get(known_name(name))] if name is not None else list(zoo.models)
    if as_json:
        shown = [_as_dict(entry) for entry in entries]
        if name is not None:
            shown[0]["options"] = _options(entries[0])
            shown[0]["sampling"] = _sampling(entries[0])
        print_json(shown)
    elif name is not None:
        _show(entries[0], name)
    elif not entries:
        why = zoo.models.left_out or "no plugin with models is loaded. See: genzoo plugins"
        click.echo(f"The zoo is empty: {why}")
    else:
        rows = [
            [shown, e.spec.family, _capabilities(e), e.spec.summary]
            for shown, e in zip(zoo.models.names(), entries, strict=True)
        ]
        show_table(["name", "family", "capabilities", "summary"], rows)


def _capabilities(entry: Entry[ModelSpec]) -> str:
    return ", ".join(["sample", *sorted(entry.spec.capabilities)])


def _as_dict(entry: Entry[ModelSpec]) -> dict[str, object]:
    spec = entry.spec
    return {
        "id": entry.id,
        "name": spec.name,
        "family": spec.family,
        "summary": spec.summary,
        "reference": spec.reference,
        "capabilities": sorted(spec.capabilities),
        "objectives": list(spec.objectives),
        "presets": list(spec.presets),
        "modalities": list(spec.modalities),
        "kinds": list(spec.kinds),
        "missing": spec.missing,
        "conditional": spec.conditional,
        "keeps_rows": spec.keeps_rows,
        "data": spec.data,
        "extra": entry.extra,
    }


_HEADER = ("name", "type", "default", "meaning")


def _options(entry: Entry[ModelSpec]) -> list[dict[str, str]]:
    from genzoo.cli.options import settings_rows

    return [dict(zip(_HEADER, row, strict=True)) for row in settings_rows(entry)]


def _sampling(entry: Entry[ModelSpec]) -> list[dict[str, str]]:
    from genzoo.cli.options import sampling_rows

    return [dict(zip(_HEADER, row, strict=True)) for row in sampling_rows(entry)]


def _takes(spec: ModelSpec) -> str:
    words = plurals(spec.modalities)
    if len(spec.kinds) < len(get_args(Kind)):
        words.append(f"{' or '.join(spec.kinds)} values only")
    words += ["missing values too"] * spec.missing + ["conditions"] * spec.conditional
    return ", ".join(words)


def _show(entry: Entry[ModelSpec], name: str) -> None:
    from genzoo.cli.options import sampling_rows, settings_rows

    spec = entry.spec
    facts = {
        "id": entry.id,
        "summary": spec.summary,
        "reference": spec.reference,
        "capabilities": _capabilities(entry),
        "takes": _takes(spec),
        "trained by default on": spec.data,
        "keeps": "training rows, so people who have a trained model can read them" if spec.keeps_rows else "",
        "objectives": ", ".join(spec.objectives),
        "presets": ", ".join(spec.presets) or "none",
        "needs": entry.extra and f"packages of an extra: pip install '{entry.extra}'",
    }
    for key, value in facts.items():
        if value:
            click.echo(f"{key}: {value}")
    click.echo(f"\nOptions, given as -o NAME=VALUE to: genzoo train {spec.name if entry.source is None else name}")
    show_table(_HEADER, settings_rows(entry))
    if rows := sampling_rows(entry):
        click.echo(
            "\nSampling options, given as -o NAME=VALUE for a trained model and as -o sampling.NAME=VALUE before"
        )
        show_table(_HEADER, rows)
