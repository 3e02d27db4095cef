"""Run pip, and explain its failures."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import re
import shlex
import shutil
import sys
import sysconfig
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genzoo.errors import PluginError
from genzoo.packaging.pins import BUILD_TOOLS
from genzoo.packaging.signals import run_interruptible
from genzoo.plugins.discovery import normalize_name

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


def explain_failure(output: str, pins: Mapping[str, str]) -> str:
    """Explain in one paragraph why pip failed.

    Arguments:
        output: everything that pip printed.
        pins: versions that pip must keep, by normalized name.
    """
    if "The conflict is caused by" in output:
        built = "A package could not be built from its source. " if _BUILD_STEP.search(output) else ""
        return f"{built}{_conflict(output)}"
    if "Permission denied" in output or "Read-only file system" in output:
        return f"pip cannot write to this environment: {_errors(output)}"
    if _UNREACHABLE.search(output):
        wanted = _NOT_FOUND.search(output)
        what = f" to look for {wanted[1]}" if wanted else ""
        return f"The package index cannot be reached{what}. Check the network, or install from a path."
    if "no such option: --report" in output or "no such option: --dry-run" in output:
        return (
            "The pip of this environment is too old: 22.2 or newer is needed. Run: python -m pip install --upgrade pip"
        )
    if found := _MISSING.search(output):
        if "build dependencies" in output and "error" in output.partition("build dependencies")[2]:
            return f"A package could not be built from its source: its build needs {found[1]}, which is not available."
        return _missing_package(found[1].strip(), found[2], found[3], pins)
    if fatal := _FATAL.findall(output):
        return f"git failed: {' '.join(dict.fromkeys(fatal))} Check the URL, and that you have access to it."
    if _BUILD.search(output):
        return f"A package could not be built from its source: {_last_line(output)}"
    return f"pip failed: {_errors(output)}"


def _conflict(output: str) -> str:
    """Return both sides of a conflict: what the packages require, and what must stay as it is."""
    asked = [*dict.fromkeys(_DEPENDS.findall(output)), *(f"you requested {text}" for text in _ASKED.findall(output))]
    kept = " and ".join(dict.fromkeys(_KEPT.findall(output)))
    sides = "; ".join(asked) or "the packages exclude each other"
    if kept:
        return (
            f"There is a conflict: {sides}; but {kept} is installed, and plugins may not change it. Nothing was "
            f"changed."
        )
    return f"There is a conflict: {sides}. Nothing was changed."


def _missing_package(wanted: str, by: str | None, versions: str, pins: Mapping[str, str]) -> str:
    named = _NAME.match(wanted)
    name = normalize_name(named[0]) if named else ""
    whose = f" ({by} requires it)" if by else ""
    if name in pins:
        kept = f"{name}=={pins[name]} is installed, and plugins may not change it"
        return f"There is a conflict: {by or 'your request'} requires {wanted}, but {kept}. Nothing was changed."
    if versions.strip() in ("", "none"):
        return f"There is no package {wanted!r}{whose} for this Python. Check the name, and pip's index."
    newest = ", ".join(versions.split(", ")[-5:])
    return f"There is no version of {wanted!r}{whose} for this Python. The latest versions are: {newest}."


def _errors(output: str) -> str:
    lines = [line.partition("ERROR:")[2].strip() for line in output.splitlines() if line.lstrip().startswith("ERROR:")]
    said = [line for line in dict.fromkeys(lines) if line and not line.startswith("ResolutionImpossible")]
    return " ".join(said[:3]) or _last_line(output)


def _last_line(output: str) -> str:
    """Return the last line of a failed build, or of the whole output."""
    before = output.partition("[end of output]")[0] if "[end of output]" in output else output
    lines = [line.strip() for line in before.splitlines() if line.strip()]
    lines = [line for line in lines if not line.startswith(("note:", "hint:"))]
    return lines[-1] if lines else "it printed nothing."


DROPPED = frozenset(
    {"PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_PYTHON", "PIP_REQUIREMENT", "PIP_EDITABLE", "PIP_GROUP", "PIP_REPORT"}
    | {"PIP_USER", "PIP_WHEEL_DIR"}
)
"""Variables that would make pip install something else, or somewhere else. They are removed."""


SWITCHED_OFF = (
    *("PIP_NO_DEPS", "PIP_DRY_RUN", "PIP_FORCE_REINSTALL", "PIP_IGNORE_INSTALLED", "PIP_UPGRADE"),
    *("PIP_REQUIRE_HASHES", "PIP_QUIET"),
)
"""Switches that are turned off. Setting the variable to 0 also overrides pip's configuration files."""


