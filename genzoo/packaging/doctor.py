"""Examine installed plugins in fresh processes, and report what is wrong with them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from genzoo.errors import ConfigError, PluginError, did_you_mean
from genzoo.packaging.pins import broken_requirements
from genzoo.packaging.subprocess_probe import FINDINGS, probe
from genzoo.plugins.discovery import InstalledPlugin, installed_plugins, normalize_name
from genzoo.plugins.manager import displacement_of, remedy_for

HEAVY = ("torch", "tensorflow", "jax", "keras", "transformers", "sklearn", "scipy", "pandas", "matplotlib", "pyarrow")
"""Libraries that a plugin must not import when it registers: they would slow down every command."""


_TIMED = re.compile(r"^import time:\s+\d+ \|\s+(\d+) \|\s+(\S+)\s*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Findings about one plugin.

    Arguments:
        milliseconds: time to import it and let it register, in a fresh process.
        heavy: milliseconds for each library that it should not import then.
        brought: what it registered, as `models distribution/name`.
        findings: what is wrong, one sentence each; empty if nothing is.
        bundled: whether it comes with genzoo.
    """

    distribution: str
    version: str
    name: str
    state: str
    milliseconds: float | None
    heavy: dict[str, float]
    brought: tuple[str, ...]
    findings: tuple[str, ...]
    bundled: bool = False

    @property
    def label(self) -> str:
        """`distribution:name`."""
        return f"{self.distribution}:{self.name}"


def examine(name: str | None = None, watch: Callable[[str], None] | None = None) -> list[Diagnosis]:
    """Examine all installed plugins, or those with one distribution or entry point name.

    Arguments:
        watch: called with each plugin, as `distribution:name`, before it is examined.

    Raises:
        ConfigError: no plugin has that name.
    """
    plugins = installed_plugins()
    chosen = [plugin for plugin in plugins if name is None or _has_name(plugin, name)]
    if name is not None and not chosen:
        known = {plugin.distribution for plugin in plugins}
        raise ConfigError(f"No plugin {name!r} is installed. {did_you_mean(name, known)}")
    broken = broken_requirements()
    found = []
    for plugin in chosen:
        if watch is not None:
            watch(plugin.label)
        found.append(_examine(plugin, broken))
    return _with_faults(found, whole=len(chosen) == len(plugins))


def _with_faults(found: list[Diagnosis], *, whole: bool) -> list[Diagnosis]:
    """Add what is wrong with registered entries. One process checks the entries of all plugins.

    Arguments:
        whole: whether `found` has all plugins.
    """
    labels = [diagnosis.label for diagnosis in found if diagnosis.state == "loaded"]
    if not labels:
        return found
    faults = _faults(labels, whole)
    return [replace(one, findings=(*one.findings, *faults.get(one.label, ()))) for one in found]


def _faults(labels: list[str], whole: bool) -> dict[str, list[str]]:
    """Return faults of registered entries, by plugin.

    If another plugin ends the process, the check is repeated without the others.
    """
    problem = ""
    for only in (labels,) if whole else (None, labels):
        try:
            return probe(FINDINGS, *labels, only=only)[0]
        except PluginError as error:
            problem = str(error)
    return {label: [f"Its entries could not be checked together with other plugins. {problem}"] for label in labels}


def environment_findings() -> list[str]:
    """Return the unmet requirements of genzoo itself."""
    return [text for text in broken_requirements() if text.startswith("genzoo ")]


def _has_name(plugin: InstalledPlugin, name: str) -> bool:
    return normalize_name(name) in {normalize_name(known) for known in (plugin.distribution, plugin.name, plugin.label)}


def _examine(plugin: InstalledPlugin, broken: list[str]) -> Diagnosis:
    about = (plugin.distribution, plugin.version, plugin.name)
    unmet = [f"{text}." for text in broken if text.startswith(f"{plugin.distribution} ")]
    if plugin.displaced:
        return Diagnosis(*about, "not loaded", None, {}, (), (" ".join(displacement_of(plugin)), *unmet))
    if plugin.entry is None:
        return Diagnosis(*about, "failed", None, {}, (), (plugin.problem, *unmet))
    try:
        seen, printed = probe(plugin.label, words=("-X", "importtime"))
    except PluginError as error:
        return Diagnosis(*about, "failed", None, {}, (), (f"{error} {remedy_for(plugin)}", *unmet), plugin.bundled)
    state = seen["state"]
    heavy = _heavy(seen["imported"], printed)
    found = [f"{state['reason']} {state['remedy']}"] if state["state"] == "failed" else []
    found += [
        f"It imports {library} when it registers, which adds {milliseconds:.0f} ms to every command. Import it in the "
        f"modules that its specs name instead."
        for library, milliseconds in heavy.items()
    ]
    if state["output"]:
        found.append(f"It prints when it is imported: {state['output']}")
    return Diagnosis(
        *about,
        state["state"],
        round(seen["milliseconds"], 1),
        heavy,
        tuple(seen["brought"]),
        (*found, *unmet),
        plugin.bundled,
    )


def _heavy(imported: list[str], printed: str) -> dict[str, float]:
    """Return the milliseconds that each heavy library took, as `-X importtime` measured them."""
    taken = {name: int(micros) / 1e3 for micros, name in _TIMED.findall(printed)}
    return {name: round(taken.get(name, 0.0), 1) for name in HEAVY if name in imported}
