"""Show reports that earlier versions stored under the current names of settings and metrics."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from genzoo.config.resolve import layer
from genzoo.errors import ConfigError
from genzoo.persistence.format1 import ADDED, former_metrics, upgrade_candidate
from genzoo.plugins.manager import get_registry
from genzoo.reports.result import candidate_id


def current_report(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content of `report.json` with current names in rows, ids and notes.

    Parts of another form are left as they are. The checks that follow report them.
    """
    if not isinstance(content.get("rows"), list):
        return dict(content)
    ids, metrics = current_ids(content), former_metrics()
    found = {**content, "rows": [_current_row(row, ids, metrics) for row in content["rows"]]}
    for name, names in (("best", ids), ("simplest", ids), ("by", metrics)):
        if _is_text(content, name):
            found[name] = names.get(content[name], content[name])
    for name in ("conflict", "reason"):
        if _is_text(content, name):
            found[name] = _renamed(content[name], ids)
    if isinstance(content.get("notes"), list):
        found["notes"] = [_renamed(note, ids) if isinstance(note, str) else note for note in content["notes"]]
    return found


def current_ids(content: Mapping[str, Any]) -> dict[str, str]:
    """Return the current id of each candidate of a report, by the stored id."""
    rows = content.get("rows")
    found = {}
    for row in rows if isinstance(rows, list) else ():
        if isinstance(row, Mapping) and _is_text(row, "id") and isinstance(row.get("options"), Mapping):
            model = row["id"].partition(":")[0]
            options = _current_options(str(row.get("model")), row["options"])
            known = candidate_id(model, row["options"]) == row["id"]
            found[row["id"]] = candidate_id(model, options) if known else row["id"]
    return found


def _is_text(content: Mapping[str, Any], name: str) -> bool:
    return isinstance(content.get(name), str)


def _current_row(row: Any, ids: Mapping[str, str], metrics: Mapping[str, str]) -> Any:
    if not isinstance(row, Mapping) or not _is_text(row, "id") or row["id"] not in ids:
        return row
    found = dict(row)
    if isinstance(row.get("metrics"), Mapping):
        found["metrics"] = {
            metrics.get(name, name): {**score, "metric": metrics.get(name, name)}
            if isinstance(score, Mapping)
            else score
            for name, score in row["metrics"].items()
        }
    if isinstance(row.get("reasons"), Mapping):
        found["reasons"] = {metrics.get(name, name): reason for name, reason in row["reasons"].items()}
    gap = row.get("difference")
    if isinstance(gap, Mapping) and _is_text(gap, "figure"):
        found["difference"] = {**gap, "figure": metrics.get(gap["figure"], gap["figure"])}
    if _is_text(row, "verdict"):
        found["verdict"] = row["verdict"].replace("no difference", "not told apart")
    options = _current_options(str(row.get("model")), row["options"])
    return {**found, "id": ids[row["id"]], "options": options}


def _current_options(model: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the given options of a candidate under their current names."""
    if not get_registry().models.candidates_for(model):
        return dict(options)  # its plugin is not installed, so its names cannot be known
    try:
        sections = layer(options)
    except ConfigError:
        return dict(options)
    objective = sections.get("objective", {})
    candidate = {
        "model": model,
        "options": sections["options"],
        "objective": {"options": {}, **objective},
        "training": sections.get("training", {}),
        "data": {},
    }
    current = upgrade_candidate({"format": 1, "candidate": candidate, "row": {"metrics": {}}})["candidate"]
    found = dict(current["options"])
    if "objective" in options:
        named = {"name": objective["name"]} if "name" in objective else {}
        found["objective"] = {**named, **current["objective"]["options"]}
    if "training" in options:
        training = current["training"]
        unnamed = {"kind", *ADDED} - set(options["training"])  # a row has only the settings that its candidate names
        found["training"] = {name: value for name, value in training.items() if name not in unnamed}
    return found


def _renamed(text: str, ids: Mapping[str, str]) -> str:
    """Return a note with every stored id replaced. An id that another id continues is left alone."""
    stored = "|".join(re.escape(name) for name in sorted(ids, key=len, reverse=True))
    ends = r"(?![\w=-]|[:.,]\w)"  # `gmm:k=1` is not the beginning of `gmm:k=10` or `gmm:k=1,tail=2`
    return re.sub(rf"(?<![\w:=.,-])(?:{stored}){ends}", lambda hit: ids[hit[0]], text) if ids else text
