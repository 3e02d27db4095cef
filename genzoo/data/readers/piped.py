"""Read a table from standard input."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from genzoo.config.data import DataSettings
from genzoo.data.opening.sources import check_source_settings
from genzoo.data.readers.csv_files import CsvSource
from genzoo.data.readers.json_files import JsonSource
from genzoo.data.readers.text_input import standard_input
from genzoo.data.table_source import TableSource


def read_piped(_path: Path, settings: DataSettings, expected: Collection[str]) -> TableSource:
    """Open the table on standard input: CSV, or JSON if it begins like that.

    Raises:
        ConfigError: a setting of text files is given for JSON.
        DataError: nothing is piped, or it cannot be read.
    """
    content = standard_input()
    if content.lstrip()[:1] in (b"[", b"{"):
        check_source_settings(settings, None)
        return JsonSource(content, settings, "Standard input")
    return CsvSource(content, settings, "Standard input", expected=expected)
