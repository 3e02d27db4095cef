"""Which files belong to which distribution: what a wheel may add, and what a removal may delete."""

from __future__ import annotations

import contextlib
import csv
import functools
import importlib.metadata
import importlib.util
import io
import json
import os
import re
import sys
import sysconfig
from collections.abc import Collection
from pathlib import Path
from urllib.parse import unquote, urlsplit

from genzoo.errors import PluginError
from genzoo.packaging.wheel import WheelFile, recorded, top_level
from genzoo.plugins.discovery import CORE, installed_plugins, normalize_name
from genzoo.storage.atomic import atomic_text

STARTED_WITH = frozenset({"sitecustomize", "usercustomize"})
"""Modules that Python imports at every start. A plugin with one of them would run code in every program."""


_ENVIRONMENTS = re.compile(
    r"(python|pip|pydoc|idle|genzoo)[\d.]*w?(-config)?(\.exe)?|(de)?activate(\W.*)?", re.IGNORECASE
)
"""Names of commands that make up an environment."""


def refuse_strangers_files(wheels: Collection[WheelFile]) -> None:
    """Check that wheels replace no file of others, and hide no module or command.

    Arguments:
        wheels: all wheels to be installed together. They may replace files of distributions with the same names.

    Raises:
        PluginError: a wheel does.
    """
    present = _Present({wheel.name for wheel in wheels})
    for wheel in wheels:
        present.check_modules(wheel)
        present.check_files(wheel)
        present.add(wheel)


class _Present:
    """What is installed already, apart from what is replaced."""

    def __init__(self, replaced: Collection[str]) -> None:
        self.tops = dict.fromkeys(sys.stdlib_module_names | STARTED_WITH, "Python itself") | {CORE: CORE}
        self.tops |= {top_level(file): CORE for file in _bundled_modules()}
        self.files: dict[str, str] = {}
        self.modules: dict[str, str] = {}  # relative paths, because a file also hides one in a later folder of the path
        self.replaced: set[str] = set()
        self.editable: list[str] = []
        for distribution in importlib.metadata.distributions():
            owner = normalize_name(distribution.name or "")
            if owner in replaced:
                self.replaced |= _located_files(distribution).keys()
                self.editable += _source_of(distribution)
                continue
            for place, file in _located_files(distribution).items():
                self.files.setdefault(place, owner)
                self.modules.setdefault(file, owner)
                if _makes_whole(file):
                    self.tops.setdefault(top_level(file), owner)

    def check_modules(self, wheel: WheelFile) -> None:
        for top in sorted(wheel.tops):
            owner = self.tops.get(top) or self._importable(top)
            if owner is not None:
                raise PluginError(
                    f"{wheel.label} contains a module {top!r}, which belongs to {owner}. A plugin may not change what "
                    f"genzoo and other packages run on. Ask its author to leave it out. Nothing was changed."
                )

    def check_files(self, wheel: WheelFile) -> None:
        site = Path(sysconfig.get_path("purelib"))
        for path in sorted({*(site / file for file in wheel.modules), *wheel.others}):
            place = _real(path)
            file = path.relative_to(site).as_posix() if path.is_relative_to(site) else str(path)
            owner = self.files.get(place) or self.modules.get(file)
            if owner is None and path.parent == Path(sysconfig.get_path("scripts")) and place not in self.replaced:
                owner = _owner_of_command(path.name)
            if owner is None and os.path.lexists(path) and place not in self.replaced:
                owner = "no package that is replaced"
            if owner is None and not _is_below(place, os.path.realpath(sys.prefix)):
                owner = "no package: it is outside this environment"
            if owner is not None:
                raise PluginError(
                    f"{wheel.label} would overwrite {file!r}, which belongs to {owner}. Ask its author to leave it "
                    f"out. Nothing was changed."
                )

    def add(self, wheel: WheelFile) -> None:
        """Count the files of a wheel as installed, for the wheels after it."""
        site = Path(sysconfig.get_path("purelib"))
        self.files |= {_real(site / file): wheel.name for file in wheel.modules}
        self.files |= {_real(path): wheel.name for path in wheel.others}
        self.tops |= {top_level(file): wheel.name for file in wheel.modules if _makes_whole(file)}

    def _importable(self, top: str) -> str | None:
        """Return where a module of this name comes from now, unless it is replaced or a package that others extend.

        The files of an editable installation are listed in no record.
        """
        try:
            spec = importlib.util.find_spec(top)
        except (ImportError, ValueError):  # a name that no import statement could have, or a module without a spec
            return None
        if spec is None or spec.origin is None:
            return None
        origin = _real(spec.origin)
        here = str(Path.cwd())
        folders = [*self.editable, *([here] if sys.path[0] in ("", here) else [])]
        if origin in self.replaced or any(_is_below(origin, folder) for folder in folders):
            return None
        return self.files.get(origin) or origin


