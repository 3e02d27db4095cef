"""Installs and removes plugins: first resolved, then exactly that, and undone where it turns out to be no plugin."""

from __future__ import annotations

import importlib
import importlib.metadata
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from genzoo.errors import Interrupted, PluginError, did_you_mean
from genzoo.hookspecs import GROUP
from genzoo.installation.core import core_packages
from genzoo.installation.installer import Pip, check_environment, pip_for
from genzoo.installation.plan import Item, check_plan, check_requests, declares_plugin, read_report, versions_of
from genzoo.installation.request import Request
from genzoo.installed import installed_plugins, normalised


@dataclass(frozen=True, slots=True)
class Plan:
    """A resolved installation, ready to be carried out.

    Arguments:
        items: what would be installed, what was asked for first; nothing where all of it is installed already.
        before: the versions that are installed now.
    """

    requests: tuple[Request, ...]
    items: tuple[Item, ...]
    before: dict[str, str | None]
    pip: Pip

    def carry_out(self) -> None:
        """Install exactly what was resolved.

        Raises:
            PluginError: pip failed, or what was asked for is no plugin; then the environment is as before.
            Interrupted: somebody asked for the end.
        """
        if not self.items:
            return
        self._refuse_others()
        try:
            self._install([item for item in self.items if item.digest is not None], hashed=True)
            self._install([item for item in self.items if item.digest is None], hashed=False)
            self._refuse_installed_others()
        except PluginError:
            self.undo()
            raise
        except KeyboardInterrupt:
            raise Interrupted(f"Interrupted while installing. {self._state()}", 130) from None

    def undo(self) -> None:
        """Bring back what was there before, as far as it can be had."""
        now = versions_of(self.items)
        new = [name for name, version in now.items() if version is not None and self.before[name] is None]
        if new:
            self.pip.run("uninstall", "--yes", *new)
        lost = [f"{name}=={old}" for name, old in self.before.items() if old is not None and now[name] != old]
        if lost:
            self.pip.run("install", "--no-deps", *lost)

    def _install(self, items: Sequence[Item], *, hashed: bool) -> None:
        if not items:
            return
        lines = self.pip.folder / "requirements.txt"
        lines.write_text("".join(_line(item, hashed) + "\n" for item in items), encoding="utf-8")
        strict = ("--require-hashes",) if hashed else ()
        self.pip.run("install", "--no-deps", *strict, "--requirement", str(lines))

    def _refuse_others(self) -> None:
        """Look into what was asked for by name before it is installed, where only its address is known so far."""
        unknown = [item for item in self.items if item.requested and item.path is None and item.digest is not None]
        if not unknown:
            return
        folder = self.pip.folder / "fetched"
        lines = self.pip.folder / "fetch.txt"
        lines.write_text("".join(_line(item, hashed=True) + "\n" for item in unknown), encoding="utf-8")
        self.pip.run("download", "--no-deps", "--require-hashes", "--dest", str(folder), "--requirement", str(lines))
        for path in sorted(folder.glob("*.whl")):
            if not declares_plugin(path):
                raise PluginError(_NO_PLUGIN.format(name=_named(path.name)))

    def _refuse_installed_others(self) -> None:
        importlib.invalidate_caches()
        plugins = {normalised(plugin.distribution) for plugin in installed_plugins()}
        others = [item.name for item in self.items if item.requested and normalised(item.name) not in plugins]
        if others:
            raise PluginError(_NO_PLUGIN.format(name=" and ".join(others)))

    def _state(self) -> str:
        """What an interrupted installation left, in a sentence."""
        now = versions_of(self.items)
        done = [item.name for item in self.items if now[item.name] == item.version != self.before[item.name]]
        if not done:
            return "Nothing was changed."
        names = shlex.join(done)
        return f"Installed were already: {', '.join(done)}. Install again to go on, or: genzoo uninstall {names}"


_NO_PLUGIN = f"{{name}} is no plugin: it has no entry point in the group {GROUP!r}. The environment is as it was."


def _named(wheel: str) -> str:
    """`tiny-dep 1.5`, of the name of its file."""
    name, version, _ = wheel.split("-", 2)
    return f"{name.replace('_', '-')} {version}"


def _line(item: Item, hashed: bool) -> str:
    line = " ".join(item.words[:1] if len(item.words) == 1 else (item.words[0], shlex.quote(item.words[1])))
    return f"{line} --hash=sha256:{item.digest}" if hashed else line


@contextmanager
def planned(requests: Sequence[Request], *, upgrade: bool = False) -> Iterator[Plan]:
    """Resolve what is asked for beside the core as it is.

    Arguments:
        upgrade: whether what is installed already is brought to its newest version.

    Raises:
        PluginError: it cannot be had, conflicts with what is installed, or is no plugin; nothing was changed.
    """
    words = shlex.join(word for request in requests for word in request.words)
    check_environment(words)
    pins = core_packages()
    check_requests(requests, pins)
    with pip_for(pins, words) as pip:
        options = ("--upgrade",) if upgrade else ()
        editable = [word for request in requests if request.editable for word in request.words]
        others = [word for request in requests if not request.editable for word in request.words]
        try:
            items = read_report(pip.resolve(*options, *editable, "--", *others))
        except KeyboardInterrupt:
            raise Interrupted("Interrupted while resolving. Nothing was changed.", 130) from None
        check_plan(items, requests, pins)
        yield Plan(tuple(requests), tuple(items), versions_of(items), pip)


def removable(names: Sequence[str]) -> list[str]:
    """The distributions of plugins that go by these names.

    Raises:
        PluginError: one is no plugin, or belongs to the core.
    """
    installed = {normalised(plugin.distribution): plugin.distribution for plugin in installed_plugins()}
    pins = core_packages()
    found = []
    for name in names:
        key = normalised(name)
        if key in pins:
            raise PluginError(f"{name} is part of what genzoo runs on, and `genzoo uninstall` never removes that.")
        if key not in installed:
            raise PluginError(f"No plugin {name!r} is installed. {did_you_mean(key, installed)}")
        found.append(installed[key])
    return list(dict.fromkeys(found))


def uninstall(names: Sequence[str]) -> None:
    """Remove distributions that `removable` gave.

    Raises:
        PluginError: pip failed, or they lie where it does not reach.
    """
    check_environment(shlex.join(names), removing=True)
    with pip_for({}) as pip:
        output = pip.run("uninstall", "--yes", *names)
    importlib.invalidate_caches()
    left = {plugin.distribution: plugin.folder for plugin in installed_plugins() if plugin.distribution in names}
    if left:
        name, folder = next(iter(left.items()))
        outside = "it lies outside this environment" if "outside environment" in output else "pip left it"
        raise PluginError(f"{name} is still installed: {outside}, in {Path(folder).parent}.")
