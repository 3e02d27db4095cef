"""Run plugins that were written for the first plugin API, and translate their names.

Nothing outside this file and `runs/format1.py` knows a former name. A plugin states its API as `GENZOO_API`. Specs of
an API-1 plugin are translated once, when it registers them.

- Specs: names of input spaces and of training settings, and the kind of an objective, which API 1 did not state.
- Objectives: the parameter group `critic` is `discriminator`, `initialise` and `maximise` are `initialize` and
  `maximize`.
- Classes of the facade: `Fitted` is `TrainedModel`, `Given` is `MetricInput`; `Model.critic` and
  `Generator.dequantised` are read and written under their new names; `Run.fitted` is `Run.load`.
"""

from __future__ import annotations

import dataclasses
import functools
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ParamSpec, TypeVar, cast

from genzoo.errors import ConfigError, FormerNameWarning, PluginError
from genzoo.spec.entries import ModelSpec, ObjectiveKind, ObjectiveSpec, Spec

SpecT = TypeVar("SpecT", bound=Spec)
ClassT = TypeVar("ClassT", bound=type)
ParamsT = ParamSpec("ParamsT")
ResultT = TypeVar("ResultT")

PUBLIC_NAMES = {"Fitted": "TrainedModel", "Given": "MetricInput"}
"""Current names of the facade, by former names."""

TRAINING = {
    "optimiser": "optimizer",
    "groups": "param_groups",
    "accumulation": "grad_accumulation",
    "clip": "grad_clip",
    "watch": "monitor",
    "keep": "keep_checkpoints",
    "passes": "max_iter",
    "tolerance": "tol",
    "restarts": "n_init",
    "block": "block_size",
}
"""Training settings."""

OPTIMIZER = {"rate": "lr", "decay": "weight_decay"}
"""Settings of an optimizer, within `optimizer` and within each of `param_groups`."""

PARAM_GROUPS = {"critic": "discriminator"}

_INPUT_SPACES = {"standardised": "standardized", "centred": "centered"}

_ATTRIBUTES: dict[str, dict[str, str]] = {
    "Model": {"critic": "discriminator"},
    "Generator": {"dequantised": "dequantized"},
    "EMObjective": {"initialise": "initialize", "maximise": "maximize"},
    "TrainedModel": {"dequantised": "dequantized"},
    "Run": {"fitted": "load"},
}
"""Attributes of classes, by the name of the class."""


def rename_keys(
    settings: Mapping[str, Any],
    names: Mapping[str, str],
    owner: str,
    note: Callable[[str, str], None] | None = None,
    prefix: str = "",
) -> dict[str, Any]:
    """Give settings their current names.

    Arguments:
        settings: values by former or current names.
        names: current names by former names.
        owner: what the settings belong to, for the error message.
        note: called with each former name in use and its current name, both with their prefix.
        prefix: in front of names in messages, such as `objective.`.

    Raises:
        ConfigError: a setting is given under both names, with different values.
    """
    found = {key: value for key, value in settings.items() if key not in names}
    for key, value in settings.items():
        if key not in names:
            continue
        current = names[key]
        if note is not None:
            note(f"{prefix}{key}", f"{prefix}{current}")
        if current in found and found[current] != value:
            raise ConfigError(
                f"{owner}: {prefix}{key} is the former name of {prefix}{current}, and both are given, as {value!r} and "
                f"{found[current]!r}. Leave out {prefix}{key}."
            )
        found[current] = value
    return found


def rename_training(
    training: Mapping[str, Any], owner: str, note: Callable[[str, str], None] | None = None
) -> dict[str, Any]:
    """Give training settings their current names, also within optimizers and parameter groups.

    Raises:
        ConfigError: a setting is given under both names, with different values.
    """
    found: dict[str, Any] = {}
    former: dict[str, str] = {}  # how each setting that has a former name was given, by its current name
    for path, value in _leaves(training):
        current = _current_path(path)
        key, given = f"training.{'.'.join(current)}", f"training.{'.'.join(path)}"
        node = found
        for name in current[:-1]:
            node = node.setdefault(name, {})
            if not isinstance(node, dict):
                raise ConfigError(f"{owner}: {given} is a part of training.{name}, which is also given as a value.")
        if current[-1] in node and value == {}:  # an empty group of settings
            continue
        if current[-1] in node and node[current[-1]] != value:
            old = given if current != path else former[key]
            raise ConfigError(
                f"{owner}: {old} is the former name of {key}, and both are given, with different values. Leave out "
                f"{old}."
            )
        node[current[-1]] = dict(value) if isinstance(value, Mapping) else value
        if current != path:
            former[key] = given
            if note is not None:
                note(given, key)
    return found


