"""Check a report against requirements: bounds such as `bic<2400`, or which model must be best.

`genzoo compare --gate` and `--expect` use it, so that a CI job fails if a model gets worse.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from genzoo.comparison.candidate import Candidate, candidates
from genzoo.config.resolve import layer
from genzoo.errors import CheckError, ConfigError, did_you_mean
from genzoo.persistence.format1 import current_metric
from genzoo.plugins.registry import Registry
from genzoo.reports.result import FIGURES, Report

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
        """Parse a bound such as `bic<2400`.

        Raises:
            ConfigError: `text` has another form, or names an unknown figure.

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
            raise ConfigError(f"Gate {text!r} names an unknown figure {figure!r}. {did_you_mean(figure, known)}")
        return Gate(f"{figure}{sign}{number}", figure, sign, float(number))

    def complaint(self, report: Report) -> str | None:
        """Return why the best candidate is not within the bound, or `None` if it is."""
        if report.best is None:
            return f"{self.text}: no candidate could be ranked"
        best = report[report.best]
        value = best.figure(self.figure)
        if value is None:
            return f"{self.text}: {best.id} has no {self.figure} ({best.reasons.get(self.figure, 'not computed')})"
        return None if _SIGNS[self.sign](value, self.bound) else f"{self.text}: it is {value:.10g} for {best.id}"


def parse_gates(texts: Iterable[str], registry: Registry) -> tuple[Gate, ...]:
    """Parse all bounds, and check their names against the known figures and metrics.

    Raises:
        ConfigError: as for `Gate.parse`.
    """
    return tuple(Gate.parse(text, registry.metrics.names()) for text in texts)


def parse_expected(text: str, registry: Registry, common: Mapping[str, Any]) -> tuple[Candidate, ...]:
    """Return the candidates that may be best.

    Arguments:
        common: settings that all candidates share.

    Raises:
        ConfigError: an unknown model or option, or a preset. A preset only sets other options, so it does not identify
            a candidate.
    """
    expected = candidates(registry, [text], common)
    for candidate in expected:
        if "preset" in layer(candidate.assigned):
            raise ConfigError(f"{candidate.id!r} names a preset. Name the options that the preset sets instead.")
    return expected


def check(report: Report, gates: Sequence[Gate], best: Candidate | None, expected: Sequence[Candidate]) -> None:
    """Check a report against bounds and expected winners.

    Arguments:
        gates: bounds on the figures of the best candidate. All must hold.
        best: the best candidate, or `None` if none could be ranked.
        expected: the best candidate must match one of these. Not checked if empty.

    Raises:
        CheckError: a bound does not hold, or another candidate is best. The message lists everything that failed.
    """
    # All complaints are gathered first: a CI log should show every bound that failed, not only the first one.
    complaints = [text for gate in gates if (text := gate.complaint(report)) is not None]
    # A candidate matches if it has the values that were written down. Options left out may have any value, so
    # `--expect gmm` accepts every mixture.
    if expected and not (best is not None and any(best.matches(candidate) for candidate in expected)):
        wanted = " or ".join(candidate.id for candidate in expected)
        complaints.append(f"{wanted} was expected to be best by {report.by}, and {report.best or 'none'} is")
    if complaints:
        raise CheckError(f"Not as required: {'; '.join(complaints)}.")
