"""Parse what a user asks to install, and check what pip plans to do."""

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
    """One distribution that pip would install.

    Arguments:
        name, version: its name and version.
        url: where it comes from.
        digest: SHA-256 of its file; `None` for a folder or a repository.
        direct: whether a path or URL was requested, and not a name.
        requested: whether the user requested it, and not only another package.
        editable: whether it is installed in place.
        revision: revision of a repository, `git+...@commit`.
        requires: requirement lines of its metadata.
        origin: where it comes from, in the form that installers record.
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
        """Its path on this machine, or `None`."""
        parts = urlsplit(self.url)
        return Path(unquote(parts.path)) if parts.scheme == "file" else None

    @property
    def size(self) -> int | None:
        """Size of its file in bytes, or `None` if it is not on this machine."""
        return self.path.stat().st_size if self.path is not None and self.path.is_file() else None

    @property
    def words(self) -> tuple[str, ...]:
        """Arguments for pip that install exactly this."""
        if self.editable:
            return ("--editable", str(self.path))
        if self.revision is not None:
            return (f"{self.name} @ {self.revision}",)
        if self.direct:
            return (f"{self.name} @ {self.url}",)
        return (f"{self.name}=={self.version}",)


def read_pip_report(report: Mapping[str, Any]) -> list[PlannedPackage]:
    """Return the packages in pip's installation report, the requested ones first."""
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
    """Check that no request is part of genzoo, or comes with it.

    Raises:
        PluginError: one is.
    """
    bundled = bundled_plugins()
    for request in requests:
        if request.name in bundled:
            raise PluginError(f"{request.name} comes with genzoo and is installed already.")
        if request.name is not None and request.name in pins:
            raise PluginError(
                f"{request.name} {pins[request.name]} is one of genzoo's own packages, which `genzoo install` never "
                f"changes. Use pip to change it."
            )


def check_plan(items: Sequence[PlannedPackage], requests: Iterable[Request], pins: Mapping[str, str]) -> None:
    """Check that a plan changes nothing of genzoo's, breaks no requirement, and brings plugins.

    Raises:
        PluginError: it does not.
    """
    changed = {normalize_name(item.name): item.version for item in items}
    if touched := sorted(set(changed) & set(pins)):
        what = " and ".join(f"{name} {changed[name]} over {pins[name]}" for name in touched)
        raise PluginError(f"This would install {what}, and plugins may not change that. Nothing was changed.")
    if ours := sorted(set(changed) & set(bundled_plugins())):
        what = " and ".join(f"{name} {changed[name]}" for name in ours)
        raise PluginError(f"This would install {what}, but {ours[0]} comes with genzoo. Nothing was changed.")
    unmet = [text for item in items for text in unmet_requirements(item.name, item.version, item.requires, changed)]
    if broken := [*unmet, *broken_requirements(changed)]:
        raise PluginError(f"There would be a conflict: {'; '.join(broken[:3])}. Nothing was changed.")
    present = {normalize_name(plugin.distribution) for plugin in installed_plugins()}
    for request in requests:
        if request.name is not None and request.name not in changed and request.name not in present:
            raise no_plugin(request.name)


def no_plugin(name: str, state: str = "Nothing was changed.") -> PluginError:
    """Return the error for a package without an entry point in genzoo's group.

    Arguments:
        state: sentence about the state of the environment.
    """
    what = f"{name} is not a plugin: it has no entry point in the group {GROUP!r}."
    return PluginError(f"{what} Install it with pip if you want it anyway. {state}".rstrip())


def versions_of(items: Iterable[PlannedPackage]) -> dict[str, str | None]:
    """Return the installed version of each package, or `None` if it is not installed."""
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
    """A path does not exist."""


@dataclass(frozen=True, slots=True)
class Request:
    """One thing to install.

    Arguments:
        text: what to install, as pip takes it.
        editable: install in place, so that changes to the source take effect.
        name: normalized name of the distribution, if the request contains it.
    """

    text: str
    editable: bool = False
    name: str | None = None

    @property
    def wheel(self) -> Path | None:
        """The requested wheel on this machine, or `None`."""
        text = self.text.rpartition(" @ ")[2]
        path = Path(unquote(urlsplit(text).path) if text.startswith("file:") else text)
        return path if path.suffix == ".whl" and path.is_file() else None

    @property
    def words(self) -> tuple[str, ...]:
        """The request as arguments of `pip install`."""
        return (f"--editable={self.text}",) if self.editable else (self.text,)


def parse_request(text: str, *, editable: bool = False) -> Request:
    """Parse one argument of `genzoo install`.

    Raises:
        ConfigError: it is neither a name, a path, a wheel nor a URL, or the path does not exist.
    """
    if not text.strip() or not text.isprintable():
        raise ConfigError(f"{text!r} names no package.")
    if text.lstrip().startswith("-"):
        raise ConfigError(
            f"{text!r} is an option, which genzoo does not pass on to pip. Set a PIP_... variable instead."
        )
    if editable or _is_path(text):
        return _path_request(text, editable)
    if _ADDRESS.fullmatch(text):
        file = unquote(urlsplit(text).path).rpartition("/")[2]
        return Request(text, name=_wheels_name(file))
    return _named_request(text)


def _is_path(text: str) -> bool:
    """Return whether pip would take a text for a path: it has a separator, a leading dot, or an archive's suffix."""
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
        raise ConfigError(f"-e {str(path)!r} is not a folder. Only a folder can be installed in place.")
    if path.is_dir() and not any((path / name).is_file() for name in ("pyproject.toml", "setup.py")):
        raise ConfigError(f"The folder {str(path)!r} is not a package: it has no pyproject.toml or setup.py.")
    return Request(f"{path.resolve()}{found['extras'] or ''}", editable, _wheels_name(path.name))


def _wheels_name(file: str) -> str | None:
    """Return the name of the distribution in a wheel, or `None` if the file is no wheel."""
    return normalize_name(file.partition("-")[0]) if file.endswith(".whl") else None


def _named_request(text: str) -> Request:
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        requirement = Requirement(text)
    except InvalidRequirement as error:
        raise ConfigError(f"{text!r} is neither a package name, such as 'genzoo-x>=1', nor a path.") from error
    return Request(str(requirement), name=normalize_name(requirement.name))
