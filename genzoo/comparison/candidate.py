"""Expand and check the candidates of a comparison, such as `gmm:n_components=1..9`; no torch is imported."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from genzoo.config.layers import parse_assignments
from genzoo.config.resolve import chosen_objective, layer, preset_layer, resolve_config, training_class
from genzoo.config.settings import RunConfig
from genzoo.errors import ConfigError
from genzoo.plugins.registry import Registry
from genzoo.runs.format1 import current_layers

_RANGE = re.compile(r"(-?\d{1,9})\.\.(-?\d{1,9})(?:\.\.(-?\d{1,9}))?")


_MOST = 10_000


_SECTIONS = frozenset({"options", "objective", "training", "preset"})


@dataclass(frozen=True, slots=True)
class Candidate:
    """One model with one set of options.

    Arguments:
        id: what reports call it, such as `gmm:n_components=3,covariance_type=tied`.
        assigned: the options that were given, nested.
        config: everything needed to train it.
        explicit: names of the settings of its training that were given a value.
    """

    id: str
    assigned: Mapping[str, Any]
    config: RunConfig
    explicit: frozenset[str] = frozenset()

    def matches(self, other: Candidate) -> bool:
        """Whether this is of the model of `other` and has the values that `other` was given."""
        mine = self.config.model_dump(mode="json")
        theirs = other.config.model_dump(mode="json")
        return mine["model"] == theirs["model"] and all(
            _at(mine, path) == _at(theirs, path) for path, _ in _leaves(layer(other.assigned))
        )


def expand(wanted: str | Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """The models and their given options that one argument stands for: the product of its grids.

    `key=a|b` tries several values, `key=1..9` whole numbers and `key=1..9..2` every second of them.

    Raises:
        ConfigError: it is not of that form, or stands for no or too many candidates.

    Examples:
        >>> expand("gmm:n_components=1..2,noise=true")
        [('gmm', {'n_components': 1, 'noise': True}), ('gmm', {'n_components': 2, 'noise': True})]
    """
    if isinstance(wanted, Mapping):
        if not isinstance(wanted.get("model"), str):
            raise ConfigError("A candidate that is a mapping names its model under 'model', and this one does not.")
        return [(wanted["model"], {key: value for key, value in wanted.items() if key != "model"})]
    model, colon, rest = wanted.partition(":")
    if not model.strip() or (colon and not rest.strip()):
        raise ConfigError(f"Candidate {wanted!r} is not of the form MODEL or MODEL:key=value,key=value.")
    axes = [_values(wanted, part) for part in _cut(rest, ",")] if colon else []
    count = 1
    for axis in axes:
        count *= len(axis)
    if count > _MOST:
        raise ConfigError(f"Candidate {wanted!r} stands for {count} models, more than {_MOST}. Narrow its grid.")
    return [(model.strip(), parse_assignments(pairs)) for pairs in itertools.product(*axes)]


def _cut(text: str, mark: str) -> list[str]:
    """Parts of a text between marks that stand in no brackets and no quotes."""
    parts, depth, quoted = [""], 0, False
    for letter in text:
        quoted ^= letter == '"'
        depth += 0 if quoted else (letter in "[{") - (letter in "]}")
        if letter == mark and depth == 0 and not quoted:
            parts.append("")
        else:
            parts[-1] += letter
    return parts


def _values(wanted: str, part: str) -> list[str]:
    """The assignments of one axis of a grid."""
    key, found, text = part.partition("=")
    if not found or not key.strip() or not text.strip():
        raise ConfigError(f"Candidate {wanted!r}: {part!r} is not of the form key=value, key=a|b or key=1..9.")
    values: list[str] = []
    for choice in _cut(text, "|"):
        steps = _RANGE.fullmatch(choice.strip())
        values += [choice] if steps is None else _whole_numbers(wanted, part, steps)
    return [f"{key}={value}" for value in values]


def _whole_numbers(wanted: str, part: str, steps: re.Match[str]) -> list[str]:
    first, last, step = int(steps[1]), int(steps[2]), int(steps[3] or 1)
    if step < 1 or last < first:
        raise ConfigError(f"Candidate {wanted!r}: the range {part!r} does not rise. Write key=1..9 or key=1..9..2.")
    if (last - first) // step >= _MOST:
        raise ConfigError(f"Candidate {wanted!r}: the range {part!r} stands for more than {_MOST} values.")
    return [str(value) for value in range(first, last + 1, step)]


def candidates(
    registry: Registry, wanted: Sequence[str | Mapping[str, Any]], common: Mapping[str, Any]
) -> tuple[Candidate, ...]:
    """All candidates that the arguments stand for, checked, each configuration once; one told of a default is another.

    Arguments:
        registry: who is in the zoo.
        wanted: what `expand` takes.
        common: settings that all share, a layer below the candidates' own: data, split, seed, device ...

    Raises:
        ConfigError: an unknown model or option, a value out of range, or no candidate.
    """
    found: dict[str, Candidate] = {}
    asked = [pair for argument in wanted for pair in expand(argument)]
    settings = [_training_class(registry, model, common, assigned) for model, assigned in asked]
    for (model, assigned), own in zip(asked, settings, strict=True):
        candidate = _candidate(registry, model, assigned, _shared(registry, model, common, own, settings))
        found.setdefault(f"{candidate.config.model_dump_json()} {sorted(candidate.explicit)}", candidate)
    if not found:
        raise ConfigError("There is nothing to compare. Name a model, such as: genzoo compare gmm:n_components=1..9.")
    return tuple(found.values())


def _training_class(
    registry: Registry, model: str, common: Mapping[str, Any], assigned: Mapping[str, Any]
) -> type[BaseModel]:
    entry, own = registry.models.get(model), layer(assigned)
    if not isinstance(common.get("training", {}), Mapping):
        raise ConfigError(f"training is a group of settings, and it was given as {common['training']!r}.")
    preset = preset_layer(entry, own.get("preset", common.get("preset")))
    return training_class(*chosen_objective(registry, entry, preset, common, own))


def _shared(
    registry: Registry,
    model: str,
    common: Mapping[str, Any],
    own: type[BaseModel],
    all_of_them: Sequence[type[BaseModel]],
) -> Mapping[str, Any]:
    """The common settings without those of a training that only other candidates have.

    A setting that no candidate has stays, for `resolve_config` to refuse it.
    """
    (current,) = current_layers(registry, model, common)
    foreign = {name for settings in all_of_them for name in settings.model_fields} - set(own.model_fields)
    training = {name: value for name, value in current.get("training", {}).items() if name not in foreign}
    return {**current, "training": training}


def _candidate(registry: Registry, model: str, assigned: dict[str, Any], common: Mapping[str, Any]) -> Candidate:
    (sections,) = current_layers(registry, model, layer(assigned))
    if strange := sorted(set(sections) - _SECTIONS):
        raise ConfigError(
            f"Candidate {model!r} sets {strange[0]!r}, which all candidates share. Set it for all of them."
        )
    config = resolve_config(registry, model, common, sections)
    if config.training.callbacks:
        raise ConfigError(f"Candidate {model!r} asks for callbacks, which need a run directory; a comparison has none.")
    name = registry.models.get(model).spec.name
    shown = name if name in registry.models.names() else config.model
    assigned = _assigned(sections)
    pairs = ",".join(f"{_key(path)}={_text(value)}" for path, value in _leaves(assigned))
    explicit = frozenset({**common.get("training", {}), **sections.get("training", {})})
    return Candidate(f"{shown}:{pairs}" if pairs else shown, assigned, config, explicit)


def _assigned(sections: Mapping[str, Any]) -> dict[str, Any]:
    """Sections of settings as they would be typed: options of the model, and of the objective, without their prefix."""
    found = {**sections.get("options", {}), **{key: value for key, value in sections.items() if key != "options"}}
    if "objective" in found:
        named = {"name": found["objective"]["name"]} if "name" in found["objective"] else {}
        found["objective"] = {**named, **found["objective"].get("options", {})}
    return found


def _leaves(tree: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, (*path, str(key)))
        else:
            yield (*path, str(key)), value


def _at(tree: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        tree = tree.get(name) if isinstance(tree, Mapping) else None
    return tree


def _key(path: tuple[str, ...]) -> str:
    """A path as it is typed."""
    return "objective" if path == ("objective", "name") else ".".join(path)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
