"""Write a page for each model and each metric, from what the registry and the tables of the documentation say.

A table with a column `model`, `metric` or `metrics` says something about each name in that column. A page collects the
cells of its name, so a fact is written once: in docs/models.md, in docs/metrics.md or in a spec.
"""

from __future__ import annotations

import json
import re
from collections.abc import Container, Iterator, Mapping, Sequence
from pathlib import Path

from genzoo.cli.options import objective_rows, sampling_rows, settings_rows
from genzoo.metrics.metric import Metric
from genzoo.plugins.discovery import CORE, distribution_of
from genzoo.plugins.manager import get_registry
from genzoo.plugins.registry import Entry, Registry, resolve
from genzoo.spec.entries import MetricSpec, ModelSpec
from genzoo.spec.modality import MODALITIES, plurals

_ABOUT = ("model", "metric", "metrics")
MODEL_FACTS = ("data", "missing values", "likelihood", "also does", "time", "what it is", "assumes", "costs", "not if")
METRIC_FACTS = ("formula", "bias", "misleads if")

_NAME = re.compile(r"`([\w-]+)`")

Facts = Mapping[str, Mapping[str, str]]


def cells(line: str) -> list[str]:
    """Return the cells of a line of a table."""
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip()[1:-1])]


def _rows(text: str) -> Iterator[tuple[str, list[str], str]]:
    """Yield each line of a page with the header of its table and the header of the column of names, if it has any."""
    header: list[str] = []
    for line in text.splitlines():
        known = header if line.startswith("|") else []
        header = known or (cells(line) if line.startswith("|") else [])
        yield line, known, next((name for name in known if name in _ABOUT), "")


def facts(text: str) -> Facts:
    """Return for each name what the tables of a page say about it, by the headers of their columns."""
    found: dict[str, dict[str, str]] = {}
    for line, header, about in _rows(text):
        row = dict(zip(header, cells(line), strict=True)) if about else {}
        for name in _NAME.findall(row.pop(about, "")):
            found.setdefault(name, {}).update(row)
    return found


def with_links(text: str, folder: str, names: Container[str]) -> str:
    """Return a page in whose tables the names of models or metrics lead to their pages in a folder."""

    def link(found: re.Match[str]) -> str:
        return f"[{found[0]}]({folder}/{found[1]}.md)" if found[1] in names else found[0]

    lines = []
    for line, header, about in _rows(text):
        if about:
            row = cells(line)
            row[header.index(about)] = _NAME.sub(link, row[header.index(about)])
            line = f"| {' | '.join(row)} |"
        lines.append(line)
    return "\n".join(lines) + "\n"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table of Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("\n", " ") for cell in line) + " |" for line in lines)


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


def _escaped(text: str) -> str:
    return re.sub(r"([|<*_])", r"\\\1", text)


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:].rstrip('.')}."


def _settings(rows: Sequence[Sequence[str]]) -> str:
    return table(
        ("option", "default", "type", "meaning"),
        [(_code(name), _code(default), _escaped(kind), _escaped(meaning)) for name, kind, default, meaning in rows],
    )


def model_page(entry: Entry[ModelSpec], registry: Registry, said: Mapping[str, str]) -> str:
    """Return the page of a model.

    Arguments:
        said: what the tables of docs/models.md say about it: all of `MODEL_FACTS`.
    """
    spec = entry.spec
    plugin = entry.distribution
    rows = [
        ("takes", said["data"]),
        ("missing values", said["missing values"]),
        ("conditions", "yes" if spec.conditional else "no"),
        ("likelihood", said["likelihood"]),
        ("also does", said["also does"]),
        ("capabilities", " ".join(map(_code, ("sample", *sorted(spec.capabilities))))),
        ("keeps training rows", "yes: people who have a trained model can read them" if spec.keeps_rows else "no"),
        ("extra", _code(f"pip install '{entry.extra}'") if entry.extra else ""),
        ("plugin", f"[{plugin}](../plugins/{plugin}/README.md), family {spec.family}"),
        ("reference", _escaped(spec.reference)),
    ]
    parts = [
        f"# {spec.name}",
        _escaped(_sentence(spec.summary)),
        table(("", ""), [row for row in rows if row[1]]),
        "## In short",
        _sentence(said["what it is"]),
        f"**Assumes:** {said['assumes']}.",
        f"**Costs:** {said['costs']}. On its example data, two CPU cores take {said['time']}.",
        f"**Take something else if** {said['not if']}.",
        "## Example",
        _example(spec, registry),
        "## Options",
        f"Give them as `-o NAME=VALUE` to `genzoo train {spec.name}`, or as keywords in Python.",
        _settings(settings_rows(entry)),
        *_more(entry, registry),
    ]
    return "\n\n".join(parts) + "\n"


