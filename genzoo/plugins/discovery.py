"""Find installed plugins from the metadata of their distributions, without importing them."""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from genzoo.plugins.hookspecs import GROUP

CORE = "genzoo"
"""The name of genzoo's own distribution, and of the owner of what the core itself registers."""


_SECTION = re.compile(rf"^\s*\[\s*{GROUP}\s*\]", re.MULTILINE)


_HEADER = re.compile(r"^(Name|Version):[ \t]*(\S+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class InstalledPlugin:
    """One entry point of an installed distribution, or why its metadata cannot be read.

    Arguments:
        distribution: the distribution's own name, or that of the entry point where genzoo's distribution brings it. The
            ids of all that it registers begin with it.
        entry: what stands in its metadata; `None` where they are damaged.
        problem: what is wrong with its metadata.
        folder: where the metadata lie.
        bundled: whether it comes with genzoo.
        displaced: whether it is a distribution of its own with the name of a bundled plugin. It is never loaded.
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
        """The name of the entry point."""
        return self.entry.name if self.entry is not None else ""

    @property
    def label(self) -> str:
        """`distribution:name`, which no two plugins share."""
        return f"{self.distribution}:{self.name}"


def normalize_name(name: str) -> str:
    """The form in which two spellings of one distribution's name are equal."""
    return re.sub(r"[-_.]+", "-", name).lower()


def installed_plugins() -> list[InstalledPlugin]:
    """Every entry point of the group, by distribution and name; the first distribution of a name on the path counts."""
    whole: set[str] = set()
    found: list[InstalledPlugin] = []
    damaged: dict[str, InstalledPlugin] = {}
    for distribution in importlib.metadata.distributions():
        folder = str(getattr(distribution, "_path", ""))  # the only way to know it; pip reads it so, too
        stem = Path(folder).stem.partition("-")[0]
        key = normalize_name(stem) or folder
        if key in whole or stem.startswith("~"):  # ~ is what an interrupted removal by pip left behind
            continue
        try:
            found += _plugins_of(distribution, folder)
            whole.add(key)
        except Exception as error:
            if isinstance(error, _NotWhole) or _mentions_group(folder):
                problem = str(error) if isinstance(error, _NotWhole) else f"{type(error).__name__}: {error}"
                text = f"its installation is damaged: {problem}"
                damaged.setdefault(key, InstalledPlugin(stem, "", None, text, folder))
    found += [plugin for key, plugin in damaged.items() if key not in whole]
    ours = {normalize_name(plugin.distribution) for plugin in found if plugin.bundled}
    found = [replace(one, displaced=not one.bundled and normalize_name(one.distribution) in ours) for one in found]
    return sorted(found, key=lambda plugin: (normalize_name(plugin.distribution), plugin.displaced, plugin.name))


def bundled_plugins() -> dict[str, str]:
    """The plugins that come with genzoo, by normalised name."""
    return {
        normalize_name(plugin.distribution): plugin.distribution for plugin in installed_plugins() if plugin.bundled
    }


def distribution_of(name: str) -> str:
    """The distribution that brings the plugin of that name: genzoo's own for those that come with it."""
    return CORE if normalize_name(name) in bundled_plugins() else name


class _NotWhole(Exception):  # noqa: N818 - a finding, which never leaves this file
    """Metadata lack what every distribution states."""


def _plugins_of(distribution: importlib.metadata.Distribution, folder: str) -> Iterator[InstalledPlugin]:
    """The entry points of one distribution."""
    text = distribution.read_text("entry_points.txt")
    if text is None or not _SECTION.search(text):
        return
    header, _, _ = (distribution.read_text("METADATA") or distribution.read_text("PKG-INFO") or "").partition("\n\n")
    stated = dict(_HEADER.findall(header))
    for field in ("Name", "Version"):
        if field not in stated:
            raise _NotWhole(f"the metadata in {folder} state no {field.lower()}.")
    entries = {entry.name: entry for entry in distribution.entry_points if entry.group == GROUP}
    bundled = normalize_name(stated["Name"]) == CORE
    for entry in entries.values():
        name = entry.name if bundled else stated["Name"]
        yield InstalledPlugin(name, stated["Version"], entry, folder=folder, bundled=bundled)


def _mentions_group(folder: str) -> bool:
    """Whether metadata that cannot be read might be a plugin's."""
    try:
        return GROUP.encode() in Path(folder, "entry_points.txt").read_bytes()
    except OSError:
        return False
