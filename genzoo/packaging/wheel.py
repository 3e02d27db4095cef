"""Look into a wheel before it is installed, without unpacking it."""

from __future__ import annotations

import csv
import importlib.metadata
import sys
import sysconfig
import zipfile
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from genzoo.errors import PluginError, pass_out_of_memory
from genzoo.plugins.discovery import normalize_name
from genzoo.plugins.hookspecs import GROUP


class WheelError(PluginError):
    """A wheel contains something that genzoo does not install."""


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
        return frozenset(top_level(file) for file in self.modules)

    @property
    def label(self) -> str:
        """Its name and version."""
        return f"{self.name} {self.version}"


def read_wheel(path: Path) -> WheelFile:
    """Look into a wheel.

    Raises:
        PluginError: the file is not a wheel, or it contains files that could harm the environment.
    """
    try:
        name, version = path.name.split("-")[:2]
        with zipfile.ZipFile(path) as archive:
            return _examined(archive, normalize_name(name), version)
    except WheelError:
        raise
    except Exception as error:  # damaged archives and metadata raise errors of many classes
        pass_out_of_memory(error)
        raise PluginError(f"{path.name} cannot be read as a wheel: {error}. Build or fetch it again.") from error


def _examined(archive: zipfile.ZipFile, name: str, version: str) -> WheelFile:
    label = f"{name} {version}"
    files = [entry.filename for entry in archive.infolist() if not entry.is_dir()]
    _check_paths(label, [entry.orig_filename for entry in archive.infolist()])
    file, times = Counter(files).most_common(1)[0] if files else ("", 0)
    if times > 1:
        raise _refused(label, f"contains {file!r} twice")
    info = _metadata_folder(label, files)
    metadata = importlib.metadata.PathDistribution(zipfile.Path(archive, f"{info}/"))
    if normalize_name(stated := str(metadata.metadata["Name"])) != name:
        raise _refused(label, f"calls itself {stated!r} in its metadata")
    _check_record(label, metadata, files)
    modules = frozenset(_below_modules(file) for file in files if _elsewhere(file, name) is None)
    for file in sorted(modules):
        _check_module(label, file, modules, info)
    entries = metadata.entry_points
    scripts = [_script(label, entry.name) for entry in entries if entry.group in ("console_scripts", "gui_scripts")]
    others = [found for file in files if (found := _elsewhere(file, name)) is not None]
    for file in files:
        _check_data(label, file)
    return WheelFile(
        name,
        version,
        frozenset(file for file in modules if not _among_metadata(file)),
        frozenset([*others, *scripts]),
        any(entry.group == GROUP for entry in entries),
    )


def _refused(label: str, what: str) -> WheelError:
    return WheelError(f"{label} {what}, which genzoo does not install. Ask its author about it. Nothing was changed.")


def _check_paths(label: str, paths: Iterable[str]) -> None:
    """Check that every path stays below the folder that it is unpacked to, and has one spelling.

    pip drops empty parts and dots: it would install `./evil.pth` as `evil.pth`.
    """
    for path in paths:
        if {"", "."} & set(path.removesuffix("/").split("/")):
            raise _refused(label, f"contains the path {path!r}, which pip would write in another way")
        if "\0" in path or "\\" in path or ":" in path or path.startswith("/") or ".." in path.split("/"):
            raise _refused(label, f"contains the path {path!r}, which leads out of its folder")


def _metadata_folder(label: str, files: Iterable[str]) -> str:
    folders = sorted({file.partition("/")[0] for file in files if _among_metadata(file)})
    if len(folders) != 1:
        raise _refused(label, f"has metadata of {len(folders)} packages: {', '.join(folders[:3]) or 'none'}")
    owner = normalize_name(folders[0].partition("-")[0])
    if owner != label.partition(" ")[0]:
        raise _refused(label, f"has the metadata of {owner}")
    return folders[0]


def _check_record(label: str, metadata: importlib.metadata.Distribution, files: Collection[str]) -> None:
    """Check that a wheel lists no file that it does not contain: pip would delete it with the package."""
    known = set(files)
    for row in csv.reader((metadata.read_text("RECORD") or "").splitlines()):
        if row and row[0] not in known:
            raise _refused(label, f"lists {row[0]!r} as its own, but does not contain it")


def _check_module(label: str, file: str, modules: Collection[str], info: str) -> None:
    """Check that a file in site-packages runs no code at start-up, and poses as nobody else's."""
    first, _, rest = file.partition("/")
    if not rest and first.lower().endswith((".pth", ".egg-link")):
        raise _refused(label, f"contains {file!r}, which every start of Python would run or follow")
    if first.lower().endswith((".dist-info", ".egg-info", ".egg")) and first != info:
        raise _refused(label, f"contains {file!r}, which are the metadata of another package")
    if first == info and rest == "direct_url.json":
        raise _refused(label, f"contains {file!r}, which only an installer may write")
    folder = PurePosixPath(file).parent
    if folder.name == "__pycache__":
        source = (folder.parent / PurePosixPath(file).name.partition(".")[0]).as_posix()
        if f"{source}.py" not in modules:
            raise _refused(label, f"contains {file!r}, which is compiled from no file of its own")


def _script(label: str, name: str) -> Path:
    """Return the path of a script."""
    if not name or name != PurePosixPath(name).name or "\\" in name or name in (".", ".."):
        raise _refused(label, f"has a command with the name {name!r}, which is a path")
    return Path(sysconfig.get_path("scripts"), name)


def _check_data(label: str, file: str) -> None:
    """Check that a file which is not a module changes no program."""
    first, _, rest = file.partition("/")
    scheme, _, below = rest.partition("/")
    if not first.endswith(".data"):
        return
    if scheme not in _SCHEMES or (scheme == "data" and not below.startswith("share/")):
        raise _refused(label, f"contains the data file {rest!r}, which is not below 'data/share/'")
    if scheme == "scripts" and "/" in below:
        raise _refused(label, f"contains the script {below!r}, which is a path")


_SCHEMES = ("purelib", "platlib", "scripts", "headers", "data")


def _parts(file: str) -> tuple[str, PurePosixPath] | None:
    """Return the scheme and the rest of a path in a wheel's `.data` folder, or `None`."""
    first, _, rest = file.partition("/")
    scheme, _, below = rest.partition("/")
    return (scheme, PurePosixPath(below)) if first.endswith(".data") and scheme in _SCHEMES else None


def _elsewhere(file: str, name: str) -> Path | None:
    """Return where a file is installed that is not a module, or `None`."""
    found = _parts(file)
    if found is None or found[0] in ("purelib", "platlib"):
        return None
    scheme, below = found
    return Path(_headers(name) if scheme == "headers" else sysconfig.get_path(scheme), below)


def _headers(name: str) -> Path:
    """Return the folder for C headers of a distribution, which pip makes."""
    return Path(sys.prefix, "include", "site", f"python{sys.version_info.major}.{sys.version_info.minor}", name)


def _below_modules(file: str) -> str:
    found = _parts(file)
    return file if found is None else str(found[1])


def _among_metadata(file: str) -> bool:
    return file.partition("/")[0].endswith(".dist-info")


def top_level(file: str) -> str:
    """Return the name that a module's file, relative to site-packages, is imported under."""
    return file.partition("/")[0].partition(".")[0]


def recorded(distribution: importlib.metadata.Distribution) -> Iterator[str]:
    """Yield the paths that an installed distribution lists as its own, relative to site-packages or absolute."""
    try:
        record = distribution.read_text("RECORD") or ""
    except (OSError, UnicodeDecodeError):
        return
    yield from (row[0] for row in csv.reader(record.splitlines()) if row)
