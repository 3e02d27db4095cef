"""Text that a spreadsheet would take for a formula, and run."""

from __future__ import annotations

_FIRST = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")

PATTERN = f"^[{''.join(_FIRST[4:7])}=+@\\-{''.join(_FIRST[7:])}]"
"""Matches such text, as a regular expression."""


def guarded(text: str) -> str:
    """The text behind an apostrophe where it would be taken for a formula.

    Examples:
        >>> guarded("=1+1"), guarded("1+1")
        ("'=1+1", '1+1')
    """
    return f"'{text}" if text.startswith(_FIRST) else text
