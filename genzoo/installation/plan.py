"""What an installation would do, read from pip's report, and whether that is allowed."""

from __future__ import annotations

import importlib.metadata
import tomllib
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from genzoo.errors import PluginError
from genzoo.hookspecs import GROUP
from genzoo.installation.core import broken_requirements
from genzoo.installation.request import Request
from genzoo.installed import installed_plugins, normalised


@dataclass(frozen=True, slots=True)
class Item:
    """One distribution that would be installed.

    Arguments:
        name, version: its own.
        url: where it comes from.
        digest: the SHA-256 of its file; `None` of a folder or a repository.
        direct: whether a path or an address was asked for, not a name.
        requested: whether it was asked for, and not only required by another.
        editable: whether it is installed in place.
        revision: of a repository, `git+...@commit`.
    """

    name: str
    version: str
    url: str
    digest: str | None = None
    direct: bool = False
    requested: bool = False
    editable: bool = False
    revision: str | None = None

    @property
    def path(self) -> Path | None:
        """Where it lies on this machine, if it does."""
        parts = urlsplit(self.url)
        return Path(unquote(parts.path)) if parts.scheme == "file" else None

    @property
    def size(self) -> int | None:
        """Bytes of its file, where that is known without fetching it."""
        return self.path.stat().st_size if self.path is not None and self.path.is_file() else None

    @property
    def words(self) -> tuple[str, ...]:
        """Exactly this, as a line of pip's requirements."""
        if self.editable:
            return ("--editable", str(self.path))
        if self.revision is not None:
            return (f"{self.name} @ {self.revision}",)
        if self.direct:
            return (f"{self.name} @ {self.url}",)
        return (f"{self.name}=={self.version}",)


def read_report(report: Mapping[str, Any]) -> list[Item]:
    """The items of pip's report on an installation, those that were asked for first."""
    items = [_item(entry) for entry in report["install"]]
    return sorted(items, key=lambda item: (not item.requested, normalised(item.name)))


def _item(entry: Mapping[str, Any]) -> Item:
    found = entry["download_info"]
    url, vcs = found["url"], found.get("vcs_info")
    below = f"#subdirectory={found['subdirectory']}" if "subdirectory" in found else ""
    return Item(
        entry["metadata"]["name"],
        entry["metadata"]["version"],
        url + ("" if vcs else below),
        found.get("archive_info", {}).get("hashes", {}).get("sha256"),
        entry.get("is_direct", False),
        entry.get("requested", False),
        found.get("dir_info", {}).get("editable", False),
        f"{vcs['vcs']}+{url}@{vcs['commit_id']}{below}" if vcs else None,
    )


def check_requests(requests: Iterable[Request], pins: Mapping[str, str]) -> None:
    """Refuse to install what belongs to the core.

    Raises:
        PluginError: one of them does.
    """
    for request in requests:
        if request.name is not None and request.name in pins:
            raise PluginError(
                f"{request.name} {pins[request.name]} is part of what genzoo runs on, and `genzoo install` never "
                f"changes that. Change it with pip itself."
            )


def check_plan(items: Sequence[Item], requests: Iterable[Request], pins: Mapping[str, str]) -> None:
    """Refuse a plan that changes the core, breaks what is installed, or brings no plugin.

    Raises:
        PluginError: it does.
    """
    changed = {normalised(item.name): item.version for item in items}
    if touched := sorted(set(changed) & set(pins)):
        what = " and ".join(f"{name} {changed[name]} in place of {pins[name]}" for name in touched)
        raise PluginError(f"This would install {what}, and plugins may not change that. Nothing was changed.")
    if broken := broken_requirements(changed):
        raise PluginError(f"There is a conflict: {'; '.join(broken[:3])} after this. Nothing was changed.")
    present = {normalised(plugin.distribution) for plugin in installed_plugins()}
    for request in requests:
        if request.name is not None and request.name not in changed and request.name not in present:
            raise _no_plugin(request.name)
    for item in items:
        if item.requested and declares_plugin(item.path) is False:
            raise _no_plugin(item.name)


def _no_plugin(name: str) -> PluginError:
    return PluginError(
        f"{name} is no plugin: it has no entry point in the group {GROUP!r}. Install it with pip itself if you want "
        f"it. Nothing was changed."
    )


def declares_plugin(path: Path | None) -> bool | None:
    """Whether the wheel or folder at `path` is a plugin's; `None` where that shows only once it is installed."""
    if path is None:
        return None
    if path.suffix == ".whl":
        with zipfile.ZipFile(path) as archive:
            found = [name for name in archive.namelist() if name.endswith(".dist-info/entry_points.txt")]
            return any(f"[{GROUP}]" in archive.read(name).decode("utf-8", "replace") for name in found)
    if not (path / "pyproject.toml").is_file():
        return None
    try:
        project = tomllib.loads((path / "pyproject.toml").read_text(encoding="utf-8")).get("project", {})
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        return None
    if "entry-points" in project.get("dynamic", ()) or not project:
        return None
    return bool(project.get("entry-points", {}).get(GROUP))


def versions_of(items: Iterable[Item]) -> dict[str, str | None]:
    """The installed version of each item's distribution; `None` of one that is not installed."""
    found: dict[str, str | None] = {}
    for item in items:
        try:
            found[item.name] = importlib.metadata.version(item.name)
        except importlib.metadata.PackageNotFoundError:
            found[item.name] = None
    return found
