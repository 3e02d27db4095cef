"""Find out how a text file writes its table: separator, header, decimal mark, and lines that are not rows."""

from __future__ import annotations

import csv
import itertools
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from genzoo.config.settings import DataSettings
from genzoo.data.marks import MARKS, MISSING

SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar", " ": "space"}
"""Separators by preference, with their names."""


csv.field_size_limit(2**31 - 1)  # the usual limit is 131,072 characters


CURRENCY = (
    r"(?:R?\$|[€£¥₹₽₩₺₪₫]|USD|EUR|GBP|CHF|JPY|CAD|AUD|NZD|CNY|INR|SEK|NOK|DKK|PLN|CZK|HUF|BRL|MXN|ZAR|kr\.?|zł|Kč)"
)
_DATE = re.compile(
    r"\d{4}[-/]\d{1,2}[-/]\d{1,2}([T ]\d.*)?|\d{1,2}[./-]\d{1,2}[./-]\d{2,4}( \d.*)?|\d{1,2}:\d{2}(:\d{2}.*)?"
)
_PLAIN = re.compile(r"-?\d+(?:\.\d+)?")
_NUMBER_BEGINS = frozenset("0123456789+-−(.,iI$€£¥₹₽₩₺₪₫UEGCJANISDPHBMZRKkz")
_TRUTHS = frozenset({"true", "false"})
_UNIT = re.compile(
    r"[\[(].*[\])]|%|°[CF]?|(?:[kmMGhcdnµuμ]?(?:g|m|s|Pa|bar|mol|V|A|W|Wh|J|N|Hz|l|L|B|eV)|kg|mmHg|lb|lbs|ft|in|min|h|hr"
    r"|hours?|days?|d|yr|years?|months?|K|C|F|deg[CFK]?|rad|ppm|ppb|USD|EUR|GBP|\$|€|£|dB|t|mph|kmh|rpm|count|units?)"
    r"(?:\^?-?[0-9²³])?(?:[/·* ].*)?"
)


def number_pattern(decimal: str, thousands: str | None) -> str:
    """Return the regular expression of a number, with an optional currency sign or percent sign.

    Arguments:
        decimal: the decimal mark.
        thousands: the mark between groups of three digits; None for none. A space also stands for no-break spaces.
    """
    mark = re.escape(decimal)
    group = {None: "", " ": r"[ \x{a0}\x{202f}\x{2009}]", "'": r"['’]"}.get(thousands, re.escape(thousands or ""))
    # 1,234,567, or 12,34,567 as in India
    whole = rf"(?:\d{{1,3}}(?:{group}\d{{2,3}})*{group}\d{{3}}|\d+)" if thousands else r"\d+"
    bare = rf"(?:{whole}(?:{mark}\d*)?|{mark}\d+)(?:[eE][+−-]?\d+)?"
    return (
        rf"[+−-]?\s?(?:{CURRENCY}\s?)?[+−-]?{bare}(?:\s?{CURRENCY}|\s?%)?"
        rf"|\((?:{CURRENCY}\s?)?{bare}(?:\s?{CURRENCY}|\s?%)?\)|[+−-]?(?:inf|Inf|INF|[Ii]nfinity)"
    )


@dataclass(frozen=True, slots=True)
class Numbers:
    """How numbers are written."""

    decimal: str = "."
    thousands: str | None = None

    def matches(self, text: str) -> bool:
        """Return whether a text is such a number."""
        return _compiled(self).fullmatch(text) is not None


_PATTERNS: dict[Numbers, re.Pattern[str]] = {}


def _compiled(numbers: Numbers) -> re.Pattern[str]:
    if numbers not in _PATTERNS:
        pattern = number_pattern(numbers.decimal, numbers.thousands)
        _PATTERNS[numbers] = re.compile(re.sub(r"\\x\{(\w+)\}", lambda code: chr(int(code[1], 16)), pattern))
    return _PATTERNS[numbers]


FORMS = tuple(
    Numbers(decimal, thousands) for decimal in ".," for thousands in (None, "," if decimal == "." else ".", " ", "'")
)
"""Every way to write numbers, the usual ones first."""


def forms(settings: DataSettings, decimal: str = ".") -> list[Numbers]:
    """Return the ways to write numbers that the settings allow, those with the file's decimal mark first."""
    known = [form for form in FORMS if settings.decimal in (None, form.decimal)]
    if settings.thousands is not None:
        known = [form for form in known if form.decimal != settings.thousands]
        known = list(dict.fromkeys(Numbers(form.decimal, settings.thousands) for form in known))
    return sorted(known, key=lambda form: form.decimal != (settings.decimal or decimal))


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a text file writes its table.

    Arguments:
        separator: the character between fields; a space stands for one or more blanks.
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


