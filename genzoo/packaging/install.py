"""Install and remove plugins.

pip first resolves a request without changing anything. Then exactly that result is installed. If a package turns out
not to be a plugin, the installation is undone.
"""

from __future__ import annotations

import hashlib
import importlib
import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genzoo.errors import PluginError, did_you_mean, explain_interruption
from genzoo.packaging.freeze import frozen_digest, frozen_line, note_origin, read_line
from genzoo.packaging.ownership import keep_strangers_files, refuse_strangers_files
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
from genzoo.packaging.wheel import read_wheel
from genzoo.plugins.discovery import bundled_plugins, installed_plugins, normalize_name
from genzoo.runtime.progress import Phase


@dataclass(frozen=True, slots=True)
class InstallPlan:
    """A resolved installation, ready to be carried out.

    Arguments:
        items: packages to install, the requested ones first; empty if all are installed already.
        before: versions that are installed now.
    """

    requests: tuple[Request, ...]
    items: tuple[PlannedPackage, ...]
    before: dict[str, str | None]
    pip: Pip

    def carry_out(self) -> dict[str, Any]:
        """Install exactly what was resolved; return what a fresh process observes afterwards, as `probe` does.

        Raises:
            PluginError: a package cannot be downloaded or built, conflicts with another, or is not a plugin. The
                environment is as before, or the message says what is not.
            Interrupted: the user interrupted it. The message says what is installed.
        """
        with explain_interruption(lambda: f"Interrupted while installing. {self._state()}"):
            with Phase("downloading and building"):
                wheels = self._gather()
                self._refuse(wheels)
            with Phase("installing"):
                return self._install(wheels)

    def _gather(self) -> dict[str, Path]:
        """Download or build the wheels of everything that is not editable; return them by normalized name."""
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
        wheels = {normalize_name(path.name.partition("-")[0]): path for path in sorted(folder.glob("*.whl"))}
        if others := sorted({normalize_name(item.name) for item in items} ^ wheels.keys()):
            raise PluginError(f"The build of {others[0]} gave a wheel of another name. Nothing was changed.")
        return wheels

    def _refuse(self, wheels: Mapping[str, Path]) -> None:
        """Check all wheels before any of them is installed."""
        found = {name: read_wheel(path) for name, path in wheels.items()}
        for item in self.items:
            wheel = found.get(normalize_name(item.name))
            if item.requested and wheel is not None and not wheel.plugin:
                raise no_plugin(f"{item.name} {item.version}")
        refuse_strangers_files(found.values())

    def _install(self, wheels: Mapping[str, Path]) -> dict[str, Any]:
        former = {name: frozen_line(name, old) for name, old in self.before.items() if old is not None}
        for name in former:  # pip removes the former version by its own record
            keep_strangers_files(name)
        try:
            self._install_wheels(wheels)
            for item in self.items:
                if item.editable:
                    self.pip.run("install", "--no-deps", *item.words)
            return self._look()
        except PluginError as error:
            raise PluginError(f"{error} {self._undo(former)}") from error

    def _install_wheels(self, wheels: Mapping[str, Path]) -> None:
        """Install exactly these files. Record the origin of those that come from a path or URL."""
        if not wheels:
            return
        items = [item for item in self.items if not item.editable]
        lines = self.pip.folder / "requirements.txt"
        lines.write_text("".join(_line(wheels[normalize_name(item.name)]) for item in items), encoding="utf-8")
        # Only the files that were just checked may be installed: no index, no dependencies, and fixed hashes.
        alone = ("--no-deps", "--no-index", "--force-reinstall", "--only-binary=:all:", "--require-hashes")
        folder = str(self.pip.folder / "wheels")
        self.pip.run("install", *alone, "--find-links", folder, "--requirement", str(lines))
        importlib.invalidate_caches()
        for item in items:
            if item.direct:
                note_origin(item.name, item.origin)

    def _look(self) -> dict[str, Any]:
        """Load all plugins in a fresh process, and check that the requested packages are plugins.

        Raises:
            PluginError: one is not, or it ends the process that loads it.
        """
        importlib.invalidate_caches()
        plugins = {normalize_name(plugin.distribution) for plugin in installed_plugins()}
        others = [item.name for item in self.items if item.requested and normalize_name(item.name) not in plugins]
        if others:
            raise no_plugin(" and ".join(others), state="")
        return probe()[0]

    def _undo(self, former: Mapping[str, str]) -> str:
        """Restore the former versions as far as possible; return a sentence about the result.

        Arguments:
            former: frozen lines of the former versions, by name.
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
            return f"The former versions could not be restored either: {error}"
        return "The environment is as before."

    def _state(self) -> str:
        """Return a sentence about what an interrupted installation left."""
        now = versions_of(self.items)
        done = [item.name for item in self.items if now[item.name] == item.version != self.before[item.name]]
        if not done:
            return "Nothing was changed."
        names = shlex.join(done)
        return f"Installed so far: {', '.join(done)}. Run the same command to continue, or: genzoo uninstall {names}"


def _line(wheel: Path) -> str:
    """Return a line of pip's requirements that only this wheel meets."""
    name, version = wheel.name.split("-")[:2]
    return f"{name}=={version} --hash=sha256:{_digest(wheel)}\n"


