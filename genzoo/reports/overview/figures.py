"""What the pictures of a comparison show: differences from the best, and a criterion by number of components."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from genzoo.config.layers import leaves
from genzoo.metrics.information_criteria import CRITERIA
from genzoo.reports.overview.finding import figure_name, reference_row
from genzoo.reports.result import CHEAPEST, Report, Row, candidate_id
from genzoo.reports.rounding import with_interval

MOST_LINES = 40
"""Largest number of candidates in a forest plot."""


MOST_REFERENCES = 3
"""Largest number of candidates that a picture of criteria draws as a level, because they lack its option."""


_HUGE, _LARGEST = 1e100, 2**31
"""Figures and values of options from here on cannot be drawn."""


CHEAPEST_WORD = CHEAPEST.partition(": ")[2]
"""Verdict in a forest plot on the candidate that is chosen as the cheapest one."""


_FAR, _TALL = 6.0, 6.0
"""How many times farther than usual a difference, or a criterion, may be before a picture leaves it out."""


@dataclass(frozen=True, slots=True)
class ForestLine:
    """One candidate: its paired difference from the best, with its 95 % interval; NaN if it has none.

    Arguments:
        verdict: the verdict without its remark, such as `worse`; `best` means the candidate whose difference is 0.
    """

    id: str
    mean: float
    se: float
    low: float
    high: float
    verdict: str

    @property
    def ends(self) -> tuple[float, float]:
        """The interval, or the mean twice if there is no interval."""
        known = abs(self.low) < _HUGE and abs(self.high) < _HUGE
        return (self.low, self.high) if known else (self.mean, self.mean)

    @property
    def text(self) -> str:
        """The difference with its interval."""
        if not math.isfinite(self.low):
            return f"{self.mean:+.4g}"
        return with_interval(self.mean, self.low, self.high, self.se, signed=True)

    @property
    def shown(self) -> str:
        """The difference, or `best`."""
        return "best" if self.verdict == "best" else self.text


@dataclass(frozen=True, slots=True)
class Forest:
    """Differences from the best, in the order of the report.

    Arguments:
        best: id of the best candidate by the figure, whose difference is 0.
        figure: what differs, in words.
        lower: whether lower is better, so that candidates on the left are better.
        lines: the other candidates.
        left_out: how many more have a difference.
        limits: ends of an axis that no far candidate stretches.
    """

    best: str
    figure: str
    lower: bool
    lines: tuple[ForestLine, ...]
    left_out: int
    limits: tuple[float, float]

    @property
    def reference(self) -> ForestLine:
        """The line of the best candidate."""
        return ForestLine(self.best, 0.0, 0.0, 0.0, 0.0, "best")

    @property
    def direction(self) -> str:
        """The side of 0 on which candidates are worse, as a clause."""
        return f"{'right' if self.lower else 'left'} of 0 is worse"


def forest(report: Report) -> Forest | None:
    """Return the differences of a report, or `None` if there is none."""
    apart = [row for row in report.rows if row.difference is not None and abs(row.difference.mean) < _HUGE]
    best = reference_row(report)
    if best is None or not apart:
        return None
    figures = dict.fromkeys(row.difference.figure for row in apart if row.difference is not None)
    score = best.metrics.get(next(iter(figures)))
    lines = tuple(_line(row) for row in apart[:MOST_LINES])
    words = " or ".join(map(figure_name, figures))
    if score is None:
        words += ", nats per row"
    lower = score is not None and score.direction == "lower"
    return Forest(best.id, words, lower, lines, len(apart) - len(lines), _limits(lines))


def _line(row: Row) -> ForestLine:
    gap = row.difference
    assert gap is not None
    verdict = CHEAPEST_WORD if row.verdict == CHEAPEST else row.verdict.partition(":")[0]
    return ForestLine(row.id, gap.mean, gap.se, gap.low, gap.high, verdict)


def _limits(lines: Sequence[ForestLine]) -> tuple[float, float]:
    """Return the ends of the axis: beyond all intervals, unless a few reach many times farther than the others."""
    reach = sorted(max(map(abs, line.ends)) for line in lines)
    usual = reach[len(reach) // 2]
    cut = reach[-1] if reach[-1] <= _FAR * usual or usual == 0 else max(r for r in reach if r <= _FAR * usual)
    low = min((max(line.ends[0], -cut) for line in lines), default=0.0)
    high = max((min(line.ends[1], cut) for line in lines), default=0.0)
    low, high = min(low, 0.0), max(high, 0.0)
    margin = 0.06 * (high - low) or 1.0
    return low - margin, high + margin


@dataclass(frozen=True, slots=True)
class CriterionPoint:
    """The criterion of one candidate; `ranked` is false if it says nothing about the data."""

    id: str
    x: int
    value: float
    ranked: bool


@dataclass(frozen=True, slots=True)
class CriterionLines:
    """A criterion against an option with whole numbers, a line for each choice of everything else.

    Arguments:
        criterion: its name, such as `bic`.
        option: the option on the horizontal axis, such as `n_components`.
        title: what the names of the lines are values of; `None` if they name the model, too.
        lines: points by the name of the line, in increasing order of the option.
        references: candidates without the option, and their values, best first.
        left_out: how many more candidates lack the option.
        best: id of the candidate with the lowest value that is ranked, or `None`.
    """

    criterion: str
    option: str
    title: str | None
    lines: Mapping[str, tuple[CriterionPoint, ...]]
    references: tuple[tuple[str, float], ...]
    left_out: int
    best: str | None

    @property
    def points(self) -> list[CriterionPoint]:
        """The points of all lines."""
        return [point for line in self.lines.values() for point in line]

    @property
    def top(self) -> float:
        """The value above which a picture cuts points off, so that they do not squeeze the others; or infinity."""
        values = sorted([*(point.value for point in self.points), *(value for _, value in self.references)])
        low, usual = values[0], values[len(values) // 2]
        cut = low + _TALL * (usual - low)
        return cut if usual > low and values[-1] > cut else math.inf


def criterion_lines(report: Report) -> CriterionLines | None:
    """Return the lines of the criterion that ranks, or of BIC; `None` if no option with whole numbers varies."""
    name = report.by if report.by in CRITERIA else "bic"
    rows = [row for row in report.rows if _known(row, name)]
    option = _option(rows)
    if option is None:
        return None
    options = {row.id: dict(leaves(row.options)) for row in rows}
    groups: dict[tuple[str, str], list[CriterionPoint]] = {}
    apart: list[tuple[str, float]] = []
    for row in rows:
        own, value = options[row.id], float(row.figure(name) or 0.0)
        x = own.pop(option, None)
        if not _is_whole(x):
            apart.append((row.id, value))
            continue
        rest = json.dumps([[list(path), given] for path, given in own.items()], sort_keys=True)
        ranked = row.ranked_by(name) is not None
        groups.setdefault((row.model, rest), []).append(CriterionPoint(row.id, int(x), value, ranked))
    title, names = _names(groups)
    lines = {names[key]: tuple(sorted(points, key=lambda p: p.x)) for key, points in groups.items()}
    apart.sort(key=lambda pair: pair[1])
    best = min((row for row in rows if row.ranked_by(name) is not None), key=lambda r: _value(r, name), default=None)
    return CriterionLines(
        name,
        ".".join(option),
        title,
        lines,
        tuple(apart[:MOST_REFERENCES]),
        max(0, len(apart) - MOST_REFERENCES),
        None if best is None else best.id,
    )


def _value(row: Row, name: str) -> float:
    value = row.figure(name)
    return math.inf if value is None else value


def _known(row: Row, name: str) -> bool:
    return abs(_value(row, name)) < _HUGE


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < _LARGEST


def _option(rows: Sequence[Row]) -> tuple[str, ...] | None:
    """Return the option with whole numbers that has most values, if it has two."""
    values: dict[tuple[str, ...], set[int]] = {}
    for row in rows:
        for path, value in leaves(row.options):
            if _is_whole(value):
                values.setdefault(path, set()).add(value)
    found = max(values, key=lambda path: len(values[path]), default=None)
    return found if found is not None and len(values[found]) > 1 else None


def _names(groups: Mapping[tuple[str, str], object]) -> tuple[str | None, dict[tuple[str, str], str]]:
    """Return a title for the names of lines, and the name of each: the value alone, if one option distinguishes all."""
    given = {key: {tuple(path): value for path, value in json.loads(key[1])} for key in groups}
    models = {model for model, _ in groups}
    paths = {path for options in given.values() for path in options}
    if len(models) == 1 and len(paths) == 1 and all(given.values()):
        path = next(iter(paths))
        values = {key: options[path] for key, options in given.items()}
        return ".".join(path), {key: v if isinstance(v, str) else json.dumps(v) for key, v in values.items()}
    short = {key: key[0].rpartition("/")[2] for key in groups}
    if len(set(short.values())) < len(models):
        short = {key: key[0] for key in groups}
    return None, {
        key: candidate_id(short[key], {".".join(path): value for path, value in options.items()})
        for key, options in given.items()
    }
