"""The lock file and the list that it is made from agree; `make lock` renews it."""

import re
import tomllib

import pytest
from checkout import ROOT
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
UNLOCKED = {"torch"}
"""Packages with wheels that differ by platform."""


def locked():
    """Return the locked versions of each package."""
    found: dict[str, set[str]] = {}
    for line in LOCK.splitlines():
        if match := re.match(r"(\S+)==([^\s;]+)", line):
            found.setdefault(canonicalize_name(match[1]), set()).add(match[2])
    return found


def constrained():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if "==" in line and not line.startswith("#"))


def test_the_lock_has_the_versions_of_the_constraints_and_all_dependencies():
    versions = locked()
    for name, version in constrained().items():
        if name not in UNLOCKED:
            assert versions[canonicalize_name(name)] == {version}, "run: make lock"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for line in map(Requirement, [*project["dependencies"], *project["optional-dependencies"]["dev"]]):
        if line.name not in UNLOCKED:
            assert line.name in constrained(), f"constraints.txt lacks {line.name}"
            assert all(line.specifier.contains(version) for version in versions[canonicalize_name(line.name)])


def test_every_locked_file_has_a_hash_and_no_line_names_an_index():
    for block in re.split(r"\n(?=\S)", LOCK.strip()):
        assert re.match(r"[a-z0-9][\w.-]*==\S+( ;[^\\]*)? \\\n +--hash=sha256:[0-9a-f]{64}", block), block[:80]
    assert "://" not in LOCK
    assert "--index" not in LOCK
    assert not UNLOCKED & locked().keys()


@pytest.mark.parametrize("name", ["constraints.txt", "requirements.lock"])
def test_make_install_uses_both_files(name):
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    rule = makefile.partition(".venv/installed: ")[2].partition("\n\n")[0]
    assert rule.count(name) == 2
    assert "--require-hashes" in rule
