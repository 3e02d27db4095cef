"""Load installed plugins, and record why any of them could not be loaded.

A plugin is a module behind an entry point of the group `genzoo`. If it fails, nothing of it stays registered, and the
other plugins still load. `PluginManager.states` has the outcome for each.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import importlib.metadata
import os
import threading
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import ModuleType
from typing import Literal

import pluggy

from genzoo.errors import Interrupted, PluginError, did_you_mean, is_out_of_memory, pass_exit_by_signal
from genzoo.plugins import builtin, hookspecs
from genzoo.plugins.discovery import CORE, InstalledPlugin, installed_plugins, normalize_name
from genzoo.plugins.isolation import capture_output, empty_stdin, keep_stdout_clean, preserve_process_state
from genzoo.plugins.registry import KINDS, Registry
from genzoo.plugins.signals import is_interruption
from genzoo.plugins.validation import HOOKS, check_module
from genzoo.spec.entries import ModelSpec

_SPECS = ModuleType("genzoo.plugins.hookspecs")
"""The hooks alone, because pluggy inspects every name of this module, once per plugin."""


vars(_SPECS).update({name: getattr(hookspecs, name) for name in HOOKS})


Around = Callable[[InstalledPlugin], AbstractContextManager[object]]
"""What is done around the import of each plugin."""


LONGEST = 600
"""Largest number of characters to show of a plugin's message."""


@dataclass(frozen=True, slots=True)
class PluginState:
    """What happened to one installed plugin, and why.

    Arguments:
        distribution: name of the distribution. For a plugin that comes with genzoo, name of the entry point.
        version: version of the distribution.
        name: name of the entry point.
        reason: why it is not loaded, or why an entry of it cannot be used.
        remedy: what to do about it.
        output: what it printed, or warned about, when it was imported.
        bundled: whether it comes with genzoo.
    """

    distribution: str
    version: str
    name: str
    state: Literal["loaded", "failed", "not loaded", "not installed"]
    reason: str = ""
    remedy: str = ""
    output: str = ""
    bundled: bool = False


class PluginManager:
    """The registry, and the state of every plugin that was to fill it."""

    def __init__(self) -> None:
        self.registry = Registry()
        self.states: list[PluginState] = []
        self._brought: dict[str, Registry] = {}

    def add(
        self,
        distribution: str,
        module: ModuleType,
        version: str = "",
        name: str = "",
        output: str = "",
        *,
        bundled: bool = False,
    ) -> None:
        """Let one imported module register all its entries, or none.

        Raises:
            PluginError: the module breaks the plugin contract, or one of its hooks failed.
        """
        try:
            check_module(module)
            staged = Registry()
            _register(staged, f"{distribution}:{name}", distribution, module)
            self.registry.merge(staged)
        except (KeyboardInterrupt, Interrupted, PluginError):
            raise
        except BaseException as error:  # see `load`
            pass_exit_by_signal(error)
            raise PluginError(describe_error(error)) from error
        self._brought[f"{distribution}:{name}"] = staged
        self.states.append(PluginState(distribution, version, name, "loaded", output=output, bundled=bundled))

    def load_entry_points(self, around: Around = contextlib.nullcontext) -> None:
        """Load every installed plugin that `GENZOO_LOAD_PLUGINS` allows. A failure becomes a state.

        Arguments:
            around: see `load`.

        Raises:
            PluginError: a plugin failed, and `GENZOO_STRICT_PLUGINS=1`.
        """
        plugins = installed_plugins()
        wanted = _wanted()
        with keep_stdout_clean(), empty_stdin():
            for plugin in plugins:
                if plugin.displaced:
                    self.states.append(_displaced(plugin))
                elif wanted is None or wanted & _names(plugin):
                    self.load(plugin, around)
                else:
                    self._leave_out(plugin)
        self._report_clashes()
        known = {name for plugin in plugins for name in _names(plugin)}
        for missing in sorted((wanted or set()) - known):
            help_text = did_you_mean(missing, {normalize_name(plugin.distribution) for plugin in plugins})
            reason = "GENZOO_LOAD_PLUGINS names it, but it is not installed."
            self.states.append(PluginState(missing, "", "", "not installed", reason, help_text))

    def load(self, plugin: InstalledPlugin, around: Around = contextlib.nullcontext) -> None:
        """Import one installed plugin, and let it register. A failure becomes its state.

        Arguments:
            around: returns a context for each plugin. It may raise a `PluginError` instead of letting it load.

        Raises:
            PluginError: it failed, and `GENZOO_STRICT_PLUGINS=1`.
        """
        output = ""
        with preserve_process_state() as signals:
            try:
                if plugin.entry is None:
                    raise PluginError(plugin.problem)
                with around(plugin):
                    with capture_output() as text:
                        try:
                            module = plugin.entry.load()
                        finally:
                            output = shortened(text.getvalue())
                    about = (plugin.version, plugin.name, output)
                    self.add(plugin.distribution, module, *about, bundled=plugin.bundled)
            except BaseException as error:
                # BaseException, because plugin code may also call `sys.exit` or raise `KeyboardInterrupt`. One bad
                # plugin must not end every command. Only an interruption by a signal goes on.
                if is_interruption(error, signals):
                    raise
                self._take_failure(plugin, error, output)

    def _take_failure(self, plugin: InstalledPlugin, error: BaseException, output: str) -> None:
        state = _failure(plugin, error, output)
        if os.environ.get("GENZOO_STRICT_PLUGINS") == "1":
            raise PluginError(f"Plugin {plugin.distribution!r} failed to load: {state.reason}") from error
        self.states.append(state)
        self.registry.note_failure(plugin.distribution, state.reason)

    def _report_clashes(self) -> None:
        """Add a reason to the state of every plugin whose names are also claimed by others."""
        shared = {kind: self.registry.table(kind).clashes() for kind in KINDS}
        for number, state in enumerate(self.states):
            brought = self.brought(state)
            mine = {(kind, entry.spec.name) for kind in KINDS for entry in brought.table(kind)}
            found = [
                f"{brought.table(kind).kind} name {name!r} is claimed by {' and '.join(shared[kind][name])}."
                for kind, name in sorted(mine)
                if name in shared[kind]
            ]
            if found:
                reason = " ".join(f"The {text}" for text in found)
                remedy = "Use the full ids, or uninstall one of the plugins."
                self.states[number] = dataclasses.replace(state, reason=reason, remedy=remedy)

    def brought(self, state: PluginState) -> Registry:
        """Return what the plugin of a state registered."""
        return self._brought.get(f"{state.distribution}:{state.name}", Registry())

    def _leave_out(self, plugin: InstalledPlugin) -> None:
        reason = "GENZOO_LOAD_PLUGINS leaves it out."
        about = (plugin.distribution, plugin.version, plugin.name)
        self.states.append(PluginState(*about, "not loaded", reason, bundled=plugin.bundled))
        self.registry.note_left_out(plugin.distribution)


