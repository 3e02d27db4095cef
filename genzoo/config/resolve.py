"""Build the configuration of a run from the model's recipe, presets, config files and options."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from genzoo.config.data import DataSettings, SplitSettings
from genzoo.config.flags import flagged_settings
from genzoo.config.layers import SECTIONS, merge, merge_training
from genzoo.config.run_config import RunConfig
from genzoo.config.sampling import Sampling, sampling_class
from genzoo.config.settings import validate
from genzoo.config.training import (
    TRAINING_CLASSES,
    DirectTraining,
    EMTraining,
    GradientTraining,
    OptimizerConfig,
    StepSettings,
    TrainingSettings,
)
from genzoo.errors import ConfigError, PluginError, did_you_mean
from genzoo.plugins.api1 import find_objective_kind
from genzoo.plugins.registry import Entry, Registry, blame, extra_named, resolve
from genzoo.spec.entries import ModelSpec, ObjectiveSpec, TransformSpec
from genzoo.spec.modality import MODALITIES, plurals
from genzoo.wording import front_end, setting_name

_PLAIN = ("seed", "device", "precision", "preset", "warm_start")


_OF_A_RUN = ("format", "model", "data_digest", "sampling_group", "model_source")


_OF_ANY_TRAINING = frozenset(name for settings in TRAINING_CLASSES.values() for name in settings.model_fields)


CALLED = {"gradient": "gradients", "em": "expectation-maximization", "direct": "a direct fit"}
"""Method of training in words, by the kind of the objective."""


FLAGS = {setting.path[1]: setting.option for setting in flagged_settings(RunConfig) if setting.path[0] == "training"}
"""Command-line options of settings of a training, by the name of the setting."""


def options_class(entry: Entry[ModelSpec] | Entry[ObjectiveSpec] | Entry[TransformSpec]) -> type[BaseModel]:
    """Return the pydantic class of an entry's options.

    Raises:
        PluginError: the spec names something else.
    """
    with extra_named(entry):
        config = resolve(entry.spec.config, entry.spec)
    if not (isinstance(config, type) and issubclass(config, BaseModel)):
        raise PluginError(f"{entry.id!r} names {entry.spec.config!r} as its options, which is not a pydantic model.")
    return config


def model_options(entry: Entry[ModelSpec], options: Mapping[str, Any]) -> BaseModel:
    """Validate the options of a model.

    Raises:
        ConfigError: an unknown option, or a value out of range.
    """
    return validate(options_class(entry), options, f"Model {entry.spec.name!r}")


def objective_options(entry: Entry[ObjectiveSpec], options: Mapping[str, Any]) -> BaseModel:
    """Validate the options of an objective.

    Raises:
        ConfigError: an unknown option, or a value out of range.
    """
    return validate(options_class(entry), options, f"Objective {entry.spec.name!r}")


def training_class(
    entry: Entry[ObjectiveSpec], options: Mapping[str, Any] | None = None
) -> type[GradientTraining] | type[EMTraining] | type[DirectTraining]:
    """Return the settings class of a training with an objective.

    Arguments:
        options: options of the objective. Only objectives of API 1 need them: they are built to find out their kind.

    Raises:
        PluginError: the spec names a class of options that cannot be used.
    """

    def build() -> object:
        with blame(f"The builder of {entry.id!r}"):
            return resolve(entry.spec.builder, entry.spec)(objective_options(entry, options or {}))

    return TRAINING_CLASSES[find_objective_kind(entry.spec, build)]


def _of_kind(settings: type[BaseModel], recipe: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of a model's recipe that its objective uses; a model may list objectives of several kinds."""
    foreign = _OF_ANY_TRAINING - set(settings.model_fields)
    return {name: value for name, value in recipe.items() if name not in foreign}


def _check_kind(entry: Entry[ModelSpec], settings: type[BaseModel], wanted: Mapping[str, Any]) -> None:
    """Check that no setting belongs to another kind of training.

    Raises:
        ConfigError: one does; the message lists the settings of this kind.
    """
    foreign = next((name for name in wanted if name in _OF_ANY_TRAINING - set(settings.model_fields)), None)
    if foreign is None:
        return
    kind = settings.model_fields["kind"].default
    common = {*TrainingSettings.model_fields, *StepSettings.model_fields, "kind"}
    own = [name for name in settings.model_fields if name not in common]
    raise ConfigError(
        f"Model {entry.spec.name!r} is trained by {CALLED[kind]}, which has no setting "
        f"{_named(foreign, wanted[foreign])}. It has {', '.join(setting_name(f'training.{name}') for name in own)}."
    )


