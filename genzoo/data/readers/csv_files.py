"""Read text files that hold one row a line, such as `.csv` and `.tsv`."""

from __future__ import annotations

import copy
import csv
import dataclasses
import functools
import io
import itertools
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv

from genzoo.config.data import DataSettings
from genzoo.data.column import LARGEST_WHOLE, inexact
from genzoo.data.columns.ids import has_codes
from genzoo.data.marks import MISSING, marks_of
from genzoo.data.partitions.files import PartFile
from genzoo.data.readers.cells import Cells, trimmed
from genzoo.data.readers.likely_types import are_dates, are_whole, are_words, number_type
from genzoo.data.readers.number_formats import forms, may_be_thousands
from genzoo.data.readers.plain_text import PlainText
from genzoo.data.readers.records import Footer, Record, records
from genzoo.data.readers.sniffing import sniff
from genzoo.data.readers.text_blocks import NotPlainError, divide, is_large
from genzoo.data.readers.text_input import TextInput
from genzoo.data.table_source import Asked, NoRowsError, TableSource
from genzoo.errors import DataError, pass_out_of_memory
from genzoo.runtime.threads import thread_pool
from genzoo.wording import argument

_END_OF_FILE = "\x1a"
"""The character that old programs write behind the last line."""


_EXAMINED = 100
"""Number of rows in which columns of whole numbers and of dates are looked for; they are read as text first."""


_MOST_CELLS = 200_000


_LONG_WHOLE = re.compile(r"\s*[+-]?\d{16,}\s*")


