"""Describe a dataset, and point out what looks wrong in it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from genzoo.config.data import SplitSettings
from genzoo.data.columns.dates import UNITS, show_time
from genzoo.data.columns.decimals import decimal_places
from genzoo.data.columns.ids import dated, id_advice, measured
from genzoo.data.columns.listing import Fault, Listing
from genzoo.data.dataset import BLOCK, Dataset, every_named_part
from genzoo.data.degenerate.remarks import degenerate_remarks
from genzoo.data.degenerate.totals import total_columns
from genzoo.data.marks import MARKS, marked_levels, missing_option
from genzoo.data.sounds.facts import sound_facts, sound_remarks
from genzoo.data.splits.notes import how_divided, repeats
from genzoo.data.texts.facts import text_facts, text_remarks
from genzoo.data.value_range import describe_range, range_remarks
from genzoo.errors import DataError
from genzoo.spec.events import DataSpec, Feature
from genzoo.text import counted
from genzoo.typing import Array
from genzoo.wording import Word, argument

_SAMPLE = 20_000
"""Number of first rows that are examined closely."""


_FEW = 10
"""Largest number of distinct whole numbers in a column that may be categories."""


_CODED = re.compile(r"1|9+|[7-9]{2,}|(.)\1{2,}")
"""Digits of numbers that often mean a missing value, such as 1, 99 and 888."""


@dataclass(frozen=True, slots=True)
class ColumnFacts:
    """Facts about one column of a table.

    Arguments:
        name: name of the column.
        type: type of the stored column.
        kind: kind of the column; `none` if it cannot be used.
        levels: its categories; `None` if it has none.
        low, high, mean: of its numbers; `None` if it has none.
        missing: number of missing values.
        unit: unit and origin of the numbers of dates and times. Defaults to `None`.
        dates: low, high and mean of dates and times, as text. Defaults to `None`.
        decimals: number of decimal places, which samples keep; 0 for whole numbers. Defaults to `None`: more than
            nine, hardly any different values, or no numbers.
        todo: what to do about it. Defaults to `None`: nothing.
    """

    name: str
    type: str
    kind: str
    levels: tuple[str, ...] | None
    low: float | None
    high: float | None
    mean: float | None
    missing: int
    unit: str | None = None
    dates: tuple[str, str, str] | None = None
    decimals: int | None = None
    todo: str | None = None

    @property
    def values(self) -> str:
        """The categories, or the range, in words."""
        if self.dates is not None:
            return "{} to {}, mean {}".format(*self.dates)
        if self.levels is not None:
            shown = ", ".join(self.levels[:6]) + (" ..." if len(self.levels) > 6 else "")
            return f"{len(self.levels)}: {shown}"
        if self.low is None:
            return ""
        step = f", step {10.0**-self.decimals:g}" if self.decimals else ""
        return f"{self.low:g} to {self.high:g}, mean {self.mean:.4g}{step}"


@dataclass(frozen=True, slots=True)
class Findings:
    """Facts about a dataset, the columns of a table and texts, remarks on what looks wrong, and unreadable files."""

    facts: dict[str, Any]
    remarks: list[str]
    columns: list[ColumnFacts] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    texts: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return the findings as plain values for JSON."""
        columns = {"columns": [asdict(column) for column in self.columns]} if self.columns else {}
        unreadable = {"unreadable": self.unreadable} if self.unreadable else {}
        texts = {"texts": self.texts} if self.texts else {}
        return {**self.facts, **columns, **texts, **unreadable, "remarks": self.remarks}


def inspect(data: Dataset | Listing, split: SplitSettings | None = None) -> Findings:
    """Describe a dataset, or all columns of a table, also those that cannot be used.

    Arguments:
        split: how a training would divide the rows. Defaults to the default split.
    """
    split = split or SplitSettings()
    if isinstance(data, Dataset):
        return _inspect(data, split)
    empty = Findings({"name": data.name, "events": data.rows, **data.facts}, [])
    found = empty if data.dataset is None else _inspect(data.dataset, split)
    if not data.faults:
        return found
    known = {column.name: column for column in found.columns}
    columns = [known.get(name) or _faulty(data.faults[name]) for name in data.columns]
    return Findings(found.facts, [data.remedy, *found.remarks], columns)


def _faulty(fault: Fault) -> ColumnFacts:
    return ColumnFacts(fault.name, fault.type, "none", None, None, None, None, fault.missing, todo=fault.advice)