def _wanted() -> set[str] | None:
    """Return the names in `GENZOO_LOAD_PLUGINS`, or `None` if the variable is not set."""
    text = os.environ.get("GENZOO_LOAD_PLUGINS")
    return None if text is None else {normalize_name(name.strip()) for name in text.split(",") if name.strip()}


def _names(plugin: InstalledPlugin) -> set[str]:
    """Return the names of a plugin: its distribution, its entry point or both, also without the prefix `genzoo-`."""
    names = {normalize_name(name) for name in (plugin.distribution, plugin.name, plugin.label) if name}
    return names | {name.removeprefix("genzoo-") for name in names}


def _register(staged: Registry, label: str, distribution: str, module: ModuleType) -> None:
    """Call the hooks of one module, with a plugin manager that contains nothing else."""
    manager = pluggy.PluginManager(hookspecs.GROUP)
    manager.add_hookspecs(_SPECS)
    manager.register(module, label)
    with capture_output():
        for kind in KINDS:
            add = functools.partial(staged.table(kind).add, distribution, api=module.GENZOO_API)
            getattr(manager.hook, f"register_{kind}")(register=add)
    for entry in staged.models:
        check_input(entry.spec, {*builtin.INPUTS, *staged.transforms.names()})


def check_input(spec: ModelSpec, names: Collection[str]) -> None:
    """Check the input of a model.

    An id may belong to a plugin that is loaded later, so it is looked up when the model is built.

    Arguments:
        names: transforms of genzoo and of the model's own plugin.

    Raises:
        PluginError: there is no such transform.
    """
    for name in spec.input.values() if isinstance(spec.input, Mapping) else [spec.input]:
        if name not in names and not (isinstance(name, str) and "/" in name):
            raise PluginError(f"Model {spec.name!r}: input {name!r} is not one of {', '.join(names)}, nor an id.")


def describe_error(error: BaseException) -> str:
    """Describe an error of a plugin in one short paragraph. This never fails, even if the error's own `str` does."""
    try:
        words = str(error)
    except Exception:
        words = "(its message cannot be shown)"
    kind = "Memory ran out" if is_out_of_memory(error) else type(error).__name__
    return shortened(words if isinstance(error, PluginError) else f"{kind}: {words}" if words else kind)


