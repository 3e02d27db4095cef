"""Find installed plugins from the metadata of their distributions, without importing them."""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from genzoo.errors import pass_out_of_memory
from genzoo.plugins.hookspecs import GROUP

CORE = "genzoo"
"""Name of genzoo's own distribution. It also owns the entries that genzoo itself registers."""


_SECTION = re.compile(rf"^\s*\[\s*{GROUP}\s*\]", re.MULTILINE)


_HEADER = re.compile(r"^(Name|Version):[ \t]*(\S+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class InstalledPlugin:
    """One entry point of an installed distribution, or the reason why its metadata cannot be read.

    Arguments:
        distribution: name of the distribution. For a plugin that comes with genzoo, name of the entry point. Ids of
            registered entries begin with it.
        entry: the entry point; `None` if the metadata are damaged.
        problem: what is wrong with the metadata.
        folder: folder of the metadata.
        bundled: whether it comes with genzoo.
        displaced: whether it is a separate distribution with the name of a bundled plugin. Such a plugin is never
            loaded.
    """

    distribution: str
    version: str
    entry: importlib.metadata.EntryPoint | None
    problem: str = ""
    folder: str = ""
    bundled: bool = False
    displaced: bool = False

    @property
    def name(self) -> str:
        """Name of the entry point."""
        return self.entry.name if self.entry is not None else ""

    @property
    def label(self) -> str:
        """`distribution:name`, which is unique."""
        return f"{self.distribution}:{self.name}"


def normalize_name(name: str) -> str:
    """Return the normalized form of a distribution's name (PEP 503), in which all its spellings are equal."""
    return re.sub(r"[-_.]+", "-", name).lower()


def installed_plugins() -> list[InstalledPlugin]:
    """Return every entry point of the group, by distribution and name.

    If the path has several distributions with one name, the first one counts.
    """
    whole: set[str] = set()
    found: list[InstalledPlugin] = []
    damaged: dict[str, InstalledPlugin] = {}
    for distribution in importlib.metadata.distributions():
        folder = str(getattr(distribution, "_path", ""))  # private, but there is no public way; pip uses it, too
        stem = Path(folder).stem.partition("-")[0]
        key = normalize_name(stem) or folder
        if key in whole or stem.startswith("~"):  # pip leaves folders with ~ when a removal is interrupted
            continue
        try:
            found += _plugins_of(distribution, folder)
            whole.add(key)
        except Exception as error:
            pass_out_of_memory(error)
            if isinstance(error, _NotWhole) or _mentions_group(folder):
                problem = str(error) if isinstance(error, _NotWhole) else f"{type(error).__name__}: {error}"
                text = f"its installation is damaged: {problem}"
                damaged.setdefault(key, InstalledPlugin(stem, "", None, text, folder))
    found += [plugin for key, plugin in damaged.items() if key not in whole]
    ours = {normalize_name(plugin.distribution) for plugin in found if plugin.bundled}
    found = [replace(one, displaced=not one.bundled and normalize_name(one.distribution) in ours) for one in found]
    return sorted(found, key=lambda plugin: (normalize_name(plugin.distribution), plugin.displaced, plugin.name))


def bundled_plugins() -> dict[str, str]:
    """Return the names of the plugins that come with genzoo, by normalized name."""
    return {
        normalize_name(plugin.distribution): plugin.distribution for plugin in installed_plugins() if plugin.bundled
    }


def distribution_of(name: str) -> str:
    """Return the distribution that provides a plugin: genzoo itself for plugins that come with it."""
    return CORE if normalize_name(name) in bundled_plugins() else name


class _NotWhole(Exception):  # noqa: N818 - a finding, which never leaves this file
    """Metadata lack a field that every distribution has."""


def _plugins_of(distribution: importlib.metadata.Distribution, folder: str) -> Iterator[InstalledPlugin]:
    """Yield the entry points of one distribution."""
    text = distribution.read_text("entry_points.txt")
    if text is None or not _SECTION.search(text):
        return
    header, _, _ = (distribution.read_text("METADATA") or distribution.read_text("PKG-INFO") or "").partition("\n\n")
    stated = dict(_HEADER.findall(header))
    for field in ("Name", "Version"):
        if field not in stated:
            raise _NotWhole(f"the metadata in {folder} have no {field.lower()}.")
    entries = {entry.name: entry for entry in distribution.entry_points if entry.group == GROUP}
    bundled = normalize_name(stated["Name"]) == CORE
    for entry in entries.values():
        name = entry.name if bundled else stated["Name"]
        yield InstalledPlugin(name, stated["Version"], entry, folder=folder, bundled=bundled)


def _mentions_group(folder: str) -> bool:
    """Return whether unreadable metadata may belong to a plugin."""
    try:
        return GROUP.encode() in Path(folder, "entry_points.txt").read_bytes()
    except OSError:
        return False
