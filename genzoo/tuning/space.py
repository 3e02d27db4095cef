"""Parse the settings to search, such as `n_components=1..20`; no torch is imported."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin

import numpy as np
from pydantic import BaseModel

from genzoo.comparison.candidate import Candidate, candidates, cut
from genzoo.config.explain import members
from genzoo.config.keywords import PLACES, option_names
from genzoo.config.layers import SECTIONS, leaves, merge, parse_assignments
from genzoo.config.resolve import chosen_objective, layer, options_class, preset_layer, training_class
from genzoo.config.sampling import sampling_class
from genzoo.errors import ConfigError
from genzoo.plugins.registry import Registry
from genzoo.wording import argument

_NUMBER = r"([-+]?(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][-+]?\d+)?)"
_RANGE = re.compile(rf"{_NUMBER}\.\.{_NUMBER}(?:\.\.{_NUMBER})?(@log)?")
_RANGE_LIKE = re.compile(r"^[-+.\deE]*\d\s*\.\.|\.\.\s*[-+.]?\d|@log$")
_DIGITS = 4
"""Significant digits of numbers that are tried, so that the settings of a trial can be read and typed."""

_MOST_CHOICES = 1_000

_UNKNOWN = object()

Given = str | Sequence[Any]
"""What to try of a setting: a range or choices as text, such as `"1..20"` or `"full,tied"`, or a list of choices."""


@dataclass(frozen=True, slots=True)
class SearchAxis:
    """One setting to search.

    Arguments:
        name: its full name, as `-o` takes it: `n_components`, `training.optimizer.lr`.
        text: what was asked for, such as `1..20`.
        choices: the values to choose from, by their text; empty for a range.
        low, high: ends of a range, both included.
        step: distance of the values of a range. Defaults to `None`: 1 for whole numbers, otherwise all numbers.
        whole: whether the values are whole numbers.
        log: whether ratios count, and not differences.
    """

    name: str
    text: str
    choices: Mapping[str, Any]
    low: float = 0.0
    high: float = 0.0
    step: float | None = None
    whole: bool = False
    log: bool = False

    @property
    def count(self) -> float:
        """Number of values; infinite for a range of numbers."""
        if self.choices:
            return len(self.choices)
        step = 1.0 if self.whole and self.step is None else self.step
        return math.inf if step is None else math.floor((self.high - self.low) / step + 1e-9) + 1

    @property
    def ends(self) -> tuple[Any, ...]:
        """The values that must be possible: all choices, or both ends of a range."""
        return tuple(self.choices.values()) if self.choices else (self.value(self.low), self.value(self.high))

    def value(self, drawn: Any) -> Any:
        """Return the value of the setting for what was drawn: a number, or the text of a choice."""
        if self.choices:
            return self.choices[drawn]
        if self.whole:
            return int(drawn)
        rounded = float(f"{drawn:.{_DIGITS}g}") if self.step is None else float(f"{drawn:.12g}")
        return min(max(rounded, self.low), self.high)

    def place(self, value: Any) -> Any:
        """Return what must be drawn for a value of the setting; `None` if the search does not reach it."""
        if self.choices:
            return next((text for text, choice in self.choices.items() if choice == value), None)
        if isinstance(value, bool) or not isinstance(value, int | float) or not self.low <= value <= self.high:
            return None
        steps = 0.0 if self.step is None else (value - self.low) / self.step
        return value if abs(steps - round(steps)) < 1e-9 else None

    def draw(self, rng: np.random.Generator) -> Any:
        """Draw evenly, or evenly in the logarithm."""
        if self.choices:
            return list(self.choices)[rng.integers(len(self.choices))]
        if self.count < math.inf and not self.log:
            step = 1 if self.step is None else self.step
            found = self.low + step * int(rng.integers(int(self.count)))
            return int(found) if self.whole else found
        if not self.log:
            return float(rng.uniform(self.low, self.high))
        found = math.exp(rng.uniform(math.log(self.low), math.log(self.high)))
        found = min(max(found, self.low), self.high)
        return round(found) if self.whole else found


@dataclass(frozen=True, slots=True)
class Space:
    """All settings to search, and the settings that every trial shares.

    Arguments:
        model: name of the model.
        options: settings of the model that every trial shares, nested.
        common: settings of the run that every trial shares, such as the split and the seed.
        axes: the settings to search.
    """

    model: str
    options: Mapping[str, Any]
    common: Mapping[str, Any]
    axes: tuple[SearchAxis, ...]

    @property
    def count(self) -> float:
        """Number of different settings; may be infinite."""
        return math.prod(axis.count for axis in self.axes)

    @property
    def compares_losses(self) -> bool:
        """Whether the losses of all trials mean the same, because no setting of the objective differs."""
        return not any(axis.name.partition(".")[0] in ("objective", "preset") for axis in self.axes)

    def settings(self, drawn: Mapping[str, Any]) -> dict[str, Any]:
        """Return the settings of a trial, by full name."""
        return {axis.name: axis.value(drawn[axis.name]) for axis in self.axes}

    def candidate(self, registry: Registry, settings: Mapping[str, Any]) -> Candidate:
        """Return the candidate with these settings beside the shared ones; with none, the model's defaults.

        Raises:
            ConfigError: the model does not take them.
        """
        wanted = merge(self.options, *(_nested(name.split("."), value) for name, value in settings.items()))
        return candidates(registry, [{"model": self.model, **wanted}], self.common)[0]

    def defaults(self, registry: Registry) -> dict[str, Any] | None:
        """Return what must be drawn for the settings without a search; `None` if the search does not reach them."""
        config = self.candidate(registry, {}).config
        content = config.model_dump(mode="json")
        entry = registry.models.get(config.model)
        places = {}
        for axis in self.axes:
            head, *rest = path = axis.name.split(".")
            if axis.name == "objective":
                value = content["objective"]["name"].rpartition("/")[2]
            elif head == "objective":
                value = _at(content["objective"]["options"], rest)
            elif head in ("training", "sampling"):
                value = _at(content, path)
            else:
                value = _at(content["options"], [entry.spec.renamed.get(head, head), *rest])
            places[axis.name] = axis.place(value)
        return None if None in places.values() else places


def parse_search(
    registry: Registry,
    model: str,
    options: Mapping[str, Any],
    common: Mapping[str, Any],
    given: Mapping[str, Given],
) -> Space:
    """Return the space of a search, after checking each of its settings.

    Arguments:
        model: name of the model.
        options: settings of the model that every trial shares, nested, as `parse_assignments` returns them.
        common: settings of the run that every trial shares.
        given: what to try, by the name of the setting.

    Raises:
        ConfigError: an unknown setting, an empty range, or a value that a setting does not take.
    """
    if not isinstance(given, Mapping) or not given:
        raise ConfigError(f"Name a setting to search, such as {argument('search', {'n_components': '1..20'})}.")
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


def _axis(name: str, key: str, wanted: Given, annotation: Any) -> SearchAxis:
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


def _choices(name: str, key: str, values: Any, text: str) -> SearchAxis:
    if not isinstance(values, Sequence) or isinstance(values, bytes):
        raise ConfigError(f"Search {key}: give a range such as '1..20' or a list of choices, not {values!r}.")
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


def _nested(path: Sequence[str], value: Any) -> dict[str, Any]:
    """Return one setting as nested settings."""
    head, *rest = ["objective", "name"] if list(path) == ["objective"] else path
    return {head: _nested(rest, value) if rest else value}


def _at(tree: Any, path: Sequence[str]) -> Any:
    for name in path:
        tree = tree.get(name) if isinstance(tree, Mapping) else None
    return tree
