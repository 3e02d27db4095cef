"""Conditions: columns, or labels of images, that the events of a dataset are conditional on.

A dataset keeps them apart from its events. They are read and matched as columns beside the others, so that categories,
numbers and dates get the same codes as anywhere else, and then moved.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from typing import Any, cast

import numpy as np

from genzoo.config.data import DataSettings
from genzoo.data.dataset import BLOCK, Dataset, category
from genzoo.data.table import complete
from genzoo.errors import ConfigError, DataError, did_you_mean
from genzoo.spec.events import DataSpec, Feature
from genzoo.text import counted
from genzoo.typing import Array
from genzoo.wording import argument

LABEL = "label"
"""Name by which the labels of any dataset can be a condition."""


class ColumnView:
    """Some columns of events that are not in memory, `(N, C)`, read when indexed.

    Arguments:
        events: all columns.
        places: the columns to show.
    """

    ndim = 2

    def __init__(self, events: Array, places: Sequence[int]) -> None:
        self._events = events
        self._places = list(places)
        self.dtype = events.dtype
        self.shape = (len(events), len(self._places))

    @property
    def nbytes(self) -> int:
        """Number of bytes of the whole array."""
        return self.shape[0] * self.shape[1] * int(self.dtype.itemsize)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> Array:
        return np.asarray(self._events[rows])[..., self._places]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return self[:].astype(dtype or self.dtype)


def joint_spec(data: DataSpec) -> DataSpec:
    """Return the spec of a table whose conditions are columns after the others; images have no such columns."""
    if not data.form.columns:
        return dataclasses.replace(data, condition=())
    features = (*data.features, *data.condition)
    return dataclasses.replace(data, event_shape=(len(features),), features=features, condition=())


def read_with_conditions(settings: DataSettings, columns: Collection[str]) -> DataSettings:
    """Return settings that read the columns of conditions and the columns of events.

    Arguments:
        columns: names of all columns of the source.
    """
    asked = [name for name in settings.condition if name in columns]
    changes: dict[str, Any] = {}
    if settings.columns is not None:
        changes["columns"] = (*settings.columns, *(name for name in asked if name not in settings.columns))
    if settings.label in asked:  # the labels are then taken from the conditions
        changes["label"] = None
    return settings.model_copy(update=changes) if changes else settings


def take_conditions(dataset: Dataset, settings: DataSettings) -> Dataset:
    """Return a dataset whose columns, or labels, that `settings.condition` names are conditions.

    Raises:
        ConfigError: there is no such column, or no column is left.
        DataError: a row has no condition.
    """
    names = list(dict.fromkeys(settings.condition))
    if settings.joint and (not names or not dataset.spec.form.columns):
        raise ConfigError(
            f"{argument('joint', True)} is for a table with columns that {argument('condition')} names. Leave it out."
        )
    if not names:
        return dataset
    dataset = _with_label(dataset, names)
    if dataset.spec.form.columns:
        known = [feature.name for feature in dataset.spec.features]
        for name in names:
            if name not in known:
                hint = did_you_mean(name, [*known, *_label_names(dataset)])
                raise ConfigError(f"{dataset.name} has no column {name!r} to learn given. {hint}")
        dataset = _moved(dataset, [known.index(name) for name in names])
        if settings.label in names:
            dataset = dataclasses.replace(dataset, labels=_texts(dataset, names.index(settings.label)))
    if settings.drop_missing:
        dataset = complete(dataset)
    dataset = check_conditions(dataset, argument("drop_missing", True))
    return joint_dataset(dataset) if settings.joint else dataset


def check_conditions(dataset: Dataset, remedy: str = "") -> Dataset:
    """Return a dataset, after checking that no condition is missing.

    Arguments:
        remedy: argument that leaves such rows out. Defaults to none.

    Raises:
        DataError: some are.
    """
    assert dataset.conditions is not None
    for place, feature in enumerate(dataset.spec.condition):
        rows = np.flatnonzero(np.isnan(dataset.conditions[:, place]))
        if len(rows):
            shown = ", ".join(map(str, rows[:10])) + (" ..." if len(rows) > 10 else "")
            out = f", or leave these rows out with {remedy}" if remedy else ", or leave these rows out"
            raise DataError(
                f"{dataset.name}: {counted(len(rows), 'row')} ({shown}) have no {feature.name!r}, which events are "
                f"conditional on. Fill it in{out}."
            )
    return dataset


def joint_dataset(dataset: Dataset) -> Dataset:
    """Return a table whose conditions are columns after the others."""
    if dataset.conditions is None or not dataset.spec.form.columns:
        return dataset
    events = joint_events(dataset.events[:], dataset.conditions)
    return dataclasses.replace(dataset, spec=joint_spec(dataset.spec), events=events, conditions=None)


def joint_events(events: Array, conditions: Array) -> Array:
    """Return events of a table with their conditions as columns after the others, `(N, C + K)`."""
    return np.concatenate([np.asarray(events), conditions.astype(events.dtype)], axis=1)


def separate(dataset: Dataset, spec: DataSpec) -> Dataset:
    """Return a dataset of `joint_spec(spec)` as one of `spec`: its last columns are conditions.

    Raises:
        DataError: a row has no condition.
    """
    count = len(spec.features)
    return check_conditions(_moved(dataset, range(count, count + len(spec.condition))))


def with_condition_columns(dataset: Dataset, spec: DataSpec) -> Dataset:
    """Return a dataset in the form of `joint_spec(spec)`, as far as its labels or conditions are columns of it."""
    dataset = joint_dataset(dataset)
    names = [feature.name for feature in spec.condition]
    return _with_label(dataset, names) if spec.form.columns else dataset


def labeled(dataset: Dataset, spec: DataSpec) -> Dataset:
    """Return images with the conditions of `spec`, from their labels.

    Raises:
        DataError: they have no labels, or one that the model does not know.
    """
    if dataset.conditions is not None and dataset.spec.condition == spec.condition:
        values = dataset.conditions
    elif dataset.labels is None:
        what = f"{spec.form.plural} given {spec.condition[0].name!r}"
        raise DataError(f"{dataset.name} has no labels, and the model was trained on {what}.")
    else:
        own, codes = _label_column(dataset, spec.condition[0].name)
        values = recoded(codes, own, spec.condition[0], dataset.name)[:, None]
    return check_conditions(dataclasses.replace(dataset, spec=spec, conditions=values))


def recoded(codes: Array, own: Feature, wanted: Feature, shown: str) -> Array:
    """Return codes of a feature as codes of another one with the same levels in another order.

    Raises:
        DataError: there is a level that `wanted` does not have.
    """
    if own.levels is None or wanted.levels is None:
        return codes
    places = {level: place for place, level in enumerate(wanted.levels)}
    for code in np.unique(codes[~np.isnan(codes)]).astype(int):
        if own.levels[code] not in places:
            hint = did_you_mean(own.levels[code], wanted.levels)
            raise DataError(
                f"{shown} holds the {wanted.name} {own.levels[code]!r}, which the model has not seen. {hint}"
            )
    table = np.array([places.get(level, -1) for level in own.levels], np.float64)
    return np.where(np.isnan(codes), np.nan, table[np.nan_to_num(codes).astype(np.int64)])


def _moved(dataset: Dataset, places: Sequence[int]) -> Dataset:
    """Return a table with some columns moved to its conditions."""
    rest = [place for place in range(len(dataset.spec.features)) if place not in set(places)]
    if not rest:
        raise ConfigError(f"{dataset.name}: every column is a condition, and none is left to learn.")
    conditions = np.empty((len(dataset), len(places)))
    missing = False
    for start in range(0, len(dataset), BLOCK):
        block = np.asarray(dataset.events[start : start + BLOCK])
        conditions[start : start + BLOCK] = block[:, list(places)]
        missing = missing or bool(dataset.spec.missing and np.isnan(block[:, rest]).any())
    features = dataset.spec.features
    spec = dataclasses.replace(
        dataset.spec,
        event_shape=(len(rest),),
        features=tuple(features[place] for place in rest),
        condition=tuple(features[place] for place in places),
        missing=missing,
    )
    inside = type(dataset.events) is np.ndarray
    events = (
        np.ascontiguousarray(dataset.events[:, rest]) if inside else cast("Array", ColumnView(dataset.events, rest))
    )
    return dataclasses.replace(dataset, spec=spec, events=events, conditions=conditions)


def _with_label(dataset: Dataset, names: Sequence[str]) -> Dataset:
    """Return a dataset whose labels are a column, or the condition of images, if `names` asks for it."""
    table = dataset.spec.form.columns
    known = {feature.name for feature in dataset.spec.features} if table else set()
    own = _label_names(dataset)
    asked = [name for name in names if name not in known and name in own]
    if not asked:
        if table:
            return dataset
        what = f"no {names[0]!r}" if own else "no labels"
        form = dataset.spec.form
        folders = any(source.folder for source in form.sources)
        apart = f" Put the {form.events} of each class into a folder of its own." if folders else ""
        hint = f" {did_you_mean(names[0], own)}" if own else apart
        raise ConfigError(f"{dataset.name} {form.dataset} with {what} to learn given.{hint}")
    feature, codes = _label_column(dataset, asked[0])
    if not table:
        if others := [name for name in names if name != asked[0]]:
            what = dataset.spec.form.dataset
            raise ConfigError(f"{dataset.name} {what}, whose only condition is their label, not {others[0]!r}.")
        spec = dataclasses.replace(dataset.spec, condition=(feature,))
        return dataclasses.replace(dataset, spec=spec, conditions=codes[:, None])
    spec = dataclasses.replace(
        dataset.spec,
        event_shape=(len(dataset.spec.features) + 1,),
        features=(*dataset.spec.features, feature),
        missing=dataset.spec.missing or bool(np.isnan(codes).any()),
    )
    return dataclasses.replace(dataset, spec=spec, events=joint_events(dataset.events[:], codes[:, None]))


def _label_names(dataset: Dataset) -> set[str]:
    """Return the names by which the labels of a dataset can be a condition; none if it has no labels."""
    if dataset.labels is None:
        return set()
    return {LABEL} if dataset.label is None else {LABEL, dataset.label.name}


def _label_column(dataset: Dataset, name: str) -> tuple[Feature, Array]:
    """Return the labels as a feature and its values, `(N,)`; NaN for missing ones."""
    labels = np.asarray(dataset.labels)
    if labels.dtype.kind == "f":
        return Feature(name), labels.astype(np.float64)
    if dataset.label is not None and dataset.label.levels is not None:
        return dataclasses.replace(dataset.label, name=name), labels.astype(np.float64)
    texts = labels.astype(str)
    numbers = labels.dtype.kind in "iu"
    levels = [str(level) for level in np.unique(labels)] if numbers else sorted(set(texts.tolist()) - {""})
    places: Mapping[str, float] = {level: float(place) for place, level in enumerate(levels)}
    codes = np.array([places.get(text, np.nan) for text in texts.tolist()])
    return category(name, levels, "int64" if numbers else None), codes


def _texts(dataset: Dataset, place: int) -> Array:
    """Return a column of conditions as labels."""
    assert dataset.conditions is not None
    levels, values = dataset.spec.condition[place].levels, dataset.conditions[:, place]
    if levels is None:
        return values
    return np.array(["" if np.isnan(code) else levels[int(code)] for code in values])
