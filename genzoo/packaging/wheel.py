"""Look into a wheel before it is installed: which files it adds, and whether they belong to other packages."""

from __future__ import annotations

import csv
import importlib.metadata
import sys
import sysconfig
import zipfile
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from genzoo.errors import PluginError, pass_out_of_memory
from genzoo.plugins.discovery import CORE, normalize_name
from genzoo.plugins.hookspecs import GROUP

STARTED_WITH = frozenset({"sitecustomize", "usercustomize"})
"""Modules that Python imports at every start. A plugin with one of them would run code in every program."""


_SCHEMES = ("purelib", "platlib", "scripts", "headers", "data")


@dataclass(frozen=True, slots=True)
class WheelFile:
    """A wheel that is not installed yet.

    Arguments:
        name: normalized name of its distribution.
        version: version in its file name.
        modules: paths of its modules, relative to site-packages.
        others: absolute paths of its other files and scripts, as they would be on this machine.
        plugin: whether it has an entry point in genzoo's group.
    """

    name: str
    version: str
    modules: frozenset[str]
    others: frozenset[Path]
    plugin: bool

    @property
    def tops(self) -> frozenset[str]:
        """The top-level names that can be imported from it."""
        return frozenset(_top(file) for file in self.modules)


def read_wheel(path: Path) -> WheelFile:
    """Look into a wheel.

    Raises:
        PluginError: the file is not a wheel.
    """
    name, version = path.name.split("-")[:2]
    try:
        with zipfile.ZipFile(path) as archive:
            files = [entry.filename for entry in archive.infolist() if not entry.is_dir()]
            folders = {file.partition("/")[0] for file in files if _among_metadata(file)}
            entries = [
                entry
                for folder in folders
                for entry in importlib.metadata.PathDistribution(zipfile.Path(archive, f"{folder}/")).entry_points
            ]
    except Exception as error:  # damaged archives and metadata raise errors of many classes
        pass_out_of_memory(error)
        raise PluginError(f"{path.name} cannot be read as a wheel: {error}. Build or fetch it again.") from error
    scripts = Path(sysconfig.get_path("scripts"))
    commands = {scripts / entry.name for entry in entries if entry.group in ("console_scripts", "gui_scripts")}
    modules = {_below_modules(file) for file in files if _elsewhere(file) is None and not _among_metadata(file)}
    return WheelFile(
        normalize_name(name),
        version,
        frozenset(modules),
        frozenset(place for place in (*map(_elsewhere, files), *commands) if place is not None),
        any(entry.group == GROUP for entry in entries),
    )


def _parts(file: str) -> tuple[str, PurePosixPath] | None:
    """Return the scheme and the rest of a path in a wheel's `.data` folder, or `None`."""
    first, _, rest = file.partition("/")
    scheme, _, below = rest.partition("/")
    return (scheme, PurePosixPath(below)) if first.endswith(".data") and scheme in _SCHEMES else None


def _elsewhere(file: str) -> Path | None:
    """Return where a file is installed that is not a module, or `None`."""
    found = _parts(file)
    if found is None or found[0] in ("purelib", "platlib"):
        return None
    scheme, below = found
    return Path(sysconfig.get_path("include" if scheme == "headers" else scheme), below)


def _below_modules(file: str) -> str:
    found = _parts(file)
    return file if found is None else str(found[1])


def _among_metadata(file: str) -> bool:
    return file.partition("/")[0].endswith(".dist-info")


def _top(file: str) -> str:
    return file.partition("/")[0].partition(".")[0]


def refuse_strangers_files(wheels: Collection[WheelFile], pins: Collection[str]) -> None:
    """Check that wheels replace no file of another distribution, and hide no module of genzoo's packages.

    Arguments:
        wheels: all wheels to be installed together. They may replace files of distributions with the same names.
        pins: normalized names of genzoo's packages.

    Raises:
        PluginError: a wheel does.
    """
    replaced = {wheel.name for wheel in wheels}
    taken = dict.fromkeys(sys.stdlib_module_names | STARTED_WITH, "Python itself") | {CORE: CORE}
    files: dict[str | Path, str] = {}
    for distribution in importlib.metadata.distributions():
        owner = normalize_name(distribution.name or "")
        if owner in replaced:
            continue
        for file in _files(distribution):
            files.setdefault(file, owner)
            if owner in pins and isinstance(file, str) and _makes_whole(file):
                taken.setdefault(_top(file), owner)
    for wheel in wheels:
        for top in sorted(wheel.tops & taken.keys()):
            raise PluginError(
                f"{wheel.name} {wheel.version} contains a module {top!r}, which belongs to {taken[top]}. Plugins may "
                f"not change what genzoo runs on. Ask its author to leave it out. Nothing was changed."
            )
        for found in sorted((wheel.modules | wheel.others) & files.keys(), key=str):
            raise PluginError(
                f"{wheel.name} {wheel.version} would overwrite {str(found)!r}, which belongs to {files[found]}. Ask "
                f"its author to leave it out. Nothing was changed."
            )


def _makes_whole(file: str) -> bool:
    """Return whether a file makes its top-level name a module or package that others cannot add files to."""
    parts = file.split("/")
    if len(parts) == 1:
        return parts[0].endswith((".py", ".so", ".pyd"))
    return len(parts) == 2 and parts[1].partition(".")[0] == "__init__"


def _files(distribution: importlib.metadata.Distribution) -> Iterator[str | Path]:
    """Yield the installed files of a distribution: modules relative to site-packages, other files as absolute paths."""
    try:
        record = distribution.read_text("RECORD") or ""
    except (OSError, UnicodeDecodeError):
        return
    for row in csv.reader(record.splitlines()):
        if not row or _among_metadata(row[0]):
            continue
        if row[0].startswith(("../", "/")):
            yield Path(str(distribution.locate_file(row[0]))).resolve()
        elif "__pycache__/" not in row[0]:
            yield row[0]
