"""Open a dataset by its name or its path."""

from __future__ import annotations

import contextlib
import difflib
import itertools
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from genzoo.config.data import DataSettings, SplitSettings
from genzoo.data.dataset import Dataset, usable
from genzoo.data.opening.choices import as_stated, with_columns, with_conditions, with_rate, with_window
from genzoo.data.opening.sources import (
    STANDARD_INPUT,
    Several,
    check_form_settings,
    check_source_settings,
    is_local_pattern,
    name_of,
    path_of,
    several_of,
    source_of,
)
from genzoo.data.partitions.files import PartFile
from genzoo.data.partitions.remote import is_url
from genzoo.data.parts import match_events, parts_in_file, with_parts
from genzoo.data.readers.numpy_files import read_array, read_arrays
from genzoo.data.texts.content import check_filled
from genzoo.errors import DataError, PluginError, explain_out_of_memory
from genzoo.plugins.registry import Registry, blame, resolve
from genzoo.runtime.progress import Phase
from genzoo.spec.events import DataSpec
from genzoo.spec.modality import METADATA
from genzoo.wording import argument

if TYPE_CHECKING:
    from genzoo.data.columns.listing import Listing
    from genzoo.data.readers.described.faults import Described
    from genzoo.data.table_source import TableSource


_MOST_FILES = 10_000
"""Files of a folder that are searched for a similar name."""


def is_registered(source: str, registry: Registry) -> bool:
    """Return whether `source` is the name or id of a registered dataset."""
    return bool(registry.datasets.candidates_for(source))


def anchor(settings: DataSettings, registry: Registry) -> DataSettings:
    """Return the settings with an absolute path, so that any working directory will do."""
    if is_registered(settings.source, registry) or is_url(settings.source):
        return settings
    path = path_of(settings)
    if is_local_pattern(settings):
        return settings.model_copy(update={"source": str(path.absolute())})
    if not path.exists():
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
        opened = _open(settings, registry)
        if isinstance(opened, Dataset):
            return with_conditions(check_filled(opened), settings, split)
        if settings.text is not None:
            from genzoo.data.texts.column import text_dataset

            return check_filled(text_dataset(name_of(settings), opened, settings, split))
        from genzoo.data.conditions import read_with_conditions, take_conditions
        from genzoo.data.splits.columns import read_divided

        reading = read_with_conditions(settings, opened.names)
        dataset = read_divided(name_of(settings), opened, reading, split or SplitSettings())
        return take_conditions(dataset, settings)


def open_readable(settings: DataSettings, registry: Registry, split: SplitSettings | None = None) -> Dataset | Listing:
    """Open a dataset as `open_dataset` does, but list what cannot be used instead of stopping.

    Unreadable files of a folder are in `Dataset.unreadable`, and a table in a file is a `Listing` of its columns.
    """
    with _reading(settings):
        opened = _open(settings, registry, lenient=True)
        if isinstance(opened, Dataset):
            return with_conditions(check_filled(opened), settings, split)
        if settings.text is not None:
            from genzoo.data.texts.column import text_dataset

            return check_filled(text_dataset(name_of(settings), opened, settings, split))
        from genzoo.data.columns.listing import list_table

        return list_table(name_of(settings), opened, settings, split or SplitSettings())


def open_matching(settings: DataSettings, spec: DataSpec, registry: Registry, *, keep_unknown: bool = False) -> Dataset:
    """Open a dataset by name or path, in the form that a model was trained on.

    Columns of a table are found by name, in any order. Columns the model does not use are in `Dataset.ignored`.
    Values may be missing.

    Arguments:
        keep_unknown: as for `match_table` and `match_dataset`. Defaults to false.

    Raises:
        ConfigError: a setting does not suit the data.
        DataError: as `open_dataset`; or a column is missing, or holds a value that the model cannot take.
    """
    from genzoo.data.align import match_table

    settings = with_parts(settings, spec)
    with _reading(settings):
        opened = _open(settings, registry, spec)
        if isinstance(opened, Dataset):
            return match_events(with_columns(opened, settings), spec, keep_unknown=keep_unknown)
        if settings.text is not None:
            from genzoo.data.texts.column import matching_texts

            settings = with_window(settings, spec, texts=True)
            return matching_texts(name_of(settings), opened, settings, spec, keep_unknown=keep_unknown)
        return match_table(name_of(settings), opened, settings, spec, keep_unknown=keep_unknown)


def open_source(settings: DataSettings, registry: Registry, spec: DataSpec | None = None) -> TableSource | None:
    """Open all columns of a table by name or path, also those the settings leave out; `None` for images.

    Arguments:
        spec: form that a model was trained on, if the table is for it. Defaults to `None`.

    Raises:
        ConfigError, DataError: as `open_dataset`.
    """
    with _reading(settings):
        opened = _open(settings, registry, spec)
        if not isinstance(opened, Dataset):
            return opened
        from genzoo.data.table import EventTable
    return EventTable(opened) if opened.spec.form.columns else None


@contextlib.contextmanager
def _reading(settings: DataSettings) -> Iterator[None]:
    lower = f"use fewer rows or {argument('columns')}, or store it as .npy or .parquet, which are streamed"
    with explain_out_of_memory(f"{settings.source!r} was read", lower), Phase(f"reading {settings.source}"):
        yield


def _names(spec: DataSpec) -> tuple[str, ...]:
    """Return the names of the columns that a model was trained on; none if they are just numbered."""
    names = tuple(feature.name for feature in spec.features)
    plain = not spec.form.columns or names == tuple(f"x{place}" for place in range(len(names)))
    return () if plain else names


