"""Installs and removes plugins: first resolved, then exactly that, and undone where it turns out to be no plugin."""

from __future__ import annotations

import hashlib
import importlib
import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genzoo.errors import Interrupted, PluginError, did_you_mean
from genzoo.packaging.freeze import frozen_digest, frozen_line, note_origin, read_line
from genzoo.packaging.pins import core_packages, required_by, unrequired
from genzoo.packaging.pip import Pip, check_environment, pip_for
from genzoo.packaging.plan import (
    PlannedPackage,
    Request,
    check_plan,
    check_requests,
    no_plugin,
    read_pip_report,
    versions_of,
)
from genzoo.packaging.subprocess_probe import probe
from genzoo.packaging.wheel import read_wheel, refuse_strangers_files
from genzoo.plugins.discovery import bundled_plugins, installed_plugins, normalize_name


@dataclass(frozen=True, slots=True)
class InstallPlan:
    """A resolved installation, ready to be carried out.

    Arguments:
        items: what would be installed, what was asked for first; nothing where all of it is installed already.
        before: the versions that are installed now.
    """

    requests: tuple[Request, ...]
    items: tuple[PlannedPackage, ...]
    before: dict[str, str | None]
    pip: Pip

    def carry_out(self) -> dict[str, Any]:
        """Install exactly what was resolved; returns what a fresh process saw then, as `look` gives it.

        Raises:
            PluginError: it cannot be had, harms what is there or is no plugin; the environment is as before, or the
                error says what is not.
            Interrupted: somebody asked for the end.
        """
        try:
            wheels = self._gather()
            self._refuse(wheels)
            return self._install(wheels)
        except KeyboardInterrupt:
            raise Interrupted(f"Interrupted while installing. {self._state()}", 130) from None

    def _gather(self) -> dict[str, Path]:
        """The wheels of what is not installed in place, fetched or built, by normalised name."""
        folder = self.pip.folder / "wheels"
        folder.mkdir(exist_ok=True)
        built = ("wheel", "--no-deps", "--wheel-dir", str(folder))
        items = [item for item in self.items if not item.editable]
        if hashed := [f"{item.words[0]} --hash=sha256:{item.digest}\n" for item in items if item.digest is not None]:
            lines = self.pip.folder / "requirements.txt"
            lines.write_text("".join(hashed), encoding="utf-8")
            self.pip.run(*built, "--require-hashes", "--requirement", str(lines))
        if sources := [item.words[0] for item in items if item.digest is None]:
            self.pip.run(*built, "--", *sources)
        return {normalize_name(path.name.partition("-")[0]): path for path in sorted(folder.glob("*.whl"))}

    def _refuse(self, wheels: Mapping[str, Path]) -> None:
        """Look into everything before any of it is installed."""
        found = {name: read_wheel(path) for name, path in wheels.items()}
        for item in self.items:
            wheel = found.get(normalize_name(item.name))
            if item.requested and wheel is not None and not wheel.plugin:
                raise no_plugin(f"{item.name} {item.version}")
        refuse_strangers_files(found.values(), self.pip.pins)

    def _install(self, wheels: Mapping[str, Path]) -> dict[str, Any]:
        former = {name: frozen_line(name, old) for name, old in self.before.items() if old is not None}
        try:
            self._install_wheels(wheels)
            for item in self.items:
                if item.editable:
                    self.pip.run("install", "--no-deps", *item.words)
            return self._look()
        except PluginError as error:
            raise PluginError(f"{error} {self._undo(former)}") from error

    def _install_wheels(self, wheels: Mapping[str, Path]) -> None:
        """Install these very files; of those that come from a path or an address, note which."""
        if not wheels:
            return
        items = [item for item in self.items if not item.editable]
        lines = self.pip.folder / "requirements.txt"
        lines.write_text("".join(_line(wheels[normalize_name(item.name)]) for item in items), encoding="utf-8")
        alone = ("--no-deps", "--no-index", "--force-reinstall", "--only-binary=:all:", "--require-hashes")
        folder = str(self.pip.folder / "wheels")
        self.pip.run("install", *alone, "--find-links", folder, "--requirement", str(lines))
        importlib.invalidate_caches()
        for item in items:
            if item.direct:
                note_origin(item.name, item.origin)

    def _look(self) -> dict[str, Any]:
        """Load everything in a fresh process, and see that what was asked for is a plugin.

        Raises:
            PluginError: it is none, or ends the process that loads it.
        """
        importlib.invalidate_caches()
        plugins = {normalize_name(plugin.distribution) for plugin in installed_plugins()}
        others = [item.name for item in self.items if item.requested and normalize_name(item.name) not in plugins]
        if others:
            raise no_plugin(" and ".join(others), state="")
        return probe()[0]

    def _undo(self, former: Mapping[str, str]) -> str:
        """Bring back what was there before, as far as it can be had; says in a sentence whether it could.

        Arguments:
            former: the frozen lines of what was there.
        """
        now = versions_of(self.items)
        new = [name for name, version in now.items() if version is not None and self.before[name] is None]
        try:
            if new:
                self.pip.run("uninstall", "--yes", *new)
            changed = [item.name for item in self.items if self.before[item.name] is not None]
            for name in changed:
                self.pip.run("install", "--no-deps", "--force-reinstall", *read_line(former[name]).words)
        except PluginError as error:
            return f"And what was there before could not be brought back: {error}"
        return "The environment is as it was."

    def _state(self) -> str:
        """What an interrupted installation left, in a sentence."""
        now = versions_of(self.items)
        done = [item.name for item in self.items if now[item.name] == item.version != self.before[item.name]]
        if not done:
            return "Nothing was changed."
        names = shlex.join(done)
        return f"Installed were already: {', '.join(done)}. Install again to go on, or: genzoo uninstall {names}"