def _bundled_modules() -> list[str]:
    """Return the modules of the plugins that come with genzoo, as paths."""
    return [
        plugin.entry.module.replace(".", "/") + ".py"
        for plugin in installed_plugins()
        if plugin.bundled and plugin.entry is not None
    ]


def _source_of(distribution: importlib.metadata.Distribution) -> list[str]:
    """Return the folder of an editable distribution, or nothing."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        origin = json.loads(distribution.read_text("direct_url.json") or "{}")
        if origin["dir_info"]["editable"]:
            return [os.path.realpath(unquote(urlsplit(origin["url"]).path))]
    return []


def _located_files(distribution: importlib.metadata.Distribution) -> dict[str, str]:
    """Return the files that a distribution lists: for each `_real` path, the path as it is listed."""
    base = str(distribution.locate_file(""))
    return {_real(os.path.join(base, file)): file for file in recorded(distribution)}  # noqa: PTH118 - 40,000 files


def _real(path: str | Path) -> str:
    """Return a path whose folder has no symbolic links. The file itself may be one, which is then replaced."""
    folder, name = os.path.split(path)
    return os.path.join(_real_folder(folder), name)  # noqa: PTH118 - as above


def _is_below(path: str, folder: str) -> bool:
    return Path(path).is_relative_to(folder)


@functools.cache
def _real_folder(folder: str) -> str:
    return os.path.realpath(folder)


def _makes_whole(file: str) -> bool:
    """Return whether a file makes its top-level name a module or package that others cannot add files to."""
    parts = file.split("/")
    if len(parts) == 1:
        return parts[0].endswith((".py", ".so", ".pyd"))
    return len(parts) == 2 and parts[1].partition(".")[0] == "__init__" and parts[0] != ".."


def _owner_of_command(name: str) -> str | None:
    """Return whom a command belongs to that a new script would replace or hide."""
    if _ENVIRONMENTS.fullmatch(name):
        return "this environment"
    own = os.path.realpath(sysconfig.get_path("scripts"))
    folders = [*os.defpath.split(os.pathsep), *os.get_exec_path()]
    others = [Path(folder, name) for folder in folders if os.path.realpath(folder) != own]
    return "another program of this machine" if any(path.is_file() for path in others) else None


def keep_strangers_files(name: str) -> list[str]:
    """Remove from a distribution's record what does not belong to it, so that pip does not delete it.

    Returns:
        The paths that stay.

    Raises:
        GenzooError: the record cannot be written.
    """
    distribution = importlib.metadata.distribution(name)
    folder = Path(str(getattr(distribution, "_path", "")))
    record = folder / "RECORD"
    if not record.is_file() or not folder.resolve().is_relative_to(os.path.realpath(sys.prefix)):
        return []  # pip removes nothing without a record, or outside the environment
    others = {
        file
        for other in importlib.metadata.distributions()
        if normalize_name(other.name or "") != normalize_name(name)
        for file in _located_files(other)
    }
    foreign = {  # every spelling of a path counts, because pip deletes by any of them
        file for file in recorded(distribution) if _is_foreign(_real(folder.parent / file), folder.parent, others)
    }
    if foreign:
        rows = csv.reader(record.read_text(encoding="utf-8").splitlines())
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(row for row in rows if row and row[0] not in foreign)
        atomic_text(record, text.getvalue())
    commands = _without_foreign_commands(distribution, others)
    return sorted({*foreign, *commands})


def _is_foreign(place: str, site: Path, others: Collection[str]) -> bool:
    """Return whether a file that a distribution lists belongs to another one, or to the environment."""
    path = Path(place)
    if place in others or (path.is_dir() and not path.is_symlink()):  # a record lists files only
        return True
    if path.parent == Path(os.path.realpath(sysconfig.get_path("scripts"))):
        return _ENVIRONMENTS.fullmatch(path.name) is not None
    prefix = Path(os.path.realpath(sys.prefix))
    own = (Path(os.path.realpath(site)), prefix / "share", prefix / "etc", prefix / "include" / "site")
    return not any(path.is_relative_to(place) for place in own)


def _without_foreign_commands(distribution: importlib.metadata.Distribution, others: Collection[str]) -> list[str]:
    """Remove commands of others from the entry points of a distribution: pip deletes the scripts of all of them."""
    scripts = Path(sysconfig.get_path("scripts"))
    foreign = {
        entry.name
        for entry in distribution.entry_points
        if entry.group in ("console_scripts", "gui_scripts")
        and (
            entry.name != Path(entry.name).name
            or _ENVIRONMENTS.fullmatch(entry.name)
            or _real(scripts / entry.name) in others
        )
    }
    if foreign:
        text = distribution.read_text("entry_points.txt") or ""
        kept = [line for line in text.splitlines() if line.partition("=")[0].strip() not in foreign]
        folder = Path(str(getattr(distribution, "_path", "")))
        atomic_text(folder / "entry_points.txt", "\n".join(kept) + "\n")
    return sorted(foreign)
