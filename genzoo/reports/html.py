"""Render a page as one HTML file that needs no network, no script and no other file."""

from __future__ import annotations

import base64
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from genzoo.reports.page import Page, Picture
from genzoo.storage.atomic import write_bytes
from genzoo.text import printable


def render_page(page: Page) -> str:
    """Return the page as HTML. All its texts are escaped, and characters that cannot be shown are replaced."""
    shelf = Environment(
        loader=PackageLoader("genzoo.reports", "templates"),
        autoescape=True,
        finalize=_shown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    shelf.filters["data_uri"] = _data_uri
    return shelf.get_template("page.html").render(page=page)


def _shown(value: object) -> object:
    """Return a text as it can be shown; other values, and HTML that templates made of texts, as they are."""
    return printable(value) if type(value) is str else value


def _data_uri(picture: Picture) -> str:
    return f"data:image/{picture.kind};base64,{base64.b64encode(picture.content).decode()}"


def write_page(path: Path, page: Page) -> None:
    """Write a page, and replace an earlier one.

    Raises:
        GenzooError: the disk is full or read-only.
    """
    write_bytes(path, render_page(page).encode(errors="replace"))
