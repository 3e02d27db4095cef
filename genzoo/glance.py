"""What is wrong with references of specs, as far as files tell without importing anything."""

from __future__ import annotations

import ast
import importlib.util
import tokenize
from collections.abc import Iterator
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path

from genzoo.registry import SORTS, Registry

_FIELDS = ("builder", "config", "loader", "metric")


def unresolved(brought: Registry) -> Iterator[str]:
    """One sentence for each reference of a plugin's entries that leads nowhere.

    What cannot be known without importing, such as a module whose names are made by code, is taken to be there.
    """
    for sort in SORTS:
        for entry in brought.table(sort):
            for field in _FIELDS:
                reference = getattr(entry.spec, field, None)
                lacking = _lacking(reference) if isinstance(reference, str) else ""
                if lacking:
                    yield f"The {field} {reference!r} of {brought.table(sort).sort} {entry.id!r}: {lacking}."


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
