"""Names that files hold: columns of a table, conditions of a run, classes of a Python file. Only the start is read.

As the rest of an answer, this uses neither click, pydantic nor torch, and no file makes it fail.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from genzoo.spec.modality import MODALITIES, TEXT_SUFFIXES

_MOST_BYTES = 2**22

_SEPARATORS = ",;\t|"

_WITH_COLUMNS = frozenset(name for name, form in MODALITIES.items() if form.columns)

_CLASS = re.compile(r"^class +([A-Za-z_]\w*)", re.MULTILINE)


def safe(name: object) -> bool:
    """Return whether a name can be offered. Bash does not quote names in every line, so it might run some of them."""
    return isinstance(name, str) and bool(name) and name.isprintable() and not set("$`").intersection(name)


def classes_in(file: str) -> list[str]:
    """List the classes of a Python file, in its order. The file is not run."""
    return list(dict.fromkeys(_CLASS.findall(_start_of(file))))


def columns_in(file: str) -> list[str]:
    """List the columns of a `.csv` or `.tsv` file whose first line holds names; none of other data."""
    if not file.lower().endswith(TEXT_SUFFIXES):
        return []
    first = _start_of(file).lstrip("\ufeff").partition("\n")[0].rstrip("\r")
    separator = max(_SEPARATORS, key=first.count)
    try:
        names = [name.strip() for name in next(csv.reader([first], delimiter=separator), [])]
    except csv.Error:
        return []
    return [] if any(map(_is_number, names)) else [name for name in names if _is_plain(name)]


def given_in(folders: Iterable[Path]) -> dict[str, list[str]]:
    """List what a model can be sampled given, each with its levels: conditions, or else columns of a table.

    Arguments:
        folders: places where the run, the model folder or the comparison may be. The first that is there counts.
    """
    files = (folder / name for folder in folders for name in ("run.json", "best/run.json", "config.json"))
    content = next((text for file in files if (text := _start_of(str(file)))), "")
    try:
        data: Any = json.loads(content)["data"]
        features: Sequence[Any] = data["condition"] or (data["features"] if data["modality"] in _WITH_COLUMNS else ())
        return {one["name"]: _levels(one["levels"]) for one in features if _is_plain(one["name"])}
    except (ValueError, KeyError, TypeError, RecursionError):  # not there, damaged, or of a model without data
        return {}


def _levels(levels: Any) -> list[str]:
    return list(filter(safe, levels)) if isinstance(levels, list) else []


def _start_of(file: str) -> str:
    """Return the beginning of a file as text; empty if it cannot be read."""
    try:
        path = Path(file).expanduser()
        if not path.is_file():  # a pipe might never end
            return ""
        with path.open("rb") as content:
            return content.read(_MOST_BYTES).decode(errors="replace")
    except (OSError, RuntimeError, ValueError):
        return ""


def _is_plain(name: object) -> bool:
    """Return whether a name can be offered where `=` ends a name and `,` separates names."""
    return safe(name) and not set('=,"').intersection(str(name))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