def setting_places(objective: Entry[ObjectiveSpec], settings: type[BaseModel]) -> dict[str, str]:
    """Return the full names of the settings of a run, such as `training.ema`, by their last part.

    Options of the model have no other name and are not included.

    Arguments:
        objective: objective to train with.
        settings: settings class of the training.
    """
    places = {name: f"split.{name}" for name in SplitSettings.model_fields}
    places |= {name: f"data.{name}" for name in DataSettings.model_fields}
    if "optimizer" in settings.model_fields:
        places |= {name: f"training.optimizer.{name}" for name in OptimizerConfig.model_fields if name != "name"}
    places |= {name: f"training.{name}" for name in settings.model_fields if name != "kind"}
    return places | {name: f"objective.{name}" for name in options_class(objective).model_fields}


def _named(name: str, value: object) -> str:
    """Return a setting of a training, or in Python the first that was given of a group, as the reader types it."""
    if front_end().flags:
        return f"training.{name} ({FLAGS[name]})" if name in FLAGS else f"training.{name}"
    return setting_name(".".join(["training", name, *list(value if isinstance(value, Mapping) else ())[:1]]))


def _check_misplaced(
    entry: Entry[ModelSpec],
    objective: Entry[ObjectiveSpec],
    settings: type[BaseModel],
    options: Mapping[str, Any],
    training: Mapping[str, Any],
) -> None:
    """Check that no option belongs to another part of the run, as `log_every` does to the training.

    Arguments:
        options: options given for the model.
        training: settings given for the training.

    Raises:
        ConfigError: one does; the message gives its full name.
    """
    sampler = sampling_class(entry)
    places = {} if sampler is None else {name: f"sampling.{name}" for name in sampler.model_fields}
    places |= setting_places(objective, settings)
    groups = {"": (options, options_class(entry).model_fields), "training.": (training, settings.model_fields)}
    for prefix, (given, own) in groups.items():
        for name in given:
            close = [] if name in own else difflib.get_close_matches(name, [*own, *places], 1)
            if close and close[0] not in own:
                place = places[close[0]]
                # In Python, a short name stands for a keyword; within a candidate, only the full one is understood.
                wanted = repr(place) if setting_name(place) == prefix + name else _with_flag(place, quoted=True)
                raise ConfigError(f"Model {entry.spec.name!r} has no option {prefix + name!r}. Did you mean {wanted}?")


def _with_flag(place: str, *, quoted: bool = False) -> str:
    """Return the name of a setting as the reader types it; in a shell, also its flag if it has one."""
    name = repr(setting_name(place)) if quoted else setting_name(place)
    flag = flag_of(place) if front_end().flags else None
    return name if flag is None else f"{name} ({flag})"


def flag_of(place: str) -> str | None:
    """Return the command-line option of a setting, given by its full name; None if it has none."""
    return next((setting.option for setting in flagged_settings(RunConfig) if ".".join(setting.path) == place), None)


def layer(assignments: Mapping[str, Any], *, file: bool = False) -> dict[str, Any]:
    """Sort settings from `-o` or a config file into sections.

    `latent` is an option of the model, `objective=hinge` and `objective.gamma` belong to the objective, and
    `training.ema` to the training.

    Arguments:
        file: whether they come from a config file, which may also be the whole `config.json` of a run.

    Raises:
        ConfigError: a section is given as a single value.
    """
    sections: dict[str, Any] = {"options": {}}
    for key, value in assignments.items():
        if key == "objective" and isinstance(value, str):
            sections["objective"] = {"name": value}
        elif key == "objective" and isinstance(value, Mapping):
            sections["objective"] = _objective_layer(value)
        elif key in SECTIONS or key == "options":
            if not isinstance(value, Mapping):
                raise ConfigError(f"Option {key!r} is a group of settings; set one of them, such as {key}.NAME=VALUE.")
            sections[key] = merge(sections.get(key, {}), value)
        elif key in _PLAIN or (file and key in _OF_A_RUN):
            sections[key] = value
        else:
            sections["options"][key] = value
    return sections


def _objective_layer(value: Mapping[str, Any]) -> dict[str, Any]:
    options = {key: item for key, item in value.items() if key not in ("name", "options")}
    given = value.get("options", {})
    if not isinstance(given, Mapping):
        raise ConfigError(f"Option 'objective.options' is a group of settings, and it was given as {given!r}.")
    section: dict[str, Any] = {"options": merge(options, given)}
    if "name" in value:
        section["name"] = value["name"]
    return section


