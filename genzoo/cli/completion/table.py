"""The commands, options and names that a shell can complete, kept in a file so that an answer takes little time.

Making the table imports every command and the settings of every model. It is made again when a source file of genzoo or
of a plugin has changed, or when a package was installed or removed.
"""

from __future__ import annotations

import json
import os
import sys
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from genzoo.plugins.cache import cache_home
from genzoo.spec.events import Kind

if TYPE_CHECKING:
    import click
    from pydantic import BaseModel

    from genzoo.plugins.registry import Entry, Registry
    from genzoo.spec.entries import ModelSpec

Table = dict[str, Any]
"""`commands`: per command, its subcommands, options and arguments. `settings`: per model, the choices of each setting.
`values`: per kind of value, names with a description."""


_FORMAT = 2


def current_table() -> Table:
    """Return the table: from its file, or made again if something that is installed has changed."""
    key = _key()
    try:
        path = _file()
    except RuntimeError:  # there is no home folder
        return make_table()
    try:
        kept = json.loads(path.read_bytes())
        if kept["key"] == key and all(_stamp(Path(name)) == stamp for name, stamp in kept["files"].items()):
            table: Table = kept["table"]
            return table
    except (OSError, ValueError, KeyError, TypeError, AttributeError):  # not there, or damaged
        pass
    table = make_table()
    _keep(path, {"key": key, "files": _sources(), "table": table})
    return table


def _keep(path: Path, content: dict[str, Any]) -> None:
    from genzoo.errors import GenzooError  # only when the table is made
    from genzoo.storage.atomic import atomic_text

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_text(path, json.dumps(content))
    except (OSError, GenzooError):  # a home that cannot be written to: the next answer takes as long as this one
        return


def _key() -> list[Any]:
    """Return what decides which plugins there are: the interpreter, its folders of packages, and the environment."""
    folders = [[folder, _stamp(Path(folder))] for folder in sys.path if Path(folder).is_dir()]
    return [_FORMAT, sys.version, folders, os.environ.get("GENZOO_LOAD_PLUGINS")]


def _file() -> Path:
    """Return the file of the table, one for each environment."""
    about = repr([sys.prefix, os.environ.get("GENZOO_LOAD_PLUGINS")])
    return cache_home() / f"completion-{zlib.crc32(about.encode()):08x}.json"


def _stamp(path: Path) -> int | None:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None


def _sources() -> dict[str, int | None]:
    """Return when each source file of genzoo and of its plugins that is imported now was changed."""
    from genzoo.plugins.discovery import installed_plugins

    packages = {"genzoo", *(plugin.entry.module.partition(".")[0] for plugin in installed_plugins() if plugin.entry)}
    files = {
        getattr(module, "__file__", None)
        for name, module in list(sys.modules.items())
        if name.partition(".")[0] in packages
    }
    return {file: _stamp(Path(file)) for file in files if file}


def make_table() -> Table:
    """Make the table from the commands and the registry."""
    from genzoo.cli.main import root
    from genzoo.plugins.manager import get_registry

    commands: dict[str, Any] = {}
    _add(commands, "", root)
    registry = get_registry()
    return {"commands": commands, "settings": _settings(registry), "values": _values(registry)}


def _add(commands: dict[str, Any], path: str, command: click.Command) -> None:
    import click

    context = click.Context(command, info_name=path)
    parameters = command.get_params(context)
    under = []
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            if found is not None:
                under.append([name, found.get_short_help_str(70)])
                _add(commands, f"{path} {name}".strip(), found)
    commands[path] = {
        "subcommands": under,
        "options": [_option(one) for one in parameters if isinstance(one, click.Option) and not one.hidden],
        "arguments": [_argument(one) for one in parameters if isinstance(one, click.Argument)],
    }


def _option(option: click.Option) -> dict[str, Any]:
    from genzoo.cli.command import Option

    switch = option.is_flag or option.count or (isinstance(option, Option) and bool(option.words))
    return {
        "names": [*option.opts, *option.secondary_opts],
        "help": (option.help or "").partition(". ")[0].partition("  [")[0].removesuffix("."),
        "many": option.multiple,
        "values": 0 if switch else option.nargs,
        **_value(option),
    }


