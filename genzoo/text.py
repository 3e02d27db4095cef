"""Make text safe to print in a terminal, and safe to open in a spreadsheet."""

from __future__ import annotations

_FIRST = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


PATTERN = f"^[{''.join(_FIRST[4:7])}=+@\\-{''.join(_FIRST[7:])}]"
"""Regular expression for text that a spreadsheet would run as a formula."""


def guarded(text: str) -> str:
    """Return the text, with an apostrophe before it if a spreadsheet would run it as a formula.

    Examples:
        >>> guarded("=1+1"), guarded("1+1")
        ("'=1+1", '1+1')
    """
    return f"'{text}" if text.startswith(_FIRST) else text


def printable(text: str) -> str:
    """Replace characters that cannot be printed: control characters, lone surrogates, changes of writing direction.

    Examples:
        >>> printable("red \\x1b[31m line\\nbreak")
        'red \ufffd[31m line break'
    """
    if text.isprintable():
        return text
    return "".join(" " if letter.isspace() else letter if letter.isprintable() else "\ufffd" for letter in text)
