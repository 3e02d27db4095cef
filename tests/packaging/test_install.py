"""Plugins are really installed by pip, into a test environment that sees the packages of this one."""

import functools
import http.server
import importlib.metadata
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import textwrap
import threading
import time
import venv
from pathlib import Path

import pytest
from distributions import build_wheel, plugin_files, unpack
from refusals import assert_refused
from warm import LIGHT, Warm

import genzoo
from genzoo.errors import PluginError
from genzoo.packaging import doctor
from genzoo.packaging.pins import unmet_requirements
from genzoo.packaging.pip import explain_failure, pip_command
from genzoo.packaging.subprocess_probe import FINDINGS

ROOT = Path(genzoo.__file__).parent.parent
SITE = Path(importlib.metadata.distribution("pip").locate_file("")) if importlib.util.find_spec("pip") else None
pytestmark = [
    pytest.mark.skipif(SITE is None, reason="this environment has no pip to install with"),
    pytest.mark.xdist_group("installation"),  # all tests share one environment
]


class Environment:
    """An environment, and a folder of wheels as its only index."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.index = folder / "index"
        self.index.mkdir()
        venv.create(folder / "env", symlinks=True)
        self.python = folder / "env" / "bin" / "python"
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        self.site = folder / "env" / "lib" / version / "site-packages"
        # Packages of this environment are found after those installed there.
        (self.site / "parent.pth").write_text(f"{SITE}\n", encoding="utf-8")
        plugins = [str(path) for path in (ROOT / "plugins").iterdir()]
        self.variables = {
            **{key: value for key, value in os.environ.items() if not key.startswith(("PIP_", "GENZOO_"))},
            "PYTHONPATH": os.pathsep.join([str(ROOT), *plugins]),
            "PYTHONDONTWRITEBYTECODE": "1",
            "GENZOO_CACHE": str(folder / "cache"),
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": self.index.as_uri(),
            "PIP_CONFIG_FILE": os.devnull,
            "OMP_NUM_THREADS": "1",
        }
        self.warm = Warm(self.python, LIGHT, self.variables)

    def genzoo(self, *words: object, **variables: str) -> tuple[int, str, str]:
        """Run genzoo without a terminal, where installations need a confirmation."""
        done = self.warm("command", [*map(str, words), *_confirmed(words)], folder=self.folder, **variables)
        return done.code, done.out, done.err

    def genzoo_anew(self, *words: object, **variables: str) -> tuple[int, str, str]:
        """Run genzoo in a fresh process, which may see other modules than a forked one."""
        command = [str(self.python), "-P", "-m", "genzoo", *map(str, words)]
        done = subprocess.run(
            command, capture_output=True, text=True, env={**self.variables, **variables}, cwd=self.folder, timeout=300
        )
        return done.returncode, done.stdout, done.stderr

    def content(self) -> set[str]:
        return {str(path.relative_to(self.site)) for path in self.site.rglob("*")}

    def take_away(self, content: set[str]) -> None:
        for path in sorted(self.site / name for name in content):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)

    def models(self) -> set[str]:
        return {model["id"] for model in json.loads(self.genzoo("models", "--json")[1])}


def _confirmed(words):
    return ["--yes"] if {"install", "restore"} & set(words[:2]) and "--dry-run" not in words else []


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    found = Environment(tmp_path_factory.mktemp("installation"))
    wheels = [
        ("genzoo-theirs", plugin_files("genzoo_theirs", "theirs"), {"requires": ["genzoo>=0.1", "tiny-dep>=1"]}),
        ("genzoo-future", plugin_files("genzoo_future", "future"), {"requires": ["genzoo>=99"]}),
        ("genzoo-numpy", plugin_files("genzoo_numpy", "numpy"), {"requires": ["numpy<1"]}),
        ("genzoo-lost", plugin_files("genzoo_lost", "lost"), {"requires": ["nowhere-to-be-had"]}),
        ("genzoo-old-dep", plugin_files("genzoo_old_dep", "old-dep"), {"requires": ["tiny-dep<1"]}),
        ("genzoo-bad", plugin_files("genzoo_bad", "bad", "raise ImportError('no such library')\n"), {}),
        ("genzoo-exits", plugin_files("genzoo_exits", "exits", "raise SystemExit(3)\n"), {}),
        ("genzoo-heavy", plugin_files("genzoo_heavy", "heavy", "import torch\nprint('hello')\n"), {}),
        ("other-thing", {"other_thing.py": ""}, {"entries": {}}),
        ("genzoo-ends", plugin_files("genzoo_ends", "ends", "import os\nos._exit(0)\n"), {}),
        ("genzoo-evil", {**plugin_files("genzoo_evil", "evil"), "pluggy/__init__.py": "raise SystemExit\n"}, {}),
        ("tiny-dep", {"tiny_dep.py": ""}, {"entries": {}, "version": "1.5"}),
        ("tiny-dep", {"tiny_dep.py": ""}, {"entries": {}, "version": "0.5"}),
    ]
    for name, files, options in wheels:
        build_wheel(found.index, name, files, **options)
    yield found
    found.warm.close()


@pytest.fixture
def environment(shared):
    """The shared environment. What a test installs is removed after it."""
    before = shared.content()
    yield shared
    shared.take_away(shared.content() - before)


def refused_unchanged(environment, code, words, *expected, **variables):
    before = environment.content()
    assert_refused(environment.genzoo(*words, **variables), code, *expected)
    assert environment.content() == before


def test_install_shows_its_plan_and_uninstall_undoes_it(environment):
    before = environment.content()
    code, out, _ = environment.genzoo("install", "genzoo-theirs", "--dry-run", "--json")
    assert code == 0
    assert {(item["name"], item["version"]) for item in json.loads(out)["would_install"]} == {
        ("genzoo-theirs", "1.0"),
        ("tiny-dep", "1.5"),
    }
    assert environment.content() == before
    code, out, err = environment.genzoo("install", "genzoo-theirs", "--json")
    assert code == 0, err
    told = json.loads(out)
    assert [model["id"] for model in told["models"]] == ["genzoo-theirs/theirs"]
    assert [plugin["state"] for plugin in told["plugins"]] == ["loaded"]
    assert "genzoo_theirs-1.0-py3-none-any.whl" in err
    assert "genzoo-theirs/theirs" in environment.models()
    assert "genzoo-theirs==1.0" in environment.genzoo("plugins", "freeze")[1]
    code, out, err = environment.genzoo("install", "genzoo-theirs")
    assert code == 0
    assert "already" in err
    assert "theirs" in out
    # No other plugin may change the dependency now.
    refused_unchanged(environment, 3, ["install", "genzoo-old-dep"], "genzoo-theirs 1.0 requires tiny-dep>=1", "0.5")
    code, out, err = environment.genzoo("uninstall", "genzoo_theirs")
    assert (code, out) == (0, "Removed: genzoo-theirs\n")
    assert "No longer required: tiny-dep." in err
    assert "genzoo-theirs/theirs" not in environment.models()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("genzoo-future", ["genzoo-future 1.0 depends on genzoo>=99", f"genzoo=={genzoo.__version__} is installed"]),
        ("genzoo-numpy", ["genzoo-numpy 1.0 depends on numpy<1", f"numpy=={importlib.metadata.version('numpy')}"]),
        ("genzoo-lost", ["'nowhere-to-be-had'", "genzoo-lost requires it"]),
        ("genzoo-theirs>=7", ["no version of 'genzoo-theirs>=7'", "1.0"]),
        ("nowhere-to-be-had", ["no package 'nowhere-to-be-had'"]),
        ("tiny-dep", ["tiny-dep 1.5 is not a plugin"]),
        (
            "genzoo-evil",
            ["genzoo-evil 1.0 contains a module 'pluggy'", "which belongs to pluggy", "Nothing was changed"],
        ),
        ("genzoo-ends", ["Loading genzoo-ends ended its process with exit code 0", "The environment is as before"]),
    ],
)
def test_a_conflict_with_the_core_is_an_error_that_changes_nothing(environment, words, expected):
    refused_unchanged(environment, 3, ["install", words], *expected)


def test_nothing_is_installed_without_a_terminal_or_a_confirmation(environment, tmp_path):
    before = environment.content()
    result = environment.warm("command", ["install", "genzoo-theirs"], folder=environment.folder)
    assert_refused((result.code, result.out, result.err), 2, "no terminal to confirm it on", "--yes")
    (tmp_path / "plugins.txt").write_text("genzoo-theirs==1.0\n", encoding="utf-8")
    result = environment.warm(
        "command", ["plugins", "restore", str(tmp_path / "plugins.txt")], folder=environment.folder
    )
    assert (result.code, result.out) == (2, "")
    assert environment.content() == before


def test_neither_an_upgrade_nor_a_removal_deletes_files_of_others(environment, tmp_path):
    vital = [environment.folder / "env" / "pyvenv.cfg", environment.python, environment.site / "parent.pth"]
    for command in (["uninstall", "genzoo-greedy"], ["install", "--upgrade", "genzoo-greedy"]):
        unpack(environment.site, "genzoo-greedy", plugin_files("genzoo_greedy", "greedy"), version="0.9")
        with (environment.site / "genzoo_greedy-0.9.dist-info" / "RECORD").open("a", encoding="utf-8") as record:
            record.write("../../../pyvenv.cfg,,\n../../../bin/python,,\n")
        build_wheel(environment.index, "genzoo-greedy", plugin_files("genzoo_greedy", "greedy"))
        code, _, err = environment.genzoo(*command)
        assert code == 0, err
        assert all(path.exists() for path in vital)
        assert not (environment.site / "genzoo_greedy-0.9.dist-info").exists()
        assert ("'../../../bin/python', '../../../pyvenv.cfg', which belong to others" in err) == (len(command) == 2)


def test_a_wheel_with_a_harmful_file_is_not_installed(environment, tmp_path):
    data = "genzoo_harm-1.0.data/data"
    for file in (f"{data}/pyvenv.cfg", f"{data}/bin/python", "harm.pth", "genzoo_gan/__init__.py"):
        wheel = build_wheel(tmp_path, "genzoo-harm", {**plugin_files("genzoo_harm", "harm"), file: ""})
        refused_unchanged(environment, 3, ["install", wheel], "genzoo-harm 1.0 contains", "Nothing was changed")


@pytest.mark.skipif(not importlib.util.find_spec("setuptools"), reason="setuptools is not installed")
def test_a_package_of_the_core_is_not_installed(environment, tmp_path):
    wheel = build_wheel(tmp_path, "genzoo", plugin_files("genzoo", "mine"), version="99")
    refused_unchanged(environment, 3, ["install", wheel], "genzoo's own packages")
    for place in (build_wheel(tmp_path, "genzoo-gan", plugin_files("mine", "mine")), source(tmp_path, "genzoo-vae")):
        refused_unchanged(environment, 3, ["install", place], "comes with genzoo", PIP_NO_BUILD_ISOLATION="0")
    before = environment.content()
    result = environment.genzoo("install", "-e", source(tmp_path, "pluggy"), PIP_NO_BUILD_ISOLATION="0")
    assert_refused(result, 3, "pluggy==")
    assert environment.content() == before


@pytest.mark.parametrize(
    "word",
    [
        "--index-url=http://localhost:9",
        "-r",
        "genzoo-x --index-url http://localhost:9",
        "a\nb",
        "",
        "./nothing.whl",
        "a b",
    ],
)
def test_arguments_that_name_no_package_are_errors(cli, word):
    assert_refused(cli("install", "--", word), 2)
    if word.startswith("-"):
        assert_refused(cli("install", word), 2)


def test_neither_install_nor_uninstall_touches_the_core(cli):
    assert_refused(cli("install", "torch"), 3, "torch", "genzoo's own packages")
    assert_refused(cli("install", "Genzoo==0.0.1"), 3, "genzoo's own packages")
    assert_refused(cli("uninstall", "torch"), 3, "torch", "never removes")
    assert_refused(cli("uninstall", "genzoo"), 3, "never removes")
    assert_refused(cli("uninstall", "pytest-xdist"), 3, "No plugin")
    assert_refused(cli("uninstall", "genzoo-gna"), 3, "Did you mean 'genzoo-gan'")


def test_plugins_that_fail_to_load_are_listed_with_a_remedy(environment):
    result = environment.genzoo("install", "genzoo-bad", "genzoo-exits")
    assert_refused(result, 3, "no such library", "SystemExit", "genzoo uninstall genzoo-bad genzoo-exits")
    assert "genzoo-mixture/gmm" in environment.models()
    states = {state["distribution"]: state for state in json.loads(environment.genzoo("plugins", "--json")[1])}
    assert states["genzoo-bad"]["state"] == states["genzoo-exits"]["state"] == "failed"
    code, out, _ = environment.genzoo("uninstall", "--yes", "genzoo-bad", "genzoo-exits", "--json")
    assert (code, json.loads(out)) == (
        0,
        {"removed": ["genzoo-bad", "genzoo-exits"], "no_longer_required": []},
    )


def test_an_installation_warns_about_shared_names(environment):
    build_wheel(environment.index, "genzoo-claims", plugin_files("genzoo_claims", "gmm"))
    code, _, err = environment.genzoo("install", "genzoo-claims")
    assert code == 0, err
    assert "Warning: genzoo-claims: The model name 'gmm' is claimed by genzoo-claims/gmm and genzoo-mixture/gmm" in err


def test_the_doctor_reports_the_import_time_of_torch_and_output(environment):
    assert environment.genzoo("install", "genzoo-heavy")[0] == 0
    code, out, err = environment.genzoo("plugins", "doctor", "genzoo-heavy", "--json")
    (found,) = json.loads(out)["plugins"]
    assert code == 5, err
    assert found["heavy"]["torch"] > 1
    assert found["milliseconds"] >= found["heavy"]["torch"] * 0.5
    assert any("imports torch" in text for text in found["findings"])
    assert any("hello" in text for text in found["findings"])


def test_the_doctor_says_why_a_plugin_killed_its_process_and_what_to_do(environment):
    end = "import os, sys\nprint('out of luck', file=sys.__stderr__, flush=True)\nos._exit(9)\n"
    unpack(environment.site, "genzoo-kills", plugin_files("genzoo_kills", "kills", end))
    code, out, _ = environment.genzoo("plugins", "doctor", "genzoo-kills", "--json")
    told = " ".join(json.loads(out)["plugins"][0]["findings"])
    other = json.loads(environment.genzoo("plugins", "doctor", "genzoo-gan", "--json")[1])["plugins"][0]
    assert code == 5
    assert "code 9: out of luck" in told
    assert "genzoo uninstall genzoo-kills" in told
    assert "import time" not in told
    assert not other["findings"]


def test_the_doctor_looks_at_each_plugin_once_and_at_all_together_once(monkeypatch):
    asked = []

    def look(*labels, **options):
        asked.append(labels)
        return real(*labels, **options)

    real, some = doctor.probe, doctor.installed_plugins()[:2]  # each is a process
    monkeypatch.setattr(doctor, "installed_plugins", lambda: some)
    monkeypatch.setattr(doctor, "probe", look)
    watched = []
    found = doctor.examine(watch=watched.append)
    labels = [diagnosis.label for diagnosis in found]
    assert watched == labels
    assert len(labels) == 2
    assert asked == [*((label,) for label in labels), (FINDINGS, *labels)]
    assert all(diagnosis.brought for diagnosis in found)


def source(folder: Path, name: str, group: str = "genzoo") -> Path:
    """Write a folder with a package that setuptools builds."""
    package = name.replace("-", "_")
    for path, text in plugin_files(package, name.removeprefix("genzoo-")).items():
        target = folder / name / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    (folder / name / "pyproject.toml").write_text(
        textwrap.dedent(f"""
        [build-system]
        requires = ["setuptools>=61"]
        build-backend = "setuptools.build_meta"
        [project]
        name = "{name}"
        version = "1.0"
        [project.entry-points.{group}]
        it = "{package}.plugin"
        [tool.setuptools]
        packages = ["{package}"]
        """),
        encoding="utf-8",
    )
    return folder / name


@pytest.mark.skipif(not importlib.util.find_spec("setuptools"), reason="setuptools is not installed")
def test_paths_wheels_and_editable_folders_are_frozen_and_restored(environment, tmp_path):
    place = tmp_path / "with #space"
    editable, folder = source(place, "genzoo-here"), source(place, "genzoo-there")
    wheel = build_wheel(tmp_path, "genzoo-file", plugin_files("genzoo_file", "file"))
    build = {"PIP_NO_BUILD_ISOLATION": "0"}  # pip's way to say: use the setuptools that is installed
    code, _, err = environment.genzoo("install", wheel, folder, "-e", editable, "--yes", **build)
    assert code == 0, err
    names = {"genzoo-file/file", "genzoo-here/here", "genzoo-there/there"}
    assert names <= environment.models()
    frozen = environment.genzoo("plugins", "freeze")[1]
    lines = [line for line in frozen.splitlines() if "genzoo-file" in line or "here" in line]
    assert len(lines) == 3
    assert f"-e '{editable}'" in lines
    removed = ["genzoo-file", "genzoo-here", "genzoo-there"]
    assert environment.genzoo("uninstall", *removed)[0] == 0
    assert not names & environment.models()
    file = tmp_path / "plugins.txt"
    file.write_text(
        "\n".join(["# from another machine", *lines, "genzoo-never==3.0", f"-e {tmp_path}/gone"]), encoding="utf-8"
    )
    result = environment.genzoo("plugins", "restore", file, **build)
    assert_refused(result, 3, "genzoo-never==3.0 cannot be installed", "no file or folder", "All others are installed")
    assert names <= environment.models()


@pytest.mark.skipif(not importlib.util.find_spec("setuptools"), reason="setuptools is not installed")
def test_an_installed_folder_that_is_no_plugin_is_removed_again(environment, tmp_path):
    folder = source(tmp_path, "genzoo-none", group="others")
    build = {"PIP_NO_BUILD_ISOLATION": "0"}
    before = environment.content()
    assert_refused(environment.genzoo("install", folder, **build), 3, "not a plugin")
    text = (folder / "pyproject.toml").read_text(encoding="utf-8")
    text = text.replace('version = "1.0"', 'version = "1.0"\ndynamic = ["entry-points"]')
    text = text.replace('[project.entry-points.others]\nit = "genzoo_none.plugin"\n', "")
    (folder / "pyproject.toml").write_text(text, encoding="utf-8")
    (folder / "setup.py").write_text(
        "import setuptools; setuptools.setup(entry_points={'others': ['it = genzoo_none']})", encoding="utf-8"
    )
    assert_refused(environment.genzoo("install", folder, **build), 3, "not a plugin", "Nothing was changed")
    assert environment.content() == before


@pytest.mark.skipif(not importlib.util.find_spec("setuptools"), reason="setuptools is not installed")
def test_a_failed_upgrade_restores_the_old_version(environment, tmp_path):
    build = {"PIP_NO_BUILD_ISOLATION": "0"}
    old = build_wheel(tmp_path, "genzoo-grown", plugin_files("genzoo_grown", "grown"), version="0.9")
    assert environment.genzoo("install", old)[0] == 0
    new = source(tmp_path, "genzoo-grown", group="others")
    refused_unchanged(
        environment, 3, ["install", new], "genzoo-grown 1.0 is not a plugin", "Nothing was changed", **build
    )
    # This upgrade fails only when it is loaded. The old version is restored from its origin.
    ends = build_wheel(tmp_path, "genzoo-grown", plugin_files("genzoo_grown", "grown", "import os\nos._exit(7)\n"))
    frozen = environment.genzoo("plugins", "freeze")[1]
    refused_unchanged(environment, 3, ["install", ends], "genzoo-grown ended its process with exit code 7", "as before")
    assert environment.genzoo("plugins", "freeze")[1] == frozen
    old.unlink()
    result = environment.genzoo("install", ends)
    assert_refused(result, 3, "ended its process with exit code 7", "former versions could not be restored")
    assert environment.genzoo("uninstall", "genzoo-grown")[0] == 0


def test_a_package_that_cannot_be_built_says_why(environment, tmp_path):
    folder = source(tmp_path, "genzoo-unbuilt")
    (folder / "setup.py").write_text("raise RuntimeError('a compiler is missing')", encoding="utf-8")
    before = environment.content()
    result = environment.genzoo("install", folder, PIP_NO_BUILD_ISOLATION="0")
    assert_refused(result, 3, "could not be built", "a compiler is missing")
    assert environment.content() == before


def test_constraints_reach_isolated_builds(environment, tmp_path):
    folder = source(tmp_path, "genzoo-isolated")
    text = (folder / "pyproject.toml").read_text(encoding="utf-8").replace('"setuptools>=61"', '"tiny-dep", "numpy<1"')
    (folder / "pyproject.toml").write_text(text, encoding="utf-8")
    build_wheel(environment.index, "numpy", {"numpy_old.py": ""}, version="0.9", entries={})
    try:
        result = environment.genzoo("install", folder)
        assert_refused(result, 3, "numpy<1", "could not be built")
    finally:
        (environment.index / "numpy-0.9-py3-none-any.whl").unlink()


def test_a_rebuilt_wheel_replaces_its_version_despite_pips_variables(environment, tmp_path):
    variables = {"PIP_NO_DEPS": "1", "PIP_TARGET": str(tmp_path / "target"), "PIP_DRY_RUN": "1", "PIP_QUIET": "3"}
    wheel = build_wheel(tmp_path, "genzoo-again", plugin_files("genzoo_again", "first"))
    assert environment.genzoo("install", wheel, **variables)[0] == 0
    build_wheel(tmp_path, "genzoo-again", plugin_files("genzoo_again", "second"))
    code, out, err = environment.genzoo("install", wheel, "--json", **variables)
    assert code == 0, err
    assert [model["id"] for model in json.loads(out)["models"]] == ["genzoo-again/second"]
    code, out, err = environment.genzoo("install", wheel.as_uri())
    assert "already" in err
    assert "second" in out
    assert not (tmp_path / "target").exists()


@pytest.mark.parametrize(
    ("output", "told"),
    [
        (
            "  fatal: 'x.git' is no repository\n  error: subprocess-exited-with-error\n  note: it is\n",
            "git failed: fatal: 'x",
        ),
        (
            "error: subprocess-exited-with-error\nthe reason\nnote: not pip\nhint: look above\n",
            "its source: the reason",
        ),
        (
            "  Installing build dependencies: finished with status 'done'\n"
            "The conflict is caused by:\n    a 1 depends on b<1\n    The user requested (constraint) b==2\n",
            "There is a conflict: a 1 depends on b<1; but b==2 is installed",
        ),
    ],
)
def test_the_error_names_the_step_that_failed(output, told):
    said = explain_failure(output, {})
    assert told in said
    assert ("could not be built" in said) == ("its source" in told)


def test_requirements_are_checked_against_the_planned_versions():
    new = {"a": "1", "b": "0.5"}
    lines = ["b>=1", "pluggy<0.1", "nowhere-to-be-had", "b<1", "b>=3; python_version < '3'"]
    assert list(unmet_requirements("a", "1", lines, new)) == [
        "a 1 requires b>=1, but b is 0.5",
        f"a 1 requires pluggy<0.1, but pluggy is {importlib.metadata.version('pluggy')}",
        "a 1 requires nowhere-to-be-had, but nowhere-to-be-had is not installed",
    ]


def test_an_environment_without_pip_uses_the_one_that_came_with_python(monkeypatch):
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "pip" else real(name))
    command, version = pip_command()
    assert command[-1].endswith("/pip")
    shown = subprocess.run([*command, "--version"], capture_output=True, text=True, check=True).stdout
    assert shown.split()[1] == version
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(PluginError, match="no pip.*uv pip install" if shutil.which("uv") else "no pip.*ensurepip"):
        pip_command("genzoo-theirs")


@pytest.mark.parametrize(
    ("file", "expected"),
    [("pipx_metadata.json", "pipx inject genzoo genzoo-theirs"), ("uv-receipt.toml", "uv tool install genzoo --with")],
)
def test_environments_of_other_tools_are_named_with_their_command(cli, tmp_path, monkeypatch, file, expected):
    (tmp_path / file).touch()
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    assert_refused(cli("install", "genzoo-theirs"), 3, expected)


def test_the_systems_python_is_left_alone(cli, tmp_path, monkeypatch):
    (tmp_path / "EXTERNALLY-MANAGED").touch()
    monkeypatch.setattr(sys, "prefix", sys.base_prefix)
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path))
    monkeypatch.delenv("PIP_BREAK_SYSTEM_PACKAGES", raising=False)
    assert_refused(cli("install", "genzoo-theirs"), 3, "operating system", "-m venv")


def test_a_read_only_environment_is_an_error_before_any_download(cli, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert_refused(cli("install", "genzoo-theirs"), 3, "is read-only")


def test_an_unreachable_index_and_an_unknown_name_are_two_errors(environment):
    nowhere = {"PIP_NO_INDEX": "0", "PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_RETRIES": "1"}
    result = environment.genzoo("install", "genzoo-remote", **nowhere)
    assert_refused(result, 3, "cannot be reached")


class Silent(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *words):
        pass


@pytest.fixture
def served(environment):
    """URL of the folder of wheels, on this machine."""
    handler = functools.partial(Silent, directory=str(environment.index))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def test_downloaded_wheels_are_checked_before_they_are_installed(environment, served, tmp_path):
    remote = {"PIP_FIND_LINKS": served, "PIP_CACHE_DIR": str(tmp_path)}
    before = environment.content()
    assert_refused(environment.genzoo("install", "other-thing", **remote), 3, "other-thing 1.0 is not a plugin")
    assert environment.content() == before
    address = f"{served}genzoo_theirs-1.0-py3-none-any.whl"
    code, _, err = environment.genzoo("install", f"genzoo-theirs @ {address}", **remote)
    assert code == 0, err
    assert f"genzoo-theirs @ {address}" in environment.genzoo("plugins", "freeze")[1]
    assert environment.genzoo("uninstall", "genzoo-theirs", "-y")[0] == 0
    code, _, err = environment.genzoo("install", "genzoo-theirs", **remote)
    assert code == 0, err
    assert "genzoo-theirs==1.0" in environment.genzoo("plugins", "freeze")[1]


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="this system does not tell of its processes")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_installation_says_what_is_installed(environment, tmp_path, number):
    folder = source(tmp_path, "genzoo-slow")
    building = tmp_path / "building"
    (folder / "setup.py").write_text(
        f"import os, pathlib, time; pathlib.Path({str(building)!r}).write_text(str(os.getpid())); time.sleep(60)",
        encoding="utf-8",
    )
    (tmp_path / "temporary").mkdir()
    variables = {**environment.variables, "PIP_NO_BUILD_ISOLATION": "0", "TMPDIR": str(tmp_path / "temporary")}
    command = [str(environment.python), "-P", "-m", "genzoo", "install", "--yes", str(folder)]
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=variables, start_new_session=True
    )
    while not (building.exists() and building.read_text(encoding="utf-8")) and process.poll() is None:
        time.sleep(0.05)
    time.sleep(0.2)
    # A terminal signals the whole group, and a service only the process it started.
    (os.killpg if number == signal.SIGINT else os.kill)(process.pid, number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 128 + number, err
    assert "Nothing was changed" in err
    assert not list((tmp_path / "temporary").glob("genzoo-*"))
    stat = Path("/proc", building.read_text(encoding="utf-8"), "stat")
    assert not stat.exists() or stat.read_text(encoding="utf-8").rpartition(")")[2].split()[0] == "Z"


@pytest.fixture(scope="module")
def hooked(shared):
    """The environment with a plugin that works, and one whose fault pluggy would ignore."""
    build_wheel(shared.index, "genzoo-hook", plugin_files("genzoo_hook", "hook"))
    files = plugin_files("genzoo_wrong", "wrong")
    files["genzoo_wrong/plugin.py"] = files["genzoo_wrong/plugin.py"].replace("(register)", "(register, more=1)", 1)
    build_wheel(shared.index, "genzoo-wrong", files)
    result = shared.genzoo("install", "genzoo-hook", "genzoo-wrong")
    assert_refused(result, 3, "genzoo-wrong does not load", "default")
    return shared


@pytest.mark.parametrize("version", ["==1.5.0", ""], ids=["oldest", "newest"])
def test_plugins_load_with_the_oldest_and_the_newest_pluggy(hooked, tmp_path, version):
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(tmp_path / "pluggy")]
    done = subprocess.run([*command, f"pluggy{version}"], capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"pluggy cannot be fetched here: {done.stderr.strip().splitlines()[-1]}")
    path = os.pathsep.join([str(tmp_path / "pluggy"), hooked.variables["PYTHONPATH"]])
    states = {
        state["distribution"]: state
        for state in json.loads(hooked.genzoo_anew("plugins", "--json", PYTHONPATH=path, PYTHONWARNINGS="error")[1])
    }
    assert {name for name, state in states.items() if state["state"] == "failed"} == {"genzoo-wrong"}
    assert "default" in states["genzoo-wrong"]["reason"]
    assert states["genzoo-hook"]["state"] == states["genzoo-mixture"]["state"] == "loaded"
    probe = "import pluggy; print(pluggy.__version__)"
    variables = {**hooked.variables, "PYTHONPATH": path}
    used = subprocess.run([hooked.python, "-c", probe], capture_output=True, text=True, env=variables, check=True)
    assert not version or used.stdout.strip() == version.strip("=")