def sniff(
    lines: Sequence[str],
    settings: DataSettings,
    *,
    tabs: bool = False,
    shown: str = "The table",
    expected: Collection[str] = (),
) -> Dialect:
    """Find the dialect of the first lines of a file.

    Arguments:
        lines: the first lines, each with its end.
        settings: what the user declares wins over what the lines show.
        tabs: whether the separator is the tab, unless it is declared. Defaults to false.
        shown: name of the table, for notes.
        expected: names of columns; a line that holds all of them is a header. Defaults to none.
    """
    skipped, declared = _declaration(lines)
    declared = settings.separator or declared or ("\t" if tabs else None)
    usual = [mark for mark in SEPARATORS if any(mark in line for line in lines)]
    tries = [_Try.of(lines[skipped:], separator) for separator in ([declared] if declared else usual or [","])]
    best = max(tries, key=lambda one: one.score)  # the first of equals
    if declared is None and (best.score <= 0 or best.one_column_of_decimals()):
        whole = (_Try.of(lines[skipped:], mark) for mark in ",;\t|")
        best = next((one for one in whole if one.width < 2 and one.share in (0, 1)), tries[0])
    decimal = settings.decimal or {",": ".", ".": ","}.get(settings.thousands or "")
    decimal = decimal or _decimal(best.cells, best.separator)
    found = _layout(best, _Judge(settings, decimal, frozenset(expected)), shown)
    return replace(found, skipped=found.skipped + skipped)


def _declaration(lines: Sequence[str]) -> tuple[int, str | None]:
    """Return 1 and the separator if the first line is `sep=;`, as some spreadsheets write."""
    match = re.fullmatch(r'"?sep=(.)"?\s*', lines[0], re.IGNORECASE) if lines else None
    return (1, match[1]) if match else (0, None)


@dataclass(frozen=True, slots=True)
class _Try:
    """The first lines, divided by one separator."""

    separator: str
    records: list[Record]
    rows: list[list[str]]
    width: int
    share: float
    comments: bool

    @classmethod
    def of(cls, lines: Sequence[str], separator: str) -> _Try:
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


def kind_of(text: str, known: Sequence[Numbers]) -> str:
    """Return `number`, `date`, `truth` or `text`."""
    if text[:1] in _NUMBER_BEGINS and (
        (_PLAIN.fullmatch(text) and known[0].decimal == ".") or any(form.matches(text) for form in known)
    ):
        return "number"
    if _DATE.fullmatch(text):
        return "date"
    return "truth" if text.lower() in _TRUTHS else "text"


def _decimal(cells: Iterable[str], separator: str) -> str:
    """Return the decimal mark that most cells show; groups of three digits show none."""
    votes: Counter[tuple[str, bool]] = Counter()
    for text in cells:
        for mark, other in ((".", ","), (",", ".")):
            if mark in text and (Numbers(mark).matches(text) or Numbers(mark, other).matches(text)):
                votes[mark, Numbers(other, mark).matches(text)] += 1  # 1,234 may be either
    comma, point = votes[",", False], votes[".", False]
    if not comma and not point and separator == ";":
        comma, point = votes[",", True], votes[".", True]
    return "," if comma > point else "."


def _layout(best: _Try, judge: _Judge, shown: str) -> Dialect:
    """Find titles, header, units and empty fields at the ends of the rows."""
    rows = [record for record in best.records if not record.blank and not record.comment]
    if not rows:
        return Dialect(best.separator, judge.decimal, (), header=False)
    start = _titles(rows, best.width, judge)
    top, below = rows[start], rows[start + 1 :]
    names = _named_fields(top.fields, below, best, judge)
    header, doubt = judge.header(names, below)
    commented = None if header or judge.settings.header is False else _commented(best, rows[start:], judge)
    body = below if header else rows[start:]
    names = commented or names
    units = None
    if (header or commented) and len(body) > 1 and _is_units(body[0].fields, body[1:], judge):
        units, body = body[0], body[1:]
    if not header and not commented:
        names = [""] * len(names)
    void = _void(names, body, anywhere=bool(header or commented))
    facts = {"separator": SEPARATORS.get(best.separator, repr(best.separator))} if len(names) > 1 else {}
    if judge.decimal == ",":
        facts["decimal mark"] = "comma"
    facts["header"] = _decision(top.first, header, commented is not None)
    if start:
        facts["lines above the table"] = " / ".join(" ".join(filter(None, r.fields))[:60] for r in rows[:start])
    if units is not None:
        facts["units"] = ", ".join(f"{name} {unit}" for name, unit in zip(names, units.fields, strict=False) if unit)
    end = body[0].first if body else best.records[-1].last + 1
    return Dialect(
        best.separator,
        judge.decimal,
        tuple(names),
        header or commented is not None,
        skipped=top.first - 1,
        head=sum(top.first <= record.first < end for record in best.records),
        void=void,
        comments=best.comments,
        line_by_line=best.separator == " " or any(r.comment and r.first > top.first for r in best.records),
        notes=() if doubt is None else (f"{shown}: {doubt}",),
        facts=facts,
    )