def _line(wheel: Path) -> str:
    """A line of pip's requirements that nothing but this wheel meets."""
    name, version = wheel.name.split("-")[:2]
    return f"{name}=={version} --hash=sha256:{_digest(wheel)}\n"


@contextmanager
def planned(requests: Sequence[Request], *, upgrade: bool = False) -> Iterator[InstallPlan]:
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
            items = read_pip_report(pip.resolve(*options, *editable, "--", *others))
            known = {normalize_name(item.name) for item in items}
            if rebuilt := [request.text for request in requests if _is_rebuilt(request, known)]:
                items += read_pip_report(pip.resolve("--force-reinstall", "--no-deps", "--", *rebuilt))
        except KeyboardInterrupt:
            raise Interrupted("Interrupted while resolving. Nothing was changed.", 130) from None
        check_plan(items, requests, pins)
        yield InstallPlan(tuple(requests), tuple(items), versions_of(items), pip)


def _is_rebuilt(request: Request, known: Collection[str]) -> bool:
    """Whether a wheel differs from the one of its version that is installed, which pip passes over."""
    if request.wheel is None or request.name is None or request.name in known:
        return False
    return frozen_digest(request.name) != _digest(request.wheel)


def _digest(wheel: Path) -> str:
    return hashlib.sha256(wheel.read_bytes()).hexdigest()


def removable(names: Sequence[str]) -> list[str]:
    """The distributions of plugins that go by these names.

    Raises:
        PluginError: one is no plugin, belongs to the core, or comes with it.
    """
    plugins = installed_plugins()
    installed = {normalize_name(plugin.distribution): plugin.distribution for plugin in plugins}
    displaced = {normalize_name(plugin.distribution) for plugin in plugins if plugin.displaced}
    bundled = bundled_plugins()
    pins = core_packages()
    found = []
    for name in names:
        key = normalize_name(name)
        if key in pins:
            raise PluginError(f"{name} is part of what genzoo runs on, and `genzoo uninstall` never removes that.")
        if key in bundled:
            both = " A distribution of that name is installed, too; see: genzoo plugins." if key in displaced else ""
            others = ",".join(sorted(set(installed.values()) - {installed[key]}))
            raise PluginError(
                f"{installed[key]} comes with genzoo and cannot be removed alone. To switch it off, name the plugins "
                f"that are to be loaded: GENZOO_LOAD_PLUGINS={others or shlex.quote('')}{both and '.'}{both}"
            )
        if key not in installed:
            raise PluginError(f"No plugin {name!r} is installed. {did_you_mean(key, installed)}")
        found.append(installed[key])
    return list(dict.fromkeys(found))


def uninstall(names: Sequence[str]) -> list[str]:
    """Remove distributions that `removable` gave; returns what they required and nobody requires any more.

    Raises:
        PluginError: pip failed, or they lie where it does not reach.
    """
    check_environment(shlex.join(names), removing=True)
    required = required_by(names)
    with pip_for({}) as pip:
        output = pip.run("uninstall", "--yes", *names)
    importlib.invalidate_caches()
    left = {plugin.distribution: plugin.folder for plugin in installed_plugins() if plugin.distribution in names}
    if left:
        name, folder = next(iter(left.items()))
        outside = "it lies outside this environment" if "outside environment" in output else "pip left it"
        raise PluginError(f"{name} is still installed: {outside}, in {Path(folder).parent}.")
    return unrequired(required)