def check_environment(words: str, *, removing: bool = False) -> None:
    """Check that pip may change this environment. If not, name the command to use instead.

    Arguments:
        words: what to install or remove, as on a command line.
        removing: whether packages are removed.

    Raises:
        PluginError: the environment belongs to pipx, to `uv tool` or to the operating system, or is read-only.
    """
    prefix = Path(sys.prefix)
    if (prefix / "pipx_metadata.json").is_file():
        verb = "uninject" if removing else "inject"
        raise PluginError(f"genzoo was installed by pipx, which keeps its own record. Run: pipx {verb} genzoo {words}")
    if (prefix / "uv-receipt.toml").is_file():
        wanted = "genzoo, with --with for all plugins but this" if removing else f"genzoo --with {words}"
        raise PluginError(f"genzoo was installed with `uv tool`. Run: uv tool install {wanted}")
    inside = sys.prefix != sys.base_prefix
    marker = Path(sysconfig.get_path("stdlib"), "EXTERNALLY-MANAGED")
    if not inside and marker.is_file() and not os.environ.get("PIP_BREAK_SYSTEM_PACKAGES"):
        raise PluginError(
            "This Python belongs to the operating system, which does not allow pip to change it. Create an environment "
            "with `python3 -m venv ENV`, install genzoo there, and install plugins from there."
        )
    folder = sysconfig.get_path("purelib")
    if inside and not os.access(folder, os.W_OK):
        raise PluginError(f"{folder} is read-only, so nothing can be installed there. Ask its owner to install it.")


def pip_command(words: str = "") -> tuple[list[str], str]:
    """Return the command that runs pip, and its version: this environment's pip, or the one that comes with Python.

    Raises:
        PluginError: there is no pip.
    """
    if importlib.util.find_spec("pip") is not None:
        return [sys.executable, "-P", "-m", "pip"], importlib.metadata.version("pip")
    if importlib.util.find_spec("ensurepip") is not None:
        import ensurepip

        bundled = sorted(Path(ensurepip.__file__).parent.glob("_bundled/pip-*.whl"))
        if bundled:
            return [sys.executable, "-P", str(bundled[-1] / "pip")], bundled[-1].name.split("-")[1]
    python = shlex.quote(sys.executable)
    if _made_by_uv() or shutil.which("uv"):
        raise PluginError(f"This environment has no pip. Run: uv pip install --python {python} {words}".rstrip())
    raise PluginError(
        f"This environment has no pip. Install it with `{python} -m ensurepip`, or your system's package."
    )


def _made_by_uv() -> bool:
    try:
        text = Path(sys.prefix, "pyvenv.cfg").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return any(line.partition("=")[0].strip() == "uv" for line in text.splitlines())


@dataclass(frozen=True, slots=True)
class Pip:
    """A pip that cannot change genzoo's own packages.

    Arguments:
        command: command line that runs it.
        version: first two numbers of its version.
        pins: versions of genzoo's packages, by name.
        folder: temporary folder for constraints and reports.
    """

    command: tuple[str, ...]
    version: tuple[int, int]
    pins: Mapping[str, str]
    folder: Path

    def resolve(self, *words: str) -> dict[str, Any]:
        """Return pip's report on what `pip install` would do. The environment does not change.

        Raises:
            PluginError: a package is not available, or conflicts with genzoo's own packages.
        """
        report = self.folder / "report.json"
        self.run("install", "--dry-run", "--report", str(report), "--constraint", str(self._runtime), *words)
        found = json.loads(report.read_text(encoding="utf-8"))
        assert isinstance(found, dict)
        return found

    def run(self, *words: str) -> str:
        """Run pip and return its output.

        Raises:
            PluginError: it failed.
        """
        command = [*self.command, *words[:1], "--no-input", "--disable-pip-version-check", "--no-color", *words[1:]]
        code, output = run_interruptible(command, self._environment())
        if code != 0:
            raise PluginError(explain_failure(output, self.pins))
        return output

    @property
    def _runtime(self) -> Path:
        return self.folder / "constraints.txt"

    @property
    def _build(self) -> Path:
        return self.folder / "build-constraints.txt"

    def write_constraints(self) -> None:
        """Write two files of constraints: one for installed packages, one for the packages of builds."""
        lines = [f"{name}=={version}\n" for name, version in sorted(self.pins.items())]
        self._runtime.write_text("".join(lines), encoding="utf-8")
        self._build.write_text(
            "".join(line for line in lines if line.partition("==")[0] not in BUILD_TOOLS), encoding="utf-8"
        )

    def _environment(self) -> dict[str, str]:
        """Return the environment variables of pip, which also constrain the packages of isolated builds."""
        kept = {key: value for key, value in os.environ.items() if key not in DROPPED}
        found = {**kept, **dict.fromkeys(SWITCHED_OFF, "0"), "PYTHONUTF8": "1"}
        if self.version < (25, 3):  # older pips apply the constraints of a call to its builds
            variable = "PIP_CONSTRAINT"
        elif "PIP_NO_BUILD_ISOLATION" in found:  # without isolated builds, the variable below is an error
            return found
        else:
            variable = "PIP_BUILD_CONSTRAINT"
        return {**found, variable: f"{found.get(variable, '')} {_quoted(self._build)}".strip()}


def _quoted(path: Path) -> str:
    """Return a path for a variable that holds several, separated by spaces."""
    return path.as_uri() if " " in str(path) else str(path)


@contextlib.contextmanager
def pip_for(pins: Mapping[str, str], words: str = "") -> Iterator[Pip]:
    """Yield a pip that keeps the packages in `pins` as they are.

    Raises:
        PluginError: this environment has no pip.
    """
    with tempfile.TemporaryDirectory(prefix="genzoo-install-") as folder:
        command, version = pip_command(words)
        major, minor = (int(part) for part in version.split(".")[:2])
        pip = Pip(tuple(command), (major, minor), pins, Path(folder))
        pip.write_constraints()
        yield pip
