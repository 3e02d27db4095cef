"""Move top-level definitions between modules and rewrite every import of them.

Usage: python tools/move_code.py PLAN.py ROOT

PLAN.py defines MODULES (old module to new module), NAMES ((old module, name) to new module), RENAMES ((old module,
name) to new name), DOCS (new module to docstring), TESTS (old path to new path) and PATCHES ((path, old text, new
text)). The script reads the old tree, writes the new one, and stops with a list of what it cannot decide.
"""

from __future__ import annotations

import ast
import re
import runpy
import shutil
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

plan = runpy.run_path(sys.argv[1])
ROOT = Path(sys.argv[2]).resolve()
PACKAGE = "genzoo"
MODULES: dict[str, str] = plan["MODULES"]
NAMES: dict[tuple[str, str], str] = plan["NAMES"]
RENAMES: dict[tuple[str, str], str] = plan["RENAMES"]
DOCS: dict[str, str] = plan["DOCS"]
problems: list[str] = []


def path_of(module: str) -> Path:
    base = ROOT / module.replace(".", "/")
    return base / "__init__.py" if (base / "__init__.py").exists() else base.with_suffix(".py")


OLD = {
    ".".join(p.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): p
    for p in (ROOT / PACKAGE).rglob("*.py")
}


@dataclass
class Import:
    module: str | None  # from MODULE import NAME, or None for `import NAME`
    name: str
    alias: str  # the local name
    typed: bool
    comment: str = ""


@dataclass
class Segment:
    start: int
    end: int  # lines, 1-based, inclusive
    names: set[str]
    nodes: list[ast.stmt]


@dataclass
class Module:
    name: str
    raw: bytes
    lines: list[bytes] = field(default_factory=list)
    doc: str = ""
    imports: dict[str, Import] = field(default_factory=dict)
    segments: list[Segment] = field(default_factory=list)
    symbols: set[str] = field(default_factory=set)


