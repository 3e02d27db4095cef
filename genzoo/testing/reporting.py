"""A small pytest plugin: how many promises were checked, in the summary at the end."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from genzoo.testing.promise import Outcome


def counted(outcomes: Iterable[Outcome]) -> Counter[str]:
    """How many there are of each state, in the words of pytest."""
    words = {"kept": "passed", "broken": "failed", "does not apply": "skipped"}
    return Counter(words[outcome.state] for outcome in outcomes)


def sentence(name: str, found: Counter[str]) -> str:
    """What became of somebody's promises, counted by the outcome of their tests.

    Examples:
        >>> sentence("linear-flow", Counter(passed=30, xfailed=1, skipped=4))
        "31 promises of 'linear-flow' checked, 4 do not apply, 1 expected failure"
    """
    checked = found.total() - found["skipped"]
    words = [f"{checked} promise{'s'[: checked != 1]} of {name!r} checked"]
    if found["skipped"]:
        words.append(f"{found['skipped']} do{'es'[: 2 * (found['skipped'] == 1)]} not apply")
    if expected := found["xfailed"]:
        words.append(f"{expected} expected failure{'s'[: expected != 1]}")
    if broken := found["failed"] + found["error"] + found["xpassed"]:
        words.append(f"{broken} broken")
    return ", ".join(words)


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
