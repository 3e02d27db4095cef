"""Sessions of the documentation: blocks with commands and what they are said to show."""

import re

BLOCK = re.compile(r"^```(\w+)(?: title=\"([^\"]+)\")?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
"""A block with a language: its language, its title and its text."""


def without_decimals(text: str) -> str:
    """Replace decimals and seconds, which differ between machines."""
    return re.sub(r"-?\d+\.\d+(e-?\d+)?|\d+(?= s\b)", "0.0", text)


def commands(text: str) -> list[tuple[str, str]]:
    """The commands of a block, each with what it is said to show."""
    parts = re.split(r"^\$ (.+)\n", text, flags=re.MULTILINE)
    assert parts[0] == ""
    return list(zip(parts[1::2], parts[2::2], strict=True))


def assert_shows(command: str, shown: str, expected: str) -> None:
    """All that is said to be shown is, in that order; `...` stands for anything, and a space for any space."""
    rest = " ".join(shown.split())
    for part in filter(None, (" ".join(text.split()) for text in expected.split("..."))):
        assert part in rest, f"{command} does not show {part!r}, but:\n{shown}"
        rest = rest.partition(part)[2]
