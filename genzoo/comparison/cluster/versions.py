"""Check that the workers of a cluster compute with the same software as this process."""

from __future__ import annotations

import functools
import importlib.metadata
import platform
from collections.abc import Mapping
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, TypeAlias

from genzoo.errors import GenzooError, PluginError
from genzoo.plugins.discovery import CORE, distribution_of
from genzoo.plugins.manager import get_registry
from genzoo.plugins.registry import KINDS
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


def check_versions(client: Client) -> None:
    """Check that the workers that are connected have the versions of this process, and its plugins.

    Workers that connect later are checked when they begin their first fit.

    Raises:
        PluginError: some have others. The message names the first of them and the differences.
    """
    here = versions_here()
    # The scheduler's own question comes first: a worker with no genzoo, or with another Python, may not be able to run
    # any function of this process.
    found = client.get_versions(packages=list(here))["workers"]
    for worker, about in found.items():
        packages = about["packages"]
        installed = {name: packages.get(name) or _MISSING for name in here if name != "Python"}
        check_same({"Python": _python(about["host"]["python"]), **installed}, worker)
    try:
        loaded = client.run(versions_here)  # finds other plugins, too
    except (GenzooError, OSError, CancelledError):
        raise
    except Exception as error:  # how an import that fails there arrives here
        raise PluginError(
            f"A worker cannot load genzoo: {error}. Install the same there as here, for example from the output of "
            f"'genzoo plugins freeze', and start the workers again."
        ) from error
    for worker, versions in loaded.items():
        check_same(versions, worker)


def check_same(there: Mapping[str, str], worker: str, here: Mapping[str, str] | None = None) -> None:
    """Check that a worker has the versions that are needed.

    Arguments:
        there: its versions.
        worker: its address.
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
            f"Worker {worker} has other software than this process, so its figures could differ: "
            f"{'; '.join(differences)}. Install the same there, for example from the output of 'genzoo plugins "
            f"freeze', start the workers again, or choose another cluster in {argument('on')}."
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