def _inspect(dataset: Dataset, split: SplitSettings) -> Findings:
    """Describe a dataset: its columns from all rows, its remarks from the first rows."""
    divided, repeated = _held_out(dataset, split)
    facts = _facts(dataset) | divided
    if dataset.spec.form.ended:
        return _inspect_texts(dataset, facts, repeated)
    named = list(_named_parts(dataset))
    if named:
        facts |= {"parts": [_part_in_words(part, name, len(dataset)) for part, name in named]}
        facts |= {"sha256": dataset.digest()}
        remarks = [*dataset.notes, *repeated, *_common_remarks(dataset)]
        remarks += [f"part {name!r}: {remark}" for part, name in named for remark in _value_remarks(part)[0]]
        return Findings(facts, remarks)
    if not dataset.spec.form.columns:
        rows = np.asarray(dataset.events[:_SAMPLE])
        if dataset.notes:
            facts["notes"] = list(dataset.notes)
        facts |= {"range": describe_range(dataset)} if dataset.spec.form.ranged else {}
        facts |= sound_facts(dataset) if dataset.spec.form.timed else {}
        facts["values"] = f"{rows.min():g} to {rows.max():g}, mean {rows.mean(dtype=np.float64):.4g}"
        facts["sha256"] = dataset.digest()
        remarks = [*repeated, *_common_remarks(dataset), *_value_remarks(dataset)[0]]
        return Findings(facts, remarks, unreadable=list(dataset.unreadable))
    facts |= dataset.facts
    facts["sha256"] = dataset.digest()
    own, columns, empty = _value_remarks(dataset)
    remarks = [*dataset.notes, *repeated, *_common_remarks(dataset)]
    remarks += [f"rows without any value: {empty}"] if empty else []
    return Findings(facts, remarks + own, columns)


def _facts(dataset: Dataset) -> dict[str, Any]:
    facts: dict[str, Any] = {"name": dataset.name, "events": len(dataset), "event": dataset.spec.describe()}
    if dataset.test_rows:
        facts["own test rows"] = dataset.test_rows
    if dataset.labels is not None:
        facts["labels"] = len(np.unique(dataset.labels))
    if dataset.weights is not None:
        facts["weights"] = f"{dataset.weights.min():g} to {dataset.weights.max():g}, sum {dataset.weights.sum():g}"
    if dataset.skipped:
        facts["unreadable files left out"] = dataset.skipped
    if dataset.dropped:
        facts["rows with missing values left out"] = dataset.dropped
    return facts


def _value_remarks(dataset: Dataset) -> tuple[list[str], list[ColumnFacts], int]:
    """Return remarks on the values of a dataset, facts about its columns, and the number of rows without any value."""
    rows = np.asarray(dataset.events[:_SAMPLE])
    if dataset.spec.form.ranged:
        return [*_pixel_remarks(rows), *range_remarks(dataset)], [], 0
    if not dataset.spec.form.columns:
        return sound_remarks(dataset) if dataset.spec.form.timed else [], [], 0
    columns, empty = _columns(dataset)
    remarks: list[str] = []
    known = set()
    for place, column in enumerate(columns):
        noted = [note for note in dataset.notes if f"column {column.name!r} looks like an id" in note]
        own = [] if noted else _column_remarks(column, rows[:, place])
        known |= {column.name} if own or noted else set()
        own += _missing_remarks(column, rows[:, place])
        remarks += own
        columns[place] = replace(column, todo="; ".join(map(_advice, [*noted, *own])) or None)
    return [*remarks, *_twin_remarks(dataset.spec, rows), *degenerate_remarks(dataset, known)], columns, empty


def _named_parts(dataset: Dataset) -> Iterator[tuple[Dataset, str]]:
    """Yield the parts of events of several parts, each of the events that have it."""
    if dataset.spec.has_parts:
        parts = every_named_part(dataset)
        yield from ((part, piece.name) for part, piece in zip(parts, dataset.spec.pieces, strict=True))


def _part_in_words(part: Dataset, name: str, events: int) -> str:
    """Describe a part in one line: `label: table 1, float32; 10 levels`."""
    text = f"{name}: {part.spec.describe()}"
    if part.spec.form.columns:
        kinds = Counter(feature.kind for feature in part.spec.features)
        text += f", {' and '.join(f'{count} {kind}' for kind, count in kinds.items())}"
    absent = events - len(part)
    return text + (f"; missing in {absent} of {events} events" if absent else "")


