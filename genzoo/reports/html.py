"""Render a page as one HTML file that needs no network, no script and no other file."""

from __future__ import annotations

import base64
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from genzoo.reports.page import Page, Picture
from genzoo.storage.atomic import write_bytes


def render_page(page: Page) -> str:
    """Return the page as HTML. All its texts are escaped."""
    shelf = Environment(
        loader=PackageLoader("genzoo.reports", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    shelf.filters["data_uri"] = _data_uri
    return shelf.get_template("page.html").render(page=page)


def _data_uri(picture: Picture) -> str:
    return f"data:image/{picture.kind};base64,{base64.b64encode(picture.content).decode()}"


def write_page(path: Path, page: Page) -> None:
    """Write a page, and replace an earlier one.

    Raises:
        GenzooError: the disk is full or read-only.
    """
    write_bytes(path, render_page(page).encode(errors="replace"))
