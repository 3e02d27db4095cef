"""What users say of conditions, as numbers and codes: `species=setosa`, or a column of values."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from genzoo.data.columns.dates import parse_time
from genzoo.data.dataset import Conditioned
from genzoo.data.frames.kinds import is_frame
from genzoo.data.parts import rows_of
from genzoo.data.texts.symbols import as_texts
from genzoo.errors import ConfigError, DataError, did_you_mean
from genzoo.spec.events import DataSpec, Feature
from genzoo.typing import Array


def value_of(feature: Feature, value: object) -> float:
    """Return a value that a user gives for a feature as its code or number.

    Raises:
        ConfigError: the feature has no such level, or holds numbers or times and this is none.
    """
    if feature.levels is not None:
        return _code_of(feature.name, feature.levels, value)
    text = str(value).strip()
    if feature.temporal and math.isfinite(time := parse_time(text, feature)):
        return time
    try:
        number = math.nan if feature.temporal else float(text)
    except ValueError:
        number = math.nan
    if feature.kind == "count" and not (number >= 0 and number.is_integer()):
        raise ConfigError(f"{feature.name!r} holds counts, whole numbers of at least 0, and {text!r} is none.")
    if not math.isfinite(number):
        raise ConfigError(f"{feature.name!r} holds {'times' if feature.temporal else 'numbers'}, and {text!r} is none.")
    return number


def _code_of(name: str, levels: Sequence[str], value: object) -> float:
    text = str(value)
    spellings = [text, text.strip()]
    if tuple(levels) == ("false", "true"):
        spellings.append(text.strip().lower())
    if isinstance(value, float) and value.is_integer():
        spellings.append(str(int(value)))
    found = next((one for one in spellings if one in levels), None)
    if found is None:
        raise ConfigError(f"{name!r} has no level {text!r}. {did_you_mean(text, levels)}")
    return float(levels.index(found))


def check_given(given: object, condition: object, data: DataSpec) -> Mapping[str, object]:
    """Return what a user gives by name, after checking that it is a mapping and gives no condition a second time.

    Arguments:
        condition: conditions of each event, or `None`.

    Raises:
        ConfigError: it is not, or does.
    """
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise ConfigError(f"given is a mapping such as {{'species': 'setosa'}}, not {given!r}.")
    names = [feature.name for feature in data.condition if feature.name in given]
    if condition is not None and names:
        raise ConfigError(f"Both given and condition hold {names[0]!r}. Leave it out of given.")
    return given


def values_of(
    given: Mapping[str, object], features: Sequence[Feature], what: str, others: Sequence[Feature] = ()
) -> dict[int, float]:
    """Return what a user gives as codes and numbers, by number of the feature.

    Arguments:
        what: what the features are, for the message.
        others: further features that the user may have meant. Defaults to none.

    Raises:
        ConfigError: there is no such feature, or it has no such value.
    """
    names = [feature.name for feature in features]
    found = {}
    for name, value in given.items():
        if name not in names:
            hint = did_you_mean(str(name), [*names, *(feature.name for feature in others)])
            raise ConfigError(f"{name!r} is no {what}. {hint}")
        place = names.index(name)
        found[place] = value_of(features[place], value)
    return found


def with_condition(x: Any, condition: Any, data: DataSpec) -> Any:
    """Return events with the conditions that a user hands over beside them.

    Arguments:
        x: events, as an array or table.
        condition: a table with a column for each condition, or an array `(N, K)` or `(N,)` of levels, codes or numbers;
            `None` if `x` has them.

    Raises:
        ConfigError: the model is not conditional, or a condition has no such value.
        DataError: there is not one condition for each event.
    """
    if condition is None:
        return x
    if not data.condition:
        raise ConfigError("The model is not conditional and takes no condition. Leave it out.")
    if is_frame(x):
        raise ConfigError("The columns of a table hold its conditions, which are found by name. Leave condition out.")
    if data.form.ended:
        events = as_texts(x, data, "The list").as_array()
    else:
        events = rows_of(x, data) if isinstance(x, Mapping) else np.asarray(x)
    return Conditioned(events, conditions_of(condition, data, len(events)))


def conditions_of(condition: Any, data: DataSpec, count: int) -> Array:
    """Return the conditions that a user hands over as codes and numbers, `(count, K)`.

    Raises:
        ConfigError: a condition has no such value.
        DataError: there are not `count` of them, with K values each.
    """
    features = data.condition
    if is_frame(condition):
        from genzoo.data.frames.source import frame_columns

        values = frame_columns(condition, features)
    else:
        values = np.asarray(condition)
    values = values[:, None] if values.ndim == 1 and len(features) == 1 else values
    if values.shape != (count, len(features)):
        raise DataError(
            f"{count} events need conditions of shape ({count}, {len(features)}), and these have {values.shape}."
        )
    if values.dtype.kind not in "buif":
        coded = [[value_of(feature, value) for feature, value in zip(features, row, strict=True)] for row in values]
        return np.array(coded, np.float64).reshape(values.shape)
    checked = values.astype(np.float64)
    for place, feature in enumerate(features):
        column = checked[:, place]
        end = math.inf if feature.levels is None else len(feature.levels)
        good = np.isfinite(column)
        if feature.levels is not None:
            good &= (column >= 0) & (column < end) & (column == np.floor(column))
        if not good.all():
            wanted = "finite numbers" if feature.levels is None else f"its levels, or codes from 0 to {int(end) - 1}"
            raise DataError(f"The condition {feature.name!r} holds {column[~good][0]:g}; give {wanted}.")
    return checked
