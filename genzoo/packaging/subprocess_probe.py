"""Load plugins in a fresh process, and report what they did.

A plugin may print, change global state, or end the process. In a process of its own it harms nobody.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import genzoo
from genzoo.errors import PluginError
from genzoo.packaging.references import findings
from genzoo.plugins.discovery import InstalledPlugin, installed_plugins
from genzoo.plugins.first_import import noted_import
from genzoo.plugins.manager import core_only_manager, shortened
from genzoo.plugins.registry import KINDS, Registry

LONGEST = 300
"""Seconds after which a plugin that does not finish loading is stopped."""


FINDINGS = "--findings"
"""Argument that asks for faults of registered entries. It cannot be a label, because labels contain a colon."""


_CLOCK = "import time:"
"""Beginning of the lines that `-X importtime` prints."""


def probe(*labels: str, words: Sequence[str] = (), only: Sequence[str] | None = None) -> tuple[dict[str, Any], str]:
    """Load plugins in a fresh process.

    Arguments:
        labels: label of the one plugin to load, or `FINDINGS` and the labels of plugins to check. Defaults to all.
        words: options of the interpreter.
        only: labels of the plugins that the process may load. Defaults to all.

    Returns:
        What the process observed, and what it wrote to standard error.

    Raises:
        PluginError: a plugin ended the process, or did not finish loading.
    """
    with tempfile.TemporaryDirectory(prefix="genzoo-look-") as folder:
        result = Path(folder, "result.json")
        asked = [str(result), *labels]
        command = [sys.executable, "-P", *words, "-m", "genzoo.packaging.subprocess_probe", *asked]
        try:
            done = subprocess.run(  # noqa: S603 - this Python, with words of this file
                command,
                capture_output=True,
                text=True,
                errors="replace",
                env=_environment(only),
                timeout=LONGEST,
                stdin=subprocess.DEVNULL,
            )
        except subprocess.TimeoutExpired as error:
            what = _named(json.loads(_text(result) or "{}"))
            raise PluginError(f"Loading {what} took longer than {LONGEST} seconds.") from error
        found = json.loads(_text(result) or "{}")
        assert isinstance(found, dict)
        if "loading" in found or not found:
            said = [line for line in done.stderr.splitlines() if line.strip() and not line.startswith(_CLOCK)]
            last = shortened(said[-1]).rstrip(".") if said else "it printed nothing"
            raise PluginError(f"Loading {_named(found)} ended its process with exit code {done.returncode}: {last}.")
        return found, done.stderr


def _text(result: Path) -> str:
    return result.read_text(encoding="utf-8") if result.is_file() else ""


def _named(found: dict[str, Any]) -> str:
    """Return the plugin that a process was loading when it ended, as far as it noted that."""
    return str(found.get("loading", "genzoo"))


def _environment(only: Sequence[str] | None) -> dict[str, str]:
    """Return this process's environment, without the variables that leave plugins out.

    The new process finds genzoo where this one found it.
    """
    found = {key: value for key, value in os.environ.items() if not key.startswith(("GENZOO_LOAD_", "GENZOO_STRICT_"))}
    if only is not None:
        found["GENZOO_LOAD_PLUGINS"] = ",".join(only)
    root = str(Path(genzoo.__file__).parent.parent)
    here = [] if root.endswith(("site-packages", "dist-packages")) else [root]
    found["PYTHONPATH"] = os.pathsep.join([*here, *filter(None, [found.get("PYTHONPATH")])])
    return found


@contextlib.contextmanager
def _noted(result: Path, plugin: InstalledPlugin, *, again: bool = False) -> Iterator[None]:
    """Write down which plugin is loaded, in case it ends the process.

    Arguments:
        again: also load a plugin that is known to end or hang its process.
    """
    with contextlib.nullcontext() if plugin.bundled else noted_import(plugin, again=again):
        result.write_text(json.dumps({"loading": plugin.distribution}), encoding="utf-8")
        yield


def _look_at_all(result: Path) -> dict[str, Any]:
    zoo = core_only_manager()
    zoo.load_entry_points(functools.partial(_noted, result))
    models = [
        {"id": e.id, "name": name, "distribution": e.distribution, "family": e.spec.family, "summary": e.spec.summary}
        for name, e in zip(zoo.registry.models.names(), zoo.registry.models, strict=True)
    ]
    others = [
        {"id": entry.id, "kind": zoo.registry.table(kind).kind, "distribution": entry.distribution}
        for kind in KINDS[1:]
        for entry in zoo.registry.table(kind)
    ]
    return {"states": [dataclasses.asdict(state) for state in zoo.states], "models": models, "others": others}


def _look_at(result: Path, label: str) -> dict[str, Any]:
    (wanted,) = [plugin for plugin in installed_plugins() if plugin.label == label and not plugin.displaced]
    zoo = core_only_manager()
    before, known = set(sys.modules), _ids(zoo.registry)
    begun = time.perf_counter()
    zoo.load(wanted, functools.partial(_noted, result, again=True))
    milliseconds = (time.perf_counter() - begun) * 1e3
    imported = sorted({name.partition(".")[0] for name in set(sys.modules) - before})
    return {
        "state": dataclasses.asdict(zoo.states[-1]),
        "milliseconds": milliseconds,
        "imported": imported,
        "brought": sorted(f"{kind} {name}" for kind, name in _ids(zoo.registry) - known),
    }


def _find_faults(result: Path, labels: list[str]) -> dict[str, Any]:
    """Return what is wrong with the registered entries of some plugins, by label."""
    zoo = core_only_manager()
    zoo.load_entry_points(functools.partial(_noted, result))
    return {
        f"{state.distribution}:{state.name}": findings(zoo.registry, _ids(zoo.brought(state)))
        for state in zoo.states
        if f"{state.distribution}:{state.name}" in labels
    }


def _ids(registry: Registry) -> set[tuple[str, str]]:
    return {(kind, name) for kind in KINDS for name in registry.table(kind).ids()}


def main() -> None:
    """Write what was observed to the file in the first argument."""
    result, labels = Path(sys.argv[1]), sys.argv[2:]
    match labels:
        case []:
            found = _look_at_all(result)
        case [first, *others] if first == FINDINGS:
            found = _find_faults(result, others)
        case [label, *_]:
            found = _look_at(result, label)
    result.write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main()
