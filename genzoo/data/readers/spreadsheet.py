"""Read the first sheet of `.xlsx` files."""

from __future__ import annotations

import csv
import datetime
import io
from collections.abc import Collection
from pathlib import Path
from typing import Any

from genzoo.config.data import DataSettings
from genzoo.data.readers.csv_files import CsvSource
from genzoo.data.readers.unpacked import check_archive
from genzoo.errors import DataError, pass_out_of_memory

_MOST_PADDED, _LONGEST_CELLS = 2**24, 4
"""Characters that a sheet may have as text: so many, and so many for each byte of the unpacked file."""


_HARMLESS = 2**28
"""Bytes that any spreadsheet may unpack to."""


def spreadsheet(path: Path, settings: DataSettings, expected: Collection[str] = ()) -> CsvSource:
    """Return the first sheet of a spreadsheet, read as a text file is; the arguments are those for `CsvSource`.

    Raises:
        DataError: openpyxl is not installed, or the file cannot be read.
    """
    try:
        import openpyxl
    except ImportError as error:
        raise DataError(
            f"{path} needs openpyxl, which is not installed: pip install 'genzoo[excel]'. Or save the sheet as .csv."
        ) from error
    text = io.StringIO()
    write = csv.writer(text, lineterminator="\n").writerow
    try:
        most = _MOST_PADDED + _LONGEST_CELLS * check_archive(path, "save it as .csv", harmless=_HARMLESS)
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        for row in book.worksheets[0].iter_rows(values_only=True):
            write(map(_text, row))
            if text.tell() > most:
                raise DataError(f"{path} repeats texts or empty cells out of proportion to its size. Save it as .csv.")
        sheets = [sheet.title for sheet in book.worksheets]
        book.close()
    except DataError:
        raise
    except Exception as error:  # openpyxl raises what its parsers of zip and XML raise
        pass_out_of_memory(error)
        raise DataError(f"{path} cannot be read as a spreadsheet: {error}.") from error
    plain = settings.model_copy(update={"separator": ","})
    source = CsvSource(text.getvalue().encode(), plain, str(path), "row", expected)
    source.facts.pop("separator", None)
    if len(sheets) > 1:
        source.facts["sheet"] = f"{sheets[0]}, the first of {len(sheets)}"
    return source


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    if isinstance(value, datetime.datetime) and value.time() == datetime.time():
        return value.date().isoformat()
    return str(value)
