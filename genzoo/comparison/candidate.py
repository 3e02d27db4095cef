"""Expand and check the candidates of a comparison, such as `gmm:n_components=1..9`; no torch is imported."""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from genzoo.config.flags import choices_of
from genzoo.config.keywords import check_model
from genzoo.config.layers import leaves, parse_assignments
from genzoo.config.resolve import (
    chosen_objective,
    layer,
    options_class,
    preset_layer,
    resolve_config,
    training_class,
)
from genzoo.config.run_config import RunConfig
from genzoo.config.sampling import sampling_class
from genzoo.errors import ConfigError
from genzoo.models.reference import check_distinct, known_name
from genzoo.persistence.format1 import current_layers
from genzoo.plugins.local import split_candidate
from genzoo.plugins.registry import Registry
from genzoo.reports.result import candidate_id
from genzoo.wording import setting_name

_RANGE = re.compile(r"(-?\d{1,9})\.\.(-?\d{1,9})(?:\.\.(-?\d{1,9}))?")


_MOST = 10_000


_ALL = "all"
"""Value of an option of a candidate that stands for every choice."""


_SECTIONS = frozenset({"options", "objective", "training", "preset", "sampling"})


_OF_A_FOLDER = frozenset({"log_every", "sample_every", "checkpoint_every", "keep_checkpoints"})
"""Settings of a training that say what it writes into its run directory."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One model with one set of options.

    Arguments:
        id: its name in reports, such as `gmm:n_components=3,covariance_type=tied`.
        assigned: the options that were given, nested.
        config: everything needed to train it.
        explicit: names of the training settings that were given.
        equals: ids of other candidates that were given and resolve to the same configuration. They are not fitted.
    """

    id: str
    assigned: Mapping[str, Any]
    config: RunConfig
    explicit: frozenset[str] = frozenset()
    equals: tuple[str, ...] = ()

    def matches(self, other: Candidate) -> bool:
        """Return whether this candidate has the model of `other`, and every value that was given for `other`."""
        mine = self.config.model_dump(mode="json")
        theirs = other.config.model_dump(mode="json")
        return mine["model"] == theirs["model"] and all(
            _at(mine, path) == _at(theirs, path) for path, _ in leaves(layer(other.assigned))
        )


