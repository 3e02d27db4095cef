"""Scores with their errors, notes and protocols."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from genzoo.metrics.metric import Score
from genzoo.report.page import Block, Facts, Notes, Table
from genzoo.report.scores import score_text

_MOST_PARTS = 60


def score_blocks(scores: Mapping[str, Score], reasons: Mapping[str, str]) -> list[Block]:
    """A table of the scores of one model, what is to be said of them, and the protocol of each."""
    blocks: list[Block] = []
    if scores:
        rows = tuple((name, score_text(score), score.direction) for name, score in scores.items())
        caption = "Scores, ± standard error or [interval at 95 %]"
        blocks.append(Table(caption, ("metric", "score", "better"), rows, words=frozenset({2})))
    lines = [f"{name}: {note}" for name, score in scores.items() for note in score.notes]
    lines += [f"{name}: – {reason}" for name, reason in reasons.items()]
    if lines:
        blocks.append(Notes(tuple(lines)))
    return [*blocks, *(protocol(name, score) for name, score in scores.items())]


def protocol(name: str, score: Score) -> Facts:
    """How a score came about, and the parts that it is made of."""
    parts = [(part, f"{value:.4g}") for part, value in list(score.parts.items())[:_MOST_PARTS]]
    more = len(score.parts) - len(parts)
    told = [("and", f"{more} parts more")] if more else []
    pairs = (*((key, plain(value)) for key, value in score.protocol.items()), *parts, *told)
    return Facts(pairs, f"{name} {score_text(score)}: protocol")


def plain(value: Any) -> str:
    """A value as people read it."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {plain(part)}" for key, part in value.items()) or "none"
    if isinstance(value, list | tuple):
        return ", ".join(map(plain, value)) or "none"
    return str(value)
