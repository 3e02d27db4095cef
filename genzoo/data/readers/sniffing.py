"""Find the dialect of a text file from its first lines."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from genzoo.config.data import DataSettings
from genzoo.data.readers.dialect import Dialect, Judge, find_layout
from genzoo.data.readers.number_formats import Numbers
from genzoo.data.readers.records import SEPARATORS, DividedLines


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
    tries = [DividedLines.of(lines[skipped:], separator) for separator in ([declared] if declared else usual or [","])]
    best = max(tries, key=lambda one: one.score)  # the first of equals
    if declared is None and (best.score <= 0 or best.one_column_of_decimals()):
        whole = (DividedLines.of(lines[skipped:], mark) for mark in ",;\t|")
        best = next((one for one in whole if one.width < 2 and one.share in (0, 1)), tries[0])
    decimal = settings.decimal or {",": ".", ".": ","}.get(settings.thousands or "")
    decimal = decimal or _decimal(best.cells, best.separator)
    found = find_layout(best, Judge(settings, decimal, frozenset(expected)), shown)
    return replace(found, skipped=found.skipped + skipped)


def _declaration(lines: Sequence[str]) -> tuple[int, str | None]:
    """Return 1 and the separator if the first line is `sep=;`, as some spreadsheets write."""
    match = re.fullmatch(r'"?sep=(.)"?\s*', lines[0], re.IGNORECASE) if lines else None
    return (1, match[1]) if match else (0, None)


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
