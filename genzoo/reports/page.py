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
class ShadedPart:
    """A part of a text with its shade.

    Arguments:
        text: what is shown.
        shade: 0 for none, up to 4 for the strongest.
        about: explains the part to readers who point at it, or see no shades; may be empty.
    """

    text: str
    shade: int
    about: str


@dataclass(frozen=True, slots=True)
class Shaded:
    """Texts below each other, whose parts may have shades.

    Arguments:
        caption: what the texts are, or what their shades show.
        legend: what each shade stands for, from none to the strongest; empty if there are no shades.
        lines: the name of each text, and its parts.
    """

    form: ClassVar = "shaded"
    caption: str
    legend: tuple[str, ...]
    lines: tuple[tuple[str, tuple[ShadedPart, ...]], ...]


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture.

    Arguments:
        caption: text below it.
        alt: description for readers who cannot see it.
        kind: media type of the content.
        content: bytes of a file of that type.
        name: name of the files that the folder of a comparison keeps it in, without a suffix. Defaults to `None`: none.
        pixels: the same picture as a PNG, if it is kept. Defaults to `None`.
    """

    caption: str
    alt: str
    kind: Literal["png", "svg+xml"]
    content: bytes
    name: str | None = None
    pixels: bytes | None = None


@dataclass(frozen=True, slots=True)
class Pictures:
    """Pictures in a row, as many as fit the width of the page."""

    form: ClassVar = "pictures"
    pictures: tuple[Picture, ...]


@dataclass(frozen=True, slots=True)
class Clip:
    """A sound that a page plays.

    Arguments:
        name: name for readers who cannot see the player.
        content: bytes of a WAV file.
    """

    name: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Sounds:
    """Players of sounds in a row, under a caption."""

    form: ClassVar = "sounds"
    caption: str
    clips: tuple[Clip, ...]


Block = Text | Heading | Notes | Facts | Table | Shaded | Pictures | Sounds


@dataclass(frozen=True, slots=True)
class Section:
    """Blocks under a heading."""

    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """A whole page.

    Arguments:
        lead: paragraph about what the page shows.
        origin: footer: the versions that made the page.
        finding: what was found and how sure it is, above everything else. Defaults to nothing.
    """

    title: str
    lead: str
    sections: tuple[Section, ...]
    origin: str
    finding: str = ""

    @property
    def pictures(self) -> tuple[Picture, ...]:
        """The pictures of all sections."""
        blocks = [block for section in self.sections for block in section.blocks]
        return tuple(picture for block in blocks if isinstance(block, Pictures) for picture in block.pictures)
