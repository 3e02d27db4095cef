"""What a plugin's module must be before its hooks are called: a module that states its contract and marks its hooks.

It refuses what pluggy would take in silence: a hook that is never called, or called without what it is to use.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from genzoo.errors import PluginError, did_you_mean
from genzoo.hookspecs import GROUP
from genzoo.registry import SORTS
from genzoo.spec import API_VERSION

HOOKS = tuple(f"register_{sort}" for sort in SORTS)
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
    if found != API_VERSION:
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
    _check_arguments(name, function)


def _runs_later(function: object) -> bool:
    tests = (inspect.isgeneratorfunction, inspect.iscoroutinefunction, inspect.isasyncgenfunction)
    return any(test(function) for test in tests)


def _check_arguments(name: str, function: Any) -> None:
    """One argument `register` without a default: pluggy hands over what the signature names, and no default ever."""
    parameters = inspect.signature(function).parameters.values()
    plain = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    if any(p.default is not p.empty for p in plain):
        raise PluginError(f"its hook {name!r} gives an argument a default, so it would never be called with it.")
    if [p.name for p in plain] != ["register"]:
        seen = ", ".join(p.name for p in parameters) or "none"
        raise PluginError(f"its hook {name!r} takes other arguments than 'register': {seen}.")
