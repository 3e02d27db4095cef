"""What an installation asks for, and what pip plans to do."""

from __future__ import annotations

import importlib.metadata
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from genzoo.errors import ConfigError, PluginError
from genzoo.packaging.pins import broken_requirements, unmet_requirements
from genzoo.plugins.discovery import bundled_plugins, installed_plugins, normalize_name
from genzoo.plugins.hookspecs import GROUP


@dataclass(frozen=True, slots=True)
class PlannedPackage:
    """One distribution that would be installed.

    Arguments:
        name, version: its own.
        url: where it comes from.
        digest: the SHA-256 of its file; `None` of a folder or a repository.
        direct: whether a path or an address was asked for, not a name.
        requested: whether it was asked for, and not only required by another.
        editable: whether it is installed in place.
        revision: of a repository, `git+...@commit`.
        requires: what its metadata say that it requires.
        origin: where it comes from, as an installer notes it beside what it installs.
    """

    name: str
    version: str
    url: str
    digest: str | None = None
    direct: bool = False
    requested: bool = False
    editable: bool = False
    revision: str | None = None
    requires: tuple[str, ...] = ()
    origin: Mapping[str, Any] = field(default_factory=dict)

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


def read_pip_report(report: Mapping[str, Any]) -> list[PlannedPackage]:
    """The items of pip's report on an installation, those that were asked for first."""
    items = [_item(entry) for entry in report["install"]]
    return sorted(items, key=lambda item: (not item.requested, normalize_name(item.name)))


def _item(entry: Mapping[str, Any]) -> PlannedPackage:
    found = entry["download_info"]
    url, vcs = found["url"], found.get("vcs_info")
    below = f"#subdirectory={found['subdirectory']}" if "subdirectory" in found else ""
    return PlannedPackage(
        entry["metadata"]["name"],
        entry["metadata"]["version"],
        url + ("" if vcs else below),
        found.get("archive_info", {}).get("hashes", {}).get("sha256"),
        entry.get("is_direct", False),
        entry.get("requested", False),
        found.get("dir_info", {}).get("editable", False),
        f"{vcs['vcs']}+{url}@{vcs['commit_id']}{below}" if vcs else None,
        tuple(entry["metadata"].get("requires_dist", ())),
        found,
    )


def check_requests(requests: Iterable[Request], pins: Mapping[str, str]) -> None:
    """Refuse to install what belongs to the core, or comes with it.

    Raises:
        PluginError: one of them does.
    """
    bundled = bundled_plugins()
    for request in requests:
        if request.name in bundled:
            raise PluginError(f"{request.name} comes with genzoo, so there is nothing to install.")
        if request.name is not None and request.name in pins:
            raise PluginError(
                f"{request.name} {pins[request.name]} is part of what genzoo runs on, and `genzoo install` never "
                f"changes that. Change it with pip itself."
            )


def check_plan(items: Sequence[PlannedPackage], requests: Iterable[Request], pins: Mapping[str, str]) -> None:
    """Refuse a plan that changes the core, breaks what is installed, or brings no plugin.

    Raises:
        PluginError: it does.
    """
    changed = {normalize_name(item.name): item.version for item in items}
    if touched := sorted(set(changed) & set(pins)):
        what = " and ".join(f"{name} {changed[name]} in place of {pins[name]}" for name in touched)
        raise PluginError(f"This would install {what}, and plugins may not change that. Nothing was changed.")
    if ours := sorted(set(changed) & set(bundled_plugins())):
        what = " and ".join(f"{name} {changed[name]}" for name in ours)
        raise PluginError(f"This would install {what}, and {ours[0]} comes with genzoo. Nothing was changed.")
    unmet = [text for item in items for text in unmet_requirements(item.name, item.version, item.requires, changed)]
    if broken := [*unmet, *broken_requirements(changed)]:
        raise PluginError(f"There is a conflict: {'; '.join(broken[:3])} after this. Nothing was changed.")
    present = {normalize_name(plugin.distribution) for plugin in installed_plugins()}
    for request in requests:
        if request.name is not None and request.name not in changed and request.name not in present:
            raise no_plugin(request.name)


