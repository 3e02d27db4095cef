"""How a text file writes its table: titles, header, units, empty fields at the ends of rows."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from genzoo.config.data import DataSettings
from genzoo.data.marks import MARKS, MISSING
from genzoo.data.readers.header import columns_of, is_header, type_of
from genzoo.data.readers.number_formats import UNIT, Numbers, forms, kind_of, looks_numeric
from genzoo.data.readers.records import SEPARATORS, DividedLines, Record, is_rule, records


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a text file writes its table.

    Arguments:
        separator: the character between fields; a space stands for one or more blanks.
        quote: the character around a field that holds a separator.
        decimal: the decimal mark.
        names: name of each field, as it is written; empty for a field without a name.
        header: whether a line of the file names the columns.
        skipped: number of lines above the header, or above the first row if there is none.
        head: number of records from there to the first row: the header and the line of units.
        void: places of fields without a name that are empty in every row, as a last separator leaves them.
        comments: whether lines that begin with # are comments.
        line_by_line: whether the rows must be read one by one, for comments, blanks or quotes behind a blank.
        notes: decisions on which the file gives little evidence, in sentences.
        facts: what was found, in words, by its name.
    """

    separator: str
    quote: str
    decimal: str
    names: tuple[str, ...]
    header: bool
    skipped: int = 0
    head: int = 0
    void: frozenset[int] = frozenset()
    comments: bool = True
    line_by_line: bool = False
    notes: tuple[str, ...] = ()
    facts: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Judge:
    """Decides on headers by the settings, or else by the values."""

    settings: DataSettings
    decimal: str
    expected: frozenset[str]

    @property
    def known(self) -> list[Numbers]:
        """The ways to write numbers, those with the file's decimal mark first."""
        return forms(self.settings, self.decimal)

    @property
    def marks(self) -> set[str]:
        """Texts that mean a missing value."""
        return {*MISSING, *self.settings.missing, *(mark for mark in MARKS if not mark.isalnum())}

    def header(self, names: Sequence[str], below: Sequence[Record]) -> tuple[bool, str | None]:
        """Return whether fields name the columns below them, and a sentence if that is in doubt."""
        if self.settings.header != "auto":
            return self.settings.header, None
        return self.evident(names, below)

    def evident(self, names: Sequence[str], below: Sequence[Record]) -> tuple[bool, str | None]:
        """Return what `header` does if the settings leave it open."""
        if self.expected and self.expected.issubset(names):
            return True, None
        return is_header(names, [record.fields for record in below], self.known, self.marks)


def find_layout(best: DividedLines, judge: Judge, shown: str) -> Dialect:
    """Find titles, header, units and empty fields at the ends of the rows."""
    rows = [record for record in best.records if not record.blank and not record.comment]
    rows = [record for place, record in enumerate(rows) if place > _MOST_ABOVE or not is_rule(record.fields)]
    if not rows:
        return Dialect(best.separator, best.quote, judge.decimal, (), header=False)
    start = _titles(rows, best.width, judge)
    top = rows[start]
    heading = _Heading.of(best, rows[start:], judge)
    facts = {"separator": SEPARATORS.get(best.separator, repr(best.separator))} if len(heading.names) > 1 else {}
    if best.quote != '"':
        facts["quotes"] = "single"
    if judge.decimal == ",":
        facts["decimal mark"] = "comma"
    facts["header"] = heading.decision
    if start:
        facts["lines above the table"] = " / ".join(
            " ".join(filter(None, r.fields))[:60] for r in rows[:start] if any(r.fields)
        )
    if heading.units:
        named = zip(heading.names, heading.units, strict=False)
        facts["units"] = ", ".join(f"{name} {unit}" for name, unit in named if unit)
    end = heading.body[0].first if heading.body else best.records[-1].last + 1
    return Dialect(
        best.separator,
        best.quote,
        judge.decimal,
        tuple(heading.names),
        heading.found,
        skipped=top.first - 1,
        head=sum(top.first <= record.first < end for record in best.records),
        void=_void(heading.names, heading.body, anywhere=heading.found),
        comments=best.comments,
        line_by_line=best.separator == " " or any(r.comment and r.first > top.first for r in best.records),
        notes=() if heading.doubt is None else (f"{shown}: {heading.doubt}",),
        facts=facts,
    )


