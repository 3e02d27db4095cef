"""Divide the lines of a text file into records and fields."""

from __future__ import annotations

import csv
import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from genzoo.data.readers.number_formats import FORMS, kind_of

SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar", " ": "space"}
"""Separators by preference, with their names."""


csv.field_size_limit(2**31 - 1)  # the usual limit is 131,072 characters


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


def records(lines: Iterable[str], separator: str, *, comments: bool = True) -> Iterator[Record]:
    """Yield every record with its first and last line, from 1; fields are stripped.

    A line that begins with # is one field, unless it is inside quotes, or there are no comments.

    Raises:
        csv.Error: a field is too long.
    """
    source = _Lines(lines, separator == " ", comments)
    # A quote inside a tab-separated field is just a character, and the csv module agrees.
    reader = csv.reader(source, delimiter=separator, skipinitialspace=separator != "\t")
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
        records: all records, blank lines and comments too.
        rows: fields of each record that is neither.
        width: usual number of fields.
        share: fraction of rows with that number.
        comments: whether lines that begin with # are comments.
    """

    separator: str
    records: list[Record]
    rows: list[list[str]]
    width: int
    share: float
    comments: bool

    @classmethod
    def of(cls, lines: Sequence[str], separator: str) -> DividedLines:
        """Divide lines by a separator."""
        try:
            found = list(records(lines, separator))
            texts = sum(record.comment and not record.fields[0].startswith("# ") for record in found)
            comments = texts * 2 <= sum(not record.blank for record in found)
            if not comments:  # a column of texts such as #ff0000
                found = list(records(lines, separator, comments=False))
        except csv.Error:
            found, comments = [], True
        rows = [record.fields for record in found if not record.blank and not record.comment]
        counts = Counter(map(len, rows))
        width, count = max(counts.items(), key=lambda pair: (pair[1], pair[0])) if counts else (0, 0)
        return cls(separator, found, rows, width, count / len(rows) if rows else 0.0, comments)

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
        typed = sum(1 for text in cells if kind_of(text, FORMS) != "text") / max(1, len(cells))
        mixed = sum(1 for text in cells if any(mark in text for mark in ";\t|")) / max(1, len(cells))
        if self.separator == " " and (typed == 0 or {len(row) for row in self.rows[1:]} - {self.width}):
            return 0.0
        if self.separator == " " and len(self.rows[0]) not in (self.width, self.width - 1):
            return 0.0
        return self.share + typed - mixed

    def one_column_of_decimals(self) -> bool:
        """Return whether the commas are the decimal marks of a single column: a name above 1,5 and 2,5."""
        if self.separator != "," or self.width != 2 or len(self.rows[0]) != 1 or len(self.rows) < 3:
            return False
        return all(len(row) == 2 and all(text.lstrip("-").isdecimal() for text in row) for row in self.rows[1:])
