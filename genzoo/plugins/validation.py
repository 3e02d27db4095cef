"""Check a plugin's module and the references in its specs before its hooks are called."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import tokenize
from collections.abc import Iterator
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

from genzoo.errors import PluginError, did_you_mean
from genzoo.plugins.hookspecs import GROUP
from genzoo.plugins.registry import KINDS, Registry
from genzoo.spec import API_VERSION

HOOKS = tuple(f"register_{kind}" for kind in KINDS)
"""The names of all hooks."""


def check_module(module: object) -> None:
    """Refuse a module that breaks the contract.

    Raises:
        PluginError: it is no module, speaks another version of the contract, or one of its hooks would never work.
    """
    if not isinstance(module, ModuleType):
        raise PluginError(f"its entry point names a {type(module).__name__} where a module belongs.")
    _check_version(module)
    hooks = dict(_marked(module))
    for name, (function, options) in hooks.items():
        _check_hook(name, function, options)
    for name in HOOKS:
        if callable(vars(module).get(name)) and name not in hooks:
            raise PluginError(f"its function {name!r} is not marked with @genzoo.hookimpl, so it is no hook.")
    if not hooks:
        raise PluginError(f"it implements no hook, so it brings nothing. {did_you_mean('', HOOKS)}")


def _check_version(module: ModuleType) -> None:
    if not hasattr(module, "GENZOO_API"):
        raise PluginError(f"it does not state the contract it is written for: GENZOO_API = {API_VERSION} is missing.")
    found = module.GENZOO_API
    if type(found) is not int:
        raise PluginError(
            f"it is written for GENZOO_API {found!r}, which is no whole number; this genzoo speaks {API_VERSION}."
        )
    if not 1 <= found <= API_VERSION:  # what an older one registers is translated, see `plugins/api1.py`
        older = "an older version of the plugin, or a newer genzoo" if found > API_VERSION else "a newer version of it"
        raise PluginError(
            f"it is written for GENZOO_API {found}, and this genzoo speaks {API_VERSION}: {older} is needed."
        )


def _marked(module: ModuleType) -> Iterator[tuple[str, tuple[object, dict[str, Any]]]]:
    """What the module marks as hooks, by the names it has there."""
    for name, value in vars(module).items():
        options = getattr(value, f"{GROUP}_impl", None)
        if isinstance(options, dict):  # an object that has every attribute is no hook
            yield name, (value, options)


def _check_hook(name: str, function: object, options: dict[str, Any]) -> None:
    called = options.get("specname") or name
    if called not in HOOKS:
        raise PluginError(f"it implements a hook {called!r}, which genzoo does not have. {did_you_mean(called, HOOKS)}")
    if not inspect.isroutine(function):
        raise PluginError(f"its hook {name!r} is a {type(function).__name__} and no function, so it is never called.")
    if options.get("wrapper") or options.get("hookwrapper"):
        raise PluginError(f"its hook {name!r} is a wrapper, and there is nothing to wrap.")
    if _runs_later(function):
        raise PluginError(f"its hook {name!r} is a generator or asynchronous, so its body would never run.")
    _check_hook_arguments(name, function)


def _runs_later(function: object) -> bool:
    tests = (inspect.isgeneratorfunction, inspect.iscoroutinefunction, inspect.isasyncgenfunction)
    return any(test(function) for test in tests)


def _check_hook_arguments(name: str, function: Any) -> None:
    """One argument `register` without a default: pluggy hands over what the signature names, and no default ever."""
    parameters = inspect.signature(function).parameters.values()
    plain = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    if any(p.default is not p.empty for p in plain):
        raise PluginError(f"its hook {name!r} gives an argument a default, so it would never be called with it.")
    if [p.name for p in plain] != ["register"]:
        seen = ", ".join(p.name for p in parameters) or "none"
        raise PluginError(f"its hook {name!r} takes other arguments than 'register': {seen}.")


_FIELDS = ("builder", "config", "loader", "metric")


def unresolved_references(brought: Registry) -> Iterator[str]:
    """One sentence for each reference of a plugin's entries that leads nowhere.

    What cannot be known without importing, such as a module whose names are made by code, is taken to be there.
    """
    for kind in KINDS:
        for entry in brought.table(kind):
            for field in _FIELDS:
                reference = getattr(entry.spec, field, None)
                lacking = _lacking(reference) if isinstance(reference, str) else ""
                if lacking:
                    yield f"The {field} {reference!r} of {brought.table(kind).kind} {entry.id!r}: {lacking}."


def _lacking(reference: str) -> str:
    module, _, attribute = reference.partition(":")
    try:
        found = _find(module)
        if found is None:
            return f"there is no module {module!r}"
        names = _names(Path(found.origin)) if found.origin is not None and found.origin.endswith(".py") else None
    except (ImportError, OSError, SyntaxError, ValueError) as error:
        return f"its module cannot be read ({type(error).__name__}: {error})"
    known = names is None or attribute in names or _find(f"{module}.{attribute}") is not None
    return "" if known else f"the module has no {attribute!r}"


def _find(module: str) -> ModuleSpec | None:
    """Where a module is; unlike `importlib.util.find_spec`, this does not import the packages above it."""
    first, *rest = module.split(".")
    found, name = importlib.util.find_spec(first), first
    for word in rest:
        if found is None or found.submodule_search_locations is None:
            return None
        name = f"{name}.{word}"
        found = PathFinder.find_spec(name, list(found.submodule_search_locations))
    return found


def _names(file: Path) -> set[str] | None:
    """What a module's own code calls things at its top level; `None` where it can make up names."""
    with tokenize.open(file) as text:
        found = set(_bound(ast.parse(text.read())))
    return None if found & {"*", "__getattr__", "globals"} else found


def _bound(node: ast.AST) -> Iterator[str]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield child.name
            continue
        if isinstance(child, ast.Name) and (isinstance(child.ctx, ast.Store) or child.id == "globals"):
            yield child.id
        if isinstance(child, ast.alias):
            yield child.asname or child.name.partition(".")[0]
        yield from _bound(child)
