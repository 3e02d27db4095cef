"""What one page says, before it is HTML: sections of texts, tables, facts and pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal


@dataclass(frozen=True, slots=True)
class Text:
    """A paragraph."""

    form: ClassVar = "text"
    text: str


@dataclass(frozen=True, slots=True)
class Heading:
    """Above what belongs to one part of a section."""

    form: ClassVar = "heading"
    text: str


@dataclass(frozen=True, slots=True)
class Notes:
    """Sentences, one below the other."""

    form: ClassVar = "notes"
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Facts:
    """Names and what they are, hidden behind a summary where there is one."""

    form: ClassVar = "facts"
    pairs: tuple[tuple[str, str], ...]
    summary: str | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """A table whose first column names the rows.

    Arguments:
        caption: what it shows.
        header: above the columns.
        rows: cells as text, as many in each as in the header.
        best: number of the row to be stressed.
        words: numbers of columns that hold words and not figures.
    """

    form: ClassVar = "table"
    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    best: int | None = None
    words: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture.

    Arguments:
        caption: below it.
        alt: what is to be seen, for who cannot see it.
        kind: of the content.
        content: of a file of that kind.
    """

    caption: str
    alt: str
    kind: Literal["png", "svg+xml"]
    content: bytes


@dataclass(frozen=True, slots=True)
class Pictures:
    """Pictures side by side, as far as there is room."""

    form: ClassVar = "pictures"
    pictures: tuple[Picture, ...]


Block = Text | Heading | Notes | Facts | Table | Pictures


@dataclass(frozen=True, slots=True)
class Section:
    """Blocks below a heading."""

    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """A whole page.

    Arguments:
        lead: the paragraph below the title.
        origin: what made it, at its foot.
    """

    title: str
    lead: str
    sections: tuple[Section, ...]
    origin: str
