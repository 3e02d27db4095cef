"""The log as a table."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from genzoo.storage.atomic import atomic_text
from genzoo.training.loggers.logger import Logged, Logger, Opening


class CSVLogger(Logger):
    """Writes `metrics.csv` into the run: a row for each step with a value, and a column for each value."""

    def __init__(self, opening: Opening) -> None:
        self._path = opening.run.path / "metrics.csv"
        self._rows: list[dict[str, str]] = []
        if opening.sent and self._path.exists():
            with self._path.open(encoding="utf-8", newline="") as file:
                self._rows = [row for row in csv.DictReader(file) if int(row["step"]) <= opening.sent]

    def log(self, logged: Sequence[Logged]) -> None:
        """Write the table with some more rows."""
        for one in logged:
            if one.values:
                self._rows.append({"step": str(one.step), **{name: repr(value) for name, value in one.values.items()}})
        if not self._rows:
            return
        names = list(dict.fromkeys(name for row in self._rows for name in row))
        text = io.StringIO(newline="")
        table = csv.DictWriter(text, names, restval="", lineterminator="\n")
        table.writeheader()
        table.writerows(self._rows)
        atomic_text(self._path, text.getvalue())
