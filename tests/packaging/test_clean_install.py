"""genzoo installed into environments that hold nothing else, with pip and with uv: `pytest -m full` runs these.

The dependencies come from whatever index is configured, at the versions of `constraints.txt`, and once for each
installer; then genzoo goes in and out, from each of its sources. GENZOO_TEST_PYTHONS names other versions of Python to
try, as paths with colons between them: on Linux, each needs gigabytes of torch unless an index has it for CPUs.
"""

import functools
import http.server
import json
import os
import shutil
import subprocess
import sys
import threading
import venv
from pathlib import Path

import pytest
from checkout import ROOT, leave_out
from hatchling.builders.sdist import SdistBuilder
from hatchling.builders.wheel import WheelBuilder

import genzoo
from genzoo.plugins.discovery import bundled_plugins
from genzoo.plugins.manager import get_registry

pytestmark = [pytest.mark.full, pytest.mark.xdist_group("clean")]
STORED = ROOT / "tests" / "data" / "models" / "0.2" / "vae"
OTHERS = [python for python in os.environ.get("GENZOO_TEST_PYTHONS", "").split(os.pathsep) if python]


class Clean:
    """An environment with all dependencies of genzoo, but without genzoo."""

    def __init__(self, folder: Path, installer: str, python: str) -> None:
        self.folder = folder
        self.installer = installer
        self.python = folder / "env" / "bin" / "python"
        self.variables = {key: value for key, value in os.environ.items() if not key.startswith(("GENZOO_", "PYTHON"))}
        self.run(
            python, "-m", "venv", "--symlinks", *(() if installer == "pip" else ("--without-pip",)), folder / "env"
        )
        if installer == "uv":
            venv.create(folder / "tools", with_pip=True, symlinks=True)
            self.run(folder / "tools" / "bin" / "python", "-m", "pip", "install", "--quiet", "uv")
            if "PIP_FIND_LINKS" in os.environ:  # which uv calls otherwise
                self.variables.setdefault("UV_FIND_LINKS", os.environ["PIP_FIND_LINKS"])

    def run(self, *words: object) -> str:
        done = subprocess.run(
            list(map(str, words)), capture_output=True, text=True, env=self.variables, cwd=self.folder, timeout=1800
        )
        assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def pip(self, verb: str, *words: object) -> None:
        if self.installer == "uv":
            place = ("--python", self.python)
            self.run(self.folder / "tools" / "bin" / "uv", "pip", verb, "--quiet", *place, *words)
        else:
            self.run(self.python, "-m", "pip", verb, *(("--yes",) if verb == "uninstall" else ()), *words)

    def install(self, *words: object) -> None:
        self.pip("install", "--constraint", ROOT / "constraints.txt", *words)

    def genzoo(self, *words: object) -> str:
        return self.run(self.python.parent / "genzoo", *words)

    def site(self) -> set[str]:
        (folder,) = self.python.parent.parent.glob("lib/python*/site-packages")
        return {path.name for path in folder.iterdir()}


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """A clone, a wheel, a source distribution, and the address of an index that serves both."""
    folder = tmp_path_factory.mktemp("sources")
    shutil.copytree(ROOT, folder / "clone", ignore=leave_out)
    place = folder / "index" / "simple" / "genzoo"
    place.mkdir(parents=True)
    (wheel,) = WheelBuilder(str(folder / "clone")).build(directory=str(place), versions=["standard"])
    (sdist,) = SdistBuilder(str(folder / "clone")).build(directory=str(place), versions=["standard"])
    (place / "index.html").write_text("".join(f'<a href="{Path(p).name}">{Path(p).name}</a>\n' for p in (wheel, sdist)))
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder / "index"))
    handler.func.log_message = lambda *_: None
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield {
            "clone": (folder / "clone",),
            "wheel": (wheel,),
            "sdist": (sdist,),
            "index": ("genzoo", "--index-url", f"http://127.0.0.1:{server.server_address[1]}/simple"),
        }
        server.shutdown()


@pytest.fixture(
    scope="module",
    params=[("pip", sys.executable), ("uv", sys.executable), *(("pip", python) for python in OTHERS)],
    ids=lambda param: f"{param[0]}-{Path(param[1]).parent.parent.name}",
)
def clean(request, tmp_path_factory, sources):
    found = Clean(tmp_path_factory.mktemp("clean"), *request.param)
    found.install(*sources["clone"])  # with all dependencies
    found.pip("uninstall", "genzoo")
    yield found
    shutil.rmtree(found.folder)  # pytest would keep this gigabyte


@pytest.mark.parametrize("source", ["clone", "wheel", "sdist", "index"])
def test_one_install_gives_a_zoo_with_its_animals(clean, sources, source, tmp_path):
    assert not [name for name in clean.site() if name.startswith("genzoo")]
    clean.install(*sources[source])
    try:
        bundled = {entry.spec.name for entry in get_registry().models if entry.distribution in bundled_plugins()}
        assert {model["name"] for model in json.loads(clean.genzoo("models", "--json"))} == bundled
        states = json.loads(clean.genzoo("plugins", "--json"))
        assert {state["state"] for state in states} == {"loaded"}
        assert clean.genzoo("--version").split() == ["genzoo", genzoo.__version__]
        clean.genzoo("train", "gmm", "--data", "iris", "--out", tmp_path / "run")
        clean.genzoo("sample", tmp_path / "run", "-n", "5", "--out", tmp_path / "samples.csv")
        assert len((tmp_path / "samples.csv").read_text().splitlines()) == 6
        clean.genzoo("train", "dcgan", "--steps", "2", "--out", tmp_path / "images")
        clean.genzoo("sample", STORED, "-n", "3", "--out", tmp_path / "stored.csv")
        clean.genzoo("plugins", "doctor")
    finally:
        clean.pip("uninstall", "genzoo")


def test_no_file_of_a_clone_is_needed(clean, sources):
    clean.install(*sources["wheel"])
    try:
        found = clean.run(clean.python, "-c", "import genzoo_gan.plugin; print(genzoo_gan.__file__)")
        assert "site-packages/genzoo_gan" in found
    finally:
        clean.pip("uninstall", "genzoo")
