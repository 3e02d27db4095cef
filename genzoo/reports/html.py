"""Render a page as one HTML file that needs no network, no script and no other file; and keep its pictures as files."""

from __future__ import annotations

import base64
import functools
import re
from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from genzoo.errors import GenzooError
from genzoo.metrics.information_criteria import CRITERIA
from genzoo.reports.page import Clip, Page, Picture, Section
from genzoo.storage.atomic import write_bytes
from genzoo.storage.paths import check_inside
from genzoo.text import printable

_ENDS = re.compile(r"(?<=[,:=_])(?=\w)")
"""Ends of the parts of a name such as `gmm:n_components=3,covariance_type=full`."""


def render_page(page: Page) -> str:
    """Return the page as HTML. All its texts are escaped, and characters that cannot be shown are replaced."""
    return _shelf().get_template("page.html").render(page=page)


def render_fragment(sections: Sequence[Section]) -> str:
    """Return sections as HTML for a notebook: without the head of a page."""
    return _shelf().get_template("fragment.html").render(sections=sections)


@functools.cache
def _shelf() -> Environment:
    """Return the templates, and how they show texts."""
    shelf = Environment(
        loader=PackageLoader("genzoo.reports", "templates"),
        autoescape=True,
        finalize=_shown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    shelf.filters["data_uri"] = _data_uri
    shelf.filters["sound_uri"] = _sound_uri
    shelf.filters["parts"] = _parts
    return shelf


def _shown(value: object) -> object:
    """Return a text as it can be shown; other values, and HTML that templates made of texts, as they are."""
    return printable(value) if type(value) is str else value


def _parts(text: str) -> list[str]:
    """Return a text in parts between which a narrow screen may break it."""
    return _ENDS.split(printable(text))


def _data_uri(picture: Picture) -> str:
    return f"data:image/{picture.kind};base64,{base64.b64encode(picture.content).decode()}"


def _sound_uri(clip: Clip) -> str:
    return f"data:audio/wav;base64,{base64.b64encode(clip.content).decode()}"


def write_page(path: Path, page: Page) -> None:
    """Write a page, and replace an earlier one.

    Raises:
        GenzooError: the disk is full or read-only.
    """
    write_bytes(path, render_page(page).encode(errors="replace"))


PICTURES = "pictures"
"""Folder of the pictures of a comparison, in its own folder."""


_NAMES = ("differences", *CRITERIA, "components", "real-and-sampled")
"""Names of the pictures of a comparison. No other file of the folder is replaced or removed."""


def write_pictures(folder: Path, page: Page) -> None:
    """Write the pictures of a page that have a name to `pictures/`, as SVG and PNG, and replace earlier ones.

    Raises:
        ArtifactError: the folder of pictures is a link to a place outside.
        GenzooError: the disk is full or read-only.
    """
    place = folder / PICTURES
    found = {
        f"{picture.name}{suffix}": content
        for picture in page.pictures
        if picture.name is not None
        for suffix, content in ((".svg", picture.content), (".png", picture.pixels))
        if content is not None
    }
    check_inside(place, folder)
    try:
        if found:
            place.mkdir(exist_ok=True)
        for name in _NAMES:
            for former in (place / f"{name}.svg", place / f"{name}.png"):
                if former.name not in found:
                    former.unlink(missing_ok=True)
    except OSError as error:
        raise GenzooError(f"{place} could not be written: {error.strerror or error}.") from error
    for name, content in found.items():
        write_bytes(place / name, content)
