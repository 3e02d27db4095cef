"""Build models and objectives from their registered specs."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from genzoo.config.resolve import model_options, objective_options
from genzoo.errors import ConfigError, DataError, GenzooError, PluginError
from genzoo.models.base import Generator, Parts
from genzoo.models.objective import DirectObjective, EMObjective, Objective
from genzoo.models.state_dict import growing
from genzoo.plugins.api1 import adapt_objective
from genzoo.plugins.manager import models_that
from genzoo.plugins.registry import Entry, blame, extra_named, resolve
from genzoo.spec.entries import ModelSpec, ObjectiveKind, ObjectiveSpec
from genzoo.spec.events import DataSpec, Feature
from genzoo.spec.modality import plurals
from genzoo.text import with_period
from genzoo.wording import argument, shown_given


def check_data(entry: Entry[ModelSpec], data: DataSpec, *, joint: Collection[str] = ()) -> None:
    """Check that a model accepts the data.

    Arguments:
        joint: names of columns that are asked for as conditions and learned jointly. Defaults to none.

    Raises:
        DataError: the model does not accept the modality, a kind of feature, or missing values.
    """
    spec = entry.spec
    if spec.seen(data.modality) is None:
        wanted = " or ".join(plurals(spec.modalities))
        raise DataError(f"Model {spec.name!r} takes {wanted}, and these data are: {data.describe()}.")
    for feature in data.features:
        if feature.kind not in spec.kinds:
            raise DataError(_other_kind(spec, data, feature, feature.name in joint))
    if data.condition and not spec.conditional:
        raise DataError(_unconditional(spec, data))
    if data.missing and not spec.missing:
        raise DataError(
            f"These data have missing values and model {spec.name!r} does not accept them. Use "
            f"{models_that('accepts them', lambda other: other.takes(data))}, or leave such rows out with "
            f"{argument('drop_missing', True)}."
        )


def _unconditional(spec: ModelSpec, data: DataSpec) -> str:
    name = data.condition[0].name
    others = models_that("learns given conditions", lambda other: other.takes(data))
    joint = ""
    if "imputation" in spec.capabilities and data.form.columns:
        joint = (
            f", or train {spec.name!r} jointly on all columns ({argument('joint', True)}) and sample it with "
            f"{shown_given(name, 'VALUE')}"
        )
    return (
        f"Model {spec.name!r} is not conditional and cannot learn events given {name!r}. Leave "
        f"{argument('condition')} out, use {others}{joint}."
    )


def _other_kind(spec: ModelSpec, data: DataSpec, feature: Feature, condition: bool) -> str:
    wanted = " or ".join(spec.kinds)
    others = models_that(
        "takes it", lambda other: other.takes(data) and (not condition or "imputation" in other.capabilities)
    )
    if not data.form.columns:
        able = "binary" in spec.kinds and "binarize" in data.form.settings
        cure = f"Turn them into 0 and 1 with {argument('binarize', True)}, or use" if able else "Use"
        return (
            f"The {data.form.values} of these {data.form.events} are {feature.kind}, and model {spec.name!r} takes "
            f"{wanted} {data.form.values}. {cure} {others}."
        )
    out = f"of {argument('condition')}" if condition else f"with {argument('drop', [feature.name])}"
    return (
        f"Column {feature.name!r} is {feature.kind}, and model {spec.name!r} takes {wanted} columns. Leave it out "
        f"{out}, set its kind with {argument('kinds')}, or use {others}."
    )


def build_model(entry: Entry[ModelSpec], options: Mapping[str, Any], data: DataSpec) -> Parts:
    """Build the untrained parts of a model.

    Raises:
        ConfigError: an option is out of range.
        DataError: the model does not accept the data.
        PluginError: the builder failed, or did not return `Parts`.
    """
    check_data(entry, data)
    config = model_options(entry, options)
    with extra_named(entry):
        builder = resolve(entry.spec.builder, entry.spec)
    with extra_named(entry), blame(f"The builder of {entry.id!r}"):
        try:
            parts = builder(config, data)
        except GenzooError:  # some are ValueErrors, too
            raise
        except ValueError as error:
            reason = with_period(str(error))
            raise ConfigError(f"Model {entry.spec.name!r} cannot be built for {data.describe()}: {reason}") from error
    if not isinstance(parts, Parts):
        raise PluginError(f"The builder of {entry.id!r} returned {type(parts).__name__} instead of Parts.")
    _check_growing(entry, parts)
    return parts


def _check_growing(entry: Entry[ModelSpec], parts: Parts) -> None:
    """Check that what a generator names in `grows` are saved buffers with a first dimension."""
    if not isinstance(parts.generator, Generator):
        return
    kept, buffers = parts.generator.state_dict(), dict(parts.generator.named_buffers())
    for name in growing(parts.generator):
        if name not in kept or name not in buffers or not buffers[name].ndim:
            raise PluginError(
                f"The generator of {entry.id!r} names {name!r} in `grows`, which is no saved buffer with a dimension."
            )


def build_objective(entry: Entry[ObjectiveSpec], options: Mapping[str, Any]) -> Objective:
    """Build an objective with its options.

    Raises:
        ConfigError: an option is out of range.
        PluginError: the builder failed, or did not return an `Objective` of the stated kind.
    """
    settings = objective_options(entry, options)
    with blame(f"The builder of {entry.id!r}"):
        objective = resolve(entry.spec.builder, entry.spec)(settings)
    if not isinstance(objective, Objective):
        raise PluginError(f"The builder of {entry.id!r} returned {type(objective).__name__} instead of an Objective.")
    stated, actual = entry.spec.kind, _kind_of(objective)
    if stated not in (None, actual):
        raise PluginError(
            f"Objective {entry.id!r} states the kind {stated!r}, and its builder returned one of {actual!r}."
        )
    return adapt_objective(objective) if entry.api == 1 else objective


def _kind_of(objective: Objective) -> ObjectiveKind:
    if isinstance(objective, DirectObjective):
        return "direct"
    return "em" if isinstance(objective, EMObjective) else "gradient"
