"""Hints for words of `genzoo train`, `compare` and `tune` that no option takes, such as options of a model as flags."""

from __future__ import annotations

import difflib
import itertools
import shlex
from collections.abc import Iterable, Sequence

from genzoo.config.resolve import flag_of, options_class, setting_places, training_class
from genzoo.config.sampling import sampling_class
from genzoo.plugins.local import split_candidate
from genzoo.plugins.registry import Entry, Registry
from genzoo.spec.entries import ModelSpec
from genzoo.wording import Word, argument

_OWNERS = {
    "objective": "objective",
    "training": "training",
    "split": "split of the rows",
    "data": "data",
    "sampling": "sampling",
}


def explain_flag(
    entry: Entry[ModelSpec], registry: Registry, flag: str, words: Sequence[str], flags: Iterable[str]
) -> str | None:
    """Explain what an unknown flag may mean; return None if nothing has such a name.

    Arguments:
        flag: the flag, such as `--n-components`.
        words: all words after the model's name.
        flags: the flags that there are.
    """
    places = _places(entry, registry, words)
    name = _key(flag)
    known = {_key(option): option for option in flags}
    near = next(iter(difflib.get_close_matches(name, [*places, *known], 1, cutoff=0.8)), None)
    if near is None:
        return None
    option = known.get(near) or flag_of(places[near])
    if option is not None:
        return f"No such option {flag!r}. Did you mean {option!r}?"
    place, value = places[near], _value_of(flag, words)
    if name != near:
        return f"No such option {flag!r}. Did you mean -o {place}={value}?"
    owner = _OWNERS.get(place.partition("=")[0].partition(".")[0], "model")
    return f"{flag} is an option of the {owner}: write -o {place}={value}."


def explain_flag_of_candidates(
    registry: Registry, models: Iterable[str], flag: str, words: Sequence[str]
) -> str | None:
    """Explain what an unknown flag of `genzoo compare` may mean; return None if no candidate has such a setting.

    Arguments:
        models: names of the models.
        flag, words: as for `explain_flag`.
    """
    name, value = _key(flag), _value_of(flag, words)
    for model in models:
        place = _places(registry.models.get(model), registry, []).get(name, "data.")
        own = f"{model}:{place.replace(' -o ', ',')}={value}"  # such as dcgan:objective=hinge,objective.margin=2
        if place.startswith(("training.", "sampling.", "split.")):
            more = "" if place.startswith("split.") else f", or {own} for one"
            return f"No such option {flag!r}. Did you mean -o {place}={value} for all models{more}?"
        if not place.startswith("data."):
            return f"{flag} is an option of {model}: write {own}."
    return None


def named_models(registry: Registry, words: Iterable[str]) -> list[str]:
    """Return the names of models among words, which may have options, as in `gmm:n_components=2`."""
    names = dict.fromkeys(split_candidate(word)[0] for word in words)
    return [name for name in names if len(registry.models.candidates_for(name)) == 1]


def explain_words(
    entry: Entry[ModelSpec], registry: Registry, words: Sequence[str], options: Sequence[str]
) -> str | None:
    """Explain what words without an option may mean; return None if nothing is known about them.

    Arguments:
        words: the words that no option takes.
        options: the values of `-o`.
    """
    values = [word for word in words if word != "="]
    unfinished = [option for option in options if not option.partition("=")[2]]
    if unfinished and values:
        name = unfinished[-1].removesuffix("=")
        return f"-o takes NAME=VALUE as one word. Write -o {name}={shlex.quote(values[0])}."
    name, equals, _ = words[0].partition("=")
    if equals and name in _places(entry, registry, []):
        return f"Unexpected {words[0]!r}. Did you mean -o {shlex.quote(words[0])}?"
    if registry.models.candidates_for(words[0]):
        models = f"{entry.spec.name} {words[0]}"
        data = argument("data", Word("DATA"))
        return f"genzoo train takes one model. To compare models: genzoo compare {models} {data}."
    return None


def _key(flag: str) -> str:
    return flag.lstrip("-").replace("-", "_")


def _places(entry: Entry[ModelSpec], registry: Registry, words: Sequence[str]) -> dict[str, str]:
    """Return what `-o` calls each setting of a training of a model, by the last part of its name.

    Arguments:
        words: words of the command line, which may name the objective.
    """
    objectives = [registry.objective_of(entry, name) for name in entry.spec.objectives]
    named = [word.partition("=")[2] for word in words if word.startswith(("objective=", "objective.name="))]
    chosen = registry.objective_of(entry, named[-1]) if named else objectives[0]
    places: dict[str, str] = {}
    for other in reversed(objectives):  # options of another objective need that objective
        name = other.spec.name
        places |= {field: f"objective={name} -o objective.{field}" for field in options_class(other).model_fields}
    training = training_class(chosen, entry.spec.objective_options.get(chosen.spec.name))
    sampler = sampling_class(entry)
    places |= {} if sampler is None else {name: f"sampling.{name}" for name in sampler.model_fields}
    places |= setting_places(chosen, training)
    return places | {name: name for name in options_class(entry).model_fields}


def _value_of(flag: str, words: Sequence[str]) -> str:
    """Return the value that follows a flag, or `VALUE` if there is none."""
    for word, following in itertools.pairwise([*words, "--"]):
        name, equals, value = word.partition("=")
        if name == flag and equals:
            return shlex.quote(value)
        if name == flag and (not following.startswith("-") or _is_number(following)):
            return shlex.quote(following)
    return "VALUE"


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
