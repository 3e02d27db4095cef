"""Draw what a user asks for: given conditions or columns, with sampling options, from a prompt."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from genzoo.errors import ArtifactError, ConfigError, GenzooError, PluginError
from genzoo.inference import joint, sampling
from genzoo.inference.data_units import DataUnits
from genzoo.inference.given import check_given, conditions_of, values_of
from genzoo.inference.texts.prompts import Beginning
from genzoo.typing import Array
from genzoo.wording import argument, setting_name

_FEW = 64
"""Number of samples that show what is usual."""


def fixed_conditions(units: DataUnits, given: Mapping[str, object]) -> dict[int, float]:
    """Return conditions that a user gives by name, by number of their column.

    Raises:
        ConfigError: the model is not trained given such a column, or it has no such level.
    """
    columns = units.data.features if units.data.form.columns else ()
    what = "column or condition" if columns else "condition"
    return values_of(given, units.data.condition, f"{what} of model {units.model!r}", columns)


def draw(
    units: DataUnits,
    n: int,
    seed: int,
    *,
    mean: bool,
    given: Mapping[str, object] | None,
    condition: Any,
    options: Mapping[str, Any] | None,
    beginning: Beginning | None,
    first: int = 0,
) -> tuple[Array, Array | None]:
    """Draw events `(n, *event)`, and their conditions `(n, K)` if the model is conditional.

    Arguments:
        mean, given, condition, options: as for `TrainedModel.sample`.
        beginning: what texts begin with. Defaults to `None`: nothing.
        first: number of the first event, if they are a part of more; a multiple of the group of samples and of
            `CHUNK`. Defaults to 0.

    Raises:
        ConfigError: as `TrainedModel.sample`.
    """
    sampling.check_number(n)
    how: dict[str, Any] = {"mean": mean, "condition": condition, "options": options, "beginning": beginning}
    given = check_given(given, condition, units.data)
    fault: ArtifactError | PluginError | None = None
    try:
        events, conditions = _draw(units, n, seed, given=given, first=first, **how)
        if np.isfinite(events).all():
            return events, conditions
    except (ArtifactError, PluginError) as error:
        fault = error
    numbers = _given_numbers(units, given, condition, n)
    if numbers and _draws_usual(units, min(n, _FEW), given, numbers, {**how, "condition": None}):
        shown = ", ".join(f"{name!r} = {value}" for name, value in numbers.items())
        raise ConfigError(
            f"Samples given {shown} cannot be computed: that is too far from the training rows. Give numbers nearer to "
            f"them."
        ) from fault
    if fault is not None:
        raise fault
    return events, conditions


def _given_numbers(units: DataUnits, given: Mapping[str, object], condition: Any, n: int) -> dict[str, object]:
    """Return what is given for conditions and columns that hold numbers.

    For a column of `condition`, which has a number for each event, it is the number farthest from 0.
    """
    features = (*units.data.condition, *(units.data.features if units.data.form.columns else ()))
    names = {feature.name for feature in features if feature.levels is None and not feature.temporal}
    found = {name: value for name, value in given.items() if name in names}
    if condition is not None:
        values = conditions_of(condition, units.data, n)
        for place, feature in enumerate(units.data.condition):
            if feature.name in names:
                found[feature.name] = float(values[np.abs(values[:, place]).argmax(), place])
    return found


def _usual(units: DataUnits, names: Collection[str]) -> dict[str, float]:
    """Return a number near the middle of the training rows for each condition or column."""
    conditions = units.usual_conditions(_FEW)
    found = {}
    for place, feature in enumerate(units.data.condition):
        if feature.name in names and conditions is not None:
            found[feature.name] = float(conditions[_FEW // 2, place])
    columns = [feature.name for feature in units.data.features]
    if wanted := [name for name in names if name not in found]:
        drawn = np.sort(sampling.sample(units, _FEW, 0, conditions=conditions), axis=0)
        found |= {name: float(drawn[_FEW // 2, columns.index(name)]) for name in wanted}
    return found


def _draws_usual(
    units: DataUnits, n: int, given: Mapping[str, object], numbers: Collection[str], how: Mapping[str, Any]
) -> bool:
    """Return whether samples given usual numbers instead of the given ones can be drawn, and are finite."""
    try:
        events, _ = _draw(units, n, 0, given={**given, **_usual(units, numbers)}, **how)
    except GenzooError:
        return False
    return bool(np.isfinite(events).all())


def _draw(
    units: DataUnits,
    n: int,
    seed: int,
    *,
    mean: bool,
    given: Mapping[str, object] | None,
    condition: Any,
    options: Mapping[str, Any] | None,
    beginning: Beginning | None,
    first: int = 0,
) -> tuple[Array, Array | None]:
    """See `draw`."""
    if mean and options:
        raise ConfigError(
            f"{argument('mean', True)} shows what the model decodes, without sampling options. Leave out "
            f"{setting_name(next(iter(options)))!r}, or the mean."
        )
    if mean and beginning is not None:
        raise ConfigError(f"{argument('mean', True)} decodes latent vectors, and a drawn text is none. Leave it out.")
    given = check_given(given, condition, units.data)
    columns = joint.known_columns(units, given)
    others = {name: value for name, value in given.items() if name not in columns}
    units = dataclasses.replace(
        units,
        fixed={**units.fixed, **fixed_conditions(units, others)},
        sampling=units.sampling.replaced(options, section=""),
    )
    conditions = _conditions(units, n, seed, condition, first)
    if not columns:
        how: dict[str, Any] = {"mean": mean, "conditions": conditions, "beginning": beginning}
        return sampling.sample(units, n, seed, first=first, **how), conditions
    if condition is None:
        joint.check_conditions_known(units, columns[0])
    if mean:
        raise ConfigError(
            f"Samples given {columns[0]!r} are draws, without means. Leave out {argument('mean', True)}. For means, "
            f"give rows in which only such values are known to genzoo impute: it fills in the means of all others."
        )
    known = values_of({name: given[name] for name in columns}, units.data.features, "column")
    return joint.draw_given(units, n, seed, known, conditions, first), conditions


def _conditions(units: DataUnits, n: int, seed: int, condition: Any, first: int) -> Array | None:
    if condition is None:
        return sampling.draw_conditions(units, n, seed, first)
    if units.condition is None:
        raise ConfigError(f"Model {units.model!r} is not conditional and takes no condition. Leave it out.")
    return conditions_of(condition, units.data, n)
