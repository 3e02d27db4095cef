"""Parse the settings to search, such as `n_components=1..20`, and check them; no torch is imported."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin

import numpy as np
from pydantic import BaseModel

from genzoo.comparison.candidate import cut
from genzoo.config.explain import members
from genzoo.config.keywords import PLACES, option_names
from genzoo.config.layers import SECTIONS, leaves, parse_assignments
from genzoo.config.resolve import chosen_objective, layer, options_class, preset_layer, training_class
from genzoo.config.sampling import sampling_class
from genzoo.errors import ConfigError
from genzoo.plugins.registry import Registry
from genzoo.tuning.space import SearchAxis, Space
from genzoo.wording import argument

_NUMBER = r"([-+]?(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][-+]?\d+)?)"
_RANGE = re.compile(rf"{_NUMBER}\.\.{_NUMBER}(?:\.\.{_NUMBER})?(@log)?")
_RANGE_LIKE = re.compile(r"^[-+.\deE]*\d\s*\.\.|\.\.\s*[-+.]?\d|@log$")
_MOST_CHOICES = 1_000
_UNKNOWN = object()
Given = str | Sequence[Any]
"""What to try of a setting: a range or choices as text, such as `"1..20"` or `"full,tied"`, or a list of choices."""


def parse_search(
    registry: Registry,
    model: str,
    options: Mapping[str, Any],
    common: Mapping[str, Any],
    given: Mapping[str, str | list[Any]],
) -> Space:
    """Return the space of a search, after checking each of its settings.

    Arguments:
        model: name of the model.
        options: settings of the model that every trial shares, nested, as `parse_assignments` returns them.
        common: settings of the run that every trial shares.
        given: what to try, by the name of the setting, as `plain_search` returns it.

    Raises:
        ConfigError: an unknown setting, an empty range, or a value that a setting does not take.
    """
    space = Space(model, options, common, ())
    shared = space.candidate(registry, {}).config  # checks the model and the shared settings
    axes: list[SearchAxis] = []
    for key, wanted in given.items():
        name = full_name(registry, model, options, common, key)
        axis = _axis(name, key, wanted, _type_of(registry, shared.model, options, common, name))
        for value in axis.ends:
            _check(registry, space, axis, key, value)
        if any(name == other.name for other in axes):
            raise ConfigError(f"{key!r} is searched twice. Name each setting once.")
        if _is_given(options, common, name):
            raise ConfigError(f"{key!r} is set to one value and searched, too. Leave one of the two out.")
        axes.append(axis)
    return Space(model, options, common, tuple(axes))


def plain_search(given: Any) -> dict[str, str | list[Any]]:
    """Return what to try of each setting as text and lists of plain values, as JSON has them.

    Raises:
        ConfigError: it is something else.
    """
    if not isinstance(given, Mapping) or not given:
        raise ConfigError(f"Name a setting to search, such as {argument('search', {'n_components': '1..20'})}.")
    if strange := [key for key in given if not isinstance(key, str)]:
        raise ConfigError(f"Settings to search are named by texts, and {strange[0]!r} is none.")
    found: dict[str, str | list[Any]] = {}
    for key, wanted in given.items():
        if isinstance(wanted, str):
            found[key] = wanted
            continue
        if not isinstance(wanted, Sequence) or isinstance(wanted, bytes):
            raise ConfigError(f"Search {key}: give a range such as '1..20' or a list of choices, not {wanted!r}.")
        values = [one.item() if isinstance(one, np.generic) else one for one in wanted]
        try:
            found[key] = json.loads(json.dumps(values, allow_nan=False))
        except (TypeError, ValueError) as error:
            raise ConfigError(
                f"Search {key}: choices are numbers, texts and lists of these, not {values!r}."
            ) from error
    return found


def parse_pairs(pairs: Iterable[str]) -> dict[str, str]:
    """Return the settings to search and what to try of each, from texts such as `n_components=1..20`.

    Raises:
        ConfigError: a text has another form, or a setting is named twice.

    Examples:
        >>> parse_pairs(["n_components=1..20", "likelihood=gaussian,student"])
        {'n_components': '1..20', 'likelihood': 'gaussian,student'}
    """
    found: dict[str, str] = {}
    for pair in pairs:
        key, equals, text = (part.strip() for part in pair.partition("="))
        if not equals or not key or not text:
            raise ConfigError(f"{argument('search', pair)} is not of the form NAME=A..B, NAME=A..B@log or NAME=a,b,c.")
        if key in found:
            raise ConfigError(f"{key!r} is searched twice. Name each setting once.")
        found[key] = text
    return found


def full_name(registry: Registry, model: str, options: Mapping[str, Any], common: Mapping[str, Any], key: str) -> str:
    """Return the full name of a setting; `optimizer.lr` and `lr` are short for `training.optimizer.lr`."""
    entry = registry.models.get(model)
    head = key.partition(".")[0]
    if head in (*option_names(entry), *SECTIONS, "preset"):
        return "objective" if key == "objective.name" else key
    if head in _training(registry, model, options, common).model_fields and head != "kind":
        return f"training.{key}"
    if key in PLACES and PLACES[key][0] == "training":
        return ".".join(PLACES[key])
    return key


def _training(registry: Registry, model: str, options: Mapping[str, Any], common: Mapping[str, Any]) -> type[BaseModel]:
    entry, own = registry.models.get(model), layer(options)
    return training_class(*chosen_objective(registry, entry, preset_layer(entry, own.get("preset")), common, own))


def _type_of(registry: Registry, model: str, options: Mapping[str, Any], common: Mapping[str, Any], name: str) -> Any:
    """Return the annotation of a setting, or `_UNKNOWN`."""
    entry = registry.models.get(model)
    head, *rest = path = name.split(".")
    if head == "preset" or path == ["objective"]:
        return str
    if head == "training":
        return _annotation(_training(registry, model, options, common), rest)
    if head == "objective":
        own = layer(options)
        objective, _ = chosen_objective(registry, entry, preset_layer(entry, own.get("preset")), common, own)
        return _annotation(options_class(objective), rest)
    if head == "sampling":
        return _annotation(sampling_class(entry), rest)
    return _annotation(options_class(entry), [entry.spec.renamed.get(head, head), *rest])


def _annotation(cls: type[BaseModel] | None, path: Sequence[str]) -> Any:
    """Return the annotation of a field, or of a field of the settings in it."""
    if cls is None or not path or path[0] not in cls.model_fields:
        return _UNKNOWN
    annotation = cls.model_fields[path[0]].annotation
    if len(path) == 1:
        return annotation
    inner = [kind for kind in _kinds(annotation) if isinstance(kind, type) and issubclass(kind, BaseModel)]
    if inner:
        return _annotation(inner[0], path[1:])
    return Any if any(get_origin(kind) is dict for kind in _kinds(annotation)) else _UNKNOWN


def _kinds(annotation: Any) -> list[Any]:
    """Return the types that an annotation allows, besides none."""
    found = []
    for kind in members(annotation):
        found += _kinds(get_args(kind)[0]) if get_origin(kind) is Annotated else [kind]
    return [kind for kind in found if kind is not NoneType]


def _axis(name: str, key: str, wanted: str | list[Any], annotation: Any) -> SearchAxis:
    """Return the axis of a setting."""
    if not isinstance(wanted, str):
        return _choices(name, key, wanted, str(wanted))
    text = wanted.strip()
    found = _RANGE.fullmatch(text.replace(" ", ""))
    if found is not None:
        return _range(name, key, text, found, annotation)
    if _RANGE_LIKE.search(text):
        raise ConfigError(
            f"Search {key}={text}: a range has the form A..B, A..B..STEP or A..B@log with numbers, such as 1..20 or "
            f"1e-4..1e-1@log."
        )
    values = [parse_assignments([f"x={one}"])["x"] for one in cut(text, ",") if one.strip()]
    return _choices(name, key, values, text)


def _choices(name: str, key: str, values: list[Any], text: str) -> SearchAxis:
    found = {one if isinstance(one, str) else json.dumps(one): one for one in values}
    if len(found) < 2:
        raise ConfigError(
            f"Search {key}={text}: a search needs a range, or at least two different choices. To fix a setting to one "
            f"value, set it: {key}={text}."
        )
    if len(found) > _MOST_CHOICES:
        raise ConfigError(f"Search {key}: there are {len(found)} choices, more than {_MOST_CHOICES}. Use a range.")
    return SearchAxis(name, text, found)


def _range(name: str, key: str, text: str, found: re.Match[str], annotation: Any) -> SearchAxis:
    low, high, log = float(found[1]), float(found[2]), found[4] is not None
    step = None if found[3] is None else float(found[3])
    kinds = _kinds(annotation)
    about = f"Search {key}={text}"
    if not all(math.isfinite(end) for end in (low, high, step or 0.0)):
        raise ConfigError(f"{about}: a number is too large.")
    whole_ends = all(end is None or end == int(end) for end in (low, high, step))
    if Any in kinds:
        whole = whole_ends and not re.search(r"\.\d|[eE]-", text)
    elif float in kinds:
        whole = False
    elif int in kinds:
        whole = True
    elif annotation is _UNKNOWN:
        whole = whole_ends
    else:
        known = [str(choice) for kind in kinds if get_origin(kind) is Literal for choice in get_args(kind)]
        hint = f": {','.join(known)}" if known else ", separated by commas"
        raise ConfigError(f"{about}: {key} is no number, so it has no range. Give choices{hint}.")
    if whole and not whole_ends:
        raise ConfigError(f"{about}: {key} takes whole numbers. Write both ends without a fraction.")
    if not low < high:
        raise ConfigError(f"{about}: the range does not rise. Write the smaller end first, such as 1..20.")
    if step is not None and (log or not 0 < step <= high - low):
        what = "a range with @log has no step" if log else f"the step must be above 0 and at most {high - low:g}"
        raise ConfigError(f"{about}: {what}. Write A..B, A..B..STEP or A..B@log.")
    if log and low <= 0:
        raise ConfigError(f"{about}: with @log, both ends must be above 0.")
    return SearchAxis(name, text, {}, low, high, step, whole, log)


def _check(registry: Registry, space: Space, axis: SearchAxis, key: str, value: Any) -> None:
    """Check that the model takes a value of a setting.

    Raises:
        ConfigError: it does not.
    """
    if axis.name.partition(".")[0] in ("data", "split", "seed", "device", "precision", "warm_start"):
        raise ConfigError(f"Search {key}={axis.text}: all trials of a search share {key!r}, so it cannot be searched.")
    try:
        space.candidate(registry, {axis.name: value})
    except ConfigError as error:
        raise ConfigError(f"Search {key}={axis.text}: {error}") from error


def _is_given(options: Mapping[str, Any], common: Mapping[str, Any], name: str) -> bool:
    """Return whether a setting has one value for all trials."""
    names = {".".join(path) for path, _ in leaves(layer(options))}
    names |= {f"training.{'.'.join(path)}" for path, _ in leaves(common.get("training", {}))}
    head, _, rest = name.partition(".")
    if head == "objective":
        return (f"objective.options.{rest}" if rest else "objective.name") in names
    return (name if head in ("training", "sampling", "preset") else f"options.{name}") in names
