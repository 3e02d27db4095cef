"""A small plugin of pytest: how many promises were checked, in the summary at the end.

Counts come from the reports of tests, so that they are whole where tests run in several processes.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

from genzoo.testing.count import sentence

_PROPERTY = "genzoo-promise"
_STATES = ("passed", "failed", "error", "skipped", "xfailed", "xpassed")


def pytest_runtest_setup(item: Any) -> None:
    """Put whose promise a test is about into its report."""
    callspec = getattr(item, "callspec", None)
    for value in () if callspec is None else callspec.params.values():
        promised = getattr(value, "promised", None)
        if isinstance(promised, tuple):
            item.user_properties.append((_PROPERTY, list(promised)))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say how many promises of whom were checked."""
    for line in lines(terminalreporter.stats):
        terminalreporter.write_line(line)


def lines(stats: dict[str, list[Any]]) -> Iterable[str]:
    """One line for each subject, from the reports of tests by their outcome."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for state in _STATES:
        for report in stats.get(state, ()):
            if report.when in ("setup", "teardown") and state not in ("error", "skipped"):
                continue
            for key, value in getattr(report, "user_properties", ()):  # a file that cannot be read has none
                if key == _PROPERTY:
                    counts[value[0]][state] += 1
    for name, found in sorted(counts.items()):
        yield f"genzoo: {sentence(name, found)}"