@dataclass(frozen=True, slots=True)
class _Judge:
    """Decides on headers by the settings, or else by the values."""

    settings: DataSettings
    decimal: str
    expected: frozenset[str]

    @property
    def known(self) -> list[Numbers]:
        return forms(self.settings, self.decimal)

    @property
    def marks(self) -> set[str]:
        return {*MISSING, *self.settings.missing, *(mark for mark in MARKS if not mark.isalnum())}

    def header(self, names: Sequence[str], below: Sequence[Record]) -> tuple[bool, str | None]:
        if self.settings.header != "auto":
            return self.settings.header, None
        return self.evident(names, below)

    def evident(self, names: Sequence[str], below: Sequence[Record]) -> tuple[bool, str | None]:
        if self.expected and self.expected.issubset(names):
            return True, None
        return is_header(names, [record.fields for record in below], self.known, self.marks)


def _decision(line: int, header: bool, commented: bool) -> str:
    place = "first line" if line == 1 else f"line {line}"
    if commented:
        return "a comment names the columns"
    return f"{place} names the columns" if header else f"none, {place} is data"


def _named_fields(names: list[str], below: Sequence[Record], best: _Try, judge: _Judge) -> list[str]:
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


def _titles(rows: Sequence[Record], width: int, judge: _Judge) -> int:
    """Return the number of records above the table, such as its title."""
    if width < 2:
        return 0
    for place, record in enumerate(rows[:20]):
        filled = sum(map(bool, record.fields))
        if len(record.fields) == width and (filled > 1 or width < 3):
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
        if filled and all(map(_looks_numeric, filter(None, record.fields))):
            return 0
    return 0


def _above_names(rows: Sequence[Record], judge: _Judge) -> bool:
    """Return whether the first of the rows is a title, such as "Lat: 5, Lon: 6", and the second names the columns."""
    if len(rows) < 3 or not any(re.search(r"\d|:", text) for text in rows[0].fields):
        return False
    names = rows[1].fields
    if any(not text or _looks_numeric(text) for text in names) or all(map(_UNIT.fullmatch, names)):
        return False
    return judge.evident(names, rows[2:]) == (True, None)


def _looks_numeric(text: str) -> bool:
    return any(form.matches(text) for form in FORMS)


def _commented(best: _Try, rows: Sequence[Record], judge: _Judge) -> list[str] | None:
    """Return the names in the last comment above the table; None if there are none."""
    above = [record for record in best.records if record.comment and record.last < rows[0].first]
    if not above or best.width < 2:
        return None
    found = next(records([above[-1].fields[0].lstrip("# \t")], best.separator), None)
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


def is_header(
    names: Sequence[str], below: Sequence[Sequence[str]], known: Sequence[Numbers], marks: Collection[str]
) -> tuple[bool, str | None]:
    """Return whether a record names the columns below it, and a sentence if there is little evidence.

    Arguments:
        names: the fields of the record.
        below: the records below it.
        known: the ways to write numbers.
        marks: texts that mean a missing value.
    """
    columns = _columns(below, len(names), marks)
    kinds = ["gap" if name in marks else kind_of(name, known) for name in names]
    types = [_type_of(column, known) for column in columns]
    pairs = zip(kinds, types, strict=True)
    if any(kind not in ("gap", "number") and type_ not in ("text", "gap", kind) for kind, type_ in pairs):
        return True, None
    texts = [place for place, kind in enumerate(kinds) if kind == "text"]
    rare = all(names[place] not in columns[place] for place in texts)
    if "number" not in kinds:
        inner = names[1:] if not names[0] else names  # R and pandas leave the first empty
        plain = "date" not in kinds and not any(name in marks for name in inner)
        return bool(texts) and plain and rare and len(set(names)) == len(names), None
    unnamed = kinds[0] == "gap" and len(names) > 1 and len(columns[0]) == len(below)
    if kinds.count("number") == len(names):
        names_them = _counts(names, columns)
    elif not texts:
        names_them = unnamed and (_counts(names[1:], columns[1:]) or _name_like(names, columns, kinds, [0]))
    else:
        names_them = rare and _name_like(names, columns, kinds, texts)
    if not below or not names_them:
        return False, None
    shown = ", ".join(names[:6]) + (" ..." if len(names) > 6 else "")
    return True, f"{shown!r} was read as column names. If it is a row of data, use --no-header."


