"""Check that the workers of a cluster compute with the same software and on the same kind of device as this process."""

from __future__ import annotations

import functools
import importlib.metadata
import platform
from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeAlias

from genzoo.errors import ConfigError, GenzooError, PluginError
from genzoo.plugins.discovery import CORE, distribution_of
from genzoo.plugins.manager import get_registry
from genzoo.plugins.registry import KINDS
from genzoo.runtime.cluster import ask_workers
from genzoo.runtime.device import resolve_device
from genzoo.spec.entries import LOCAL
from genzoo.wording import argument

if TYPE_CHECKING:
    from distributed import Client

Versions: TypeAlias = dict[str, str]
"""Versions by the name of a package."""

_LIBRARIES = (CORE, "torch", "numpy", "scipy", "scikit-learn")
"""Packages whose versions figures depend on, apart from plugins."""

_MISSING = "not installed"


@functools.cache
def versions_here() -> Versions:
    """Return the versions of Python, of the libraries and of the plugins in this process."""
    names = {*_LIBRARIES, *_distributions()}
    return {"Python": _python(platform.python_version()), **{name: _version(name) for name in sorted(names)}}


def check_workers(client: Client, device: str) -> None:
    """Check that a scheduler and its workers have the versions of this process, its plugins and its kind of device.

    Workers that connect later have to be checked when they begin.

    Arguments:
        device: name of the device that everything is computed on, such as `"auto"`.

    Raises:
        PluginError: some have other versions. The message names the first of them and the differences.
        ConfigError: some compute on another kind of device, or this process does not have the device.
    """
    here = versions_here()
    # The scheduler's own question comes first: a worker with no genzoo, or with another Python, may not be able to run
    # any function of this process.
    found = client.get_versions(packages=list(here))
    asked = {f"Worker {address}": about for address, about in found["workers"].items()}
    for process, about in {"The scheduler": found["scheduler"], **asked}.items():  # it reads what it hands on
        packages = about["packages"]
        installed = {name: packages.get(name) or _MISSING for name in here if name != "Python"}
        check_same({"Python": _python(about["host"]["python"]), **installed}, process)
    own = resolve_device(device).type
    for worker, answer in ask_workers(client, about_process, device).items():
        if isinstance(answer, GenzooError):
            raise answer
        if isinstance(answer, Exception):  # an import that failed there arrives as an error of no special class
            raise PluginError(
                f"A worker cannot load genzoo: {answer}. Install the same there as here, for example from the output "
                f"of 'genzoo plugins freeze', and start the workers again."
            ) from answer
        versions, kind = answer
        check_same(versions, f"Worker {worker}")  # it may have plugins that this process does not have
        check_kind(kind, worker, own)


def about_process(device: str) -> tuple[Versions, str]:
    """Return the versions of this process, and what `device_kind` returns for a device."""
    return versions_here(), device_kind(device)


def device_kind(name: str) -> str:
    """Return the kind of the device with this name, such as `cpu`, or why this process does not have it."""
    try:
        return resolve_device(name).type
    except ConfigError as error:
        return str(error)


def check_kind(there: str, worker: str, here: str) -> None:
    """Check that a worker computes on the kind of device that is needed.

    Arguments:
        there: what `device_kind` returns there.
        worker: its address.
        here: the kind that is needed.

    Raises:
        ConfigError: it does not.
    """
    if there == here:
        return
    if " " in there:  # no kind, but why there is none
        raise ConfigError(f"On worker {worker}: {there}")
    raise ConfigError(
        f"Worker {worker} computes on {there} where this process computes on {here}, so its figures could differ. "
        f"Choose a kind of device that all of them have, such as {argument('device', 'cpu')}."
    )


def check_same(there: Mapping[str, str], process: str, here: Mapping[str, str] | None = None) -> None:
    """Check that a process of a cluster has the versions that are needed.

    Arguments:
        there: its versions.
        process: what it is, such as `"The scheduler"`, to begin a sentence.
        here: the versions that are needed. Defaults to what this process has.

    Raises:
        PluginError: it has others, lacks a plugin, or has a plugin more.
    """
    wanted = versions_here() if here is None else here
    differences = [
        f"{name} {there.get(name, _MISSING)} instead of {wanted.get(name, _MISSING)}"
        for name in (*wanted, *sorted(set(there) - set(wanted)))
        if there.get(name, _MISSING) != wanted.get(name, _MISSING)
    ]
    if differences:
        raise PluginError(
            f"{process} has other software than this process, so figures could differ: {'; '.join(differences)}. "
            f"Install the same there, for example from the output of 'genzoo plugins freeze', start the cluster again, "
            f"or choose another one in {argument('on')}."
        )


def _distributions() -> set[str]:
    """Return the distributions of the plugins whose entries this process knows."""
    registry = get_registry()
    owners = {entry.distribution for kind in KINDS for entry in registry.table(kind)} - {LOCAL}
    return {distribution_of(owner) for owner in owners}


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return _MISSING


def _python(version: str) -> str:
    return ".".join(version.split(".")[:2])