def _open(
    settings: DataSettings, registry: Registry, spec: DataSpec | None = None, *, lenient: bool = False
) -> Dataset | TableSource:
    """Open the events of a source; or its columns, if it is a file of a table.

    Arguments:
        spec: form that a model was trained on. A line of text that holds the names of its columns is a header. Defaults
            to `None`.
        lenient: leave unreadable files out, if the source can do so. Defaults to false.
    """
    if is_registered(settings.source, registry):
        return _as_registered(settings, registry, spec)
    several = several_of(settings)
    if settings.parts and (described := _described(settings, several)) is not None:
        from genzoo.data.readers.described.dataset import described_dataset  # needs pyarrow

        settings = settings.model_copy(update={"skip_bad": True}) if lenient else settings
        return described_dataset(name_of(settings), described, settings, spec)
    if several is not None and several.is_together:
        return _together(several, settings, () if spec is None else _names(spec), lenient=lenient)
    if several is not None:
        settings = settings.model_copy(update={"source": str(several.files[0].local())})
    path = path_of(settings)
    if settings.source != STANDARD_INPUT and not path.exists():
        registry.datasets.refuse_failed(settings.source)
        hint = _similar_file(path, registry) or registry.datasets.hint(settings.source)
        raise DataError(f"Data {settings.source!r} is neither a built-in name nor an existing path. {hint}")
    return _one_file(path, settings, spec, lenient=lenient)


def _described(settings: DataSettings, several: Several | None) -> Described | None:
    """Return the images and sounds that a table describes; `None` if the source is no such folder or Parquet file."""
    if several is not None:
        if "Parquet" not in several.kind.name or several.form.columns:
            return None
        from genzoo.data.readers.described.parquet import DescribedParquet

        return DescribedParquet(settings.source, several.files)
    if settings.source == STANDARD_INPUT:
        return None
    path = path_of(settings)
    if path.is_dir() and any((path / name).is_file() for name in METADATA):
        from genzoo.data.readers.described.folder import DescribedFolder

        return DescribedFolder(path, settings)
    found = source_of(settings) if path.is_file() and path.suffix.lower() == ".parquet" else None
    if found is None or found[0].columns:
        return None
    from genzoo.data.readers.described.parquet import DescribedParquet

    return DescribedParquet(settings.source, (PartFile.of(path),))


def _one_file(path: Path, settings: DataSettings, spec: DataSpec | None, *, lenient: bool) -> Dataset | TableSource:
    """Open one file, a folder of images or texts, or standard input; other arguments are as for `_open`."""
    found = source_of(settings)
    if spec is not None and found is not None:
        settings = with_window(settings, spec, texts=found[0].ended)
        settings = with_rate(settings, spec) if found[0].timed else settings
    check_source_settings(settings, None if found is None else found[1])
    if found is None:
        if settings.parts and path.suffix == ".npz":
            return parts_in_file(path, read_arrays(path), settings, spec)
        return as_stated(read_array(path), settings)
    form, source = found
    if settings.text is None or not form.columns:
        check_form_settings(settings, form)
    read = resolve(source.reader, form)
    if form.columns:
        table: TableSource = read(path, settings, () if spec is None else _names(spec))
        return table
    if lenient and "skip_bad" in source.settings:
        settings = settings.model_copy(update={"skip_bad": True})
    return as_stated(read(path, settings), settings)


def _as_registered(settings: DataSettings, registry: Registry, spec: DataSpec | None) -> Dataset:
    check_source_settings(settings, None)
    registered = _registered(settings.source, registry)
    if spec is not None:
        settings = with_window(settings, spec, texts=registered.spec.windows)
    return as_stated(registered, settings)


def _together(
    several: Several, settings: DataSettings, expected: Collection[str], *, lenient: bool
) -> Dataset | TableSource:
    """Open several files as one dataset or one table; other arguments are as for `_open`."""
    check_source_settings(settings, several.kind)
    if settings.text is None or not several.form.columns:
        check_form_settings(settings, several.form)
    if lenient and "skip_bad" in several.kind.settings:
        settings = settings.model_copy(update={"skip_bad": True})
    if several.kind.together:
        read_all = resolve(several.kind.together, several.form)
        return as_stated(read_all(settings.source, several.files, settings), settings)
    from genzoo.data.partitions.source import PartitionedSource

    read = resolve(several.kind.reader, several.form)

    def opened(file: PartFile) -> TableSource:
        table: TableSource = read(file if several.kind.ranged else file.local(), settings, expected)
        return table

    return PartitionedSource(settings.source, several.files, opened)


def _registered(name: str, registry: Registry) -> Dataset:
    entry = registry.datasets.get(name)
    with blame(f"The loader of dataset {entry.id!r}"):
        dataset = resolve(entry.spec.loader, entry.spec)()
    if not isinstance(dataset, Dataset):
        raise PluginError(
            f"Dataset {entry.id!r} returned a value of type {type(dataset).__name__} instead of a Dataset."
        )
    return usable(dataset, entry.id)


def _similar_file(path: Path, registry: Registry) -> str:
    """Return a hint at a file with a similar name in the same folder, unless a built-in name is more similar."""
    try:
        files = [entry.name for entry in itertools.islice(path.parent.iterdir(), _MOST_FILES)]
    except OSError:
        return ""
    near = difflib.get_close_matches(path.name, [*files, *registry.datasets.names()], 1)
    return f"Did you mean {str(path.with_name(near[0]))!r}?" if near and near[0] in files else ""
