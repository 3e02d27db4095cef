"""Large text files of a table, read some rows at a time with the types that their columns have as a whole."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from genzoo.data.column import LARGEST_WHOLE
from genzoo.data.columns.dates import is_text
from genzoo.data.readers.plain_text import PlainText
from genzoo.data.table_source import Asked, TableSource, value_type
from genzoo.errors import DataError, pass_out_of_memory
from genzoo.runtime.progress import Phase

LARGE_TEXT = 2**28
"""Bytes of text from which on a table is read in blocks."""


_ROWS = 2**16
"""Rows that are looked over at a time."""


class NotPlainError(Exception):
    """A part of a text cannot be read by itself, as it is read within the whole."""


_Piece = tuple[int, Any, int]
"""The place of a file, a table of some of its rows, and their number."""


KeyOf = Callable[[str, int, int], Any]
"""Returns the values of a partition's column for some rows, by its name, the place of the file and their number."""


def _no_key(name: str, _place: int, _rows: int) -> Any:
    raise KeyError(name)


def is_large(size: int) -> bool:
    """Return whether text of so many bytes is read in blocks."""
    return size >= LARGE_TEXT


def divide(
    whole: TableSource,
    texts: Sequence[PlainText | None],
    asked: Sequence[Asked],
    keys: Collection[str] = (),
    key_of: KeyOf = _no_key,
) -> TextBlocks | None:
    """Return text files as a table that can be read in blocks.

    One pass over the files finds the type of each column over all rows.

    Arguments:
        whole: the table of all files.
        texts: the files, in order; `None` for one that can only be read whole.
        asked: which columns will be read, and which of them as text.
        keys: names of the columns that are partitions. Defaults to none.
        key_of: returns their values.

    Returns:
        `None` if a part would be read in another way than within the whole.
    """
    plain = [text for text in texts if text is not None]
    if len(plain) < len(texts):
        return None
    types, counts = _Types(asked, keys), []
    try:
        with Phase("looking over the data", sum(text.size for text in plain), "bytes") as phase:
            for text in plain:
                counts.append(types.add(text, phase))
    except (NotPlainError, DataError, OSError):  # the whole may be readable, or its error is the one to show
        return None
    found = types.settled()
    return None if found is None else TextBlocks(whole, plain, counts, found, types.notes, keys, key_of)


