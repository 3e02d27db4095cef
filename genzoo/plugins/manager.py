"""Lets each installed plugin register, or records why it could not.

A plugin is a module behind an entry point of the group `genzoo`. One that fails leaves nothing registered and never
stops the others; `Zoo.states` says what became of each.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib.metadata
import os
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Literal

import pluggy

from genzoo.errors import Interrupted, PluginError, did_you_mean
from genzoo.plugins import builtin, hookspecs
from genzoo.plugins.discovery import CORE, InstalledPlugin, installed_plugins, normalize_name
from genzoo.plugins.isolation import capture_output, keep_stdout_clean, preserve_process_state
from genzoo.plugins.registry import KINDS, Registry
from genzoo.plugins.validation import HOOKS, check_module

_SPECS = ModuleType("genzoo.plugins.hookspecs")
"""The hooks alone: pluggy looks at every name of what it is handed, once per plugin."""


vars(_SPECS).update({name: getattr(hookspecs, name) for name in HOOKS})


LONGEST = 600
"""Characters that are shown of what a plugin says."""


@dataclass(frozen=True, slots=True)
class PluginState:
    """What became of one installed plugin: loaded, failed or left out, and why.

    Arguments:
        distribution, version, name: of the distribution, and the name of its entry point; of one that comes with
            genzoo, `distribution` is that name, too.
        reason: why it is not loaded, or what keeps something that it brought from being used.
        remedy: what to do about it.
        output: what it printed, or warned of, when it was imported.
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
    """The registry with the plugins that filled it."""

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
        """Let one imported module register all it has, or nothing.

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
        except BaseException as error:
            raise PluginError(describe_error(error)) from error
        self._brought[f"{distribution}:{name}"] = staged
        self.states.append(PluginState(distribution, version, name, "loaded", output=output, bundled=bundled))

    def load_entry_points(self, before: Callable[[InstalledPlugin], object] | None = None) -> None:
        """Load every installed plugin that `GENZOO_LOAD_PLUGINS` allows; failures become states.

        Arguments:
            before: is called with each plugin before it is loaded.

        Raises:
            PluginError: one of them failed, and `GENZOO_STRICT_PLUGINS=1`.
        """
        plugins = installed_plugins()
        wanted = _wanted()
        with keep_stdout_clean():
            for plugin in plugins:
                if plugin.displaced:
                    self.states.append(_displaced(plugin))
                elif wanted is None or wanted & _names(plugin):
                    if before is not None:
                        before(plugin)
                    self.load(plugin)
                else:
                    self._leave_out(plugin)
        self._tell_clashes()
        known = {name for plugin in plugins for name in _names(plugin)}
        for missing in sorted((wanted or set()) - known):
            help_text = did_you_mean(missing, {normalize_name(plugin.distribution) for plugin in plugins})
            reason = "GENZOO_LOAD_PLUGINS names it, and it is not installed."
            self.states.append(PluginState(missing, "", "", "not installed", reason, help_text))

    def load(self, plugin: InstalledPlugin) -> None:
        """Import one installed plugin and let it register; a failure becomes its state.

        Raises:
            PluginError: it failed, and `GENZOO_STRICT_PLUGINS=1`.
        """
        output = ""
        with preserve_process_state() as signals:
            try:
                if plugin.entry is None:
                    raise PluginError(plugin.problem)
                with capture_output() as text:
                    try:
                        module = plugin.entry.load()
                    finally:
                        output = shortened(text.getvalue())
                about = (plugin.version, plugin.name, output)
                self.add(plugin.distribution, module, *about, bundled=plugin.bundled)
            except BaseException as error:
                if signals and isinstance(error, KeyboardInterrupt | Interrupted):
                    raise
                self._take_failure(plugin, error, output)

    def _take_failure(self, plugin: InstalledPlugin, error: BaseException, output: str) -> None:
        state = _failure(plugin, error, output)
        if os.environ.get("GENZOO_STRICT_PLUGINS") == "1":
            raise PluginError(f"Plugin {plugin.distribution!r} failed to load: {state.reason}") from error
        self.states.append(state)
        self.registry.note_failure(plugin.distribution, state.reason)

    def _tell_clashes(self) -> None:
        """Have the state of every plugin say which of its names others have, too."""
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
                remedy = "Name them in full, or uninstall one of the plugins."
                self.states[number] = dataclasses.replace(state, reason=reason, remedy=remedy)

    def brought(self, state: PluginState) -> Registry:
        """What the plugin of a state registered."""
        return self._brought.get(f"{state.distribution}:{state.name}", Registry())

    def _leave_out(self, plugin: InstalledPlugin) -> None:
        reason = "GENZOO_LOAD_PLUGINS leaves it out."
        about = (plugin.distribution, plugin.version, plugin.name)
        self.states.append(PluginState(*about, "not loaded", reason, bundled=plugin.bundled))
        self.registry.note_left_out(plugin.distribution)


def _wanted() -> set[str] | None:
    """What `GENZOO_LOAD_PLUGINS` names; `None` where it is not set."""
    text = os.environ.get("GENZOO_LOAD_PLUGINS")
    return None if text is None else {normalize_name(name.strip()) for name in text.split(",") if name.strip()}


def _names(plugin: InstalledPlugin) -> set[str]:
    """What a plugin can be called: its distribution, its entry point, or both; without `genzoo-` in front, too."""
    names = {normalize_name(name) for name in (plugin.distribution, plugin.name, plugin.label) if name}
    return names | {name.removeprefix("genzoo-") for name in names}


def _register(staged: Registry, label: str, distribution: str, module: ModuleType) -> None:
    """Call the hooks of one module, through a plugin manager that holds nothing else."""
    manager = pluggy.PluginManager(hookspecs.GROUP)
    manager.add_hookspecs(_SPECS)
    manager.register(module, label)
    with capture_output():
        for kind in KINDS:
            add = functools.partial(staged.table(kind).add, distribution, api=module.GENZOO_API)
            getattr(manager.hook, f"register_{kind}")(register=add)


def describe_error(error: BaseException) -> str:
    """An error of a plugin in one short paragraph; never fails itself, whatever the error is."""
    try:
        words = str(error)
    except Exception:
        words = "(it cannot be put into words)"
    kind = type(error).__name__
    return shortened(words if isinstance(error, PluginError) else f"{kind}: {words}" if words else kind)


def shortened(text: str) -> str:
    """One printable line of at most `LONGEST` characters."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= LONGEST else f"{line[:LONGEST]} …"


