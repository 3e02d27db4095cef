"""Read settings from `-o` options and files, and merge layers of them."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from genzoo.config.training import BUDGETS, NAMED, RHYTHMS
from genzoo.errors import ConfigError

SECTIONS = ("objective", "training", "data", "split", "sampling")
"""Groups of settings beside the options of the model."""


_NAMED = (["objective"], *(["training", name] for name in NAMED))
"""Groups of settings whose name may stand for them."""


def parse_assignments(pairs: Iterable[str]) -> dict[str, Any]:
    """Parse `key=value` pairs into nested settings.

    `objective=hinge` is short for `objective.name=hinge`, and `training.schedule=cosine` for
    `training.schedule.name=cosine`. A value is read as JSON if it is valid JSON (numbers, true,
    null, lists), otherwise as text.

    Raises:
        ConfigError: a pair has no `=`, or a key is used both as a value and as a group.

    Examples:
        >>> parse_assignments(["latent=64", "objective.gamma=0.1"])
        {'latent': 64, 'objective': {'gamma': 0.1}}
    """
    tree: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        path, value = key.strip().split("."), _parse_value(text.strip())
        if not isinstance(value, dict) and path in _NAMED:
            path.append("name")
        if not equals or not all(path):
            example = f"{pair}=3" if pair.isidentifier() and pair not in SECTIONS else "latent=64"
            raise ConfigError(f"-o {pair} is not of the form NAME=VALUE, such as -o {example}.")
        node = tree
        for name in path[:-1]:
            node = node.setdefault(name, {})
            if not isinstance(node, dict):
                raise ConfigError(f"Option {pair!r} sets a part of {name!r}, which was already given as a value.")
        if isinstance(node.get(path[-1]), dict):
            raise ConfigError(f"Option {pair!r} gives {path[-1]!r} as a value, and parts of it were already set.")
        node[path[-1]] = value
    return tree


def _parse_value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def merge(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """Merge nested settings, later layers over earlier ones; no layer is changed."""
    merged: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.items():
            old = merged.get(key)
            both = isinstance(value, Mapping) and isinstance(old, Mapping)
            merged[key] = merge(old, value) if both else value  # type: ignore[arg-type]
    return merged


def merge_training(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """Merge layers of training settings.

    Like `merge`, but a layer that sets one budget (epochs, steps, minutes) removes all budgets of earlier layers. The
    same holds for eval_every and eval_steps. A schedule or an optimizer that is given as a text is its name.
    """
    merged: dict[str, Any] = {}
    for given in layers:
        layer = {
            key: {"name": value} if key in NAMED and isinstance(value, str) else value for key, value in given.items()
        }
        for names in (BUDGETS, RHYTHMS):
            if any(layer.get(name) is not None for name in names):
                merged = {key: value for key, value in merged.items() if key not in names}
        merged = merge(merged, layer)
    return merged


def leaves(tree: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield the path and the value of everything in nested mappings."""
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from leaves(value, (*path, str(key)))
        else:
            yield (*path, str(key)), value


def read_config_file(path: Path) -> dict[str, Any]:
    """Read a settings file, JSON or TOML by its suffix.

    Raises:
        ConfigError: the file is missing, is neither, or does not hold a table of settings.
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
