"""What several pages share: how many events they show, and tables of scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from genzoo.metrics.metric import Score
from genzoo.reports.columns import score_text
from genzoo.reports.page import Block, Facts, Notes, Table
from genzoo.reports.terminal import by_reason, floor_columns, floor_texts
from genzoo.spec.events import DataSpec
from genzoo.typing import Array


def how_many(data: DataSpec) -> int:
    """Return how many rows or images of one source a page shows: fewer if they are large."""
    return data.form.shown.events(data.size)


def how_many_inside(data: DataSpec) -> int:
    """Return how many rows describe the components of a model. They are not drawn, so they can be more."""
    return max(how_many(data), min(1_000, 4_000_000 // data.size))


def evenly(rows: Array, most: int) -> Array:
    """Return at most `most` of increasing row numbers, evenly spaced."""
    return rows if len(rows) <= most else rows[np.linspace(0, len(rows) - 1, most).astype(np.int64)]


_MOST_PARTS = 60


def score_blocks(scores: Mapping[str, Score], reasons: Mapping[str, str]) -> list[Block]:
    """Return a table of the scores of one model, their notes, and the protocol of each."""
    blocks: list[Block] = []
    if scores:
        floors = floor_columns(scores)
        rows = tuple(
            (name, score_text(score), *floor_texts(score, floors), score.better) for name, score in scores.items()
        )
        caption = f"Scores, ± standard error or [95 % interval]{_about_floors(floors)}"
        titles = ("metric", "score", *floors, "better")
        blocks.append(Table(caption, titles, rows, words=frozenset({len(titles) - 1})))
    lines = [f"{name}: {note}" for name, score in scores.items() for note in score.notes]
    lines += [f"no {', '.join(names)}: {reason}" for reason, names in by_reason(reasons).items()]
    if lines:
        blocks.append(Notes(tuple(lines)))
    return [*blocks, *(protocol_lines(name, score) for name, score in scores.items())]


_ABOUT = {
    "real": "the score of the real rows themselves",
    "real halves": "the score between two halves of the real rows",
}


def _about_floors(columns: Sequence[str]) -> str:
    return "".join(f", {'beside' if place == 0 else 'and'} {_ABOUT[name]}" for place, name in enumerate(columns))


def protocol_lines(name: str, score: Score) -> Facts:
    """Return how a score was measured, and the parts it consists of."""
    parts = [(part, f"{value:.4g}") for part, value in list(score.parts.items())[:_MOST_PARTS]]
    more = len(score.parts) - len(parts)
    rest = [("and", f"{more} more parts")] if more else []
    pairs = (*((key, as_text(value)) for key, value in score.protocol.items()), *parts, *rest)
    return Facts(pairs, f"How {name} was measured")


def as_text(value: Any) -> str:
    """Return a value as text for readers."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {as_text(part)}" for key, part in value.items()) or "none"
    if isinstance(value, list | tuple):
        return ", ".join(map(as_text, value)) or "none"
    return str(value)
