"""Check a plugin's module before its hooks are called, and the references in its specs."""

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
from genzoo.spec.entries import API_VERSION

HOOKS = tuple(f"register_{kind}" for kind in KINDS)
"""Names of all hooks."""


def check_module(module: object) -> None:
    """Check that a module follows the plugin contract.

    Raises:
        PluginError: it is not a module, is written for another version of the contract, or has a hook that cannot work.
    """
    if not isinstance(module, ModuleType):
        raise PluginError(f"its entry point names a value of type {type(module).__name__}, and must name a module.")
    _check_version(module)
    hooks = dict(_marked(module))
    for name, (function, options) in hooks.items():
        _check_hook(name, function, options)
    for name in HOOKS:
        if callable(vars(module).get(name)) and name not in hooks:
            raise PluginError(f"its function {name!r} is not decorated with @genzoo.hookimpl, so it is no hook.")
    if not hooks:
        raise PluginError(f"it implements no hook, so it registers nothing. {did_you_mean('', HOOKS)}")


def _check_version(module: ModuleType) -> None:
    if not hasattr(module, "GENZOO_API"):
        raise PluginError(f"it does not state its plugin API: GENZOO_API = {API_VERSION} is missing.")
    found = module.GENZOO_API
    if type(found) is not int:
        raise PluginError(
            f"it is written for GENZOO_API {found!r}, which is not a whole number; this genzoo supports up to "
            f"{API_VERSION}."
        )
    if not 1 <= found <= API_VERSION:  # specs of API 1 are translated, see `plugins/api1.py`
        older = "an older version of the plugin, or a newer genzoo" if found > API_VERSION else "a newer version of it"
        raise PluginError(
            f"it is written for GENZOO_API {found}, and this genzoo supports up to {API_VERSION}: {older} is needed."
        )


def _marked(module: ModuleType) -> Iterator[tuple[str, tuple[object, dict[str, Any]]]]:
    """Yield the functions that the module marks as hooks, with their names."""
    for name, value in vars(module).items():
        options = getattr(value, f"{GROUP}_impl", None)
        if isinstance(options, dict):  # some objects, such as mocks, have every attribute
            yield name, (value, options)


def _check_hook(name: str, function: object, options: dict[str, Any]) -> None:
    called = options.get("specname") or name
    if called not in HOOKS:
        raise PluginError(f"it implements a hook {called!r}, which genzoo does not have. {did_you_mean(called, HOOKS)}")
    if not inspect.isroutine(function):
        raise PluginError(
            f"its hook {name!r} is of type {type(function).__name__}, not a function, so it is never called."
        )
    if options.get("wrapper") or options.get("hookwrapper"):
        raise PluginError(f"its hook {name!r} is a wrapper, but there is nothing to wrap.")
    if _runs_later(function):
        raise PluginError(f"its hook {name!r} is a generator or a coroutine, so its body would never run.")
    _check_hook_arguments(name, function)


def _runs_later(function: object) -> bool:
    tests = (inspect.isgeneratorfunction, inspect.iscoroutinefunction, inspect.isasyncgenfunction)
    return any(test(function) for test in tests)


def _check_hook_arguments(name: str, function: Any) -> None:
    """Check that a hook has one argument `register` without a default.

    pluggy passes the arguments that the signature names, but never one with a default.
    """
    parameters = inspect.signature(function).parameters.values()
    plain = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    if any(p.default is not p.empty for p in plain):
        raise PluginError(f"its hook {name!r} has an argument with a default, which pluggy never passes.")
    if [p.name for p in plain] != ["register"]:
        seen = ", ".join(p.name for p in parameters) or "none"
        raise PluginError(f"its hook {name!r} must take one argument 'register', and takes: {seen}.")


_FIELDS = ("builder", "config", "loader", "metric")


def unresolved_references(brought: Registry) -> Iterator[str]:
    """Yield one sentence for each reference in a plugin's entries that leads nowhere.

    Nothing is imported for this. A name is taken to exist if the module could create it when it runs.
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
    """Find a module. Unlike `importlib.util.find_spec`, this does not import the packages above it."""
    first, *rest = module.split(".")
    found, name = importlib.util.find_spec(first), first
    for word in rest:
        if found is None or found.submodule_search_locations is None:
            return None
        name = f"{name}.{word}"
        found = PathFinder.find_spec(name, list(found.submodule_search_locations))
    return found


def _names(file: Path) -> set[str] | None:
    """Return the names that a module's code defines at its top level, or `None` if it may define others."""
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
