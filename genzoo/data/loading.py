"""Open a dataset by name, by path, or from arrays in memory."""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from genzoo.config.settings import DataSettings, SplitSettings, validate
from genzoo.data.dataset import Dataset, usable
from genzoo.data.frames.kinds import is_frame
from genzoo.data.readers.numpy_files import array_dataset
from genzoo.data.texts.lines import SUFFIXES as LINES
from genzoo.data.texts.lines import listed, read_texts
from genzoo.data.texts.symbols import is_texts
from genzoo.errors import ConfigError, DataError, PluginError, explain_out_of_memory
from genzoo.plugins.registry import Registry, blame, resolve
from genzoo.runtime.progress import Phase
from genzoo.spec.events import DataSpec
from genzoo.spec.modality import TABLE_SUFFIXES, TEXT_SUFFIXES
from genzoo.typing import Array, Frame
from genzoo.wording import argument

if TYPE_CHECKING:
    from genzoo.data.columns.listing import Listing
    from genzoo.data.table_source import TableSource


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
        return _mapped(data, split)
    if is_frame(data):
        from genzoo.data.frames.source import frame_dataset  # imported here, because arrays need no pyarrow

        dataset = frame_dataset(data, split=split)
        return dataset, {"source": dataset.name}
    if is_texts(data):
        data = listed(data)
    if not isinstance(data, Dataset):
        array = data.detach().cpu().numpy() if isinstance(data, Tensor) else np.asarray(data)
        data = array_dataset("array", array)
    return _select(data, DataSettings(source=data.name), split), {"source": data.name}


_MOST_FILES = 10_000
"""Files of a folder that are searched for a similar name."""


def _mapped(data: Mapping[str, Any], split: SplitSettings) -> tuple[Dataset | None, dict[str, Any]]:
    """Return settings as they are, or with an array or table as their source: `{"source": x, "range": (0, 255)}`."""
    source = data.get("source")
    if source is None or isinstance(source, str | Path):
        return None, dict(data) if source is None else {**data, "source": str(source)}
    if is_frame(source):
        from genzoo.data.frames.source import frame_dataset

        settings = {**data, "source": "table"}
        checked = _in_memory(validate(DataSettings, settings, "Data"))
        return _as_stated(frame_dataset(source, checked, split), checked), settings
    dataset, named = _named(source, SplitSettings())
    settings = {**data, **named}
    if dataset is None:
        return None, settings
    checked = _in_memory(validate(DataSettings, settings, "Data"))
    return _conditional(_as_stated(dataset, checked), checked, split), settings


def _in_memory(settings: DataSettings) -> DataSettings:
    """Return the settings of data in memory, after checking that none is about files.

    Raises:
        ConfigError: one is.
    """
    _refuse_given(settings, ("size", "color", "skip_bad"), "folders of images")
    _refuse_given(settings, _OF_TEXTS, _TEXTS)
    return settings


_PLAIN = (*TEXT_SUFFIXES, ".data", ".dat", ".tab")
_CSV_SUFFIXES = (*_PLAIN, *(f"{suffix}.gz" for suffix in _PLAIN))
_JSON_SUFFIXES = (".json", ".jsonl", ".ndjson", ".json.gz", ".jsonl.gz")


READ_SUFFIXES = (*TABLE_SUFFIXES, ".ipc", *_CSV_SUFFIXES[len(TEXT_SUFFIXES) :], ".xlsx", *_JSON_SUFFIXES)
"""Suffixes of the tables that are read."""


STANDARD_INPUT = "-"
"""Source that stands for standard input."""


_OF_TABLES = (
    *("columns", "drop", "kinds", "label", "weight", "drop_missing", "missing"),
    *("date_formats", "bounds", "whole", "transforms"),
)
_OF_TEXTS = ("header", "separator", "decimal", "thousands")
_TEXTS = ".csv and .tsv files"


def is_registered(source: str, registry: Registry) -> bool:
    """Return whether `source` is the name or id of a registered dataset."""
    return bool(registry.datasets.candidates_for(source))


def anchor(settings: DataSettings, registry: Registry) -> DataSettings:
    """Return the settings with an absolute path, so that any working directory will do."""
    path = _path(settings)
    if is_registered(settings.source, registry) or not path.exists():
        return settings
    return settings.model_copy(update={"source": str(path.resolve())})


