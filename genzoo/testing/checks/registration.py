"""Promises about loading a plugin."""

from __future__ import annotations

import dataclasses
import functools
import json
import subprocess
import sys
from types import ModuleType
from typing import Any

from genzoo.config.resolve import check_usual_data, layer, options_class, resolve_config
from genzoo.errors import GenzooError
from genzoo.plugins.manager import PluginManager, get_registry
from genzoo.plugins.registry import Entry, resolve
from genzoo.testing.promise import BrokenPromise, DoesNotApply, Promise, expect
from genzoo.testing.subject import Subject

_PROGRAM = """
import dataclasses, importlib, json, sys
sys.path[:] = json.loads(sys.argv[4])
from genzoo.plugins.manager import PluginManager
zoo = PluginManager()
zoo.add(sys.argv[1], importlib.import_module(sys.argv[2]))
found = zoo.registry.table(sys.argv[3])
specs = {entry.id: json.dumps(dataclasses.asdict(entry.spec), default=sorted, sort_keys=True) for entry in found}
print("\\n" + json.dumps([specs, "torch" in sys.modules]))
"""


@dataclasses.dataclass(frozen=True, slots=True)
class Loaded:
    """The result of loading a plugin in a new process.

    Arguments:
        specs: the registered specs as JSON, by id.
        torch: whether torch was imported.
        printed: what the process printed.
    """

    specs: dict[str, str]
    torch: bool
    printed: str


def registers(subject: Any) -> None:
    """The plugin registers the same spec in every process, prints nothing, and every import path in the spec exists."""
    entry, kind = subject.entry, subject.kind
    loaded = _load(_plugin(entry, kind), entry.distribution, kind)
    here = json.dumps(dataclasses.asdict(entry.spec), default=sorted, sort_keys=True)
    expect(loaded.specs.get(entry.id) == here, "In a new process its plugin registers a different spec.")
    expect(not loaded.printed, f"Its plugin prints {loaded.printed[:80]!r} when it is loaded.")
    for reference in ("builder", "config", "metric", "loader"):
        if hasattr(entry.spec, reference):
            resolve(getattr(entry.spec, reference), entry.spec)


def imports_no_torch(subject: Any) -> None:
    """Loading the plugin does not import torch, so that listing the zoo stays fast."""
    entry, kind = subject.entry, subject.kind
    loaded = _load(_plugin(entry, kind), entry.distribution, kind)
    expect(
        not loaded.torch,
        "Loading its plugin imports torch. Write builders in the specs as 'package.module:attribute', and import torch "
        "in that module.",
    )


def recipe_holds(subject: Subject) -> None:
    """The model's default settings, its presets and the objectives that it lists are valid."""
    entry = subject.entry
    check_usual_data(get_registry(), entry.spec)
    for preset in (None, *entry.spec.presets):
        resolve_config(get_registry(), entry.id, {} if preset is None else {"preset": preset})
    for name in entry.spec.objectives:
        objective = get_registry().objective_of(entry, name)
        options_class(objective)
        resolve(objective.spec.builder, objective.spec)
        resolve_config(get_registry(), entry.id, layer({"objective": name}))


@functools.cache
def _load(plugin: str, distribution: str, kind: str) -> Loaded:
    words = [sys.executable, "-c", _PROGRAM, distribution, plugin, kind, json.dumps(sys.path)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)  # noqa: S603 - our own program
    if done.returncode:
        why = done.stderr.strip().rpartition("\n")[2]
        raise BrokenPromise(f"Its plugin {plugin!r} cannot be loaded in a new process: {why}")
    printed, _, found = done.stdout.rstrip("\n").rpartition("\n")
    specs, torch = json.loads(found)
    return Loaded(specs, torch, (printed + done.stderr).strip())


def _plugin(entry: Entry[Any], kind: str) -> str:
    """Return the name of the module that registers an entry.

    Raises:
        DoesNotApply: no imported module does.
    """
    # dict.copy() is atomic. In a loop, garbage collection may run a finalizer that imports a module in between.
    for name, module in sys.modules.copy().items():
        if (
            name != "__main__"
            and isinstance(module, ModuleType)
            and "GENZOO_API" in vars(module)
            and _brings(module, entry, kind)
        ):
            return name
    why = "no module was found that registers it" if entry.source is None else "it is a class in a file, and no plugin"
    raise DoesNotApply(why)


def _brings(module: ModuleType, entry: Entry[Any], kind: str) -> bool:
    zoo = PluginManager()
    try:
        zoo.add(entry.distribution, module)
    except GenzooError:
        return False
    return entry.id in zoo.registry.table(kind).ids()


PROMISES = (
    *(
        Promise.of(check, kind=kind)
        for kind in ("model", "metric", "dataset", "transform")
        for check in (registers, imports_no_torch)
    ),
    Promise.of(recipe_holds),
)
