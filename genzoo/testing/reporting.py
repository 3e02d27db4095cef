"""A small pytest plugin that adds the number of checked promises to the final summary."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from genzoo.testing.promise import Outcome


def counted(outcomes: Iterable[Outcome]) -> Counter[str]:
    """Count outcomes by state, under pytest's names of the states."""
    words = {"kept": "passed", "broken": "failed", "does not apply": "skipped"}
    return Counter(words[outcome.state] for outcome in outcomes)


def sentence(name: str, counts: Counter[str]) -> str:
    """Summarize the promises of one subject.

    Arguments:
        name: the subject's name.
        counts: number of promises by the outcome of their tests, as pytest names outcomes.

    Examples:
        >>> sentence("linear-flow", Counter(passed=30, xfailed=1, skipped=4))
        "31 promises of 'linear-flow' checked, 4 do not apply, 1 expected failure"
    """
    checked = counts.total() - counts["skipped"]
    words = [f"{checked} promise{'s'[: checked != 1]} of {name!r} checked"]
    if counts["skipped"]:
        words.append(f"{counts['skipped']} do{'es'[: 2 * (counts['skipped'] == 1)]} not apply")
    if expected := counts["xfailed"]:
        words.append(f"{expected} expected failure{'s'[: expected != 1]}")
    if broken := counts["failed"] + counts["error"] + counts["xpassed"]:
        words.append(f"{broken} broken")
    return ", ".join(words)


_PROPERTY = "genzoo-promise"


_STATES = ("passed", "failed", "error", "skipped", "xfailed", "xpassed")


def pytest_runtest_setup(item: Any) -> None:
    """Record in a test's report which subject and promise it checks."""
    callspec = getattr(item, "callspec", None)
    for value in () if callspec is None else callspec.params.values():
        promised = getattr(value, "promised", None)
        if isinstance(promised, tuple):
            item.user_properties.append((_PROPERTY, list(promised)))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print one line for each subject whose promises were checked."""
    for line in lines(terminalreporter.stats):
        terminalreporter.write_line(line)


def lines(stats: dict[str, list[Any]]) -> Iterable[str]:
    """Yield one line for each subject.

    Arguments:
        stats: the reports of tests, by outcome.
    """
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for state in _STATES:
        for report in stats.get(state, ()):
            if report.when in ("setup", "teardown") and state not in ("error", "skipped"):
                continue
            for key, value in getattr(report, "user_properties", ()):  # reports of failed collection have none
                if key == _PROPERTY:
                    counts[value[0]][state] += 1
    for name, outcomes in sorted(counts.items()):
        yield f"genzoo: {sentence(name, outcomes)}"
