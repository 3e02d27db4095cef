"""genzoo with the oldest versions that `pyproject.toml` allows, except torch: `pytest -m full` runs this."""

import importlib.metadata
import os
import subprocess
import tomllib
import venv

import pytest
from checkout import ROOT
from packaging.requirements import Requirement

pytestmark = pytest.mark.full
TOOLS = ("hypothesis", "openpyxl", "pandas", "polars", "pytest", "pytest-xdist")
"""Packages of the extra `dev` that tests import."""


PART = ("tests/config", "tests/data", "tests/inference", "tests/persistence", "tests/storage")
"""Folders of tests that use every dependency."""


LEFT_OUT = ("--ignore", "tests/persistence/test_processes.py")
"""Old versions of joblib start `lscpu`."""


def oldest():
    """Return the oldest allowed version of every dependency but torch, by name."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = [Requirement(line) for line in project["dependencies"]]
    lines += [line for line in map(Requirement, project["optional-dependencies"]["dev"]) if line.name in TOOLS]
    found: dict[str, str] = {}
    for line in lines:
        (bound,) = [part.version for part in line.specifier if part.operator == ">="]
        found.setdefault(line.name, bound)
    del found["torch"]
    return found


def test_the_oldest_supported_versions_pass_a_part_of_the_tests(tmp_path):
    venv.create(tmp_path / "env", with_pip=True, symlinks=True)
    python = tmp_path / "env" / "bin" / "python"
    versions = oldest()
    names = [f"{name}=={version}" for name, version in versions.items()]
    variables = {key: value for key, value in os.environ.items() if not key.startswith(("GENZOO_", "PYTHON"))}
    subprocess.run([python, "-m", "pip", "install", "--quiet", *names], env=variables, check=True)
    # torch, and nothing but torch and what it needs, comes from this environment, after what was just installed.
    (site,) = (tmp_path / "env" / "lib").glob("python*/site-packages")
    (site / "torch.pth").write_text(str(importlib.metadata.distribution("torch").locate_file("")), encoding="utf-8")
    variables["PYTHONPATH"] = os.pathsep.join([str(ROOT), *map(str, (ROOT / "plugins").iterdir())])
    variables["OMP_NUM_THREADS"] = "1"
    shown = "import importlib.metadata, sys; print(*map(importlib.metadata.version, sys.argv[1:]))"
    out = subprocess.run([python, "-c", shown, *versions], env=variables, capture_output=True, text=True, check=True)
    for name, version in zip(versions, out.stdout.split(), strict=True):
        assert Requirement(f"{name}=={versions[name]}").specifier.contains(version)
    tests = subprocess.run(
        # Old packages warn about newer ones that they need.
        [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *LEFT_OUT, "-o", "filterwarnings=default", *PART],
        env=variables,
        cwd=ROOT,
    )
    assert tests.returncode == 0
