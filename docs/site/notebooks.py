"""Write the tutorials as notebooks: text as Markdown, commands and files as cells of code, without outputs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_FENCE = re.compile(r"^```(\w*)(?: title=\"([^\"]+)\")?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_COMMAND = re.compile(r"^\$ (.+)$", re.MULTILINE)
_LINK = re.compile(r"(?<!!)\[([^]]+)\]\((?!\w+://)[^)\s]+\)")

_ABOUT = """\
This notebook is a page of the documentation of genzoo. It runs commands and writes files, so start it in an empty
folder, from an environment in which genzoo is installed. A cell that starts with `!` is a command of a shell."""


def notebook(page: str, name: str) -> dict[str, Any]:
    """Return a page as a notebook of format 4.5.

    Commands of a session become cells that begin with `!`, files become cells of `%%writefile`, and Python becomes
    cells of code. What a session prints is left out, because running shows it. Other blocks stay text. Links to other
    pages become plain text, as a notebook that was downloaded has no pages beside it.

    Arguments:
        page: the page, in Markdown.
        name: its name, from which cells get their ids.
    """
    title, _, rest = page.partition("\n")
    cells = []
    for number, (kind, source) in enumerate([("markdown", f"{title}\n\n{_ABOUT}"), *_cells(rest)]):
        cell: dict[str, Any] = {"cell_type": kind, "id": f"{name}-{number:02}", "metadata": {}}
        cell |= {"execution_count": None, "outputs": []} if kind == "code" else {}
        cells.append({**cell, "source": source.splitlines(keepends=True)})
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def _cells(text: str) -> Iterator[tuple[str, str]]:
    """Yield kind and source of each cell."""
    last, kept = 0, ""
    for block in _FENCE.finditer(text):
        kept += _LINK.sub(r"\1", text[last : block.start()])
        last = block.end()
        code = list(_code(*block.groups()))
        if code:
            if prose := kept.strip():
                yield "markdown", prose
            yield from (("code", cell) for cell in code)
            kept = ""
        else:
            kept += block[0]
    if prose := (kept + _LINK.sub(r"\1", text[last:])).strip():
        yield "markdown", prose


def _code(language: str, title: str | None, block: str) -> Iterator[str]:
    """Yield the cells of code that a block becomes; none if it stays text."""
    if title:
        yield f"%%writefile {title}\n{block.rstrip()}"
    elif language == "console":
        for command in _COMMAND.findall(block):
            # The notebook puts values of Python into `{name}` and `$name`; doubled, they stay what they are.
            yield "!" + re.sub(r"[${}]", lambda found: found[0] * 2, command)
    elif language == "python":
        yield block.rstrip()


def tutorial_notebooks(root: Path) -> dict[str, str]:
    """Return place on the site and content of the notebook of each tutorial."""
    pages = [page for page in sorted((root / "docs" / "tutorials").glob("*.md")) if page.stem != "index"]
    return {
        f"tutorials/{page.stem}.ipynb": json.dumps(notebook(page.read_text(encoding="utf-8"), page.stem), indent=1)
        for page in pages
    }


def with_notebook(page: str, name: str) -> str:
    """Return a page with a link to its notebook below the title."""
    title, _, rest = page.partition("\n")
    link = f'[Download this page as a notebook]({name}.ipynb){{ download="{name}.ipynb" }}'
    return f"{title}\n\n{link}\n{rest}"
