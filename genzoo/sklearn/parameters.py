"""Parameters of constructors: every setting of a model, its objectives and its training, under a flat name."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Optional, Union

import numpy as np
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from genzoo.config.data import SplitSettings
from genzoo.config.layers import merge, merge_training
from genzoo.config.resolve import layer, options_class, preset_layer, training_class
from genzoo.config.run_config import RunConfig
from genzoo.config.training import GradientTraining, OptimizerConfig, ScheduleConfig
from genzoo.plugins.registry import Entry, Registry
from genzoo.spec.entries import ModelSpec
from genzoo.wording import FrontEnd

_WITHOUT_RUN = frozenset({"log_every", "sample_every", "checkpoint_every", "keep_checkpoints", "callbacks"})
"""Settings of a training that only a run on disk has."""

_GROUPS: dict[str, type[BaseModel]] = {"optimizer": OptimizerConfig, "schedule": ScheduleConfig}
"""Groups of settings of a training whose members are parameters of their own."""

_PLAIN = (bool, int, float, str, tuple)
"""Types of defaults that a signature shows. Others, such as mappings, are shown as `None`."""


@dataclass(frozen=True, slots=True)
class SettingParameter:
    """A parameter that stands for one setting of a run.

    Arguments:
        name: name of the parameter.
        path: place of the setting in a layer of settings, such as `("training", "optimizer", "lr")`.
        default: value of the model's recipe; `None` also stands for values that a signature cannot show;
            `inspect.Parameter.empty` if the setting has no default.
        description: what it is.
        annotation: type of its values.
    """

    name: str
    path: tuple[str, ...]
    default: Any
    description: str
    annotation: Any

    def given(self, value: Any) -> bool:
        """Return whether a value differs from the recipe's, so that it has to be passed on."""
        if value is self.default:
            return False
        return not (isinstance(value, _PLAIN) and type(value) is type(self.default) and value == self.default)


def parameters_of(
    registry: Registry, entry: Entry[ModelSpec], preset: str | None, reserved: frozenset[str]
) -> tuple[SettingParameter, ...]:
    """Return the parameters of a model's estimator, in the order of its signature.

    Options of the model keep their names. If a setting of the training has the same name as one, its parameter is
    called `training_NAME`. Parameters of objectives begin with `objective`, and of schedules with `schedule`.

    Arguments:
        preset: alternative recipe of the model, or `None`.
        reserved: names that no parameter may have, such as methods of the estimator.

    Raises:
        ConfigError: the model has no such preset.
        PluginError: the classes of its options cannot be imported.
    """
    recipe = merge(_recipe(entry, preset), beneath(registry, entry, preset))
    taken = set(reserved)
    found = []
    for name, path, field in _settings(registry, entry):
        prefix = "option" if path[0] == "options" else path[-2] if len(path) > 1 else "run"
        own = f"{prefix}_{name}" if name in taken else name
        taken.add(own)
        found.append(
            SettingParameter(own, path, _default(field, recipe, path), field.description or "", field.annotation)
        )
    return tuple(found)


def beneath(registry: Registry, entry: Entry[ModelSpec], preset: str | None) -> dict[str, Any]:
    """Return the settings of estimators that differ from genzoo's own defaults.

    Whoever uses scikit-learn holds rows out himself, so only early stopping does here. EM and direct fits compute in
    float64, as scikit-learn does.
    """
    whole = not any(issubclass(kind, GradientTraining) for kind in trainings_of(registry, entry))
    own: dict[str, Any] = {"split": {"test": 0.0, **({"validation": 0.0} if whole else {})}}
    own |= {"precision": "fp64"} if whole else {}
    return own if preset is None else {**own, "preset": preset}


def trainings_of(registry: Registry, entry: Entry[ModelSpec]) -> list[type[BaseModel]]:
    """Return the classes of settings of the trainings that a model's objectives need, the default objective's first."""
    objectives = (registry.objective_of(entry, name) for name in entry.spec.objectives)
    return list(dict.fromkeys(training_class(known) for known in objectives))


def layer_of(
    parameters: tuple[SettingParameter, ...], values: Mapping[str, Any], asked: Mapping[str, Any]
) -> dict[str, Any]:
    """Return a layer of settings with the values of parameters that differ from the recipe.

    Arguments:
        values: value of each parameter, by name.
        asked: settings beneath them, from `beneath`.
    """
    for parameter in parameters:
        value = values[parameter.name]
        if parameter.given(value):
            asked = merge(asked, _nested(parameter.path, _of_python(value)))
    return layer(asked)