def _displaced(plugin: InstalledPlugin) -> PluginState:
    """The state of a distribution whose name a plugin has that comes with genzoo."""
    name = plugin.distribution
    return PluginState(name, plugin.version, plugin.name, "not loaded", *displacement_of(plugin))


def displacement_of(plugin: InstalledPlugin) -> tuple[str, str]:
    """Why a distribution is not loaded whose name a plugin has that comes with genzoo, and what to do about it."""
    name = plugin.distribution
    return (
        f"{name} comes with genzoo, and that one is loaded. This one is a distribution of its own, from before.",
        # Both may have put the same files there, and pip then removes them.
        f"Remove it with `pip uninstall {name}`, and then install genzoo again with pip's --force-reinstall --no-deps.",
    )


def _failure(plugin: InstalledPlugin, error: BaseException, output: str) -> PluginState:
    reason, remedy = describe_error(error), remedy_for(plugin)
    if isinstance(error, ModuleNotFoundError) and error.name:
        reason, remedy = _missing_module(plugin, error.name)
    reason = reason if reason.endswith((".", "!", "?", "…")) else f"{reason}."
    about = (plugin.distribution, plugin.version, plugin.name)
    return PluginState(*about, "failed", reason, remedy, output, plugin.bundled)


def _missing_module(plugin: InstalledPlugin, module: str) -> tuple[str, str]:
    """What a module that cannot be found means: a dependency that is not installed, or half an installation."""
    name = plugin.distribution
    own = plugin.entry.module.partition(".")[0] if plugin.entry is not None else ""
    if module.partition(".")[0] == own:
        return f"its own module {module!r} is missing: it is only half installed.", remedy_for(plugin)
    if plugin.bundled:
        return f"it needs the module {module!r}, which is not installed.", remedy_for(plugin)
    return (
        f"it needs the module {module!r}, which is not installed.",
        f"Install what it needs with `genzoo install --upgrade {name}`, or remove it with `genzoo uninstall {name}`.",
    )


def remedy_for(plugin: InstalledPlugin) -> str:
    """What to do about a plugin that does not load."""
    if plugin.entry is None:
        return f"Install it again with pip's --force-reinstall, or delete {plugin.folder}."
    if plugin.bundled:
        return "It comes with genzoo. Install genzoo again with pip's --force-reinstall."
    name = plugin.distribution
    return f"Update it with `genzoo install --upgrade {name}`, or remove it with `genzoo uninstall {name}`."


@functools.cache
def get_manager() -> PluginManager:
    """The zoo of this process: the core's own entries and every installed plugin, loaded on the first call."""
    found = core_only_manager()
    found.load_entry_points()
    return found


def core_only_manager() -> PluginManager:
    """A zoo that holds only what the core itself brings."""
    found = PluginManager()
    found.add(CORE, builtin, _core_version(), CORE)
    return found


def _core_version() -> str:
    try:
        return importlib.metadata.version(CORE)
    except importlib.metadata.PackageNotFoundError:  # run from its source
        return ""


def get_registry() -> Registry:
    """The registry of this process."""
    return get_manager().registry