def shortened(text: str) -> str:
    """Return one printable line of at most `LONGEST` characters."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= LONGEST else f"{line[:LONGEST]} …"


def _displaced(plugin: InstalledPlugin) -> PluginState:
    """Return the state of a distribution with the name of a bundled plugin."""
    name = plugin.distribution
    return PluginState(name, plugin.version, plugin.name, "not loaded", *displacement_of(plugin))


def displacement_of(plugin: InstalledPlugin) -> tuple[str, str]:
    """Return why a distribution with the name of a bundled plugin is not loaded, and what to do about it."""
    name = plugin.distribution
    return (
        f"{name} comes with genzoo, and that version is loaded. This one is an older, separate distribution.",
        # Both may have installed the same files. pip then deletes them, so genzoo must be installed again.
        f"Remove it with `pip uninstall {name}`. Then install genzoo again with pip's --force-reinstall --no-deps.",
    )


def _failure(plugin: InstalledPlugin, error: BaseException, output: str) -> PluginState:
    reason, remedy = describe_error(error), remedy_for(plugin)
    if isinstance(error, PluginError) and error.remedy:
        remedy = error.remedy
    elif isinstance(error, ModuleNotFoundError) and error.name:
        reason, remedy = _missing_module(plugin, error.name)
    reason = reason if reason.endswith((".", "!", "?", "…")) else f"{reason}."
    about = (plugin.distribution, plugin.version, plugin.name)
    return PluginState(*about, "failed", reason, remedy, output, plugin.bundled)


def _missing_module(plugin: InstalledPlugin, module: str) -> tuple[str, str]:
    """Explain a missing module: a dependency that is not installed, or an incomplete installation."""
    name = plugin.distribution
    own = plugin.entry.module.partition(".")[0] if plugin.entry is not None else ""
    if module.partition(".")[0] == own:
        return f"its own module {module!r} is missing: its installation is incomplete.", remedy_for(plugin)
    reason = f"it needs the module {module!r}, which is not installed."
    if plugin.bundled:
        return reason, remedy_for(plugin)
    return (
        reason,
        f"Install its dependencies with `genzoo install --upgrade {name}`, or remove it with `genzoo uninstall "
        f"{name}`.",
    )


def remedy_for(plugin: InstalledPlugin) -> str:
    """Return what to do about a plugin that does not load."""
    if plugin.entry is None:
        return f"Install it again with pip's --force-reinstall, or delete {plugin.folder}."
    if plugin.bundled:
        return "It comes with genzoo. Install genzoo again with pip's --force-reinstall."
    name = plugin.distribution
    return f"Update it with `genzoo install --upgrade {name}`, or remove it with `genzoo uninstall {name}`."


_loading = threading.RLock()
"""Held while plugins load, which redirects the streams of the process: two threads at once would not restore them."""


def get_manager() -> PluginManager:
    """Return the plugin manager of this process. The first call loads all installed plugins."""
    with _loading:
        return _loaded_manager()


@functools.cache
def _loaded_manager() -> PluginManager:
    found = core_only_manager()
    found.load_entry_points(_guarded)
    return found


def _guarded(plugin: InstalledPlugin) -> AbstractContextManager[None]:
    """Return a context that lets a plugin load if that neither ends nor hangs this process."""
    if plugin.bundled:
        return contextlib.nullcontext()
    from genzoo.plugins.first_import import guarded_import  # imports subprocess, which nothing else needs at start-up

    return guarded_import(plugin)


def load_alone(label: str) -> None:
    """Load one installed plugin into a manager that is thrown away.

    Arguments:
        label: its `distribution:name`.
    """
    for plugin in installed_plugins():
        if plugin.label == label and not plugin.displaced:
            core_only_manager().load(plugin)


def core_only_manager() -> PluginManager:
    """Return a plugin manager with genzoo's own entries only."""
    found = PluginManager()
    found.add(CORE, builtin, _core_version(), CORE)
    return found


def _core_version() -> str:
    try:
        return importlib.metadata.version(CORE)
    except importlib.metadata.PackageNotFoundError:  # run from its source
        return ""


def get_registry() -> Registry:
    """Return the registry of this process."""
    return get_manager().registry


def models_that(can: str, able: Callable[[ModelSpec], bool]) -> str:
    """Return words for a model that can do something, with the names of the models that declare it.

    Arguments:
        can: what it can do: "accepts them".
        able: returns whether a model declares it.
    """
    names = get_registry().models.names(able)
    return f"a model that {can} ({', '.join(names)})" if names else f"a model that {can}"
