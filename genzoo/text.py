"""Count things in words, and make text safe to print in a terminal or to open in a spreadsheet."""

from __future__ import annotations

from collections.abc import Sequence

from genzoo.wording import setting_name

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


def shown_first(names: Sequence[str], most: int = 20) -> str:
    """List names, and count those beyond the first `most`.

    Examples:
        >>> shown_first(["a", "b", "c"], 2)
        'a, b and 1 more'
    """
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def one_of(names: Sequence[str]) -> str:
    """List alternatives.

    Examples:
        >>> one_of(["tables"]), one_of(["a", "b", "c"])
        ('tables', 'a, b or c')
    """
    *most, last = names
    return f"{', '.join(most)} or {last}" if most else last


def about_starts(tried: int, agreed: int) -> str:
    """Say how many starts of EM led to the best maximum found, as a clause.

    Examples:
        >>> about_starts(60, 15)
        '15 of 60 starts led to the best maximum found'
    """
    if agreed == 1:
        larger = f"a larger {setting_name('training.n_init')} may find a better one"
        return f"only 1 of {tried} starts led to the best maximum found; {larger}"
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


def harmless(text: str) -> str:
    r"""Return text of several lines as it can be shown on a terminal: as `printable`, with its line feeds.

    Examples:
        >>> harmless("one\x1b[2J\ntwo\tthree")
        'one\ufffd[2J\ntwo three'
    """
    return "\n".join(printable(line) for line in text.split("\n"))


def shortened(text: str, longest: int) -> str:
    """Leave out the middle of a long text: names often begin alike.

    Examples:
        >>> shortened("concentration_of_chlorides", 15), shortened("pH", 15)
        ('concent…lorides', 'pH')
    """
    half = (longest - 1) // 2
    return text if len(text) <= longest else f"{text[: longest - 1 - half]}…{text[-half:]}"


def seconds_text(seconds: float) -> str:
    """Return a duration with its unit, in two or three digits.

    Examples:
        >>> [seconds_text(value) for value in (0.0123, 0.5, 12.4, 150, 8000)]
        ['12 ms', '0.5 s', '12 s', '2 min 30 s', '2 h 13 min']
    """
    if seconds < 0.0995:
        return f"{seconds * 1000:.2g} ms"
    if seconds < 9.95:
        return f"{seconds:.2g} s"
    whole = round(seconds)
    if whole < 100:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def size_text(size: int) -> str:
    """Return a size in bytes with its unit, in few digits.

    Examples:
        >>> [size_text(value) for value in (512, 20_480, 3_400_000, 5_100_000_000)]
        ['512 B', '20 kB', '3 MB', '5.1 GB']
    """
    for unit, least in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= least:
            return f"{size / least:.{1 if unit == 'GB' else 0}f} {unit}"
    return f"{size} B"
