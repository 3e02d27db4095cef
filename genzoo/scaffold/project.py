"""Writes a new distribution from templates: text files in which `$name` and a few other words are filled in."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path, PurePosixPath
from string import Template

from genzoo.errors import ConfigError
from genzoo.scaffold.kind import Kind
from genzoo.scaffold.name import Name

_SUFFIX = ".template"


def render(name: Name, kind: str, about: Kind) -> dict[PurePosixPath, str]:
    """The files of a new distribution by their path in its folder."""
    words = {
        "name": name.bare,
        "distribution": name.distribution,
        "package": name.package,
        "title": about.summary,
        "contents": about.contents,
        "trial": about.trial.format(name=name.bare),
        "dependencies": ", ".join(f'"{text}"' for text in ("genzoo>=0.1", *about.dependencies)),
    }
    templates = files("genzoo.scaffold") / "templates"
    found = {}
    for folder in ("project", kind):
        for path, file in _walk(templates / folder, PurePosixPath()):
            parts = (name.package if part == "package" else part for part in path.parts)
            found[PurePosixPath(*parts)] = Template(file.read_text(encoding="utf-8")).substitute(words)
    return found


def _walk(folder: Traversable, below: PurePosixPath) -> Iterator[tuple[PurePosixPath, Traversable]]:
    """Every template below a folder, with the path of the file that it makes."""
    for item in sorted(folder.iterdir(), key=lambda item: item.name):
        if item.is_dir():
            yield from _walk(item, below / item.name)
        elif item.name.endswith(_SUFFIX):
            yield below / item.name.removesuffix(_SUFFIX), item


def write_project(files: dict[PurePosixPath, str], out: Path) -> None:
    """Write files to a new folder, whole or not at all.

    Raises:
        ConfigError: the folder exists.
    """
    if out.exists() or out.is_symlink():
        raise ConfigError(f"{out} exists already, and nothing is overwritten. Choose another name, or --out.")
    out.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    try:
        for path, text in files.items():
            file = beside / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        beside.chmod(0o755)  # a temporary folder is its maker's alone
        beside.rename(out)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise
