"""Why pip failed, in one paragraph, from all that it printed."""

from __future__ import annotations

import re
from collections.abc import Mapping

from genzoo.installed import normalised

_UNREACHABLE = re.compile(
    r"connection broken|NewConnectionError|Failed to establish|name resolution|ConnectTimeout|ReadTimeout|"
    r"Max retries exceeded|ProxyError|SSLError|Network is unreachable|getaddrinfo"
)
_NOT_FOUND = re.compile(r"No matching distribution found for ([^\n(]+?)(?: \(from ([^\n)]+)\))?\s*$", re.MULTILINE)
_MISSING = re.compile(r"satisfies the requirement ([^\n(]+?)(?: \(from ([^\n)]+)\))? \(from versions: ([^\n)]*)\)")
_DEPENDS = re.compile(r"^\s+(\S+ \S+ depends on .+)$", re.MULTILINE)
_ASKED = re.compile(r"^\s+The user requested (?!\(constraint\))(.+)$", re.MULTILINE)
_KEPT = re.compile(r"^\s+The user requested \(constraint\) (\S+)", re.MULTILINE)
_BUILD = re.compile(r"(metadata-generation-failed|subprocess-exited-with-error|Failed building|Failed to build)")
_BUILD_STEP = re.compile(r"^\s*× .*build dependencies did not run successfully", re.MULTILINE)
_FATAL = re.compile(r"^\s*(fatal: .+)$", re.MULTILINE)
_NAME = re.compile(r"[A-Za-z0-9][\w.-]*")


def explain(output: str, pins: Mapping[str, str]) -> str:
    """One paragraph about a pip that failed.

    Arguments:
        output: all that it printed.
        pins: the versions that it was told to keep, by normalised name.
    """
    if "The conflict is caused by" in output:
        built = "A package could not be built from its source. " if _BUILD_STEP.search(output) else ""
        return f"{built}{_conflict(output)}"
    if "Permission denied" in output or "Read-only file system" in output:
        return f"pip may not write to this environment: {_errors(output)}"
    if _UNREACHABLE.search(output):
        wanted = _NOT_FOUND.search(output)
        what = f"{wanted[1]} " if wanted else ""
        return f"{what}was looked for, and the package index cannot be reached. Check the network, or give a path."
    if "no such option: --report" in output or "no such option: --dry-run" in output:
        return (
            "The pip of this environment is too old: 22.2 or newer is needed. Run: python -m pip install --upgrade pip"
        )
    if found := _MISSING.search(output):
        if "build dependencies" in output and "error" in output.partition("build dependencies")[2]:
            return f"A package could not be built from its source: its build requires {found[1]}, which cannot be had."
        return _missing(found[1].strip(), found[2], found[3], pins)
    if fatal := _FATAL.findall(output):
        return f"git failed: {' '.join(dict.fromkeys(fatal))} Check the address, and that it may be read."
    if _BUILD.search(output):
        return f"A package could not be built from its source: {_last_line(output)}"
    return f"pip failed: {_errors(output)}"


def _conflict(output: str) -> str:
    """Both sides: what the packages ask for, and what is kept as it is."""
    asked = [*dict.fromkeys(_DEPENDS.findall(output)), *(f"{text} was asked for" for text in _ASKED.findall(output))]
    kept = " and ".join(dict.fromkeys(_KEPT.findall(output)))
    sides = "; ".join(asked) or "the packages exclude each other"
    if kept:
        return (
            f"There is a conflict: {sides}; and {kept} is installed, which plugins may not change. Nothing was changed."
        )
    return f"There is a conflict: {sides}. Nothing was changed."


def _missing(wanted: str, by: str | None, versions: str, pins: Mapping[str, str]) -> str:
    named = _NAME.match(wanted)
    name = normalised(named[0]) if named else ""
    whose = f" ({by} requires it)" if by else ""
    if name in pins:
        kept = f"{name}=={pins[name]} is installed, which plugins may not change"
        return f"There is a conflict: {by or 'what was asked for'} requires {wanted}, and {kept}. Nothing was changed."
    if versions.strip() in ("", "none"):
        return f"There is no package {wanted!r}{whose} that this Python can use. Check the name, and pip's index."
    newest = ", ".join(versions.split(", ")[-5:])
    return f"There is no version of {wanted!r}{whose} that this Python can use. The last there are: {newest}."


def _errors(output: str) -> str:
    lines = [line.partition("ERROR:")[2].strip() for line in output.splitlines() if line.lstrip().startswith("ERROR:")]
    said = [line for line in dict.fromkeys(lines) if line and not line.startswith("ResolutionImpossible")]
    return " ".join(said[:3]) or _last_line(output)


def _last_line(output: str) -> str:
    """The last line of a failed build, or of everything."""
    before = output.partition("[end of output]")[0] if "[end of output]" in output else output
    lines = [line.strip() for line in before.splitlines() if line.strip()]
    lines = [line for line in lines if not line.startswith(("note:", "hint:"))]
    return lines[-1] if lines else "it printed nothing."
