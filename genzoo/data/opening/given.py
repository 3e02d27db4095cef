"""Data as a call names them: a name or a path, or an array, a table or a dataset in memory."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from genzoo.config.data import KNOWN, DataSettings, SplitSettings
from genzoo.config.settings import validate
from genzoo.data.dataset import Dataset
from genzoo.data.frames.kinds import is_frame
from genzoo.data.loading import open_matching
from genzoo.data.opening.choices import as_stated, with_columns, with_conditions, with_window
from genzoo.data.opening.sources import check_source_settings
from genzoo.data.parts import are_parts, match_events, match_parts, parts_dataset
from genzoo.data.readers.numpy_files import array_dataset
from genzoo.data.texts.content import check_filled
from genzoo.data.texts.lines import listed, listed_windows
from genzoo.data.texts.symbols import is_texts
from genzoo.errors import ConfigError
from genzoo.plugins.registry import Registry
from genzoo.spec.events import DataSpec
from genzoo.typing import Array, Frame
from genzoo.wording import argument

AnyData = str | Path | Array | Sequence[str] | Frame | Dataset | Mapping[str, Any]
"""Data as a call names them: a built-in name, a path, an array, a list of texts, a table, a `Dataset`, or settings."""


def given_data(
    data: AnyData | None,
    weights: Array | None = None,
    split: SplitSettings | None = None,
    groups: Array | None = None,
) -> tuple[Dataset | None, dict[str, Any]]:
    """Return the dataset, if the data are in memory, and the settings that name the data.

    Arguments:
        split: names the columns that divide the rows. Defaults to none.
        groups: number of each row's group, `(N,)`. Defaults to `None`.

    Raises:
        ConfigError: weights or groups are in memory and the data are not.
    """
    dataset, settings = _named(data, split or SplitSettings())
    if dataset is None and weights is not None:
        raise ConfigError(
            "Weights in memory belong to data in memory; for data in a file, name the column that holds them, "
            "such as data={'source': 'a.csv', 'weight': 'w'}."
        )
    if dataset is None and groups is not None:
        raise ConfigError(
            "Groups in memory belong to data in memory; for data in a file, name the column that holds them, such as "
            "split_by='customer_id'."
        )
    given = {"weights": None if weights is None else np.asarray(weights), "groups": groups}
    changes: dict[str, Any] = {name: values for name, values in given.items() if values is not None}
    return None if dataset is None else dataclasses.replace(dataset, **changes), settings


def _named(data: AnyData | None, split: SplitSettings) -> tuple[Dataset | None, dict[str, Any]]:
    if data is None:
        return None, {}
    if isinstance(data, str | Path):
        return None, {"source": str(data)}
    if isinstance(data, Mapping):
        return _mapped({"source": data} if are_parts(data) else data, split)
    if is_frame(data):
        from genzoo.data.frames.source import frame_dataset  # imported here, because arrays need no pyarrow

        dataset = frame_dataset(data, split=split)
        return dataset, {"source": dataset.name}
    if is_texts(data):
        data = listed(data)
    if not isinstance(data, Dataset):
        array = data.detach().cpu().numpy() if isinstance(data, Tensor) else np.asarray(data)
        data = array_dataset("array", array)
    return with_columns(data, DataSettings(source=data.name), split), {"source": data.name}


def _mapped(data: Mapping[str, Any], split: SplitSettings) -> tuple[Dataset | None, dict[str, Any]]:
    """Return settings as they are, or with an array or table as their source: `{"source": x, "range": (0, 255)}`."""
    source = data.get("source")
    if source is None or isinstance(source, str | Path):
        return None, dict(data) if source is None else {**data, "source": str(source)}
    if is_frame(source):
        from genzoo.data.frames.source import frame_dataset

        settings = {**data, "source": "table"}
        checked = _in_memory(validate(DataSettings, settings, "Data"))
        if checked.text is not None:
            from genzoo.data.frames.source import FrameSource
            from genzoo.data.texts.column import text_dataset

            return check_filled(text_dataset("table", FrameSource(source), checked, split)), settings
        return as_stated(frame_dataset(source, checked, split), checked), settings
    if are_parts(source):
        settings = {**data, "source": "parts"}
        checked = _in_memory(validate(DataSettings, settings, "Data"))
        parts = parts_dataset("parts", source, checked)
        return with_columns(parts, DataSettings(source=parts.name), split), settings
    window = data.get("window") if is_texts(source) else None
    dataset, named = _named(source, SplitSettings()) if window is None else _in_windows(source, data)
    settings = {**data, **named}
    if dataset is None:
        return None, settings
    checked = _in_memory(validate(DataSettings, settings, "Data"))
    return with_conditions(as_stated(dataset, checked), checked, split), settings


def _in_windows(texts: Sequence[str], data: Mapping[str, Any]) -> tuple[Dataset, dict[str, Any]]:
    """Return long texts in memory as windows, and the settings that name them."""
    settings = validate(DataSettings, {**data, "source": "texts"}, "Data")
    assert settings.window is not None
    return check_filled(listed_windows(texts, settings.window)), {"source": "texts"}


def _in_memory(settings: DataSettings) -> DataSettings:
    """Return the settings of data in memory, after checking that none is about files.

    Raises:
        ConfigError: one is.
    """
    check_source_settings(settings, None)
    return settings


def matching_settings(data: AnyData) -> DataSettings:
    """Return how a call says that data for a trained model are read.

    Raises:
        ConfigError: a setting is only for training.
    """
    given: dict[str, Any] = {"source": data}
    if isinstance(data, Mapping) and not are_parts(data):
        given = {**data, "source": data.get("source")}
    if not isinstance(given["source"], str | Path):
        given["source"] = "table" if is_frame(given["source"]) else getattr(given["source"], "name", "array")
        given["source"] = "parts" if are_parts(data) else given["source"]
    return check_matching(validate(DataSettings, {**given, "source": str(given["source"])}, "Data"))


def check_matching(settings: DataSettings) -> DataSettings:
    """Return the settings of data for a trained model, after checking that none is only for training.

    Raises:
        ConfigError: one is, such as `kinds`, `condition` or `drop_missing`.
    """
    if given := settings.given(*KNOWN):
        raise ConfigError(f"{given} is for training; a trained model knows its columns. Leave it out.")
    if given := settings.given("condition", "joint"):
        raise ConfigError(f"{given} is for training; a trained model knows its conditions. Leave it out.")
    if settings.drop_missing:
        raise ConfigError(
            f"{argument('drop_missing')} is for training. Here it would change the row numbers; leave it out, or "
            f"remove such rows "
            "from the data."
        )
    return settings


def matching_data(data: AnyData, spec: DataSpec, registry: Registry, *, keep_unknown: bool = False) -> Dataset:
    """Return data that a call names, in the form that a model was trained on; see `open_matching`.

    Arguments:
        keep_unknown: as for `match_table` and `match_dataset`. Defaults to false.

    Raises:
        ConfigError: a setting does not suit the data.
        DataError: there are no such data, a column is missing, or it holds a value that the model cannot take.
    """
    from genzoo.data.align import match_table

    settings = matching_settings(data)
    source = data.get("source") if isinstance(data, Mapping) and not are_parts(data) else data
    if isinstance(source, str | Path):
        return open_matching(settings, spec, registry, keep_unknown=keep_unknown)
    _in_memory(settings)
    if is_frame(source):
        from genzoo.data.frames.source import FrameSource, in_one_piece

        if settings.text is not None:
            from genzoo.data.texts.column import matching_texts

            settings = with_window(settings, spec, texts=True)
            return matching_texts("table", FrameSource(in_one_piece(source)), settings, spec, keep_unknown=keep_unknown)
        return match_table("table", FrameSource(in_one_piece(source)), settings, spec, keep_unknown=keep_unknown)
    if are_parts(source):
        return match_parts("parts", source, settings, spec)
    if is_texts(source) and settings.window is not None:
        settings = with_window(settings, spec, texts=True)
        return match_events(listed_windows(source, int(settings.window or 0)), spec)
    dataset, _ = _named(source, SplitSettings())
    if dataset is None:
        raise ConfigError("There is no source of data. Give a path, a built-in name, an array or a table.")
    return match_events(with_columns(as_stated(dataset, settings), settings), spec, keep_unknown=keep_unknown)