class CsvSource(TableSource):
    """A text with one row a line.

    The first lines decide on the separator, the decimal mark and the header, unless the settings declare them. The
    separator of a `.tsv` file is the tab.

    Arguments:
        content: the file, or its bytes.
        settings: how to read it.
        shown: name of the table, for messages. Defaults to the path.
        line: what a line is called. Defaults to `line`.
        expected: names of columns; a line that holds all of them is a header. Defaults to none.

    Raises:
        DataError: the file cannot be read, or holds no rows.
    """

    compact_texts = True

    def __init__(
        self,
        content: Path | bytes,
        settings: DataSettings,
        shown: str | None = None,
        line: str = "line",
        expected: Collection[str] = (),
    ) -> None:
        shown = shown or str(content)
        self._settings = settings
        self._line = line
        self._content = content
        self._whole: CsvSource | None = None  # the text that these rows are a part of
        self._text = TextInput(content, shown)
        tabs = isinstance(content, Path) and content.name.lower().endswith((".tsv", ".tsv.gz"))
        self._dialect = sniff(self._text.first_lines(), settings, tabs=tabs, shown=shown, expected=expected)
        if not self._dialect.names:
            raise NoRowsError(f"{shown} holds no rows.")
        named = [(name or f"x{i}", i) for i, name in enumerate(self._dialect.names) if i not in self._dialect.void]
        names = [name for name, _ in named]
        unique = _unique(names)
        super().__init__(shown, unique)
        self._places = dict(zip(unique, [place for _, place in named], strict=True))
        self.notes = self._dialect.notes
        if unique != names:
            renamed = ", ".join(name for name, own in zip(unique, names, strict=True) if name != own)
            self.notes += (f"{shown}: columns of the same name were numbered: {renamed}.",)
        self.facts = dict(self._dialect.facts)
        if self._dialect.header and next(self._rows(), None) is None:
            raise NoRowsError(f"{shown} holds the names of columns and no rows.")

    def read(self, columns: Sequence[str], texts: Collection[str] = ()) -> pa.Table:
        texts = set(texts)
        first = self._first_cells(columns)
        whole = {name for name, cells in first.items() if are_whole(cells)} - texts
        if whole and not (self._whole or self)._may_hold_codes:
            whole = set()  # pyarrow reads them as numbers, which is faster
        dates = {name for name, cells in first.items() if are_dates(cells)} - texts
        words = {name for name, cells in first.items() if are_words(cells)} - texts - dates
        types = dict.fromkeys(texts | whole | dates, pa.string())
        types |= dict.fromkeys(words, pa.dictionary(pa.int32(), pa.string()))
        reading = self._part_table if self._whole is not None else self._table
        table = reading(columns, types, self._number_types(first, types))
        self._note_encoding()
        common, own = marks_of(self._settings, self.names)

        def settle(name: str, values: Any) -> tuple[Any, dict[str, str], DataError | None]:
            marks, facts = [*common, *own.get(name, ())], dict[str, str]()
            cells = Cells(self.shown, self.where, forms(self._settings, self._dialect.decimal), facts, self._numeric)
            try:
                if name in texts:  # if they are the events, they stay exactly as they are
                    exact = name == self._settings.text
                    return values if exact else _settled_text(values, marks), facts, None
                if name in dates:
                    return _chunked(trimmed(values, marks)), facts, None
                return self._numbers(name, values, cells, marks, whole=name in whole), facts, None
            except DataError as error:
                return values, facts, error

        settled = []
        with thread_pool() as pool:
            for name, (values, facts, error) in zip(columns, pool.map(settle, columns, table.columns), strict=False):
                self.facts |= facts
                if error is not None:
                    self.at_fault(name, error)
                elif name not in texts | dates:
                    self._note_thousands(name, first.get(name, ()), values)
                settled.append(values)
        return pa.table(settled, names=list(columns))

    def _note_encoding(self) -> None:
        if self._text.encoding not in ("utf-8", "utf-8-sig"):
            self.facts["encoding"] = self._text.encoding.upper().replace("CP1252", "Windows-1252")

    def where(self, row: int) -> str:
        return f"{self._line} {next(itertools.islice(self._rows(), row, None)).last}"

    @property
    def length(self) -> int:
        """Number of bytes of the text; about as many, if it is a compressed file."""
        return self._text.length

    def plain(self) -> PlainText | None:
        """Return the file to be read in parts; `None` if the text is in memory, or some lines have to be searched."""
        dialect = self._dialect
        commented = dialect.comments and self._text.has_comments()
        if isinstance(self._content, bytes) or dialect.line_by_line or commented or self._text.is_wide:
            return None
        above = next(self._rows()).first - 1
        self._note_encoding()
        quote = dialect.quote if self._text.may_hold(dialect.quote) else None
        return PlainText(PartFile.of(self._content), self._text.length, self._text.opened, quote, above, self._part)

    def in_parts(self, asked: Sequence[Asked]) -> TableSource | None:
        if not is_large(self.length) or self.is_ambiguous(asked):
            return None
        return divide(self, [self.plain()], asked)

    def is_ambiguous(self, asked: Sequence[Asked]) -> bool:
        """Return whether numbers with decimal commas are also asked for as text, which depends on all rows."""
        ways = {(name, name in texts) for names, texts in asked for name in names}
        return self._dialect.decimal != "." and len(ways) > len({name for name, _ in ways})

    def _part(self, content: bytes) -> CsvSource:
        """Return some of the rows as a table, read as within the whole; others that cannot raise a `NotPlainError`."""
        part = copy.copy(self)
        part._whole, part._text = self, TextInput(content, self.shown)
        part._text.encoding = self._text.encoding.removesuffix("-sig")
        part._dialect = dataclasses.replace(self._dialect, skipped=0, head=0)
        part.facts, part.notes = {}, ()
        return part

    def _part_table(self, columns: Sequence[str], types: Mapping[str, Any], likely: Mapping[str, Any]) -> pa.Table:
        """Return columns of rows that are a part of the whole, as pyarrow reads them.

        Raises:
            NotPlainError: it cannot divide them, or they have another encoding.
        """
        encoding = self._text.encoding
        try:
            table = self._read_whole(self._text, columns, {**types, **likely})
        except (pa.ArrowException, csv.Error) as error:
            pass_out_of_memory(error)
            raise NotPlainError from error
        if self._text.encoding != encoding:
            raise NotPlainError
        return table

    @functools.cached_property
    def _may_hold_codes(self) -> bool:
        return self._text.may_hold_codes(self._dialect.separator)

    def _first_cells(self, columns: Sequence[str]) -> dict[str, list[str]]:
        """Return the texts of each column in the first rows; columns without any are left out."""
        if self._whole is not None:
            return self._whole._first_cells(columns)
        rows = max(2, min(_EXAMINED, _MOST_CELLS // max(1, len(columns))))
        marks = {*MISSING, *self._settings.missing}
        found = [record.fields for record in itertools.islice(self._rows(), rows)]
        cells = {
            name: [fields[place] for fields in found if place < len(fields) and fields[place] not in marks]
            for name, place in ((name, self._places[name]) for name in columns)
        }
        return {name: texts for name, texts in cells.items() if texts}

    def _number_types(self, first: Mapping[str, Sequence[str]], others: Collection[str]) -> dict[str, Any]:
        """Return the types of columns of numbers, as rows in all parts of a large file suggest.

        pyarrow keeps the text of a column without a type to the end, because it may have to convert it again.

        Arguments:
            first: texts of each column in the first rows.
            others: names of columns that have a type.
        """
        dialect, marks = self._dialect, {*MISSING, *self._settings.missing}
        lines = self._text.lines_throughout()
        rows = [next(csv.reader([line], delimiter=dialect.separator, quotechar=dialect.quote)) for line in lines]
        rows = [row for row in rows if len(row) == len(dialect.names)]
        types = {}
        for name in first.keys() - others if rows else ():
            place = self._places[name]
            cells = [*first[name], *(row[place] for row in rows if row[place] not in marks)]
            types[name] = number_type(cells, dialect.decimal)
        return {name: kind for name, kind in types.items() if kind is not None}

    @property
    def _numeric(self) -> frozenset[str]:
        """Columns that the user declared to hold numbers."""
        return frozenset(name for name, kind in self._settings.kinds.items() if kind in ("continuous", "count"))

    def _numbers(self, name: str, values: Any, cells: Cells, marks: Sequence[str], *, whole: bool) -> Any:
        """Return a column as numbers, if it holds numbers, else as texts.

        Raises:
            DataError: some of its texts are no numbers, or a number is not exact.
        """
        numbers = self._whole_numbers(name, values) if whole else None
        values = values if numbers is None else numbers
        if pa.types.is_string(values.type) or pa.types.is_dictionary(values.type):
            return cells.settled(name, values, marks)
        if pa.types.is_floating(values.type):
            self._check_exact(name, values)
        return values

    def _note_thousands(self, name: str, texts: Sequence[str], values: Any) -> None:
        """Note numbers such as 1.234 beside 345, which may be 1234."""
        mark = self._dialect.decimal
        if self._settings.decimal or self._settings.thousands or not pa.types.is_floating(values.type):
            return
        text = may_be_thousands(texts, mark)
        if text is None or not pc.all(pc.equal(pc.round(values, 3), values)).as_py():
            return
        number, whole = float(text.replace(mark, ".")), text.replace(mark, "")
        self.notes += (
            f"{self.shown}: numbers of column {name!r} were read with a decimal mark: {text!r} is {number:g}. Use "
            f"{argument('thousands', mark)} if it is {whole}.",
        )

    def _whole_numbers(self, name: str, values: Any) -> Any:
        """Return a column of texts as numbers, as pyarrow reads them; None if some are codes or something else."""
        if name not in self._numeric and has_codes(values):
            return None
        for kind in (pa.int64(), *[pa.float64()] * (self._dialect.decimal == ".")):
            try:
                return values.cast(kind)
            except pa.ArrowInvalid:  # a text that is no such number
                continue
        return None

    def _table(self, columns: Sequence[str], types: Mapping[str, Any], likely: Mapping[str, Any]) -> pa.Table:
        """Return the columns as pyarrow reads them; a text that it cannot divide is read line by line.

        Arguments:
            columns: names of the columns.
            types: types of some columns.
            likely: types that others probably have.
        """
        if not self._dialect.line_by_line and not (self._dialect.comments and self._text.has_comments()):
            for tried in ({**types, **likely}, types) if likely else (types,):
                try:
                    return self._read_whole(self._text, columns, tried)
                except (pa.ArrowException, csv.Error) as error:
                    pass_out_of_memory(error)
                    if "conversion error" not in str(error):
                        break  # a comment, or a quote behind a blank; the next try names the line if it is at fault
        try:
            return self._read_whole(self._divided(), columns, types)
        except (pa.ArrowException, csv.Error) as error:
            pass_out_of_memory(error)
            raise DataError(f"{self.shown} cannot be read as a table: {error}.") from error

    def _read_whole(self, text: TextInput | bytes, columns: Sequence[str], types: Mapping[str, Any]) -> pa.Table:
        names = list(map(str, range(len(self._dialect.names))))
        chosen = [names[self._places[name]] for name in columns]
        void = [names[place] for place in sorted(self._dialect.void)]
        common, _ = marks_of(self._settings, self.names)
        convert = arrow_csv.ConvertOptions(
            include_columns=[*chosen, *void],
            column_types={place: types[name] for place, name in zip(chosen, columns, strict=True) if name in types},
            null_values=[""] if list(columns) == [self._settings.text] else [*MISSING, *common],
            strings_can_be_null=True,
            decimal_point=self._dialect.decimal,
        )
        while (table := self._parsed(text, names, convert)) is None:
            pass  # again, in another encoding
        if any(column.null_count < len(column) for column in table.columns[len(columns) :]):
            raise DataError(f"{self.shown} has a value in a column without a name that is empty above. Name it.")
        return table

    def _parsed(
        self, text: TextInput | bytes, names: Sequence[str], convert: arrow_csv.ConvertOptions
    ) -> pa.Table | None:
        """Return the table; `None` if the text is not in this encoding, after a change to the next one."""
        dialect, raw = self._dialect, isinstance(text, TextInput)
        quoted = not isinstance(text, TextInput) or text.may_hold(dialect.quote)  # pyarrow reads unquoted text faster
        try:
            table = arrow_csv.read_csv(
                text.arrow() if isinstance(text, TextInput) else pa.BufferReader(text),
                read_options=arrow_csv.ReadOptions(
                    column_names=names,
                    skip_rows=dialect.skipped if raw else 0,
                    skip_rows_after_names=dialect.head if raw else 0,
                    block_size=self._text.size,
                    encoding=self._text.encoding.removesuffix("-sig") if raw else "utf-8",
                ),
                parse_options=arrow_csv.ParseOptions(
                    delimiter=dialect.separator if raw else ",",
                    quote_char=dialect.quote if raw else '"',
                    newlines_in_values=quoted,
                    invalid_row_handler=self._skip_comment,
                ),
                convert_options=convert,
            )
        except UnicodeDecodeError as error:
            self._text.fall_back(error)
            return None
        except pa.ArrowInvalid as error:
            if "invalid UTF8" not in str(error):
                raise
            self._text.fall_back("a text column holds other bytes")
            return None
        except OSError as error:
            pass_out_of_memory(error)
            raise DataError(f"{self.shown} cannot be read: {error}.") from error
        if any(pa.types.is_binary(column.type) for column in table.columns):
            self._text.fall_back("a text column holds other bytes")
            return None
        return table

    def _skip_comment(self, row: Any) -> str:
        return "skip" if self._dialect.comments and (row.text or "").startswith("#") else "error"

    def _divided(self) -> bytes:
        """Return the rows as plain UTF-8 text with commas.

        Raises:
            DataError: a row has too many or too few fields.
        """
        width, text = len(self._dialect.names), io.StringIO()
        write = csv.writer(text, lineterminator="\n").writerow
        for record in self._rows():
            if len(record.fields) != width:
                count = "1 field" if len(record.fields) == 1 else f"{len(record.fields)} fields"
                raise DataError(
                    f"{self.shown}: {self._line} {record.last} has {count}, and the first row has {width}. Correct "
                    f"that line, or name the mark between fields with {argument('separator')}."
                )
            write(record.fields)
        return text.getvalue().encode()

    def _rows(self) -> Iterator[Record]:
        """Yield the records that are rows."""
        footer = Footer(len(self._dialect.names))
        yield from footer.strip(self._above_footer(), lambda: self._text.complete)
        if footer.lines:
            self.facts["lines below the table"] = " / ".join(text[:60] for text in footer.lines)

    def _above_footer(self) -> Iterator[Record]:
        """Yield the records that are rows or stand below the last row."""
        dialect = self._dialect
        try:
            found = records(self._text.lines(), dialect.separator, quote=dialect.quote, comments=dialect.comments)
            table = itertools.dropwhile(lambda record: record.first <= dialect.skipped, found)
            for record in itertools.islice(table, dialect.head, None):
                if record.comment:
                    fields = next(csv.reader(record.fields, delimiter=dialect.separator, quotechar=dialect.quote))
                    if len(fields) == len(dialect.names) > 1 and not record.fields[0].startswith("# "):
                        yield record._replace(fields=fields, comment=False)  # a text that begins with #
                elif (
                    not record.blank
                    and record.fields != [_END_OF_FILE]
                    and (record.fields != [""] or len(dialect.names) == 1)
                ):
                    yield record
        except csv.Error as error:
            raise DataError(f"{self.shown} cannot be read as a table: {error}.") from error

    def _check_exact(self, name: str, values: Any) -> None:
        """Raise if a whole number is so large that it was read as floating point."""
        ends = pc.min_max(values).as_py()
        if ends["min"] is None or max(-ends["min"], ends["max"]) <= LARGEST_WHOLE:
            return
        place = self._places[name]
        for record in self._rows():
            text = record.fields[place]
            if _LONG_WHOLE.fullmatch(text) and _leading(text) > LARGEST_WHOLE:
                raise inexact(self.shown, name, text, f"{self._line} {record.last}")


def _leading(text: str) -> int:
    """Return the first 20 digits of a whole number, without its sign; Python converts only some thousand digits."""
    return int(text.strip().lstrip("+-0")[:20] or "0")


def _unique(names: Sequence[str]) -> list[str]:
    """Return the names with numbers behind those that came before, as pandas writes them: a, a.1, a.2."""
    taken, unique = set(names), []
    counts: Counter[str] = Counter()
    for name in names:
        new = name
        while counts[name] and (new == name or new in taken):
            new = f"{name}.{counts[name]}"
            counts[name] += new in taken
        counts[name] += 1
        taken.add(new)
        unique.append(new)
    return unique


def _chunked(values: Any) -> Any:
    return values if isinstance(values, pa.ChunkedArray) else pa.chunked_array([values])


def _settled_text(values: Any, marks: Sequence[str]) -> Any:
    """Return a column read as text, as int64 if all its texts are plain whole numbers; 007 is not one."""
    coded = values.combine_chunks().dictionary_encode()
    texts = trimmed(coded.dictionary, marks)
    whole = pc.all(pc.match_substring_regex(texts, r"^(?:0|-?[1-9]\d{0,14})$")).as_py()
    if whole is not False and np.asarray(texts.is_valid()).any():
        texts = texts.cast(pa.int64())
    elif texts.equals(coded.dictionary):
        return values
    return pa.chunked_array([texts.take(coded.indices)])


def read_csv(path: Path, settings: DataSettings, expected: Collection[str]) -> CsvSource:
    """Open a text file of a table; the arguments are those for `CsvSource`."""
    return CsvSource(path, settings, expected=expected)
