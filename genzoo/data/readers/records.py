"""Divide the lines of a text file into records and fields."""

from __future__ import annotations

import csv
import itertools
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from genzoo.data.readers.number_formats import FORMS, kind_of, looks_numeric

SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar", " ": "space"}
"""Separators by preference, with their names."""


csv.field_size_limit(2**26)  # the usual limit is 131,072 characters


class Record(NamedTuple):
    """One record of a text file, which may be a blank line or a comment."""

    first: int
    last: int
    fields: list[str]
    comment: bool

    @property
    def blank(self) -> bool:
        """True if the record is an empty line. A quoted empty field is none."""
        return not self.fields


def records(lines: Iterable[str], separator: str, *, quote: str = '"', comments: bool = True) -> Iterator[Record]:
    """Yield every record with its first and last line, from 1; fields are stripped.

    A line that begins with # is one field, unless it is inside quotes, or there are no comments.

    Arguments:
        lines: the lines, each with its end.
        separator: the character between fields; a space stands for one or more blanks.
        quote: the character around a field that holds a separator. Defaults to the double quote.
        comments: whether lines that begin with # are comments. Defaults to true.

    Raises:
        csv.Error: a field is too long.
    """
    source = _Lines(lines, separator == " ", comments)
    # A quote inside a tab-separated field is just a character, and the csv module agrees.
    reader = csv.reader(source, delimiter=separator, quotechar=quote, skipinitialspace=separator != "\t")
    while True:
        source.begin()
        fields = next(reader, None)
        if fields is None:
            return
        comment = source.comment is not None
        whole = [source.comment] if source.comment is not None else [text.strip() for text in fields]
        yield Record(source.first, source.line, whole, comment)


class _Lines:
    """The lines that the csv module reads, counted, with comments blanked out."""

    def __init__(self, lines: Iterable[str], blanks: bool, comments: bool) -> None:
        self._lines = iter(lines)
        self._blanks = blanks
        self._comments = comments
        self.line = 0
        self.begin()

    def begin(self) -> None:
        self.first, self.comment = self.line + 1, None
        self._fresh = True

    comment: str | None

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self.line += 1
        fresh, self._fresh = self._fresh, False
        if fresh and self._comments and line.startswith("#"):
            self.comment = line.strip()
            return "\n"
        return line.replace("\t", " ").strip() + "\n" if self._blanks else line


@dataclass(frozen=True, slots=True)
class DividedLines:
    """The first lines of a file, divided by one separator.

    Arguments:
        separator: the character between fields.
        quote: the character around a field that holds a separator.
        records: all records, blank lines and comments too.
        rows: fields of each record that is neither.
        width: usual number of fields.
        share: fraction of rows with that number.
        comments: whether lines that begin with # are comments.
    """

    separator: str
    quote: str
    records: list[Record]
    rows: list[list[str]]
    width: int
    share: float
    comments: bool

    @classmethod
    def of(cls, lines: Sequence[str], separator: str) -> DividedLines:
        """Divide lines by a separator."""
        quote = find_quote(lines, separator)
        try:
            found = list(records(lines, separator, quote=quote))
            texts = sum(record.comment and not record.fields[0].startswith("# ") for record in found)
            comments = texts * 2 <= sum(not record.blank for record in found)
            if not comments:  # a column of texts such as #ff0000
                found = list(records(lines, separator, quote=quote, comments=False))
        except csv.Error:
            found, comments = [], True
        plain = (record.fields for record in found if not record.blank and not record.comment)
        rows = [fields for fields in plain if not is_rule(fields)]
        counts = Counter(map(len, rows))
        width, count = max(counts.items(), key=lambda pair: (pair[1], pair[0])) if counts else (0, 0)
        return cls(separator, quote, found, rows, width, count / len(rows) if rows else 0.0, comments)

    @property
    def cells(self) -> list[str]:
        """The cells of some rows of the usual width that are no header."""
        usual = [row for row in self.rows if len(row) == self.width]
        usual = usual[1:] or usual
        return list(itertools.islice((text for row in usual for text in row if text), 5000))

    @property
    def score(self) -> float:
        """How well the separator explains the lines; 0 if it does not divide them."""
        if self.width < 2 or self.share <= 0.5:
            return 0.0
        cells = self.cells
        typed = sum(1 for text in cells if kind_of(text, FORMS) != "word") / max(1, len(cells))
        mixed = sum(1 for text in cells if any(mark in text for mark in ";\t|")) / max(1, len(cells))
        if self.separator == " " and (typed == 0 or {len(row) for row in self.rows[1:]} - {self.width}):
            return 0.0
        if self.separator == " " and len(self.rows[0]) not in (self.width, self.width - 1):
            return 0.0
        if self.separator == " " and len(self.rows[0]) == 1 and any(kind_of(t, FORMS) != "word" for t in self.rows[1]):
            return 0.0  # one name above 5 kg or 2024-01-31 10:00 stands above one column
        return self.share + typed - mixed

    def one_column_of_decimals(self) -> bool:
        """Return whether the commas are the decimal marks of a single column: a name above 1,5 and 2,5."""
        if self.separator != "," or self.width != 2 or len(self.rows[0]) != 1 or len(self.rows) < 3:
            return False
        return all(len(row) == 2 and all(text.lstrip("-").isdecimal() for text in row) for row in self.rows[1:])


def find_quote(lines: Sequence[str], separator: str) -> str:
    """Return the single quote if most lines put a field between two of them and none has a double quote."""
    if any('"' in line for line in lines):
        return '"'
    mark = re.escape(separator)
    quoted = re.compile(rf"(?:^|{mark})\s*'[^']*'\s*(?:$|{mark})")
    rows = [line.strip() for line in lines if line.strip()]
    single = sum(quoted.search(row) is not None and row.count("'") % 2 == 0 for row in rows)
    return "'" if rows and single * 2 > len(rows) else '"'


_MOST_BELOW = 20
"""Largest number of lines below a table that are left out."""


class Footer:
    """Leaves out lines below the last row, such as a source or a note.

    Such a line has one field, which is no number. A file that breaks off in a row, without the end of its last line,
    looks alike; then the line stays, and the reader finds that it lacks fields.

    Arguments:
        width: number of fields of a row.
    """

    def __init__(self, width: int) -> None:
        self._width = width
        self.lines: list[str] = []

    def strip(self, rows: Iterable[Record], complete: Callable[[], bool]) -> Iterator[Record]:
        """Yield the records that are rows.

        Arguments:
            rows: records without blank lines.
            complete: returns whether the last line read has an end.
        """
        held: list[Record] = []
        last = 0
        for record in rows:
            if self._is_note(record) and len(held) < _MOST_BELOW:
                held.append(record)
                continue
            yield from held
            held, last = [], record.last
            yield record
        if held and (complete() or held[0].first > last + 1):
            self.lines = [record.fields[0] for record in held]
        else:
            yield from held

    def _is_note(self, record: Record) -> bool:
        return self._width > 1 and len(record.fields) == 1 and not looks_numeric(record.fields[0])


def is_rule(fields: Sequence[str]) -> bool:
    """Return whether a record is a drawn line."""
    filled = [text for text in fields if text]
    return bool(filled) and all(re.fullmatch(r":?[-=+|]{2,}:?", text) for text in filled)
