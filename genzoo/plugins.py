"""Finds installed plugins and lets each one register, or records why it could not.

A plugin is a module behind an entry point of the group `genzoo`. One that fails leaves nothing registered and never
stops the others; `states()` says what became of each.
"""

from __future__ import annotations

import functools
import importlib.metadata
import os
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Literal

import pluggy

from genzoo import builtin, hookspecs
from genzoo.errors import PluginError
from genzoo.registry import SORTS, Registry
from genzoo.spec import API_VERSION

CORE = "genzoo"
"""The distribution name of what the core itself registers."""


@dataclass(frozen=True, slots=True)
class PluginState:
    """What became of one installed plugin: loaded, failed or left out, and why."""

    distribution: str
    version: str
    name: str
    state: Literal["loaded", "failed", "not loaded"]
    reason: str = ""
    remedy: str = ""


class Zoo:
    """The registry with the plugins that filled it."""

    def __init__(self) -> None:
        self.registry = Registry()
        self.states: list[PluginState] = []

    def add(self, distribution: str, module: ModuleType, version: str = "", name: str = "") -> None:
        """Let one imported module register all it has, or nothing.

        Raises:
            PluginError: the module breaks the plugin contract, or one of its hooks failed.
        """
        if getattr(module, "GENZOO_API", None) != API_VERSION:
            found = getattr(module, "GENZOO_API", "none")
            raise PluginError(f"it is written for GENZOO_API {found}, and this genzoo speaks {API_VERSION}.")
        _check_hooks(module)
        staged = Registry()
        try:
            _register(staged, distribution, module)
            self.registry.absorb(staged)
        except (Exception, SystemExit) as error:
            reason = str(error) if isinstance(error, PluginError) else f"{type(error).__name__}: {error}"
            raise PluginError(reason) from error
        self.states.append(PluginState(distribution, version, name, "loaded"))

    def load_entry_points(self) -> None:
        """Load every installed plugin that `GENZOO_LOAD_PLUGINS` allows; failures become states."""
        wanted = os.environ.get("GENZOO_LOAD_PLUGINS")
        names = None if wanted is None else {name.strip() for name in wanted.split(",")}
        for distribution, version, entry in _entry_points():
            if names is not None and not {distribution, entry.name} & names:
                self.states.append(
                    PluginState(distribution, version, entry.name, "not loaded", "GENZOO_LOAD_PLUGINS leaves it out.")
                )
                continue
            try:
                self.add(distribution, entry.load(), version, entry.name)
            except (Exception, SystemExit) as error:
                if os.environ.get("GENZOO_STRICT_PLUGINS") == "1":
                    raise PluginError(f"Plugin {distribution!r} failed to load: {error}") from error
                self.states.append(_failure(distribution, version, entry.name, error))


def _register(registry: Registry, distribution: str, module: ModuleType) -> None:
    """Call the hooks of one module, through a plugin manager that holds nothing else."""
    manager = pluggy.PluginManager(hookspecs.GROUP)
    manager.add_hookspecs(hookspecs)
    manager.register(module, distribution)
    for sort in SORTS:
        getattr(manager.hook, f"register_{sort}")(register=functools.partial(registry.table(sort).add, distribution))


def _check_hooks(module: ModuleType) -> None:
    """Refuse what pluggy would take in silence: a hook argument with a default is never handed to the hook."""
    for name, function in vars(module).items():
        options: dict[str, Any] | None = getattr(function, f"{hookspecs.GROUP}_impl", None)
        if options is None:
            continue
        if not hasattr(hookspecs, options.get("specname") or name):
            raise PluginError(f"it implements a hook {name!r}, which genzoo does not have.")
        if function.__defaults__:
            raise PluginError(f"its hook {name!r} gives an argument a default, so it would never be called with it.")


def _entry_points() -> list[tuple[str, str, importlib.metadata.EntryPoint]]:
    found: dict[tuple[str, str], tuple[str, str, importlib.metadata.EntryPoint]] = {}
    for entry in importlib.metadata.entry_points(group=hookspecs.GROUP):
        name = entry.dist.metadata["Name"] if entry.dist else "unknown"
        version = entry.dist.version if entry.dist else ""
        found.setdefault((name, entry.name), (name, version, entry))
    return [found[key] for key in sorted(found)]


def _failure(distribution: str, version: str, name: str, error: BaseException) -> PluginState:
    reason = str(error) if isinstance(error, PluginError) else f"{type(error).__name__}: {error}"
    remedy = f"Update it with `pip install -U {distribution}`, or remove it with `pip uninstall {distribution}`."
    return PluginState(distribution, version, name, "failed", reason, remedy)


@functools.cache
def zoo() -> Zoo:
    """The zoo of this process: the core's own entries and every installed plugin, loaded on the first call."""
    found = Zoo()
    found.add(CORE, builtin, importlib.metadata.version(CORE), CORE)
    found.load_entry_points()
    return found


def registry() -> Registry:
    """The registry of this process."""
    return zoo().registry