@contextmanager
def planned(requests: Sequence[Request], *, upgrade: bool = False) -> Iterator[InstallPlan]:
    """Resolve requests beside genzoo's own packages, which stay as they are.

    Arguments:
        upgrade: install the newest version of packages that are installed already.

    Raises:
        PluginError: a package is not available, conflicts with an installed one, or is not a plugin. Nothing was
            changed.
        Interrupted: the user interrupted it. Nothing was changed.
    """
    words = shlex.join(word for request in requests for word in request.words)
    check_environment(words)
    pins = core_packages()
    check_requests(requests, pins)
    with pip_for(pins, words) as pip:
        options = ("--upgrade",) if upgrade else ()
        editable = [word for request in requests if request.editable for word in request.words]
        others = [word for request in requests if not request.editable for word in request.words]
        about = "Interrupted while resolving. Nothing was changed."
        with explain_interruption(lambda: about), Phase("looking for packages"):
            items = read_pip_report(pip.resolve(*options, *editable, "--", *others))
            known = {normalize_name(item.name) for item in items}
            if rebuilt := [request.text for request in requests if _is_rebuilt(request, known)]:
                items += read_pip_report(pip.resolve("--force-reinstall", "--no-deps", "--", *rebuilt))
        check_plan(items, requests, pins)
        yield InstallPlan(tuple(requests), tuple(items), versions_of(items), pip)


def _is_rebuilt(request: Request, known: Collection[str]) -> bool:
    """Return whether a wheel differs from the installed one of the same version. pip would skip it."""
    if request.wheel is None or request.name is None or request.name in known:
        return False
    return frozen_digest(request.name) != _digest(request.wheel)


def _digest(wheel: Path) -> str:
    return hashlib.sha256(wheel.read_bytes()).hexdigest()


def removable(names: Sequence[str]) -> list[str]:
    """Return the distributions of plugins with these names.

    Raises:
        PluginError: one is not a plugin, is part of genzoo, or comes with it.
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
            raise PluginError(f"{name} is one of genzoo's own packages, which `genzoo uninstall` never removes.")
        if key in bundled:
            both = " A distribution with that name is installed, too; see: genzoo plugins." if key in displaced else ""
            others = ",".join(sorted(set(installed.values()) - {installed[key]}))
            raise PluginError(
                f"{installed[key]} comes with genzoo and cannot be removed alone. To switch it off, load only the "
                f"other plugins: GENZOO_LOAD_PLUGINS={others or shlex.quote('')}{both and '.'}{both}"
            )
        if key not in installed:
            raise PluginError(f"No plugin {name!r} is installed. {did_you_mean(key, installed)}")
        found.append(installed[key])
    return list(dict.fromkeys(found))


def uninstall(names: Sequence[str]) -> tuple[list[str], list[str]]:
    """Remove distributions that `removable` returned.

    Returns:
        Their dependencies that nothing requires any more, and files that they list but that belong to others. These
        stay.

    Raises:
        PluginError: pip failed, or cannot remove a distribution outside this environment.
    """
    check_environment(shlex.join(names), removing=True)
    required = required_by(names)
    kept = [file for name in names for file in keep_strangers_files(name)]
    with pip_for({}) as pip, Phase("removing"):
        output = pip.run("uninstall", "--yes", *names)
    importlib.invalidate_caches()
    left = {plugin.distribution: plugin.folder for plugin in installed_plugins() if plugin.distribution in names}
    if left:
        name, folder = next(iter(left.items()))
        outside = "it is outside this environment" if "outside environment" in output else "pip did not remove it"
        raise PluginError(f"{name} is still installed: {outside}, in {Path(folder).parent}.")
    return unrequired(required), kept
