"""The content of a page before it becomes HTML: sections of texts, tables, facts and pictures."""

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
    """A heading within a section."""

    form: ClassVar = "heading"
    text: str


@dataclass(frozen=True, slots=True)
class Notes:
    """Sentences, one per line."""

    form: ClassVar = "notes"
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Facts:
    """Names and values, folded behind a summary if there is one."""

    form: ClassVar = "facts"
    pairs: tuple[tuple[str, str], ...]
    summary: str | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """A table whose first column names the rows.

    Arguments:
        caption: title of the table.
        header: titles of the columns.
        rows: cells as text, one per column.
        best: number of the row to highlight.
        words: numbers of the columns that contain words, not figures.
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
        caption: text below it.
        alt: description for readers who cannot see it.
        kind: media type of the content.
        content: bytes of a file of that type.
    """

    caption: str
    alt: str
    kind: Literal["png", "svg+xml"]
    content: bytes


@dataclass(frozen=True, slots=True)
class Pictures:
    """Pictures in a row, as many as fit the width of the page."""

    form: ClassVar = "pictures"
    pictures: tuple[Picture, ...]


Block = Text | Heading | Notes | Facts | Table | Pictures


@dataclass(frozen=True, slots=True)
class Section:
    """Blocks under a heading."""

    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """A whole page.

    Arguments:
        lead: paragraph under the title.
        origin: footer: the versions that made the page.
    """

    title: str
    lead: str
    sections: tuple[Section, ...]
    origin: str