def _columns(rows: Sequence[Sequence[str]], width: int, marks: Collection[str]) -> list[list[str]]:
    """Return the fields of each column that are not missing."""
    columns: list[list[str]] = [[] for _ in range(width)]
    for row in rows:
        for column, text in zip(columns, row, strict=False):
            if text not in marks:
                column.append(text)
    return columns


def _type_of(column: Sequence[str], known: Sequence[Numbers]) -> str:
    """Return the kind of most values of a column, or `gap` if it has none."""
    if not column:
        return "gap"
    kind, count = Counter(kind_of(text, known) for text in column).most_common(1)[0]
    return kind if count * 2 > len(column) else "text"


def _counts(names: Sequence[str], columns: Sequence[Sequence[str]]) -> bool:
    """Return whether names count from 0 or 1, and the rows below do not go on counting."""
    size = len(names)
    if list(names) not in ([str(i) for i in range(size)], [str(i + 1) for i in range(size)]):
        return False
    if size == 1:  # a column of 0, 1, 2 ... has no name
        return names[0] == "0" and all("." in text or "," in text for text in columns[0])
    following = [str(int(name) + size) for name in names]
    if [column[0] if column else "" for column in columns] == following:
        return False
    return size > 2 or not all(name in column for name, column in zip(names, columns, strict=True))


def _name_like(
    names: Sequence[str], columns: Sequence[Sequence[str]], kinds: Sequence[str], texts: Sequence[int]
) -> bool:
    """Return whether numbers beside a text may be names: years, equal steps, or whole numbers unlike those below."""
    numbers = [place for place, kind in enumerate(kinds) if kind == "number"]
    try:
        values = [float(names[place]) for place in numbers]
        below = [[_value(text) for text in columns[place] if kind_of(text, FORMS) == "number"] for place in numbers]
    except ValueError:
        return False
    if len(set(values)) < len(values):
        return False
    if len(values) > 2 and len({round(b - a, 9) for a, b in itertools.pairwise(values)}) == 1:
        return True
    if not all(re.fullmatch(r"\d+", names[place]) for place in numbers):
        return False
    if all(map(_is_year, values)):
        return not all(_is_year(value) for column in below for value in column)
    recurring = any(len(set(columns[place])) < len(columns[place]) for place in texts)
    margin = 0.0 if recurring and len(values) > 1 else 1.0
    return all(_outside(value, column, margin) for value, column in zip(values, below, strict=True))


def _value(text: str) -> float:
    """Return a number, read as roughly as a comparison of ranges needs."""
    return float(re.sub(r"[^\d.eE+-]", "", text.replace(",", ".")))


def _is_year(value: float) -> bool:
    return 1500 <= value <= 2200


def _outside(value: float, column: Sequence[float], margin: float) -> bool:
    """Return whether a number is farther from the others than `margin` times their range."""
    if len(column) < 2:
        return False
    low, high = min(column), max(column)
    far = margin * (high - low)
    return value < low - far or value > high + far


def _is_units(fields: Sequence[str], below: Sequence[Record], judge: _Judge) -> bool:
    """Return whether the record below the header holds units, such as kg above numbers."""
    known, marks = judge.known, judge.marks
    if any(kind_of(text, known) in ("number", "date") for text in fields if text):
        return False
    columns = _columns([record.fields for record in below], len(fields), marks)
    typed = {place for place, column in enumerate(columns) if _type_of(column, known) == "number"}
    texts = [text for place, text in enumerate(fields) if place in typed and text not in marks]
    others = [text for place, text in enumerate(fields) if place not in typed]
    if not texts or any(text in column for text, column in zip(fields, columns, strict=True)):
        return False
    if all(map(_UNIT.fullmatch, texts)):
        return True
    lone = bool(others) and not any(others) and all(len(text) <= 8 for text in texts)
    return lone or (len(texts) == len(typed) > 1 and all(text in marks for text in others))