def _argument(argument: click.Argument) -> dict[str, Any]:
    return {"many": argument.nargs < 0, **_value(argument)}


def _value(parameter: click.Parameter) -> dict[str, Any]:
    """Return the kind of a value, which is the placeholder in the help, and its choices."""
    import click

    if isinstance(parameter.type, click.Choice):
        return {"kind": "", "choices": [str(choice) for choice in parameter.type.choices]}
    shown = parameter.metavar or (parameter.name or "").upper()
    first, *others = shown.split("|")
    if others and first.islower():  # random|contiguous|time=COL
        values = [one if one.islower() else f"{one.partition('=')[0]}=" for one in (first, *others)]
        return {"kind": "", "choices": values}
    if shown.startswith("MODEL[:") or (shown == "MODEL" and isinstance(parameter, click.Option)):
        kind = "CANDIDATE"
    elif first == "DIR":
        kind = "FOLDER"
    elif isinstance(parameter.type, click.Path):
        kind = "FILE"
    else:
        kind = first.partition("[=")[0].removesuffix("...").strip("[]").replace("=]", "=")
    return {"kind": kind, "choices": []}


def _settings(registry: Registry) -> dict[str, dict[str, list[str]]]:
    """List the choices of every setting that `-o` takes, per command; none for a setting of another type."""
    from genzoo.config.data import SplitSettings
    from genzoo.errors import GenzooError

    split = _choices("split.", SplitSettings)
    found, shared = {}, dict(split)
    for name, entry in zip(registry.models.names(), registry.models, strict=True):
        try:
            own, training = _settings_of(entry, registry)
        except GenzooError:  # a plugin with a fault has no completions
            continue
        found[f"train {name}"] = own | training | split
        shared |= training
    return {**found, "compare": shared}


def _settings_of(entry: Entry[ModelSpec], registry: Registry) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Return the choices of a model's own settings and its objectives', and of its trainings'."""
    from genzoo.config.resolve import options_class, training_class

    spec = entry.spec
    own = _choices("", options_class(entry)) | {"objective": list(spec.objectives)}
    own |= {"preset": list(spec.presets)} if spec.presets else {}
    training: dict[str, list[str]] = {}
    for name in spec.objectives:
        objective = registry.objective_of(entry, name)
        own |= _choices("objective.", options_class(objective))
        training |= _choices("training.", training_class(objective, spec.objective_options.get(name)))
    return own, training


def _choices(prefix: str, settings: type[BaseModel]) -> dict[str, list[str]]:
    from genzoo.config.flags import choices_of

    def text(choice: object) -> str:
        return json.dumps(choice) if isinstance(choice, bool) else str(choice)

    names = (name for name in settings.model_fields if name != "kind")
    return {prefix + name: [text(choice) for choice in choices_of(settings, name)] for name in names}


def _values(registry: Registry) -> dict[str, list[tuple[str, str]]]:
    """List the names of each kind of value."""
    from genzoo.plugins.manager import get_manager

    def names(kind: str) -> list[tuple[str, str]]:
        table = registry.table(kind)
        return [(name, entry.spec.summary) for name, entry in zip(table.names(), table, strict=True)]

    states = get_manager().states
    of_columns = {entry.spec.name for entry in registry.transforms if entry.spec.columns}
    return {
        "MODEL": names("models"),
        "DATA": names("datasets"),
        "METRIC": names("metrics"),
        "EXTRACTOR": names("extractors"),
        "CALLBACK": names("callbacks"),
        "KIND": [(kind, "") for kind in get_args(Kind)],
        "TRANSFORM": [choice for choice in names("transforms") if choice[0] in of_columns],
        "CRITERION": [(name, "") for name in ("bic", "aic", "aicc", "icl", "test", "cv")] + names("metrics"),
        "PLUGIN": [(state.distribution, "") for state in states],
        "PKG": [(state.distribution, "") for state in states if not state.bundled],
    }