def open_dataset(settings: DataSettings, registry: Registry, split: SplitSettings | None = None) -> Dataset:
    """Open a dataset by its registered name or its path.

    A registered name wins over a file of the same name; write `./digits` for the file.

    Arguments:
        split: names the columns that divide the rows. They are not among the columns to learn from, unless
            `settings.columns` names them. Defaults to none.

    Raises:
        ConfigError: a setting does not suit the data.
        DataError: there is no such name or path, or the file cannot be used.
    """
    with _reading(settings):
        tabular = _open_table(settings, registry)
        if tabular is None:
            return _conditional(_open_other(settings, registry), settings, split)
        from genzoo.data.conditions import read_with_conditions, take_conditions
        from genzoo.data.splits.columns import read_divided

        reading = read_with_conditions(settings, tabular.names)
        dataset = read_divided(_name(settings), tabular, reading, split or SplitSettings())
        return take_conditions(dataset, settings)


def _conditional(dataset: Dataset, settings: DataSettings, split: SplitSettings | None = None) -> Dataset:
    """Apply the settings of tables to an open dataset, and take the conditions that they name from its columns."""
    if not (settings.condition or settings.joint):
        return _select(dataset, settings, split)
    from genzoo.data.conditions import read_with_conditions, take_conditions

    table = dataset.spec.form.columns
    columns = [feature.name for feature in dataset.spec.features] if table else ()
    return take_conditions(_select(dataset, read_with_conditions(settings, columns), split), settings)


def open_readable(settings: DataSettings, registry: Registry, split: SplitSettings | None = None) -> Dataset | Listing:
    """Open a dataset as `open_dataset` does, but list what cannot be used instead of stopping.

    Unreadable files of a folder are in `Dataset.unreadable`, and a table in a file is a `Listing` of its columns.
    """
    with _reading(settings):
        tabular = _open_table(settings, registry)
        if tabular is not None:
            from genzoo.data.columns.listing import list_table

            return list_table(_name(settings), tabular, settings, split or SplitSettings())
    if _path(settings).is_dir():
        settings = settings.model_copy(update={"skip_bad": True})
    return open_dataset(settings, registry, split)


def open_matching(settings: DataSettings, spec: DataSpec, registry: Registry, *, keep_unknown: bool = False) -> Dataset:
    """Open a dataset by name or path, in the form that a model was trained on.

    Columns of a table are found by name, in any order. Columns the model does not use are in `Dataset.ignored`.
    Values may be missing.

    Arguments:
        keep_unknown: as for `match_table`; only files of tables can have such rows. Defaults to false.

    Raises:
        ConfigError: a setting does not suit the data.
        DataError: as `open_dataset`; or a column is missing, or holds a value that the model cannot take.
    """
    from genzoo.data.align import match_dataset, match_table

    with _reading(settings):
        tabular = _open_table(settings, registry, _names(spec))
        if tabular is None:
            return match_dataset(_select(_open_other(settings, registry), settings), spec)
        return match_table(_name(settings), tabular, settings, spec, keep_unknown=keep_unknown)


def matching_settings(data: AnyData) -> DataSettings:
    """Return how a call says that data for a trained model are read.

    Raises:
        ConfigError: a setting is only for training.
    """
    given = {**data, "source": data.get("source")} if isinstance(data, Mapping) else {"source": data}
    if not isinstance(given["source"], str | Path):
        given["source"] = "table" if is_frame(given["source"]) else getattr(given["source"], "name", "array")
    return check_matching(validate(DataSettings, {**given, "source": str(given["source"])}, "Data"))


