"""Find the packages that genzoo depends on, which no installation may change, and unmet requirements."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from genzoo.errors import PluginError
from genzoo.plugins.discovery import CORE, normalize_name

if TYPE_CHECKING:
    from packaging.requirements import Requirement

BUILD_TOOLS = frozenset({"setuptools", "wheel", "pip"})
"""Packages of genzoo's that a build may use at another version: they do not become part of the result."""


def core_packages() -> dict[str, str]:
    """Return the installed versions of genzoo and of all its dependencies, by normalized name.

    Raises:
        PluginError: genzoo itself is not installed.
    """
    found = {name: importlib.metadata.version(name) for name in required_by([CORE])}
    if CORE not in found:
        raise PluginError("genzoo runs from its source folder. Install it with pip first, then install plugins.")
    return found


def requirements(distribution: importlib.metadata.Distribution) -> Iterator[Requirement]:
    """Yield the requirements of a distribution that apply here. Skip lines that cannot be parsed."""
    yield from read_requirements(distribution.requires or ())


def required_by(names: Iterable[str]) -> set[str]:
    """Return the normalized names of these distributions and all their dependencies, if they are installed."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = normalize_name(waiting.pop())
        if name in found:
            continue
        try:
            distribution = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        found.add(name)
        waiting += [requirement.name for requirement in requirements(distribution)]
    return found


def unrequired(names: Iterable[str]) -> list[str]:
    """Return which of these distributions are installed, and required by no other one."""
    among = set(names)
    left = {normalize_name(distribution.name or "") for distribution in importlib.metadata.distributions()}
    return sorted((among & left) - set(core_packages()) - required_by(left - among))


def read_requirements(lines: Iterable[str]) -> Iterator[Requirement]:
    """Parse requirement lines, and yield those that apply here. Skip lines that cannot be parsed."""
    from packaging.requirements import InvalidRequirement, Requirement

    for line in lines:
        try:
            requirement = Requirement(line)
        except InvalidRequirement:
            continue
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield requirement


def broken_requirements(changed: Mapping[str, str] | None = None) -> list[str]:
    """Return the unmet requirements of installed distributions, one sentence each.

    Arguments:
        changed: versions about to be installed, by normalized name. If given, only requirements that they would break
            are returned.
    """
    found: list[str] = []
    for distribution in importlib.metadata.distributions():
        try:
            found += _broken(distribution, changed)
        except Exception:  # noqa: S112 - unreadable metadata require nothing
            continue
    return sorted(set(found))


def unmet_requirements(name: str, version: str, lines: Iterable[str], changed: Mapping[str, str]) -> Iterator[str]:
    """Yield the requirements that a new distribution would not have, one clause each.

    Arguments:
        name, version: the distribution about to be installed.
        lines: requirement lines of its metadata.
        changed: versions installed together with it, by normalized name.
    """
    for requirement in read_requirements(lines):
        key = normalize_name(requirement.name)
        has = changed.get(key) or _installed_version(key)
        if not _meets(requirement, has):
            yield f"{name} {version} requires {requirement}, but {_what(requirement.name, has)}"


def _what(name: str, version: str | None) -> str:
    return f"{name} is not installed" if version is None else f"{name} is {version}"


def _broken(distribution: importlib.metadata.Distribution, changed: Mapping[str, str] | None) -> Iterator[str]:
    owner = normalize_name(distribution.name)
    if changed is not None and owner in changed:
        return
    for requirement in requirements(distribution):
        name = normalize_name(requirement.name)
        present = _installed_version(name)
        has = present if changed is None else changed.get(name)
        if changed is not None and (has is None or not _meets(requirement, present)):
            continue
        if not _meets(requirement, has):
            what = _what(requirement.name, has)
            yield f"{distribution.name} {distribution.version} requires {requirement}, but {what}"


def _installed_version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _meets(requirement: Requirement, version: str | None) -> bool:
    return version is not None and requirement.specifier.contains(version, prereleases=True)
