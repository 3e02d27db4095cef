"""List every column of a table, also those that cannot be used, with what to do about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from genzoo.config.data import DataSettings, SplitSettings
from genzoo.data.dataset import Dataset
from genzoo.data.splits.columns import read_divided, without_split_columns
from genzoo.data.table import chosen_columns, described_column, read_columns, too_many_texts
from genzoo.data.table_source import TableSource
from genzoo.errors import DataError
from genzoo.spec.events import MOST_NAMES, Feature
from genzoo.wording import argument


@dataclass(frozen=True, slots=True)
class Fault:
    """A column that cannot be used.

    Arguments:
        name: name of the column.
        type: its type in Arrow.
        missing: number of missing values.
        advice: what is wrong and what to do, as a sentence without the name of the column.
    """

    name: str
    type: str
    missing: int
    advice: str


@dataclass(frozen=True, slots=True)
class Listing:
    """A table, column by column.

    Arguments:
        name: name of the table.
        rows: number of rows.
        columns: names of the columns, in their order.
        dataset: the columns that can be used; `None` if none can.
        faults: the others, by name.
        facts: how the table was read, in words.
    """

    name: str
    rows: int
    columns: tuple[str, ...]
    dataset: Dataset | None
    faults: dict[str, Fault]
    facts: dict[str, str]

    @property
    def remedy(self) -> str:
        """The remark on the columns that cannot be used."""
        if self.dataset is None:
            return "no column can be used as read; correct the table, or declare how it is written"
        some, them = ("column", "it") if len(self.faults) == 1 else ("columns", "them")
        drop = argument("drop", list(self.faults))
        return f"{len(self.faults)} {some} cannot be used as read; correct {them}, or leave {them} out with {drop}"


def list_table(name: str, source: TableSource, settings: DataSettings, split: SplitSettings) -> Listing:
    """Read the columns that can be used, and describe the others.

    Raises:
        ConfigError: a setting names an unknown column.
        DataError: the table as a whole cannot be read.
    """
    kept = tuple(chosen_columns(source, without_split_columns(source, settings, split)))
    try:
        dataset = read_divided(name, source, settings, split)
    except DataError as error:
        listing = _with_faults(name, source, settings, split, kept)
        if not listing.faults:
            raise error  # of the table as a whole
        return listing
    return Listing(name, len(dataset), kept, dataset, {}, source.facts)


def _with_faults(
    name: str, source: TableSource, settings: DataSettings, split: SplitSettings, kept: tuple[str, ...]
) -> Listing:
    source.faults = {}
    texts = {column for column, kind in settings.kinds.items() if kind in ("binary", "categorical")}
    table = read_columns(source, settings, kept, texts)
    features: list[Feature] = []
    for column in kept:
        if column not in source.faults:
            try:
                features.append(described_column(source, settings, table, column)[0])
            except DataError as error:
                source.at_fault(column, error)
    source.faults |= _too_many(source.shown, features, table.num_rows)
    faults = {
        column: Fault(column, str(table.column(column).type), table.column(column).null_count, _advice(source, column))
        for column in kept
        if column in source.faults
    }
    usable = tuple(column for column in kept if column not in faults)
    dataset = read_divided(name, source, _without(settings, tuple(faults)), split) if usable and faults else None
    return Listing(name, table.num_rows, kept, dataset, faults, source.facts)


def _too_many(shown: str, features: Sequence[Feature], rows: int) -> dict[str, DataError]:
    """Return an error for each of the columns with most categories, until the others are few enough."""
    total = len(features) + sum(len(feature.levels or ()) for feature in features)
    found: dict[str, DataError] = {}
    for feature in sorted(features, key=lambda feature: -len(feature.levels or ())):
        if total <= MOST_NAMES:
            break
        found[feature.name] = too_many_texts(shown, feature, rows)
        total -= len(feature.levels or ())
    return found


def _advice(source: TableSource, column: str) -> str:
    assert source.faults is not None
    text = str(source.faults[column]).removeprefix(f"{source.shown}: ")
    return text.removeprefix(f"column {column!r} ")


def _without(settings: DataSettings, faults: tuple[str, ...]) -> DataSettings:
    """Return the settings for the columns that are not at fault."""
    return settings.model_copy(
        update={
            "drop": (*settings.drop, *faults),
            "kinds": {name: kind for name, kind in settings.kinds.items() if name not in faults},
            "date_formats": {name: form for name, form in settings.date_formats.items() if name not in faults},
        }
    )