@dataclass(frozen=True, slots=True)
class _Heading:
    """What stands above the rows.

    Arguments:
        names: name of each field; empty for a field without a name.
        found: whether a line names the columns.
        decision: what was found, in words.
        doubt: a sentence if there is little evidence.
        units: the unit of each field; empty if no line holds units.
        body: the records of the rows.
    """

    names: list[str]
    found: bool
    decision: str
    doubt: str | None
    units: list[str]
    body: Sequence[Record]

    @classmethod
    def of(cls, best: DividedLines, rows: Sequence[Record], judge: Judge) -> _Heading:
        """Find the names and units in the first of the records."""
        top, below = rows[0], rows[1:]
        place = "first line" if top.first == 1 else f"line {top.first}"
        doubt = None
        if (joined := _joined_names(rows, judge)) is not None:
            names, body = _with_index_name(joined, below[1:])
            decision = f"lines {top.first} and {rows[len(rows) - len(body) - 1].last} name the columns"
        else:
            names, body = _named_fields(top.fields, below, best, judge), below
            found, doubt = judge.header(names, below)
            decision = f"{place} names the columns"
            if not found:
                above = None if judge.settings.header is False else _commented(best, rows, judge)
                decision = "a comment names the columns" if above else f"none, {place} is data"
                if above is None:
                    return cls([""] * len(names), False, decision, doubt, [], rows)
                names, body = above, rows
        if len(body) > 1 and _is_units(body[0].fields, body[1:], judge):
            return cls(names, True, decision, doubt, body[0].fields, body[1:])
        return cls(names, True, decision, doubt, [], body)


def _joined_names(rows: Sequence[Record], judge: Judge) -> list[str] | None:
    """Return the names in two lines, such as years above sexes; None if the first line alone names the columns.

    The first line leaves fields empty or repeats a name. Each of its names holds up to the next one.
    """
    if judge.settings.header is False or len(rows) < 4 or len(rows[0].fields) != len(rows[1].fields):
        return None
    upper, lower, body = rows[0].fields, rows[1].fields, rows[2:]
    groups: list[str] = []
    for text in upper:
        groups.append(text or (groups[-1] if groups else ""))
    repeats = any(before and before == after for before, after in itertools.pairwise(groups))
    texts = all(lower[place] or upper[place] or not place for place in range(len(lower)))  # an index has no name
    texts = texts and not any(map(looks_numeric, lower))
    names = [f"{group} {name}".strip() for group, name in zip(groups, lower, strict=True)]
    if not repeats or not texts or len(set(names)) < len(names) or all(map(UNIT.fullmatch, lower)):
        return None
    columns = columns_of([record.fields for record in body], len(names), judge.marks)
    if not any(type_of(column, judge.known) == "number" for column in columns):
        return None
    return names if judge.evident(lower, body)[0] else None


def _with_index_name(names: list[str], body: Sequence[Record]) -> tuple[list[str], Sequence[Record]]:
    """Return names and rows without the line in which pandas names the index: region,,, below two lines of names."""
    first = body[0].fields
    if len(body) < 3 or not first[0] or any(first[1:]) or not all(any(record.fields[1:]) for record in body[1:3]):
        return names, body
    return [first[0], *names[1:]], body[1:]


_MOST_ABOVE = 22
"""Number of first records among which lines are drawn, such as |---|---| below the names."""


def _named_fields(names: list[str], below: Sequence[Record], best: DividedLines, judge: Judge) -> list[str]:
    """Return the fields of the top record, one for each field of the rows below it."""
    width = best.width
    if not below or width < 2:
        return names
    if len(names) == width + 1 and not names[-1]:  # a separator only at the end of the header
        return names[:-1]
    if len(names) != width - 1 or any(len(record.fields) != width for record in below):
        return names
    if best.separator != " " and all(not record.fields[-1] for record in below):  # one at the end of every row
        return [*names, ""]
    if judge.header(["", *names], below)[0] and judge.evident(below[0].fields, below[1:]) != (True, None):
        return ["", *names]  # R leaves out the name of its row names
    return names