def expand(wanted: str | Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Expand one argument into models and their options: the product of its grids.

    `key=a|b` tries several values, `key=1..9` whole numbers, and `key=1..9..2` every second one. `candidates` expands
    `key=all`, which depends on the model.

    Raises:
        ConfigError: the argument has another form, or describes too many candidates.

    Examples:
        >>> expand("gmm:n_components=1..2,noise=true")
        [('gmm', {'n_components': 1, 'noise': True}), ('gmm', {'n_components': 2, 'noise': True})]
    """
    if isinstance(wanted, Mapping):
        if not isinstance(wanted.get("model"), str):
            raise ConfigError("A candidate given as a mapping needs the key 'model' with the name of a model.")
        return [(wanted["model"], {key: value for key, value in wanted.items() if key != "model"})]
    model, colon, rest = split_candidate(wanted)
    if not model.strip() or (colon and not rest.strip()):
        raise ConfigError(f"Candidate {wanted!r} must have the form MODEL or MODEL:key=value,key=value.")
    axes = [_values(wanted, part) for part in cut(rest, ",")] if colon else []
    count = 1
    for axis in axes:
        count *= len(axis)
    if count > _MOST:
        raise ConfigError(f"Candidate {wanted!r} describes {count} models, more than {_MOST}. Use a smaller grid.")
    return [(model.strip(), parse_assignments(pairs)) for pairs in itertools.product(*axes)]


def _named(wanted: Sequence[str | Mapping[str, Any] | type]) -> list[str | Mapping[str, Any]]:
    """Return arguments with the ids of models that are classes of the user's, which become known.

    Raises:
        ConfigError: a class or its file is unusable, or two different classes have the same name.
    """
    given = [_model_of(argument) for argument in wanted]
    check_distinct(given)
    found: list[Any] = []
    for argument, model in zip(wanted, given, strict=True):
        name = known_name(model)
        if name is model:
            found.append(argument)
        elif isinstance(argument, Mapping):
            found.append({**argument, "model": name})
        else:
            found.append("".join((name, *split_candidate(argument)[1:])) if isinstance(argument, str) else name)
    return found


def _model_of(argument: Any) -> Any:
    if isinstance(argument, Mapping):
        return argument.get("model")
    return split_candidate(argument)[0] if isinstance(argument, str) else argument


def _with_all(registry: Registry, wanted: str | Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Expand one argument, and every model option that is `all` in it to the choices of that option.

    Raises:
        ConfigError: as for `expand`, or there is no such model.
    """
    found = []
    if not isinstance(wanted, Mapping):
        check_model(registry, wanted)
    for model, assigned in expand(wanted):
        choices: dict[str, tuple[Any, ...]] = {}
        for key in [key for key, value in assigned.items() if value == _ALL]:
            entry = registry.models.get(model)
            values = choices_of(options_class(entry), entry.spec.renamed.get(key, key))
            if values and _ALL not in values:
                choices[key] = values
        found += [
            (model, {**assigned, **dict(zip(choices, values, strict=True))})
            for values in itertools.product(*choices.values())
        ]
    if len(found) > _MOST:
        raise ConfigError(f"Candidate {wanted!r} describes {len(found)} models, more than {_MOST}. Use a smaller grid.")
    return found


def cut(text: str, mark: str) -> list[str]:
    """Split a text at marks outside brackets and quotes."""
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
    """Return the assignments of one axis of a grid."""
    key, found, text = part.partition("=")
    if not found or not key.strip() or not text.strip():
        raise ConfigError(f"Candidate {wanted!r}: {part!r} must have the form key=value, key=a|b or key=1..9.")
    values: list[str] = []
    for choice in cut(text, "|"):
        steps = _RANGE.fullmatch(choice.strip())
        values += [choice] if steps is None else _whole_numbers(wanted, part, steps)
    return [f"{key}={value}" for value in values]


def _whole_numbers(wanted: str, part: str, steps: re.Match[str]) -> list[str]:
    first, last, step = int(steps[1]), int(steps[2]), int(steps[3] or 1)
    if step < 1 or last < first:
        raise ConfigError(f"Candidate {wanted!r}: the range {part!r} does not rise. Write key=1..9 or key=1..9..2.")
    if (last - first) // step >= _MOST:
        raise ConfigError(f"Candidate {wanted!r}: the range {part!r} has more than {_MOST} values.")
    return [str(value) for value in range(first, last + 1, step)]


def candidates(
    registry: Registry, wanted: Sequence[str | Mapping[str, Any] | type], common: Mapping[str, Any]
) -> tuple[Candidate, ...]:
    """Expand and check all candidates. Keep one of several with the same configuration.

    A comparison tunes default settings only. An explicit value therefore makes another candidate, even if it equals
    the default.

    Arguments:
        registry: the zoo.
        wanted: arguments, as for `expand`.
        common: settings that all candidates share, such as data, split, seed and device. A candidate's own options come
            first. An option `all` tries every choice that the model has for it.

    Raises:
        ConfigError: an unknown model or option, a value out of range, or no candidate.
    """
    asked = [pair for argument in _named(wanted) for pair in _with_all(registry, argument)]
    settings = [_training_class(registry, model, common, assigned) for model, assigned in asked]
    found_samplers = [
        sampling_class(registry.models.get(model)) for model in dict.fromkeys(model for model, _ in asked)
    ]
    samplers = frozenset(name for sampler in found_samplers if sampler is not None for name in sampler.model_fields)
    found = distinct(
        (
            _candidate(registry, model, assigned, _shared(registry, model, common, own, settings, samplers))
            for (model, assigned), own in zip(asked, settings, strict=True)
        ),
        lambda candidate: (candidate.config.model_dump_json(), candidate.explicit),
    )
    if not found:
        raise ConfigError("There is nothing to compare. Name a model, such as 'gmm:n_components=1..9'.")
    return found


def distinct(wanted: Iterable[Candidate], key: Callable[[Candidate], Hashable]) -> tuple[Candidate, ...]:
    """Return the first candidate of each key, with the ids of the others in `equals`."""
    groups: dict[Hashable, list[Candidate]] = {}
    for candidate in wanted:
        groups.setdefault(key(candidate), []).append(candidate)
    found = []
    for first, *others in groups.values():
        ids = dict.fromkeys((*first.equals, *(name for other in others for name in (other.id, *other.equals))))
        found.append(dataclasses.replace(first, equals=tuple(name for name in ids if name != first.id)))
    return tuple(found)


def _training_class(
    registry: Registry, model: str, common: Mapping[str, Any], assigned: Mapping[str, Any]
) -> type[BaseModel]:
    entry, own = registry.models.get(model), layer(assigned)
    if not isinstance(common.get("training", {}), Mapping):
        raise ConfigError(f"training must be a mapping of settings, not {common['training']!r}.")
    preset = preset_layer(entry, own.get("preset", common.get("preset")))
    return training_class(*chosen_objective(registry, entry, preset, common, own))


def _shared(
    registry: Registry,
    model: str,
    common: Mapping[str, Any],
    own: type[BaseModel],
    all_of_them: Sequence[type[BaseModel]],
    samplers: frozenset[str],
) -> Mapping[str, Any]:
    """Return the common settings without settings of training and sampling that only other candidates have.

    Arguments:
        all_of_them: settings classes of the trainings of all candidates.
        samplers: names of the sampling options of all candidates.

    A setting that no candidate has is kept, so that `resolve_config` reports it.
    """
    (current,) = current_layers(registry, model, common)
    foreign = {name for settings in all_of_them for name in settings.model_fields} - set(own.model_fields)
    training = {name: value for name, value in current.get("training", {}).items() if name not in foreign}
    sampler = sampling_class(registry.models.get(model))
    known = set() if sampler is None else set(sampler.model_fields)
    sampling = {name: value for name, value in current.get("sampling", {}).items() if name not in samplers - known}
    return {**current, "training": training, "sampling": sampling}


def _candidate(registry: Registry, model: str, assigned: dict[str, Any], common: Mapping[str, Any]) -> Candidate:
    (sections,) = current_layers(registry, model, layer(assigned))
    if strange := sorted(set(sections) - _SECTIONS):
        raise ConfigError(
            f"Candidate {model!r} sets {strange[0]!r}, which all candidates share. Set it once for all candidates."
        )
    config = resolve_config(registry, model, common, sections)
    explicit = frozenset({**common.get("training", {}), **sections.get("training", {})})
    asked = {name for name in ("callbacks", "log") if getattr(config.training, name)}
    if idle := sorted(asked | explicit & _OF_A_FOLDER):
        raise ConfigError(
            f"Candidate {model!r} sets {setting_name(f'training.{idle[0]}')}, which needs a run directory. The fits of "
            f"a comparison have none. Leave it out."
        )
    name = registry.models.get(model).spec.name
    shown = name if name in registry.models.names() else config.model
    assigned = _assigned(sections)
    return Candidate(candidate_id(shown, assigned), assigned, config, explicit)


def _assigned(sections: Mapping[str, Any]) -> dict[str, Any]:
    """Return sections of settings as a user types them: options without a prefix, and options of the objective."""
    found = {**sections.get("options", {}), **{key: value for key, value in sections.items() if key != "options"}}
    if "objective" in found:
        named = {"name": found["objective"]["name"]} if "name" in found["objective"] else {}
        found["objective"] = {**named, **found["objective"].get("options", {})}
    return found


def _at(tree: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        tree = tree.get(name) if isinstance(tree, Mapping) else None
    return tree