def no_plugin(name: str, state: str = "Nothing was changed.") -> PluginError:
    """The error of what is installable and has no entry point of genzoo's; `state` is that of the environment."""
    what = f"{name} is no plugin: it has no entry point in the group {GROUP!r}."
    return PluginError(f"{what} Install it with pip itself if you want it. {state}".rstrip())


def versions_of(items: Iterable[PlannedPackage]) -> dict[str, str | None]:
    """The installed version of each item's distribution; `None` of one that is not installed."""
    found: dict[str, str | None] = {}
    for item in items:
        try:
            found[item.name] = importlib.metadata.version(item.name)
        except importlib.metadata.PackageNotFoundError:
            found[item.name] = None
    return found


_ARCHIVES = (".whl", ".tar.gz", ".zip", ".tar.bz2")


_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://\S+")


_PATH = re.compile(r"(?P<path>.+?)(?P<extras>\[[\w\s,.-]*\])?")


class NothingThereError(ConfigError):
    """A path leads to nothing."""


@dataclass(frozen=True, slots=True)
class Request:
    """One thing to install.

    Arguments:
        text: in pip's terms.
        editable: whether it is installed in place, so that changes to its source take effect.
        name: the normalised name of the distribution, where the request tells it.
    """

    text: str
    editable: bool = False
    name: str | None = None

    @property
    def wheel(self) -> Path | None:
        """The wheel on this machine that is asked for, if one is."""
        text = self.text.rpartition(" @ ")[2]
        path = Path(unquote(urlsplit(text).path) if text.startswith("file:") else text)
        return path if path.suffix == ".whl" and path.is_file() else None

    @property
    def words(self) -> tuple[str, ...]:
        """The request as arguments of `pip install`, before and after which others may stand."""
        return (f"--editable={self.text}",) if self.editable else (self.text,)


def parse_request(text: str, *, editable: bool = False) -> Request:
    """What one argument asks for.

    Raises:
        ConfigError: it is none of a name, a path, a wheel and an address; or a path to nothing.
    """
    if not text.strip() or not text.isprintable():
        raise ConfigError(f"{text!r} names no package.")
    if text.lstrip().startswith("-"):
        raise ConfigError(f"{text!r} is an option, and none is handed on to pip. Set PIP_... variables for pip's own.")
    if editable or _is_path(text):
        return _path_request(text, editable)
    if _ADDRESS.fullmatch(text):
        file = unquote(urlsplit(text).path).rpartition("/")[2]
        return Request(text, name=_wheels_name(file))
    return _named_request(text)


def _is_path(text: str) -> bool:
    """As pip tells them apart: a separator, a leading dot, or the name of an archive."""
    if _ADDRESS.match(text) or "@" in text.partition(os.sep)[0]:
        return False
    return os.sep in text or text.startswith((".", "~")) or text.endswith(_ARCHIVES)


def _path_request(text: str, editable: bool) -> Request:
    found = _PATH.fullmatch(text)
    assert found is not None
    path = Path(found["path"]).expanduser()
    if not path.exists():
        raise NothingThereError(f"There is no file or folder {str(path)!r} to install.")
    if editable and not path.is_dir():
        raise ConfigError(f"-e {str(path)!r} is no folder; only a folder can be installed in place.")
    if path.is_dir() and not any((path / name).is_file() for name in ("pyproject.toml", "setup.py")):
        raise ConfigError(f"The folder {str(path)!r} holds no package: neither pyproject.toml nor setup.py is in it.")
    return Request(f"{path.resolve()}{found['extras'] or ''}", editable, _wheels_name(path.name))


def _wheels_name(file: str) -> str | None:
    """The name of the distribution that a file holds, where it is a wheel."""
    return normalize_name(file.partition("-")[0]) if file.endswith(".whl") else None


def _named_request(text: str) -> Request:
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        requirement = Requirement(text)
    except InvalidRequirement as error:
        raise ConfigError(f"{text!r} is neither a package's name, with or without versions, nor a path.") from error
    return Request(str(requirement), name=normalize_name(requirement.name))
