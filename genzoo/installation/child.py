"""A fresh process that loads plugins and writes what it saw as JSON.

python -m genzoo.installation.child RESULT            what became of every plugin, and what each brought
python -m genzoo.installation.child RESULT LABEL      one plugin, `distribution:name`, in detail
"""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import genzoo
from genzoo.errors import PluginError
from genzoo.installation.references import findings
from genzoo.installed import Installed, installed_plugins
from genzoo.plugins import Zoo, bare_zoo
from genzoo.registry import SORTS

LONGEST = 300
"""Seconds after which a plugin that does not come to an end is given up."""


def look(*words: str, label: str | None = None) -> tuple[dict[str, Any], str]:
    """What a fresh process saw, and what it wrote to standard error.

    Arguments:
        words: options of the interpreter.
        label: of the one plugin to look at; by default all.

    Raises:
        PluginError: the process did not come to an end.
    """
    with tempfile.TemporaryDirectory(prefix="genzoo-look-") as folder:
        result = Path(folder, "result.json")
        asked = [str(result)] if label is None else [str(result), label]
        command = [sys.executable, "-P", *words, "-m", "genzoo.installation.child", *asked]
        try:
            done = subprocess.run(  # noqa: S603 - this Python, with words of this file
                command,
                capture_output=True,
                text=True,
                errors="replace",
                env=_environment(),
                timeout=LONGEST,
                stdin=subprocess.DEVNULL,
            )
        except subprocess.TimeoutExpired as error:
            what = _named(json.loads(_text(result) or "{}"))
            raise PluginError(f"Loading {what} did not end within {LONGEST} seconds.") from error
        found = json.loads(_text(result) or "{}")
        assert isinstance(found, dict)
        if "loading" in found or not found:
            last = (done.stderr.strip().splitlines() or ["it printed nothing"])[-1].rstrip(".")
            raise PluginError(f"Loading {_named(found)} ended the process with code {done.returncode}: {last}.")
        return found, done.stderr


def _text(result: Path) -> str:
    return result.read_text(encoding="utf-8") if result.is_file() else ""


def _named(found: dict[str, Any]) -> str:
    """The plugin that a process was loading when it ended, as far as it noted that."""
    return str(found.get("loading", "genzoo"))


def _environment() -> dict[str, str]:
    """That of this process, without what leaves plugins out; genzoo is found where this one was."""
    found = {key: value for key, value in os.environ.items() if not key.startswith(("GENZOO_LOAD_", "GENZOO_STRICT_"))}
    root = str(Path(genzoo.__file__).parent.parent)
    here = [] if root.endswith(("site-packages", "dist-packages")) else [root]
    found["PYTHONPATH"] = os.pathsep.join([*here, *filter(None, [found.get("PYTHONPATH")])])
    return found


def _note(result: Path, plugin: Installed) -> None:
    """Say what is loaded now, for the case that it ends the process."""
    result.write_text(json.dumps({"loading": plugin.distribution}), encoding="utf-8")


def _look_at_all(result: Path) -> dict[str, Any]:
    zoo = bare_zoo()
    for plugin in installed_plugins():
        _note(result, plugin)
        zoo.load(plugin)
    models = [
        {"id": e.id, "name": name, "distribution": e.distribution, "family": e.spec.family, "summary": e.spec.summary}
        for name, e in zip(zoo.registry.models.names(), zoo.registry.models, strict=True)
    ]
    others = [
        {"id": entry.id, "sort": zoo.registry.table(sort).sort, "distribution": entry.distribution}
        for sort in SORTS[1:]
        for entry in zoo.registry.table(sort)
    ]
    return {"states": [dataclasses.asdict(state) for state in zoo.states], "models": models, "others": others}


def _look_at(result: Path, label: str) -> dict[str, Any]:
    plugins = installed_plugins()
    (wanted,) = [plugin for plugin in plugins if plugin.label == label]
    zoo = bare_zoo()
    before, known = set(sys.modules), _ids(zoo)
    _note(result, wanted)
    begun = time.perf_counter()
    zoo.load(wanted)
    milliseconds = (time.perf_counter() - begun) * 1e3
    imported = sorted({name.partition(".")[0] for name in set(sys.modules) - before})
    brought = _ids(zoo) - known
    state = zoo.states[-1]
    _load_others(result, zoo, plugins, wanted)
    return {
        "state": dataclasses.asdict(state),
        "milliseconds": milliseconds,
        "imported": imported,
        "brought": sorted(f"{sort} {name}" for sort, name in brought),
        "findings": findings(zoo.registry, brought),
    }


def _load_others(result: Path, zoo: Zoo, plugins: list[Installed], wanted: Installed) -> None:
    for plugin in plugins:
        if plugin != wanted:
            _note(result, plugin)
            zoo.load(plugin)


def _ids(zoo: Zoo) -> set[tuple[str, str]]:
    return {(sort, name) for sort in SORTS for name in zoo.registry.table(sort).ids()}


def main() -> None:
    """Write what was seen to the file that the first argument names."""
    result, label = Path(sys.argv[1]), sys.argv[2:]
    found = _look_at(result, label[0]) if label else _look_at_all(result)
    result.write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main()