def _titles(rows: Sequence[Record], width: int, judge: Judge) -> int:
    """Return the number of records above the table, such as its title."""
    if width < 2:
        return 0
    for place, record in enumerate(rows[:20]):
        filled = sum(map(bool, record.fields))
        if len(record.fields) == width and (filled > 1 or (width < 3 and filled and not _titled(rows[place:], judge))):
            if not place:
                return 0
            if _above_names(rows[place:], judge):
                continue
            shorter = all(len(above.fields) <= width for above in rows[:place])
            apart = shorter and record.first > rows[place - 1].last + 1
            return place if apart or judge.evident(record.fields, rows[place + 1 :])[0] else 0
        nearly = place == 0 and len(record.fields) == filled == width - 1 > 1  # R's header, or a row lacks a field
        if nearly and not (len(rows) > 1 and judge.evident(rows[1].fields, rows[2:]) == (True, None)):
            return 0
        if filled and all(map(looks_numeric, filter(None, record.fields))):
            return 0
    return 0


def _titled(rows: Sequence[Record], judge: Judge) -> bool:
    """Return whether the first of the rows is a title with an empty field behind it, above names and numbers."""
    title, names = rows[0].fields, rows[1].fields if len(rows) > 1 else []
    named = (record for record in rows[1:3] if all(record.fields) and not any(map(looks_numeric, record.fields)))
    if not title[0] or any(title[1:]) or not names or (record := next(named, None)) is None:
        return False
    return judge.evident(record.fields, rows[rows.index(record) + 1 :]) == (True, None)


def _above_names(rows: Sequence[Record], judge: Judge) -> bool:
    """Return whether the first of the rows is a title, such as "Lat: 5, Lon: 6", and the second names the columns."""
    if len(rows) < 3 or not any(re.search(r"\d|:", text) for text in rows[0].fields):
        return False
    names = rows[1].fields
    if any(not text or looks_numeric(text) for text in names) or all(map(UNIT.fullmatch, names)):
        return False
    return judge.evident(names, rows[2:]) == (True, None)


def _commented(best: DividedLines, rows: Sequence[Record], judge: Judge) -> list[str] | None:
    """Return the names in the last comment above the table; None if there are none."""
    above = [record for record in best.records if record.comment and record.last < rows[0].first]
    if not above or best.width < 2:
        return None
    found = next(records([above[-1].fields[0].lstrip("# \t")], best.separator, quote=best.quote), None)
    if found is None or len(found.fields) != best.width:
        return None
    return found.fields if judge.header(found.fields, rows)[0] else None


def _void(names: Sequence[str], rows: Sequence[Record], *, anywhere: bool) -> frozenset[int]:
    """Return the places of fields without a name that are empty in every row.

    Arguments:
        anywhere: whether to look at all places, or only at the end.
    """
    if not rows:
        return frozenset()
    filled = {place for record in rows for place, text in enumerate(record.fields) if text}
    empty = [place for place, name in enumerate(names) if not name and place not in filled]
    if not anywhere:
        last = max(filled, default=0)
        empty = [place for place in empty if place > last]
    return frozenset(empty if len(empty) < len(names) else empty[1:])


def _is_units(fields: Sequence[str], below: Sequence[Record], judge: Judge) -> bool:
    """Return whether the record below the header holds units, such as kg above numbers."""
    known, marks = judge.known, judge.marks
    if any(kind_of(text, known) in ("number", "date") for text in fields if text):
        return False
    columns = columns_of([record.fields for record in below], len(fields), marks)
    typed = {place for place, column in enumerate(columns) if type_of(column, known) == "number"}
    texts = [text for place, text in enumerate(fields) if place in typed and text not in marks]
    others = [text for place, text in enumerate(fields) if place not in typed]
    if not texts or any(text in column for text, column in zip(fields, columns, strict=True)):
        return False
    if all(map(UNIT.fullmatch, texts)):
        return True
    lone = bool(others) and not any(others) and all(len(text) <= 8 for text in texts)
    return lone or (len(texts) == len(typed) > 1 and all(text in marks for text in others))
