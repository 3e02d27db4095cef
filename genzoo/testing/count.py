"""What became of somebody's promises, in one sentence; imports nothing heavy, as pytest loads it by itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

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