def resolve_config(registry: Registry, model: str, *layers: Mapping[str, Any]) -> RunConfig:
    """Build the whole configuration of a run.

    Arguments:
        registry: plugins to find the model and its objective in.
        model: name or id of the model.
        layers: results of `layer` for the config file, the options and the flags, the strongest last.

    Raises:
        ConfigError: an unknown name or option, or a value out of range.
    """
    entry = registry.models.get(model)
    asked = merge(*layers)
    if asked.get("model", entry.id) not in (entry.id, entry.spec.name):
        raise ConfigError(f"The settings are for model {asked['model']!r}, not for {entry.id!r}.")
    preset = preset_layer(entry, asked.get("preset"))
    objective, given = chosen_objective(registry, entry, preset, *layers)
    settings = training_class(objective, given)
    merged = merge({"options": entry.spec.options}, preset, asked)
    wanted = [part.get("training", {}) for part in layers]
    _check_kind(entry, settings, merge(*wanted))
    with extra_named(entry):
        _check_misplaced(entry, objective, settings, merged["options"], merge(*wanted))
    recipe = [_of_kind(settings, part) for part in (entry.spec.training, preset.get("training", {}))]
    training = validate(settings, merge_training(*recipe, *wanted), f"Model {entry.spec.name!r}", "training")
    for name in training.callbacks:
        registry.callbacks.get(name)
    if isinstance(training, GradientTraining) and training.monitor is not None:
        _check_monitor(registry, training.monitor)
    options = model_options(entry, merged["options"])
    with extra_named(entry):
        objective_settings = objective_options(objective, given)
    sampling = Sampling.of(entry, merged.get("sampling", {}))
    content = {
        "model": entry.id,
        "options": options.model_dump(mode="json"),
        "objective": {
            "name": objective.id,
            "options": objective_settings.model_dump(mode="json"),
        },
        "training": training,
        "data": {"source": entry.spec.data, **asked.get("data", {})},
        "split": asked.get("split", {}),
        "seed": asked.get("seed", 0),
        "device": asked.get("device", "auto"),
        "precision": asked.get("precision", "auto"),
        "warm_start": asked.get("warm_start"),
        "sampling": sampling.stored,
        "sampling_group": sampling.group,
        "model_source": entry.source,
        "given": frozenset(merge(*wanted)),
    }
    return validate(RunConfig, content, "The run")


def check_usual_data(registry: Registry, spec: ModelSpec) -> None:
    """Check that the data that a model is trained on by default exist, and that it takes such data.

    Raises:
        ConfigError: it does not, or there are none.
    """
    usual = registry.datasets.get(spec.data).spec
    if usual.modality not in spec.modalities:
        raise ConfigError(
            f"Model {spec.name!r} takes {' and '.join(plurals(spec.modalities))}, and the data that its spec names, "
            f"{usual.name!r}, are {MODALITIES[usual.modality].plural}. Name other data."
        )


def _check_monitor(registry: Registry, name: str) -> None:
    """Check that a score to monitor is the objective, or a metric.

    Raises:
        ConfigError: it is neither.
    """
    metrics = registry.metrics
    if name == "objective" or metrics.candidates_for(name):
        return
    metrics.refuse_failed(name)
    word = "objective" if "loss" in name.lower() else name
    raise ConfigError(f"There is no metric {name!r} to monitor. {metrics.hint(word, 'objective')}")


def chosen_objective(
    registry: Registry, entry: Entry[ModelSpec], *layers: Mapping[str, Any]
) -> tuple[Entry[ObjectiveSpec], dict[str, Any]]:
    """Return the objective that the last layer with a name gives, and its options from that layer on."""
    chosen = registry.objective_of(entry, entry.spec.objectives[0])
    options: dict[str, Any] = {}
    for part in layers:
        given = part.get("objective", {})
        if "name" in given:
            named = registry.objective_of(entry, str(given["name"]))
            options = options if named is chosen else {}
            chosen = named
        options = merge(options, given.get("options", {}))
    return chosen, merge(entry.spec.objective_options.get(chosen.spec.name, {}), options)


def preset_layer(entry: Entry[ModelSpec], name: object) -> Mapping[str, Any]:
    """Return the settings of a preset; empty if `name` is None.

    Raises:
        ConfigError: the model has no preset of that name.
    """
    if name is None:
        return {}
    if not isinstance(name, str) or name not in entry.spec.presets:
        known = did_you_mean(str(name), entry.spec.presets)
        raise ConfigError(f"Model {entry.spec.name!r} has no preset {name!r}. {known}")
    return layer(entry.spec.presets[name])