def check_matching(settings: DataSettings) -> DataSettings:
    """Return the settings of data for a trained model, after checking that none is only for training.

    Raises:
        ConfigError: `drop_missing` or `condition` is set.
    """
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
        keep_unknown: as for `match_table`; only tables can have such rows. Defaults to false.

    Raises:
        ConfigError: a setting does not suit the data.
        DataError: there are no such data, a column is missing, or it holds a value that the model cannot take.
    """
    from genzoo.data.align import match_dataset, match_table

    settings = matching_settings(data)
    source = data.get("source") if isinstance(data, Mapping) else data
    if isinstance(source, str | Path):
        return open_matching(settings, spec, registry, keep_unknown=keep_unknown)
    _in_memory(settings)
    if is_frame(source):
        from genzoo.data.frames.source import FrameSource, in_one_piece

        return match_table("table", FrameSource(in_one_piece(source)), settings, spec, keep_unknown=keep_unknown)
    dataset, _ = _named(source, SplitSettings())
    if dataset is None:
        raise ConfigError("There is no source of data. Give a path, a built-in name, an array or a table.")
    return match_dataset(_select(_as_stated(dataset, settings), settings), spec)


def open_source(settings: DataSettings, registry: Registry, spec: DataSpec | None = None) -> TableSource | None:
    """Open all columns of a table by name or path, also those the settings leave out; `None` for images.

    Arguments:
        spec: form that a model was trained on, if the table is for it. Defaults to `None`.

    Raises:
        ConfigError, DataError: as `open_dataset`.
    """
    with _reading(settings):
        tabular = _open_table(settings, registry, () if spec is None else _names(spec))
        if tabular is not None:
            return tabular
        from genzoo.data.table import EventTable

        dataset = _open_other(settings, registry)
    return EventTable(dataset) if dataset.spec.form.columns else None


@contextlib.contextmanager
def _reading(settings: DataSettings) -> Iterator[None]:
    lower = f"use fewer rows or {argument('columns')}, or store it as .npy or .parquet, which are streamed"
    with explain_out_of_memory(f"{settings.source!r} was read", lower), Phase(f"reading {settings.source}"):
        yield


def _path(settings: DataSettings) -> Path:
    """Return the source as a path, which need not exist.

    Raises:
        DataError: the system cannot look up the path.
    """
    try:
        path = Path(settings.source).expanduser()
        path.exists()
    except (OSError, RuntimeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise DataError(f"Data {settings.source[:100]!r} cannot be opened: {reason}.") from error
    return path


def _names(spec: DataSpec) -> tuple[str, ...]:
    """Return the names of the columns that a model was trained on; none if they are just numbered."""
    names = tuple(feature.name for feature in spec.features)
    plain = not spec.form.columns or names == tuple(f"x{place}" for place in range(len(names)))
    return () if plain else names


def _open_table(settings: DataSettings, registry: Registry, expected: Collection[str] = ()) -> TableSource | None:
    """Open the source's columns if it is a file of a table; `None` otherwise.

    Arguments:
        expected: names of columns; a line of text that holds all of them is a header. Defaults to none.
    """
    path = _path(settings)
    piped = settings.source == STANDARD_INPUT
    suffix = _suffix(path)
    if not piped and (is_registered(settings.source, registry) or not path.is_file() or suffix not in READ_SUFFIXES):
        return None
    _refuse_given(settings, ("size", "color", "skip_bad"), "folders of images")
    _refuse_given(settings, ("range", "binarize"), "images")
    if piped:
        return _piped(settings, expected)
    if suffix in _CSV_SUFFIXES:
        from genzoo.data.readers.csv_files import CsvSource

        return CsvSource(path, settings, expected=expected)
    if suffix == ".xlsx":
        from genzoo.data.readers.spreadsheet import spreadsheet

        _refuse_given(settings, ("separator",), _TEXTS)
        return spreadsheet(path, settings, expected)
    _refuse_given(settings, _OF_TEXTS, _TEXTS)
    if suffix in _JSON_SUFFIXES:
        from genzoo.data.readers.json_files import JsonSource

        return JsonSource(path, settings)
    from genzoo.data.readers.parquet import ArrowFileSource

    return ArrowFileSource(path)


def _name(settings: DataSettings) -> str:
    """Return the name of a dataset in a file."""
    if settings.source == STANDARD_INPUT:
        return "stdin"
    path = _path(settings)
    return Path(path.stem).stem if path.suffix.lower() == ".gz" else path.stem


def _suffix(path: Path) -> str:
    """Return the suffix in lower case; both of a compressed file: `.csv.gz`."""
    suffix = path.suffix.lower()
    return Path(path.stem).suffix.lower() + suffix if suffix == ".gz" else suffix


def _piped(settings: DataSettings, expected: Collection[str]) -> TableSource:
    """Open the table on standard input: CSV, or JSON if it begins like that."""
    from genzoo.data.readers.csv_files import CsvSource
    from genzoo.data.readers.json_files import JsonSource
    from genzoo.data.readers.text_input import standard_input

    content = standard_input()
    if content.lstrip()[:1] in (b"[", b"{"):
        _refuse_given(settings, _OF_TEXTS, _TEXTS)
        return JsonSource(content, settings, "Standard input")
    return CsvSource(content, settings, "Standard input", expected=expected)


def _open_other(settings: DataSettings, registry: Registry) -> Dataset:
    return _as_stated(_open_whole(settings, registry), settings)


def _as_stated(dataset: Dataset, settings: DataSettings) -> Dataset:
    """Apply the settings of images in any source: their range, and the conversion to 0 and 1."""
    if settings.range is not None:
        from genzoo.data.value_range import overrule_range

        dataset = overrule_range(dataset, settings.range)
    if settings.binarize:
        from genzoo.data.images import binarize

        dataset = binarize(dataset)
    return dataset


def _open_whole(settings: DataSettings, registry: Registry) -> Dataset:
    source, path = settings.source, _path(settings)
    _refuse_given(settings, _OF_TEXTS, _TEXTS)
    if not path.is_dir():
        _refuse_given(settings, ("size", "color", "skip_bad"), "folders of images")
    if is_registered(source, registry):
        entry = registry.datasets.get(source)
        with blame(f"The loader of dataset {entry.id!r}"):
            dataset = resolve(entry.spec.loader, entry.spec)()
        if not isinstance(dataset, Dataset):
            raise PluginError(f"Dataset {entry.id!r} returned a {type(dataset).__name__} instead of a Dataset.")
        return usable(dataset, entry.id)
    if not path.exists():
        registry.datasets.refuse_failed(source)
        hint = _similar_file(path, registry) or registry.datasets.hint(source)
        raise DataError(f"Data {source!r} is neither a built-in name nor an existing path. {hint}")
    return _read_file(path, settings)


def _similar_file(path: Path, registry: Registry) -> str:
    """Return a hint at a file with a similar name in the same folder, unless a built-in name is more similar."""
    try:
        files = [entry.name for entry in itertools.islice(path.parent.iterdir(), _MOST_FILES)]
    except OSError:
        return ""
    near = difflib.get_close_matches(path.name, [*files, *registry.datasets.names()], 1)
    return f"Did you mean {str(path.with_name(near[0]))!r}?" if near and near[0] in files else ""


def _select(dataset: Dataset, settings: DataSettings, split: SplitSettings | None = None) -> Dataset:
    """Apply the settings of tables: columns, kinds, labels, weights, missing values, and what divides the rows."""
    split = split or SplitSettings()
    given = settings.given(*_OF_TABLES)
    divided = argument("split", split.method) if split.time is not None else argument("split_by") if split.by else None
    if given is None and divided is None:
        return dataset
    if not dataset.spec.form.columns:
        what = dataset.spec.form.dataset
        raise ConfigError(f"{given or divided} is for tables, and {settings.source!r} {what}. Leave it out.")
    from genzoo.data.splits.columns import select_divided

    return select_divided(dataset, settings, split)


def _refuse_given(settings: DataSettings, names: tuple[str, ...], what: str) -> None:
    if given := settings.given(*names):
        raise ConfigError(f"{given} is for {what}, and {settings.source!r} is none. Leave it out.")


def _read_file(path: Path, settings: DataSettings) -> Dataset:
    # Imported here, because each reader imports its own libraries.
    from genzoo.data.readers import idx, image_folder, numpy_files

    if not path.is_dir() and not path.is_file():
        raise DataError(f"{path} is neither a file nor a folder, and reading it might never end.")
    if path.is_dir():
        return image_folder.read_folder(path, settings)
    if path.suffix in (".npy", ".npz"):
        return numpy_files.read_array(path)
    if idx.is_idx(path):
        return idx.read_idx(path)
    if _suffix(path) in LINES:
        return read_texts(path)
    raise DataError(
        f"{path} has a format that genzoo cannot read. Known: {', '.join(READ_SUFFIXES)}, .npy, .npz, texts "
        f"({', '.join(LINES)}), idx files (…-ubyte, …-ubyte.gz) and folders of images."
    )