def _leaves(settings: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield paths and values of training settings, down to the settings of an optimizer and of each parameter group."""
    for key, value in settings.items():
        path = (*above, str(key))
        group = TRAINING.get(path[0], path[0])
        inner = {"optimizer": 1, "param_groups": 2}.get(group, 0)
        if isinstance(value, Mapping) and value and len(path) <= inner:
            yield from _leaves(value, path)
        else:
            yield path, value


def _current_path(path: tuple[str, ...]) -> tuple[str, ...]:
    first, *rest = path
    found = [TRAINING.get(first, first), *rest]
    if found[0] == "optimizer" and len(found) > 1:
        found[1] = OPTIMIZER.get(found[1], found[1])
    if found[0] == "param_groups" and len(found) > 1:
        found[1] = PARAM_GROUPS.get(found[1], found[1])
        found[2:] = [OPTIMIZER.get(name, name) for name in found[2:]]
    return tuple(found)


def translate(spec: SpecT) -> SpecT:
    """Turn a spec from an API-1 plugin into one of the current API."""
    if not isinstance(spec, ModelSpec):
        return spec
    owner = f"Model {spec.name!r}"
    presets = {
        name: {**layer, "training": rename_training(layer["training"], owner)}
        if isinstance(layer.get("training"), Mapping)
        else layer
        for name, layer in spec.presets.items()
    }
    space = (
        {modality: _INPUT_SPACES.get(name, name) for modality, name in spec.input.items()}
        if isinstance(spec.input, Mapping)
        else _INPUT_SPACES.get(spec.input, spec.input)
    )
    changed = {"input": space, "training": rename_training(spec.training, owner), "presets": presets}
    return cast("SpecT", dataclasses.replace(spec, **changed))  # type: ignore[arg-type]


def find_objective_kind(spec: ObjectiveSpec, build: Callable[[], object]) -> ObjectiveKind:
    """Find the kind of an objective whose spec does not state it, from the class that its builder returns.

    Arguments:
        build: builds the objective. It imports torch, which is why specs of API 2 state the kind.
    """
    if spec.kind is not None:
        return spec.kind
    try:
        names = {cls.__name__ for cls in type(build()).__mro__}
    except (ConfigError, PluginError):  # training builds it again, and reports the error
        return "gradient"
    return "direct" if "DirectObjective" in names else "em" if "EMObjective" in names else "gradient"


def adapt_objective(objective: Any) -> Any:
    """Make an API-1 gradient objective yield its losses under the current names of parameter groups.

    Its class is replaced by a subclass. This also works for frozen objectives and for objectives with slots, whose
    attributes cannot be set.
    """
    cls = type(objective)
    if not hasattr(cls, "losses"):
        return objective

    def losses(self: Any, model: Any, batch: Any, progress: Any) -> Iterator[Mapping[str, Any]]:
        for step in cls.losses(self, model, batch, progress):
            yield {PARAM_GROUPS.get(name, name): loss for name, loss in step.items()}

    body = {"__slots__": (), "__module__": cls.__module__, "__doc__": cls.__doc__, "losses": losses}
    object.__setattr__(objective, "__class__", type(cls.__name__, (cls,), body))
    return objective


def adapt_step(step: Any) -> Any:
    """Return a step with its losses under the former names of parameter groups, for an API-1 callback."""
    former = {current: name for name, current in PARAM_GROUPS.items()}
    losses = tuple(
        dataclasses.replace(record, values={former.get(name, name): value for name, value in record.values.items()})
        for record in step.losses
    )
    return dataclasses.replace(step, losses=losses)


def with_former_names(cls: ClassT) -> ClassT:
    """Let a class of the plugin API be read, written and overridden under the former names of its attributes.

    If a subclass defines a method or attribute under its former name, it also gets the current one. This happens before
    Python looks for abstract methods that are missing.
    """
    names = _ATTRIBUTES[cls.__name__]
    owner = cast("Any", cls)

    def init_subclass(subclass: Any, /, **options: Any) -> None:
        super(owner, subclass).__init_subclass__(**options)
        above = subclass.__mro__[: subclass.__mro__.index(owner)]  # includes mixins
        for former, current in names.items():
            first = next((base for base in above if {former, current} & base.__dict__.keys()), None)
            if first is None or current in first.__dict__:
                continue
            value = first.__dict__[former]
            setattr(subclass, current, value)
            if not callable(value) and first is subclass:  # values are read and written through the alias;
                delattr(subclass, former)  # methods stay, for `super()`

    for former, current in names.items():
        setattr(cls, former, _alias(current))
    type.__setattr__(cls, "__init_subclass__", classmethod(init_subclass))
    return cls


def _alias(current: str) -> property:
    def read(self: Any) -> Any:
        return getattr(self, current)

    def write(self: Any, value: Any) -> None:
        setattr(self, current, value)

    return property(read, write, doc=f"Former name of `{current}`.")


def former_keywords(**names: str) -> Callable[[Callable[ParamsT, ResultT]], Callable[ParamsT, ResultT]]:
    """Let a function take keywords under their former names.

    Arguments:
        names: current names by former name.

    Raises:
        ConfigError: a keyword is given under both names.

    Warns:
        FormerNameWarning: a keyword is given under its former name.
    """

    def decorate(function: Callable[ParamsT, ResultT]) -> Callable[ParamsT, ResultT]:
        @functools.wraps(function)
        def call(*args: ParamsT.args, **keywords: ParamsT.kwargs) -> ResultT:
            for former, current in names.items():
                if former not in keywords:
                    continue
                if current in keywords:
                    raise ConfigError(f"{former} is the former name of {current}. Leave {former} out.")
                warnings.warn(f"{former} is now called {current}.", FormerNameWarning, stacklevel=2)
                keywords[current] = keywords.pop(former)
            return function(*args, **keywords)

        return call

    return decorate


def rename_keyword(options: Mapping[str, Any], current: Any, default: Any) -> Any:
    """Return the value of the conformance kit's keyword `kind`, which API 1 called `sort`.

    Arguments:
        options: other keywords of the call.
        current: value of `kind`.
        default: default of `kind`.

    Raises:
        TypeError: both were given, or another keyword.
    """
    for name in options:
        if name != "sort" or current != default:
            raise TypeError(f"there is no keyword {name!r}" if name != "sort" else "'sort' and 'kind' are one keyword")
    return options.get("sort", current)