def _example(spec: ModelSpec, registry: Registry) -> str:
    suffix = MODALITIES[registry.datasets.get(spec.data).spec.modality].suffix
    lines = [
        f"genzoo train {spec.name} --data {spec.data} --out runs/{spec.name}",
        f"genzoo sample runs/{spec.name} -n 64 --out samples{suffix}",
        f"genzoo report runs/{spec.name}",
    ]
    return "\n".join(["```", *lines, "```"])


def _more(entry: Entry[ModelSpec], registry: Registry) -> Iterator[str]:
    spec = entry.spec
    if rows := sampling_rows(entry):
        yield "## Sampling options"
        yield (
            "Give them as `-o NAME=VALUE` to `genzoo sample` and `evaluate`, and as `-o sampling.NAME=VALUE` to "
            "`train` and `compare`."
        )
        yield _settings(rows)
    yield "## Objectives"
    yield table(
        ("objective", "meaning"),
        [(_code(name.strip()), _escaped(meaning)) for name, meaning in objective_rows(entry, registry)],
    )
    if spec.training:
        yield "## Recipe"
        yield f"Settings of its training, which `-o training.NAME=VALUE` changes: `{json.dumps(dict(spec.training))}`"
    if spec.presets:
        yield "## Presets"
        yield table(
            ("preset", "sets"),
            [(_code(f"preset={name}"), _code(json.dumps(dict(layer)))) for name, layer in spec.presets.items()],
        )


def _better(metric: Metric) -> str:
    if metric.chance is not None:
        return f"near {metric.chance:g}, which real data have; rankings take {metric.direction} as better"
    return metric.direction if metric.ranks else "near the value of real data"


def metric_page(spec: MetricSpec, metric: Metric, said: Mapping[str, str]) -> str:
    """Return the page of a metric.

    Arguments:
        said: what the tables of docs/metrics.md say about it: all of `METRIC_FACTS`.
    """
    data = ", ".join(plurals(metric.modalities)) if metric.modalities else "all"
    rows = [
        ("better", _better(metric)),
        ("data", data),
        ("computed from", ", ".join(sorted(need.replace("-", " ") for need in metric.needs))),
        ("fractional weights of rows", "used" if metric.weighted else "not used: no score"),
        ("ranks candidates", f"`genzoo compare --by {spec.name}`" if metric.ranks else "no"),
        ("read beside it", ", ".join(f"[{name}](metrics/{name}.md)" for name in metric.beside)),
        ("standard error", said.get("standard error from", "")),
        ("earlier names", ", ".join(spec.former_names)),
    ]
    parts = [
        f"# {spec.name}",
        _escaped(_sentence(spec.summary)),
        table(("", ""), [row for row in rows if row[1]]),
        f"**Formula.** {_sentence(said['formula'])}",
        f"**Bias.** {_sentence(said['bias'])}",
        f"**It misleads if** {said['misleads if']}.",
        f"```\ngenzoo evaluate RUN --metric {spec.name}\n```",
        "[How good is a model?](metrics.md) has all metrics by question.",
    ]
    return "\n\n".join(parts) + "\n"


def is_bundled(entry: Entry[ModelSpec] | Entry[MetricSpec]) -> bool:
    """Return whether a model or metric comes with genzoo, and not with a plugin that happens to be installed."""
    return distribution_of(entry.distribution) == CORE


def generated_pages(root: Path) -> Iterator[tuple[str, str, str]]:
    """Yield place and text of each page of a model or metric, and the page whose folder its links start from."""
    registry = get_registry()
    said = {
        kind: facts((root / "docs" / f"{kind}.md").read_text(encoding="utf-8").replace("](#", f"]({kind}.md#"))
        for kind in ("models", "metrics")
    }
    for model in filter(is_bundled, registry.models):
        text = model_page(model, registry, said["models"][model.spec.name])
        yield f"models/{model.spec.name}.md", text, "docs/models.md"
    for each in filter(is_bundled, registry.metrics):
        metric = resolve(each.spec.metric, each.spec)
        text = metric_page(each.spec, metric, said["metrics"][each.spec.name])
        yield f"metrics/{each.spec.name}.md", text, "docs/metrics.md"
