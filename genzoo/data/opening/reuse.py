"""Read new data of a trained model as its own data were read."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from genzoo.config.data import DataSettings
from genzoo.data.frames.kinds import is_frame
from genzoo.data.loading import is_registered
from genzoo.data.opening.sources import source_of
from genzoo.errors import DataError
from genzoo.plugins.registry import Registry
from genzoo.spec.events import DataSpec

_OF_VALUES = ("missing", "date_formats")
"""Settings of tables that say what values mean."""


_OF_FILES = ("header", "separator", "decimal", "thousands", "size", "crop", "color")
"""Settings that say how a file or a folder of images is written; only files of such a kind take them."""


def read_as_before(own: DataSettings, given: Mapping[str, Any], spec: DataSpec, registry: Registry) -> dict[str, Any]:
    """Return the settings that new data of a model share with its own data, without those that are given.

    A mark of missing values means the same in new data, and so do a format of dates and a decimal mark. Settings that
    choose columns or rows do not, because the model knows its columns.

    Arguments:
        own: settings of the data that the model was trained on.
        given: settings of the new data; its source decides which others apply.
        spec: describes the model's data.
    """
    names = _names_for(given.get("source"), registry)
    changed = own.model_dump(include=set(names) - given.keys(), exclude_defaults=True)
    used = {feature.name for feature in (*spec.features, *spec.condition)}
    shared = {name: _of_columns(value, used) if name in _OF_VALUES else value for name, value in changed.items()}
    return {name: value for name, value in shared.items() if value != {} and value != ()}


def _names_for(source: object, registry: Registry) -> tuple[str, ...]:
    """Return the names of the settings above that new data can have."""
    if is_frame(source):
        return (*_OF_VALUES, "text")
    if not isinstance(source, str | Path) or is_registered(str(source), registry):
        return ()
    try:
        found = source_of(DataSettings(source=str(source)))
    except DataError:
        return ()  # opening the source says what is wrong
    if found is None:
        return ()
    form, kind = found
    own = tuple(name for name in _OF_FILES if name in kind.settings)
    values = (*_OF_VALUES, "text") if form.columns else ()
    return (*own, *values, *(("binarize",) if "binarize" in form.settings else ()))


def _of_columns(value: Any, used: Collection[str]) -> Any:
    """Return marks or formats, but none of a column that the model does not use."""
    if isinstance(value, Mapping):
        return {name: form for name, form in value.items() if name in used}
    return tuple(mark for mark in value if not mark.rpartition("=")[0] or mark.rpartition("=")[0] in used)
