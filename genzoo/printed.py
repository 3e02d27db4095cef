"""Text from anywhere as it may be printed: names and messages can hold what a terminal would obey."""

from __future__ import annotations


def printable(text: str) -> str:
    """The text with every letter that is not for reading replaced: control characters, half surrogates, turned writing.

    Examples:
        >>> printable("red \\x1b[31m line\\nbreak")
        'red \ufffd[31m line break'
    """
    if text.isprintable():
        return text
    return "".join(" " if letter.isspace() else letter if letter.isprintable() else "\ufffd" for letter in text)
