"""Text that is safe to print, and cells that a spreadsheet must not run."""

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


def printable(text: str) -> str:
    """The text with every letter that is not for reading replaced: control characters, half surrogates, turned writing.

    Examples:
        >>> printable("red \\x1b[31m line\\nbreak")
        'red \ufffd[31m line break'
    """
    if text.isprintable():
        return text
    return "".join(" " if letter.isspace() else letter if letter.isprintable() else "\ufffd" for letter in text)
