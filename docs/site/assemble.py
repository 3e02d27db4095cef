"""Collect the pages of the documentation in one folder, from which a site is built.

python docs/site/assemble.py FOLDER

FOLDER then has `mkdocs.yml` and `pages/`: README.md as the first page, the pages of docs/, the README of each plugin,
a page for each model and metric that `pages.py` writes, and a notebook for each tutorial. Links between pages are
rewritten; one that leads nowhere is an error.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path, PurePosixPath

sys.path.insert(0, str(Path(__file__).parent))
from notebooks import tutorial_notebooks, with_notebook
from pages import generated_pages, with_links

ROOT = Path(__file__).resolve().parents[2]
_LINK = re.compile(r"(?<=\]\()([^)\s]+)(?=\))")
_CODE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


class LostLinkError(Exception):
    """A link leads to nothing on the site."""


def sources(root: Path = ROOT) -> dict[str, str]:
    """Map each file of the repository that is on the site to its place there."""
    places = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
    places["LICENSE"] = "LICENSE.txt"
    for path in sorted((root / "docs").rglob("*")):
        inside = path.relative_to(root / "docs").as_posix()
        shown = path.suffix in {".md", ".png", ".svg", ".ipynb", ".css", ".js"} or path.parent.name == "service"
        if path.is_file() and shown:
            places[f"docs/{inside}"] = path.name if inside.startswith("site/") else inside
    for path in sorted((root / "plugins").glob("*/README.md")):
        places[f"plugins/{path.parent.name}/README.md"] = f"plugins/{path.parent.name}.md"
    return places


def relinked(text: str, source: str, place: str, places: dict[str, str]) -> str:
    """Return the text of a page with its links as they are on the site.

    Arguments:
        source: path of the page in the repository, from which its links start.
        place: place of the page on the site.
        places: as `sources` returns, with a place of its own for each generated page.

    Raises:
        LostLinkError: a link leads to a file that is not on the site.
    """

    def target(found: re.Match[str]) -> str:
        name, mark, anchor = found[1].partition("#")
        if "://" in found[1] or not name:
            return found[1]
        file = os.path.normpath(PurePosixPath(source).parent / name).replace(os.sep, "/")
        if file not in places:
            raise LostLinkError(f"{source}: {found[1]} leads to nothing on the site.")
        return os.path.relpath(places[file], PurePosixPath(place).parent).replace(os.sep, "/") + mark + anchor

    return _outside_code(text, lambda prose: _LINK.sub(target, prose))


def _outside_code(text: str, change: Callable[[str], str]) -> str:
    parts, last = [], 0
    for block in _CODE.finditer(text):
        parts += [change(text[last : block.start()]), block[0]]
        last = block.end()
    return "".join([*parts, change(text[last:])])


def navigation(settings: str, pages: set[str]) -> str:
    """Return the settings with a line for each page of a folder in the place of `FOLDER/*`."""
    named = set(re.findall(r"\S+\.md$", settings, re.MULTILINE))

    def lines(found: re.Match[str]) -> str:
        rest = sorted(page for page in pages - named if page.startswith(found[2]))
        return "\n".join(f"{found[1]}- {PurePosixPath(page).stem}: {page}" for page in rest)

    return re.sub(r"^( +)- (\S+/)\*$", lines, settings, flags=re.MULTILINE)


def contents(root: Path = ROOT) -> dict[str, str]:
    """Return place and text of each page of the site."""
    places = sources(root)
    pages = [
        (place, (root / source).read_text(encoding="utf-8"), source)
        for source, place in places.items()
        if place.endswith(".md")
    ]
    pages += generated_pages(root)
    places |= {f"docs/{place}": place for place, *_ in pages if f"docs/{place}" not in places}
    texts = {place: relinked(text, source, place, places) for place, text, source in pages}
    for folder in ("models", "metrics"):
        names = {PurePosixPath(place).stem for place in texts if place.startswith(f"{folder}/")}
        texts[f"{folder}.md"] = with_links(texts[f"{folder}.md"], folder, names)
    for notebook in map(PurePosixPath, tutorial_notebooks(root)):
        page = notebook.with_suffix(".md").as_posix()
        texts[page] = with_notebook(texts[page], notebook.stem)
    return texts


def assemble(folder: Path, root: Path = ROOT) -> list[str]:
    """Write the pages and the settings of the site into a folder and return the pages; earlier ones are removed."""
    pages = folder / "pages"
    shutil.rmtree(pages, ignore_errors=True)
    texts = contents(root)
    for place, text in texts.items():
        (pages / place).parent.mkdir(parents=True, exist_ok=True)
        (pages / place).write_text(text, encoding="utf-8")
    for place, content in tutorial_notebooks(root).items():
        (pages / place).write_text(content, encoding="utf-8")
    for source, place in sources(root).items():
        if place not in texts:
            (pages / place).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(root / source, pages / place)
    settings = (root / "docs" / "site" / "mkdocs.yml").read_text(encoding="utf-8")
    (folder / "mkdocs.yml").write_text(navigation(settings, set(texts)), encoding="utf-8")
    return sorted(texts)


if __name__ == "__main__":
    print(f"{len(assemble(Path(sys.argv[1])))} pages")
