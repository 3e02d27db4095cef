"""What a report has to show for a command to succeed: `bic<2400`, or that a certain model won."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from genzoo.comparison.candidate import Candidate, candidates
from genzoo.config.resolve import layer
from genzoo.errors import CheckError, ConfigError, did_you_mean
from genzoo.plugins.registry import Registry
from genzoo.reports.result import FIGURES, Report
from genzoo.runs.format1 import current_metric

_SIGNS: Mapping[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}


_FORM = re.compile(r"\s*([a-z_-]+)\s*(<=|>=|<|>)\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*")


@dataclass(frozen=True, slots=True)
class Gate:
    """A bound on one figure of the best candidate."""

    text: str
    figure: str
    sign: str
    bound: float

    @staticmethod
    def parse(text: str, metrics: Iterable[str]) -> Gate:
        """The gate that `text` describes.

        Raises:
            ConfigError: it is of another form, or there is no such figure.

        Examples:
            >>> Gate.parse("bic < 2400", [])
            Gate(text='bic<2400', figure='bic', sign='<', bound=2400.0)
        """
        found = _FORM.fullmatch(text)
        if found is None:
            raise ConfigError(f"Gate {text!r} is not of the form FIGURE<NUMBER, such as bic<2400 or coverage>=0.9.")
        figure, sign, number = found.groups()
        figure = current_metric(figure)
        known = [*FIGURES, *metrics]
        if figure not in known:
            raise ConfigError(f"Gate {text!r} asks for a figure {figure!r}. {did_you_mean(figure, known)}")
        return Gate(f"{figure}{sign}{number}", figure, sign, float(number))

    def complaint(self, report: Report) -> str | None:
        """What of the report does not hold it, or `None`."""
        if report.best is None:
            return f"{self.text}: no candidate could be ranked"
        best = report[report.best]
        value = best.figure(self.figure)
        if value is None:
            return f"{self.text}: {best.id} has no {self.figure} ({best.reasons.get(self.figure, 'not computed')})"
        return None if _SIGNS[self.sign](value, self.bound) else f"{self.text}: it is {value:.10g} for {best.id}"


def parse_gates(texts: Iterable[str], registry: Registry) -> tuple[Gate, ...]:
    """All gates, checked against the figures and metrics that there are.

    Raises:
        ConfigError: as `Gate.parse`.
    """
    return tuple(Gate.parse(text, registry.metrics.names()) for text in texts)


def parse_expected(text: str, registry: Registry, common: Mapping[str, Any]) -> tuple[Candidate, ...]:
    """The candidates of which one is to be best.

    Arguments:
        common: settings that all candidates share.

    Raises:
        ConfigError: an unknown model or option, or a preset, which is no option that a candidate could be told by.
    """
    expected = candidates(registry, [text], common)
    for candidate in expected:
        if "preset" in layer(candidate.assigned):
            raise ConfigError(f"{candidate.id!r} names a preset; to expect a model, name the options that it sets.")
    return expected


def check(report: Report, gates: Sequence[Gate], best: Candidate | None, expected: Sequence[Candidate]) -> None:
    """Refuse a report that does not show what it should.

    Arguments:
        gates: all must hold for the best candidate.
        best: the best candidate, if any was ranked.
        expected: it must match one of them, where there are any.

    Raises:
        CheckError: a gate does not hold, or another candidate is best.
    """
    complaints = [text for gate in gates if (text := gate.complaint(report)) is not None]
    if expected and not (best is not None and any(best.matches(candidate) for candidate in expected)):
        wanted = " or ".join(candidate.id for candidate in expected)
        complaints.append(f"{wanted} was expected to be best by {report.by}, and {report.best or 'none'} is")
    if complaints:
        raise CheckError(f"Not as required: {'; '.join(complaints)}.")
