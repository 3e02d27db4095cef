"""What settings classes say of themselves, for help and listings."""

from __future__ import annotations

import json

from genzoo.config import describe_fields
from genzoo.recipe import options_class
from genzoo.registry import Entry, Registry
from genzoo.spec import ModelSpec, ObjectiveSpec


def settings_rows(entry: Entry[ModelSpec] | Entry[ObjectiveSpec], prefix: str = "") -> list[list[str]]:
    """Name, type, default and meaning of every option of a model or objective."""
    changed = entry.spec.options if isinstance(entry.spec, ModelSpec) else {}
    return [
        [prefix + name, kind, json.dumps(changed[name]) if name in changed else default, meaning]
        for name, kind, default, meaning in describe_fields(options_class(entry))
    ]


def objective_rows(entry: Entry[ModelSpec], registry: Registry) -> list[tuple[str, str]]:
    """Each objective of a model with its summary and, below, its options."""
    rows = []
    for place, name in enumerate(entry.spec.objectives):
        objective = registry.objective_of(entry, name)
        rows.append((f"objective={name}", objective.spec.summary + (" (default)" if place == 0 else "")))
        rows += [
            (f"  objective.{field}", f"{meaning} [{kind}; default {default}]")
            for field, kind, default, meaning in describe_fields(options_class(objective))
        ]
    return rows
