"""Read settings from `-o` options and files, and merge layers of them."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from genzoo.config.settings import _RHYTHMS, BUDGETS
from genzoo.errors import ConfigError


def parse_assignments(pairs: Iterable[str]) -> dict[str, Any]:
    """`["latent=64", "objective.gamma=0.1"]` as `{"latent": 64, "objective": {"gamma": 0.1}}`.

    `objective=hinge` is short for `objective.name=hinge`.
    A value is read as JSON where it is JSON (numbers, true, null, lists) and as text otherwise.

    Raises:
        ConfigError: a pair without `=` or a key used both as a value and as a group.
    """
    tree: dict[str, Any] = {}
    for pair in pairs:
        key, found, text = pair.partition("=")
        path = key.strip().split(".")
        if path == ["objective"]:
            path.append("name")
        if not found or not all(path):
            raise ConfigError(f"Option {pair!r} is not of the form key=value, such as latent=64.")
        node = tree
        for name in path[:-1]:
            node = node.setdefault(name, {})
            if not isinstance(node, dict):
                raise ConfigError(f"Option {pair!r} sets a part of {name!r}, which was already given as a value.")
        if isinstance(node.get(path[-1]), dict):
            raise ConfigError(f"Option {pair!r} gives {path[-1]!r} as a value, and parts of it were already set.")
        node[path[-1]] = _parse_value(text.strip())
    return tree


def _parse_value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def merge(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """Nested settings with later layers over earlier ones; neither is changed."""
    merged: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.items():
            old = merged.get(key)
            both = isinstance(value, Mapping) and isinstance(old, Mapping)
            merged[key] = merge(old, value) if both else value  # type: ignore[arg-type]
    return merged


def merge_training(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """`merge` for layers of `Training`, where a layer that names a budget replaces every budget below it.

    So it does for how often validation rows are looked at.
    """
    merged: dict[str, Any] = {}
    for layer in layers:
        for names in (BUDGETS, _RHYTHMS):
            if any(layer.get(name) is not None for name in names):
                merged = {key: value for key, value in merged.items() if key not in names}
        merged = merge(merged, layer)
    return merged


def read_config_file(path: Path) -> dict[str, Any]:
    """A settings file, JSON or TOML by its suffix.

    Raises:
        ConfigError: it is missing, is neither, or does not hold a table of settings.
    """
    try:
        text = path.read_text(encoding="utf-8")
        content = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    except OSError as error:
        raise ConfigError(f"Config file {path} cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        kind = "TOML" if path.suffix == ".toml" else "JSON"
        raise ConfigError(f"Config file {path} is not valid {kind}: {error}.") from error
    if not isinstance(content, dict):
        raise ConfigError(f"Config file {path} holds {type(content).__name__}, not a table of settings.")
    return content