class _Types:
    """The types of columns over all rows, as they are read and as text."""

    def __init__(self, asked: Sequence[Asked], keys: Collection[str]) -> None:
        self._asked = [([name for name in names if name not in keys], texts) for names, texts in asked]
        self._found: dict[tuple[str, bool], set[Any]] = {}
        self._notes: set[str] | None = None

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes about every part."""
        return tuple(sorted(self._notes or ()))

    def add(self, text: PlainText, phase: Phase) -> int:
        """Look over a file, and return the number of its rows.

        Raises:
            NotPlainError, DataError: a part cannot be read by itself.
        """
        count = 0
        for content, rows in text.pieces(_ROWS):
            part = text.part(content)
            for names, texts in self._asked:
                table = part.read(names or part.names[:1], texts)
                if table.num_rows != rows or part.facts.keys() - {"encoding"}:
                    raise NotPlainError  # numbers that are written in an unusual way have one form over all rows
                for name in names:
                    self._found.setdefault((name, name in texts), set()).add(_type_of(table.column(name)))
            self._notes = {*part.notes} if self._notes is None else self._notes & {*part.notes}
            count += rows
            phase.advance(len(content))
        return count

    def settled(self) -> Mapping[tuple[str, bool], Any] | None:
        """Return the type of each column; `None` if one has types that no rule joins."""
        found = {key: _joined(kinds, as_text=key[1]) for key, kinds in self._found.items()}
        return None if None in found.values() else found


def _type_of(column: Any) -> Any:
    """Return the type of a column; null if all of its values are missing.

    Raises:
        NotPlainError: it has a whole number that is not exact beside fractions, which other parts may have.
    """
    if column.null_count == len(column):
        return pa.null()
    if pa.types.is_integer(column.type):
        ends = pc.min_max(column).as_py()
        if max(-ends["min"], ends["max"]) > LARGEST_WHOLE:
            raise NotPlainError
    return column.type


def _joined(kinds: Collection[Any], *, as_text: bool) -> Any:
    """Return the type of a column whose parts have some types; `None` if it has to be read whole."""
    known = [kind for kind in kinds if not pa.types.is_null(kind)]
    if len(known) < 2:
        return known[0] if known else pa.string() if as_text else pa.null()
    if all(kind in (pa.int64(), pa.float64()) for kind in known):
        return pa.float64()
    if as_text and all(kind in (pa.int64(), pa.string()) for kind in known):
        return pa.string()  # a column of text is one of whole numbers only if all texts are
    return pa.string() if all(is_text(value_type(kind)) for kind in known) else None


class TextBlocks(TableSource):
    """Text files of a table, one after the other. `divide` explains the arguments.

    Arguments:
        counts: number of rows of each file.
        types: type of each column, by its name and whether it is read as text.
        notes: notes about the rows.
    """

    def __init__(
        self,
        whole: TableSource,
        texts: Sequence[PlainText],
        counts: Sequence[int],
        types: Mapping[tuple[str, bool], Any],
        notes: tuple[str, ...],
        keys: Collection[str],
        key_of: KeyOf,
    ) -> None:
        super().__init__(whole.shown, whole.names)
        self.compact_texts = whole.compact_texts
        self.facts, self.notes = dict(whole.facts), (*whole.notes, *notes)
        self.counts = counts
        self._whole, self._texts = whole, texts
        self._types, self._keys, self._key_of = types, keys, key_of

    sequential = True

    def read(self, columns: Sequence[str], texts: Collection[str] = ()) -> pa.Table:
        return self._whole.read(columns, texts)

    def count(self) -> int:
        return sum(self.counts)

    def type_of(self, column: str) -> Any:
        return self._key_of(column, 0, 1).type if column in self._keys else self._types[column, False]

    def parts(self, columns: Sequence[str], size: int, first: int, last: int) -> Iterator[TableSource]:
        held: list[_Piece] = []
        row = 0
        for place, part, rows in self._pieces(size):
            held.append((place, part, rows))
            if sum(count for _, _, count in held) == size or row + rows == self.count():
                begin = row + rows - sum(count for _, _, count in held)
                if begin >= first:
                    yield _TextBlock(self, held, begin)
                held = []
            row += rows
            if row >= last and row < self.count():
                return  # at the end, the last file is checked first

    def _pieces(self, size: int) -> Iterator[_Piece]:
        """Yield the place of a file, a table of some of its rows, and their number. Blocks end where pieces end."""
        row = 0
        for place, (text, count) in enumerate(zip(self._texts, self.counts, strict=True)):
            stop = row + count
            with text.file.reading():
                for content, rows in text.pieces(size, -row % size):
                    yield place, text.part(content), rows
                    row += rows
            text.file.check()
            if row != stop:
                raise self._changed()

    def joined(self, pieces: Sequence[_Piece], columns: Sequence[str], texts: Collection[str]) -> pa.Table:
        """Return columns of consecutive pieces as one table, in the types that they have over all rows.

        Raises:
            DataError: the files have changed.
        """
        try:
            tables = [self._typed(*piece, columns, texts) for piece in pieces]
            return pa.concat_tables(tables).unify_dictionaries()
        except (NotPlainError, DataError, pa.ArrowException) as error:
            pass_out_of_memory(error)
            raise self._changed() from error

    def _typed(self, place: int, part: Any, rows: int, columns: Sequence[str], texts: Collection[str]) -> pa.Table:
        stored = [name for name in columns if name not in self._keys]
        table: Any = part.read(stored, texts) if stored else None
        if stored and table.num_rows != rows:
            raise NotPlainError
        values = []
        for name in columns:
            if name in self._keys:
                key = self._key_of(name, place, rows)
                values.append(pa.chunked_array([key.dictionary_encode() if pa.types.is_string(key.type) else key]))
            else:
                values.append(table.column(name).cast(self._types[name, name in texts]))
        return pa.table(values, names=list(columns))

    def where(self, row: int) -> str:
        return self._whole.where(row)

    def _changed(self) -> DataError:
        return DataError(f"{self.shown} has changed since it was opened. Wait until it is written, and start again.")


class _TextBlock(TableSource):
    """Consecutive rows of text files.

    Arguments:
        whole: the files.
        pieces: the rows, as `TextBlocks` divides them.
        first: number of the first row, from 0.
    """

    def __init__(self, whole: TextBlocks, pieces: Sequence[_Piece], first: int) -> None:
        super().__init__(whole.shown, whole.names)
        self.compact_texts = whole.compact_texts
        self.facts, self.notes = dict(whole.facts), whole.notes
        self._whole, self._pieces, self._first = whole, pieces, first

    def read(self, columns: Sequence[str], texts: Collection[str] = ()) -> pa.Table:
        return self._whole.joined(self._pieces, columns, texts)

    def where(self, row: int) -> str:
        return self._whole.where(self._first + row)