_TEMPLATES = {
    "drop": "X.drop(columns={})",
    "drop_missing": "X.dropna()",
    "weight": "sample_weight",
    "kinds": "X.astype",
}
"""What users of estimators write for settings of the data."""


def words_of(parameters: tuple[SettingParameter, ...]) -> FrontEnd:
    """Return the front end of an estimator, whose messages name its parameters."""
    names = {".".join(parameter.path).removeprefix("options."): parameter.name for parameter in parameters}
    return FrontEnd(names=names, templates=_TEMPLATES)


def _settings(registry: Registry, entry: Entry[ModelSpec]) -> Iterator[tuple[str, tuple[str, ...], FieldInfo]]:
    """Yield each setting with the name it would like to have, its place, and its field."""
    for name, field in options_class(entry).model_fields.items():
        yield name, ("options", name), field
    objectives = [registry.objective_of(entry, name) for name in entry.spec.objectives]
    names = ", ".join(entry.spec.objectives)
    yield (
        "objective",
        ("objective", "name"),
        FieldInfo(
            annotation=Union[str, dict[str, Any]],  # noqa: UP007 - of another type in mypy's eyes
            default=entry.spec.objectives[0],
            description=f"what the model is trained by: {names}",
        ),
    )
    options = {name: field for known in objectives for name, field in options_class(known).model_fields.items()}
    for name, field in options.items():
        text = f"{field.description or ''}; None for the default of the objective"
        kind: Any = Optional[field.annotation]  # noqa: UP045 - a type that is known only here
        info = FieldInfo(annotation=kind, default=None, description=text)
        yield f"objective_{name}", ("objective", name), info
    trainings = trainings_of(registry, entry)
    fields = {name: field for training in reversed(trainings) for name, field in training.model_fields.items()}
    for name, field in fields.items():
        if name in _GROUPS:
            for part, inner in _GROUPS[name].model_fields.items():
                own = name if part == "name" else part if name == "optimizer" else f"{name}_{part}"
                yield own, ("training", name, part), inner
        elif name != "kind" and name not in _WITHOUT_RUN:
            yield name, ("training", name), field
    if any("patience" in training.model_fields for training in trainings):
        yield "validation_fraction", ("split", "validation"), SplitSettings.model_fields["validation"]
    for name in ("device", "precision"):
        yield name, (name,), RunConfig.model_fields[name]


def _recipe(entry: Entry[ModelSpec], preset: str | None) -> dict[str, Any]:
    chosen = preset_layer(entry, preset)
    merged = merge({"options": entry.spec.options}, chosen)
    return {**merged, "training": merge_training(entry.spec.training, chosen.get("training", {}))}


def _default(field: FieldInfo, recipe: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    """Return the value of a setting in the recipe, or else of its class, as a signature shows it."""
    value: Any = recipe
    for part in path:
        if not isinstance(value, Mapping) or part not in value:
            value = inspect.Parameter.empty if field.is_required() else field.get_default(call_default_factory=True)
            break
        value = value[part]
    if isinstance(value, list):
        value = tuple(value)
    return value if value is inspect.Parameter.empty or isinstance(value, _PLAIN) else None


def _nested(path: tuple[str, ...], value: Any) -> dict[str, Any]:
    if path == ("objective", "name") and isinstance(value, Mapping):
        return {"objective": dict(value)}
    for part in reversed(path):
        value = {part: value}
    nested: dict[str, Any] = value
    return nested


def _of_python(value: Any) -> Any:
    """Return a number of NumPy, such as a grid search tries, as one of Python."""
    return value.item() if isinstance(value, np.generic) else value


def signature_of(parameters: tuple[SettingParameter, ...]) -> inspect.Signature:
    """Return the signature of a constructor, with `random_state` as its last parameter."""
    kind = inspect.Parameter.KEYWORD_ONLY
    own = [inspect.Parameter(each.name, kind, default=each.default, annotation=each.annotation) for each in parameters]
    start = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return inspect.Signature([start, *own, inspect.Parameter("random_state", kind, default=0)])