def _inspect_texts(dataset: Dataset, facts: dict[str, Any], repeated: list[str]) -> Findings:
    notes = {"notes": list(dataset.notes)} if dataset.notes else {}
    words, plain = text_facts(dataset)
    facts = {**facts, **notes, **words, "sha256": dataset.digest()}
    return Findings(facts, [*repeated, *_common_remarks(dataset), *text_remarks(dataset)], texts=plain)


def _advice(remark: str) -> str:
    """Return what to do from a remark, which says it after what is the case."""
    return re.split(r"; |: (?=every|its)", remark, maxsplit=1)[-1]


def _columns(dataset: Dataset) -> tuple[list[ColumnFacts], int]:
    """Return the facts of each column, from all rows, and the number of rows without any value."""
    size = dataset.spec.event_shape[0]
    low, high = np.full(size, np.inf), np.full(size, -np.inf)
    total, count = np.zeros(size), np.zeros(size, np.int64)
    empty = 0
    places = decimal_places(dataset)
    for start in range(0, len(dataset), BLOCK):
        block = np.asarray(dataset.events[start : start + BLOCK], np.float64)
        for place, found in places.items():
            found.add(block[:, place])
        gone = np.isnan(block)
        low, high = np.fmin(low, np.fmin.reduce(block, axis=0)), np.fmax(high, np.fmax.reduce(block, axis=0))
        total += np.where(gone, 0.0, block).sum(axis=0)
        count += (~gone).sum(axis=0)
        empty += int(gone.all(axis=1).sum())
    facts = []
    for place, feature in enumerate(dataset.spec.features):
        numbers: tuple[float | None, float | None, float | None] = (None, None, None)
        if feature.levels is None and count[place]:
            numbers = (float(low[place]), float(high[place]), float(total[place] / count[place]))
        missing = len(dataset) - int(count[place])
        unit = UNITS[feature.stored] if feature.temporal else None
        dates = _shown_dates(feature, numbers) if feature.temporal else None
        about = (feature.name, feature.stored, feature.kind, feature.levels)
        decimals = places[place].count if place in places else None
        facts.append(ColumnFacts(*about, *numbers, missing, unit, dates, decimals))
    return facts, empty


def _shown_dates(
    feature: Feature, numbers: tuple[float | None, float | None, float | None]
) -> tuple[str, str, str] | None:
    low, high, mean = numbers
    if low is None or high is None or mean is None:
        return None
    return show_time(low, feature), show_time(high, feature), show_time(mean, feature)


def _common_remarks(dataset: Dataset) -> list[str]:
    remarks = []
    if totals := total_columns(dataset):
        some = ", ".join(map(repr, totals[:4])) + (" ..." if len(totals) > 4 else "")
        remarks.append(f"the last row holds the sum of the rows above it in {some}; remove it from the file")
    if len(dataset) < 100:
        verb = "is" if len(dataset) == 1 else "are"
        remarks.append(f"{counted(len(dataset), 'event')} {verb} few to learn a distribution from")
    return remarks


def _held_out(dataset: Dataset, settings: SplitSettings) -> tuple[dict[str, list[str]], list[str]]:
    """Return facts about the split that a training with seed 0 would use, and remarks on it."""
    try:
        split = dataset.split(settings, 0)
    except DataError as error:
        return {}, [str(error)]
    how = how_divided(dataset, split, settings)
    return {"held out": how} if how else {}, repeats(dataset, split, settings)


def _pixel_remarks(rows: Array) -> list[str]:
    spread = rows.reshape(len(rows), -1)
    constant = int((spread.min(axis=0) == spread.max(axis=0)).sum())
    return [f"{constant} of {spread.shape[1]} pixels never change"] if constant else []


