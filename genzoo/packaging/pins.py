"""The packages that genzoo stands on, which an installation must not change."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from genzoo.errors import PluginError
from genzoo.plugins.discovery import CORE, normalize_name

if TYPE_CHECKING:
    from packaging.requirements import Requirement

BUILD_TOOLS = frozenset({"setuptools", "wheel", "pip"})
"""Packages of the core that a build brings at a version of its own, as they do not end up in what is built."""


def core_packages() -> dict[str, str]:
    """The installed version of genzoo and of all it requires, directly or not, by normalised name.

    Raises:
        PluginError: genzoo itself is not installed.
    """
    found = {name: importlib.metadata.version(name) for name in required_by([CORE])}
    if CORE not in found:
        raise PluginError("genzoo is run from its source and is not installed, so nothing can be installed beside it.")
    return found


def requirements(distribution: importlib.metadata.Distribution) -> Iterator[Requirement]:
    """What a distribution requires here; a line that cannot be read is passed over."""
    yield from read_requirements(distribution.requires or ())


def required_by(names: Iterable[str]) -> set[str]:
    """The normalised names of all installed distributions that these require, directly or not, and themselves."""
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
    """Those of these distributions that are installed and that nothing else which is installed requires."""
    among = set(names)
    left = {normalize_name(distribution.name or "") for distribution in importlib.metadata.distributions()}
    return sorted((among & left) - set(core_packages()) - required_by(left - among))


def read_requirements(lines: Iterable[str]) -> Iterator[Requirement]:
    """Those lines of metadata that hold here; a line that cannot be read is passed over."""
    from packaging.requirements import InvalidRequirement, Requirement

    for line in lines:
        try:
            requirement = Requirement(line)
        except InvalidRequirement:
            continue
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield requirement


def broken_requirements(changed: Mapping[str, str] | None = None) -> list[str]:
    """What installed distributions require and do not have, one sentence each.

    Arguments:
        changed: versions that are about to be installed, by normalised name. Then only what they would break is
            told, and not what is broken already.
    """
    told: list[str] = []
    for distribution in importlib.metadata.distributions():
        try:
            told += _broken(distribution, changed)
        except Exception:  # noqa: S112 - metadata that cannot be read require nothing
            continue
    return sorted(set(told))


def unmet_requirements(name: str, version: str, lines: Iterable[str], changed: Mapping[str, str]) -> Iterator[str]:
    """What a distribution that is about to be installed requires and would not have, one clause each.

    Arguments:
        lines: of its metadata.
        changed: the versions that are installed with it, by normalised name.
    """
    for requirement in read_requirements(lines):
        key = normalize_name(requirement.name)
        has = changed.get(key) or _installed_version(key)
        if not _meets(requirement, has):
            yield f"{name} {version} requires {requirement}, and there is {_what(requirement.name, has)}"


def _what(name: str, version: str | None) -> str:
    return f"no {name}" if version is None else f"{name} {version}"


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
            yield f"{distribution.name} {distribution.version} requires {requirement}, and there is {what}"


def _installed_version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _meets(requirement: Requirement, version: str | None) -> bool:
    return version is not None and requirement.specifier.contains(version, prereleases=True)