def bound(node: ast.stmt) -> set[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {node.name}
    found = set()
    for part in ast.walk(node):
        if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
            found.add(part.id)
        if isinstance(part, ast.FunctionDef | ast.ClassDef):
            found.add(part.name)
    if isinstance(node, ast.Assign | ast.AugAssign):
        for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
            for part in target.elts if isinstance(target, ast.Tuple) else [target]:
                root = part
                while isinstance(root, ast.Attribute | ast.Subscript):
                    root = root.value
                if isinstance(root, ast.Name):
                    found.add(root.id)
    return found


def first_line(node: ast.stmt) -> int:
    decorators = getattr(node, "decorator_list", [])
    return min([node.lineno, *(d.lineno for d in decorators)])


def parse(name: str, path: Path) -> Module:
    raw = path.read_bytes()
    for before, after in plan["PRE"].get(name, ()):
        if before.encode() not in raw:
            problems.append(f"{name}: there is no {before!r} to replace")
        raw = raw.replace(before.encode(), after.encode())
    module = Module(name, raw, raw.split(b"\n"))
    tree = ast.parse(raw)
    module.doc = ast.get_docstring(tree, clean=False) or ""
    last = 0
    for index, node in enumerate(tree.body):
        is_doc = index == 0 and isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if is_doc or (isinstance(node, ast.ImportFrom) and node.module == "__future__"):
            last = node.end_lineno or 0
            continue
        if isinstance(node, ast.Import | ast.ImportFrom):
            note(module, node, typed=False)
            last = node.end_lineno or 0
            continue
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            for inner in node.body:
                if isinstance(inner, ast.Import | ast.ImportFrom):
                    note(module, inner, typed=True)
                else:
                    problems.append(f"{name}: a statement under TYPE_CHECKING")
            last = node.end_lineno or 0
            continue
        doc_of_constant = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        names = bound(node)
        same = (
            module.segments
            and not isinstance(node, ast.FunctionDef | ast.ClassDef)
            and names & module.segments[-1].names
        )
        if module.segments and (doc_of_constant or same):
            module.segments[-1].end = node.end_lineno or 0
            module.segments[-1].nodes.append(node)
            module.segments[-1].names |= names
        else:
            module.segments.append(Segment(last + 1, node.end_lineno or 0, names, [node]))
        last = node.end_lineno or 0
    for segment in module.segments:
        module.symbols |= segment.names
    return module


def note(module: Module, node: ast.Import | ast.ImportFrom, typed: bool) -> None:
    line = module.lines[node.lineno - 1].decode()
    comment = line.partition("#")[2]
    if comment:
        print(f"note: {module.name}: import with a comment: {line.strip()}")
    for alias in node.names:
        if isinstance(node, ast.ImportFrom):
            if node.level:
                problems.append(f"{module.name}: relative import")
            local = alias.asname or alias.name
            module.imports[local] = Import(node.module, alias.name, local, typed, comment)
        else:
            local = alias.asname or alias.name.partition(".")[0]
            module.imports[local] = Import(None, alias.name, alias.asname or "", typed, comment)


old = {name: parse(name, path) for name, path in OLD.items()}


def home(module: str, name: str) -> str:
    """The new module of a name of an old module."""
    return NAMES.get((module, name), MODULES.get(module, module))


def new_name(module: str, name: str) -> str:
    return RENAMES.get((module, name), name)


def map_import(module: str, name: str) -> tuple[str, str]:
    """`from module import name` in the new tree."""
    inner = f"{module}.{name}"
    if inner in old and not (module in old and name in old[module].symbols):
        target = MODULES.get(inner, inner)
        return target.rpartition(".")[0], target.rpartition(".")[2]
    if module not in old:
        return module, name
    if module == PACKAGE:
        return module, plan["PUBLIC"].get(name, name)
    source = old[module]
    if name not in source.symbols:
        if name in source.imports and source.imports[name].module:
            again = source.imports[name]
            return map_import(again.module, again.name)  # imported from where it was only passed on
        problems.append(f"{module} has no {name}")
    return home(module, name), new_name(module, name)


_DOTTED = re.compile(rf"\b{PACKAGE}((?:\.[A-Za-z_][A-Za-z_0-9]*)+)(:[A-Za-z_][A-Za-z_0-9]*)?")


def map_dotted(match: re.Match[str]) -> str:
    words = match[1].split(".")[1:]
    attribute = (match[2] or "")[1:]
    for count in range(len(words), 0, -1):
        module = ".".join([PACKAGE, *words[:count]])
        if module in old:
            rest = words[count:]
            first = attribute or (rest[0] if rest else "")
            if first and first in old[module].symbols:
                target, name = home(module, first), new_name(module, first)
                if attribute:
                    return f"{target}:{name}"
                return ".".join([target, name, *rest[1:]])
            target = MODULES.get(module, module)
            if first and first in old[module].imports and (given := old[module].imports[first]).module in old:
                fresh = map_import(given.module, given.name)[1]
                return f"{target}:{fresh}" if attribute else ".".join([target, fresh, *rest[1:]])
            return ".".join([target, *rest]) + (match[2] or "")
    if words[0] in plan["PUBLIC"] and not attribute:
        return ".".join([PACKAGE, plan["PUBLIC"][words[0]], *words[1:]])
    return match[0]


def line_starts(lines: list[bytes]) -> list[int]:
    starts, at = [], 0
    for line in lines:
        starts.append(at)
        at += len(line) + 1
    return starts


def fresh_attribute(module: str, name: str, where: str, line: int) -> str | None:
    """What an attribute of an old module is called in the new one; `None` where nothing changes."""
    source = old[module]
    if name in source.symbols:
        target, fresh = home(module, name), new_name(module, name)
    elif name in source.imports and source.imports[name].module in old:
        target, fresh = (
            MODULES.get(module, module),
            map_import(source.imports[name].module, source.imports[name].name)[1],
        )
    else:
        return None
    if target != MODULES.get(module, module):
        print(f"note: {where}: line {line}: {module}.{name} is now in {target}")
    return fresh if fresh != name else None


def module_attributes(nodes: list[ast.stmt], starts: list[int], where: str) -> list[tuple[int, int, str]]:
    """Edits of `module.name` and of `setattr(module, "name", ...)` for modules of the package."""
    known: dict[str, str] = {}
    edits = []
    for node in nodes:
        for part in ast.walk(node):
            if isinstance(part, ast.ImportFrom) and part.module:
                for alias in part.names:
                    if (module := f"{part.module}.{alias.name}") in old:
                        known[alias.asname or alias.name] = module
            if isinstance(part, ast.Import):
                known |= {alias.asname: alias.name for alias in part.names if alias.asname and alias.name in old}
    for node in nodes:
        for part in ast.walk(node):
            if isinstance(part, ast.Attribute) and isinstance(part.value, ast.Name) and part.value.id in known:
                fresh = fresh_attribute(known[part.value.id], part.attr, where, part.lineno)
                end = starts[part.end_lineno - 1] + part.end_col_offset
                if fresh:
                    edits.append((end - len(part.attr), end, fresh))
            if isinstance(part, ast.Call) and len(part.args) >= 2 and ast.unparse(part.func).endswith("setattr"):
                module, name = part.args[:2]
                if isinstance(module, ast.Name) and module.id in known and isinstance(name, ast.Constant):
                    fresh = fresh_attribute(known[module.id], name.value, where, part.lineno)
                    end = starts[name.end_lineno - 1] + name.end_col_offset - 1
                    if fresh:
                        edits.append((end - len(name.value), end, fresh))
    return edits


def rewrite(
    raw: bytes,
    nodes: list[ast.stmt],
    starts: list[int],
    begin: int,
    end: int,
    local: dict[str, str],
    own: str | None,
    where: str,
    dotted: bool = True,
) -> str:
    """The text from `begin` to `end` with imports rewritten and names in `local` renamed.

    own: the new module this text will stand in; imports of it are left out.
    """
    edits: list[tuple[int, int, str]] = []
    nested: dict[str, str] = {}
    edits += module_attributes(nodes, starts, where)
    for node in nodes:
        for part in ast.walk(node):
            if (
                isinstance(part, ast.ImportFrom)
                and part.module
                and (part.module == PACKAGE or part.module.startswith(PACKAGE + "."))
            ):
                groups: dict[str, list[str]] = defaultdict(list)
                for alias in part.names:
                    target, name = map_import(part.module, alias.name)
                    if target == own:
                        nested[alias.asname or alias.name] = name
                        continue
                    if alias.asname:
                        groups[target].append(
                            f"{name} as {alias.asname}"
                            if alias.asname != alias.name or name == alias.name
                            else f"{name} as {name}"
                        )
                        if alias.asname == alias.name and name != alias.name:
                            nested[alias.name] = name
                    else:
                        groups[target].append(name)
                        if name != alias.name:
                            nested[alias.name] = name
                indent = " " * part.col_offset
                text = f"\n{indent}".join(
                    f"from {target} import {', '.join(names)}" for target, names in groups.items()
                )
                edits.append(
                    (
                        starts[part.lineno - 1] + part.col_offset,
                        starts[part.end_lineno - 1] + part.end_col_offset,
                        text or "pass",
                    )
                )
                if not text:
                    print(f"note: {where}: line {part.lineno}: an import of its own module")
            elif isinstance(part, ast.Import):
                for alias in part.names:
                    if alias.name.startswith(PACKAGE + "."):
                        target = MODULES.get(alias.name, alias.name)
                        begun = starts[part.lineno - 1] + part.col_offset
                        text = (
                            raw[begun : starts[part.end_lineno - 1] + part.end_col_offset]
                            .decode()
                            .replace(alias.name, target)
                        )
                        edits.append((begun, starts[part.end_lineno - 1] + part.end_col_offset, text))
    names = {**local, **nested}
    for node in nodes:
        for part in ast.walk(node):
            if isinstance(part, ast.Name) and part.id in names and names[part.id] != part.id:
                at = starts[part.lineno - 1] + part.col_offset
                edits.append((at, at + len(part.id), names[part.id]))
            if (
                isinstance(part, ast.FunctionDef | ast.ClassDef)
                and part.name in local
                and part in nodes
                and local[part.name] != part.name
            ):
                word = b"class " if isinstance(part, ast.ClassDef) else b"def "
                at = raw.index(word + part.name.encode(), starts[part.lineno - 1]) + len(word)
                edits.append((at, at + len(part.name), local[part.name]))
            if isinstance(part, ast.arg) and part.arg in names and names[part.arg] != part.arg:
                problems.append(f"{where}: line {part.lineno}: the parameter {part.arg} hides a renamed name")
            if (
                isinstance(part, ast.Constant)
                and isinstance(part.value, str)
                and names.get(part.value, part.value) != part.value
            ):
                print(f"note: {where}: line {part.lineno}: the text {part.value!r} is a renamed name")
    edits = sorted(set(edits))
    out, at = [], begin
    for start, stop, text in edits:
        if start < begin or stop > end:
            continue
        out.append(shift(raw[at:start].decode(), dotted))
        out.append(text)
        at = stop
    out.append(shift(raw[at:end].decode(), dotted))
    return "".join(out)


def shift(text: str, dotted: bool) -> str:
    return _DOTTED.sub(map_dotted, text) if dotted else text


@dataclass
class Target:
    doc: str = ""
    imports: dict[tuple[str | None, str, str], bool] = field(default_factory=dict)
    locals: dict[str, tuple[str | None, str]] = field(default_factory=dict)
    texts: list[str] = field(default_factory=list)
    defined: dict[str, str] = field(default_factory=dict)


targets: dict[str, Target] = defaultdict(Target)
once: dict[str, set[bytes]] = defaultdict(set)
order = plan.get("ORDER", {})
sources = sorted(old, key=lambda name: (order.get(name, 50), name))
sources = [*plan["FIRST"], *(name for name in sources if name not in plan["FIRST"])]
for name in sources:
    module = old[name]
    starts = line_starts(module.lines)
    default = MODULES.get(name, name)
    if not module.segments and name == PACKAGE + ".__main__":
        pass
    if name == PACKAGE or name in plan["DROP"]:
        continue
    if not targets[default].doc:
        targets[default].doc = DOCS.get(default, module.doc)
    for segment in module.segments:
        homes = {home(name, symbol) for symbol in segment.names} or {default}
        if len(homes) > 1:
            problems.append(f"{name}: {segment.names} would go to {homes}")
        where = homes.pop()
        target = targets[where]
        if not target.doc:
            target.doc = DOCS.get(where, "")
        renamed = {symbol: new_name(name, symbol) for symbol in module.symbols}
        own_text = module.raw[
            starts[segment.start - 1] : starts[segment.end - 1] + len(module.lines[segment.end - 1])
        ].strip()
        if own_text.decode() in plan["ONCE"]:
            if where in once and own_text in once[where]:
                continue
            once[where].add(own_text)
        for symbol in segment.names:
            fresh = renamed[symbol]
            if fresh in target.defined and target.defined[fresh] != name:
                problems.append(f"{where}: {fresh} comes from {target.defined[fresh]} and {name}")
            target.defined[fresh] = name
        used: dict[str, bool] = {}
        for node in segment.nodes:
            for part in ast.walk(node):
                if isinstance(part, ast.Name):
                    used[part.id] = True
                if isinstance(part, ast.Constant) and isinstance(part.value, str) and part.value.isidentifier():
                    used.setdefault(part.value, False)  # perhaps a forward reference
        local: dict[str, str] = {}
        for word in used:
            if word in module.symbols:
                local[word] = renamed[word]
                elsewhere = home(name, word)
                if elsewhere != where and used[word]:
                    add_typed = False
                    target.imports.setdefault((elsewhere, renamed[word], ""), add_typed)
                    target.imports[elsewhere, renamed[word], ""] = False
            elif word in module.imports:
                given = module.imports[word]
                if given.module is None:
                    key = (None, MODULES.get(given.name, given.name), given.alias)
                else:
                    source, fresh = (
                        map_import(given.module, given.name)
                        if given.module == PACKAGE or given.module.startswith(PACKAGE + ".")
                        else (given.module, given.name)
                    )
                    if source == where:
                        local[word] = fresh
                        continue
                    alias = given.alias if given.alias not in (given.name, fresh) else ""
                    key = (source, fresh, alias)
                    local[word] = alias or fresh
                if not used[word]:
                    continue
                before = target.imports.get(key)
                target.imports[key] = given.typed if before is None else before and given.typed
        for symbol in segment.names:
            local[symbol] = renamed[symbol]
        begin, end = starts[segment.start - 1], starts[segment.end - 1] + len(module.lines[segment.end - 1])
        text = rewrite(module.raw, segment.nodes, starts, begin, end, local, where, name)
        target.texts.append(text.strip("\n"))
    if not module.segments and name not in targets:
        targets[default].doc = DOCS.get(default, module.doc)
        for given in module.imports.values():
            targets[default].imports[given.module, given.name, given.alias if given.alias != given.name else ""] = (
                given.typed
            )

for where, target in targets.items():
    seen: dict[str, tuple[str | None, str]] = {}
    for source, fresh, alias in target.imports:
        local_name = alias or fresh
        if seen.get(local_name, (source, fresh)) != (source, fresh):
            problems.append(f"{where}: {local_name} is imported from {seen[local_name][0]} and {source}")
        seen[local_name] = (source, fresh)
        if local_name in target.defined:
            problems.append(
                f"{where}: {local_name} is imported from {source} and defined by {target.defined[local_name]}"
            )

if problems:
    print("\n".join(sorted(set(problems))))
    sys.exit(f"{len(set(problems))} problems; nothing was written")

# The other files are rewritten before anything moves: they are read against the old tree.
outside: dict[Path, str] = {}
for pattern in (
    "tests/**/*",
    "plugins/**/*",
    "benchmarks/**/*",
    "docs/**/*",
    "*.md",
    "*.toml",
    "Makefile",
    "genzoo/**/*",
):
    for path in ROOT.glob(pattern):
        if (
            not path.is_file()
            or "__pycache__" in path.parts
            or path.suffix not in (".py", ".md", ".toml", ".template", ".html", "")
            or path in OLD.values()
        ):
            continue
        if "runs" in path.parts or any(part in plan["UNTOUCHED"] for part in path.parts):
            continue
        raw = path.read_bytes()
        if path.suffix == ".py":
            lines = raw.split(b"\n")
            text = rewrite(
                raw, ast.parse(raw).body, line_starts(lines), 0, len(raw), {}, None, str(path.relative_to(ROOT))
            )
        else:
            text = _DOTTED.sub(map_dotted, raw.decode())
        if text.encode() != raw:
            outside[path] = text

for path, text in outside.items():
    path.write_text(text)

for name, path in OLD.items():  # git keeps the history of a file where most of it goes
    where = MODULES.get(name, name)
    if where != name and name != PACKAGE and path.name != "__init__.py":
        destination = (ROOT / where.replace(".", "/")).with_suffix(".py")
        destination.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            path.unlink()
for old_folder, new_folder in plan["FOLDERS"].items():
    (ROOT / new_folder).parent.mkdir(parents=True, exist_ok=True)
    shutil.move(ROOT / old_folder, ROOT / new_folder)
for name in plan["GONE"]:
    shutil.rmtree(ROOT / name)
for where, doc in DOCS.items():
    targets.setdefault(where, Target(doc=doc)).doc = doc
packages = {where.rpartition(".")[0] for where in targets if where.count(".")}
for where, target in targets.items():
    if where in (PACKAGE,):
        continue
    base = ROOT / where.replace(".", "/")
    is_package = where in packages or where in plan["PACKAGES"]
    path = base / "__init__.py" if is_package else base.with_suffix(".py")
    path.parent.mkdir(parents=True, exist_ok=True)
    plain = [
        f"import {n} as {a}" if a else f"import {n}"
        for (m, n, a), typed in target.imports.items()
        if m is None and not typed
    ]
    froms = [
        f"from {m} import {n} as {a}" if a else f"from {m} import {n}"
        for (m, n, a), typed in target.imports.items()
        if m is not None and not typed
    ]
    typed_lines = [
        (f"from {m} import {n}" if m else f"import {n}") + (f" as {a}" if a else "")
        for (m, n, a), typed in target.imports.items()
        if typed
    ]
    parts = [f'"""{target.doc}"""\n'] if target.doc else []
    if target.texts or target.imports:
        parts.append("from __future__ import annotations\n" if target.texts else "")
    lines = [*plain, *froms]
    if typed_lines and "from typing import TYPE_CHECKING" not in lines:
        lines.append("from typing import TYPE_CHECKING")
    parts.append("\n".join(lines) + "\n")
    if typed_lines:
        parts.append("if TYPE_CHECKING:\n" + "\n".join(f"    {line}" for line in typed_lines) + "\n")
    parts.append("\n\n\n".join(target.texts) + "\n" if target.texts else "")
    path.write_text("\n".join(part for part in parts if part.strip()).rstrip("\n") + "\n")

for file, content in plan["WRITE"].items():
    (ROOT / file).parent.mkdir(parents=True, exist_ok=True)
    (ROOT / file).write_text(content)
for source, destination in plan["TESTS"].items():
    (ROOT / destination).parent.mkdir(parents=True, exist_ok=True)
    shutil.move(ROOT / source, ROOT / destination)
for file, before, after in plan["PATCHES"]:
    path = ROOT / file
    text = path.read_text()
    if before not in text:
        print(f"patch: {file} lacks {before[:60]!r}")
        continue
    path.write_text(text.replace(before, after))
for pattern, before, after in plan["SUBSTITUTIONS"]:
    for path in ROOT.glob(pattern):
        text = path.read_text()
        if (fresh := re.sub(before, after, text)) != text:
            path.write_text(fresh)