def _column_remarks(column: ColumnFacts, sample: Array) -> list[str]:
    """Return what looks wrong with a column, and the option that corrects it."""
    values = sample[~np.isnan(sample)]
    different = np.unique(values)
    drop = f"leave it out with {argument('drop', [column.name])}"
    if len(different) < 2:
        return [f"column {column.name!r} never changes; {drop}"]
    if column.levels is not None:
        many = len(different) > max(20, len(values) / 2) and not (measured(column.levels) or dated(column.levels))
        advice = f"leave it out with {id_advice(column.name)}" if len(different) == len(values) else drop
        if sum(level.count(" ") > 1 for level in column.levels) * 2 > len(column.levels):  # most have three words
            advice = f"to learn such texts themselves, {argument('text', column.name)}; to learn the rest, {drop}"
        return [f"column {column.name!r} has {len(different)} different texts in {len(values)} rows; {advice}"] * many
    if column.kind != "continuous" or column.unit is not None or (different != np.floor(different)).any():
        return []
    if len(different) == len(values) > _FEW // 2 and (np.diff(values) == 1).all():
        return [f"column {column.name!r} counts the rows; leave it out with {id_advice(column.name)}"]
    if _are_days(different):
        option = argument("date_formats", {column.name: "%Y%m%d"})
        return [
            f"column {column.name!r} holds numbers that may be dates, such as {different[0]:.0f}; if they are, {option}"
        ]
    if len(different) > _FEW or len(different) * 2 > len(values):
        return []
    kind = "binary" if len(different) == 2 else "categorical"
    option = argument("kinds", {column.name: kind})
    return [f"column {column.name!r} holds only {len(different)} whole numbers; if they are categories, {option}"]


def _are_days(numbers: Array) -> bool:
    """Return whether different whole numbers are days written as 20200131, in more than one month."""
    numbers = numbers.astype(np.float64)
    year, month, day = numbers // 10_000, numbers // 100 % 100, numbers % 100
    valid = (year >= 1800) & (year <= 2200) & (month >= 1) & (month <= 12) & (day >= 1) & (day <= 31)
    return bool(valid.all()) and len(np.unique(numbers // 100)) > 1


def _missing_remarks(column: ColumnFacts, sample: Array) -> list[str]:
    """Return a remark on each text or number that may mean a missing value, with the option that declares it."""
    values = sample[~np.isnan(sample)]
    if column.levels is None:
        if column.unit is not None or column.kind == "binary" or not len(values):
            return []
        return [
            f"column {column.name!r} holds {mark:.15g} in {count} of the first {len(sample)} rows, far from all "
            f"other values; if it means a missing value, {missing_option(f'{mark:.15g}', column.name)}"
            for mark, count in _spikes(values)
        ]
    found = [
        f"column {column.name!r} holds {level!r} in {count} of the first {len(sample)} rows; if it means a missing "
        f"value, {missing_option(level)}"
        for level, count in marked_levels(column.levels, values)
    ]
    others = [level for level in column.levels if level not in MARKS]
    if not found and len(others) > 20 and measured(others):
        found.append(
            f"column {column.name!r} holds measurements that were read as text, such as {others[0]!r}; if they are "
            f"numbers, correct them or declare how they are written with {argument('decimal')}, "
            f"{argument('thousands')} or {argument('missing')}"
        )
    if not found and len(others) > 10 and dated(others):
        option = argument("date_formats", {column.name: Word("FORMAT")})
        found.append(
            f"column {column.name!r} holds dates or times that were read as text, such as {others[0]!r}; write all in "
            f"one form, such as 2021-03-04, or declare the form with {option}"
        )
    return found


def _spikes(values: Array) -> list[tuple[float, int]]:
    """Return the smallest and the largest value, with their counts, if they look like a mark and not a measurement."""
    found = []
    for mark, sign in ((values.min(), 1.0), (values.max(), -1.0)):
        rest = values[values != mark]
        count = len(values) - len(rest)
        different = np.unique(rest)
        if len(different) < 5 or mark != np.floor(mark):
            continue
        coded = _CODED.fullmatch(f"{abs(mark):.0f}") is not None
        spread = different[-1] - different[0]
        far = sign * (different[0 if sign > 0 else -1] - mark) > spread
        alone = sign > 0 and mark < 0 <= different[0]
        usual = len(rest) / len(different)
        several = count >= 3 and count > 2 * usual
        if (far and (several or (coded and (count > 1 or mark < 0)))) or (
            alone and (several or (coded and (count > max(1.0, 2 * usual) or mark <= -99)))
        ):
            found.append((float(mark), count))
    return found


def _twin_remarks(data: DataSpec, rows: Array) -> list[str]:
    """Return a remark on each column that equals an earlier one."""
    first: dict[bytes, str] = {}
    found = []
    for place, feature in enumerate(data.features):
        twin = first.setdefault(np.ascontiguousarray(rows[:, place]).tobytes(), feature.name)
        if twin != feature.name:
            drop = f"leave it out with {argument('drop', [feature.name])}"
            found.append(f"column {feature.name!r} repeats column {twin!r}; {drop}")
    return found
