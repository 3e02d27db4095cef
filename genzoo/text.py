"""Count things in words, and make text safe to print in a terminal or to open in a spreadsheet."""

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


def counted(count: int, noun: str) -> str:
    """Write a number of things.

    Examples:
        >>> counted(1, "row"), counted(2, "pass"), counted(10_000, "row")
        ('1 row', '2 passes', '10000 rows')
    """
    return f"{count} {noun}{'' if count == 1 else 'es' if noun.endswith('s') else 's'}"


def about_starts(tried: int, agreed: int) -> str:
    """Say how many starts of EM led to the best maximum found, as a clause.

    Examples:
        >>> about_starts(60, 15)
        '15 of 60 starts led to the best maximum found'
    """
    if agreed == 1:
        return f"only 1 of {tried} starts led to the best maximum found; a larger training.n_init may find a better one"
    return f"{agreed} of {tried} starts led to the best maximum found"


def with_period(text: str) -> str:
    """End a sentence with a period if it has no end yet.

    Examples:
        >>> with_period("Leave it out"), with_period("Leave it out.")
        ('Leave it out.', 'Leave it out.')
    """
    return text if text.endswith((".", "!", "?")) else f"{text}."


def printable(text: str) -> str:
    """Replace characters that cannot be printed: control characters, lone surrogates, changes of writing direction.

    Examples:
        >>> printable("red \\x1b[31m line\\nbreak")
        'red \ufffd[31m line break'
    """
    if text.isprintable():
        return text
    return "".join(" " if letter.isspace() else letter if letter.isprintable() else "\ufffd" for letter in text)


def shortened(text: str, longest: int) -> str:
    """Leave out the middle of a long text: names often begin alike.

    Examples:
        >>> shortened("concentration_of_chlorides", 15), shortened("pH", 15)
        ('concent…lorides', 'pH')
    """
    half = (longest - 1) // 2
    return text if len(text) <= longest else f"{text[: longest - 1 - half]}…{text[-half:]}"
