"""A plugin from `genzoo plugins new` works as it is, for every kind and any valid name."""

import json
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from long_kinds import long_in_full
from refusals import assert_refused

from genzoo.cli.main import main
from genzoo.plugins.scaffold.project import KINDS, check_name

AWKWARD = {
    "likelihood": "class",
    "em": "2d-gauss",
    "gan": "x" * 40,
    "vae": "none",
    "image": "0",
    "diffusion": "while",
    "text": "nonlocal",
    "direct": "import",
    "metric": "try",
    "dataset": "1",
}
"""Difficult names: a keyword, digits first, the longest and the shortest."""

UNSEEN = """
[[tool.mypy.overrides]]
module = [
    "torch._dynamo.*", "torch._inductor.*", "torch._functorch.*", "torch._higher_order_ops.*", "torch._export.*",
    "torch.export.*", "torch.fx.*", "torch.onnx.*", "torch.ao.*", "torch.testing.*", "torch.distributed.*", "sympy.*",
]
follow_imports = "skip"
"""
"""Modules of torch whose types the scaffolded plugins do not use."""


@pytest.fixture(scope="module")
def projects(tmp_path_factory):
    """A plugin of each kind, with the metadata that pip would have written."""
    folder = tmp_path_factory.mktemp("projects")
    return {kind: write(folder, AWKWARD[kind], kind) for kind in KINDS}


def write(folder: Path, name: str, kind: str) -> Path:
    project = folder / f"genzoo-{name}"
    assert main(["plugins", "new", name, "--kind", kind, "--out", str(project)]) == 0
    found = folder / "installed" / f"genzoo_{name.replace('-', '_')}-0.1.0.dist-info"
    found.mkdir(parents=True)
    (found / "METADATA").write_text(f"Metadata-Version: 2.1\nName: genzoo-{name}\nVersion: 0.1.0\n", encoding="utf-8")
    (found / "entry_points.txt").write_text(
        f"[genzoo]\n{name} = genzoo_{name.replace('-', '_')}.plugin\n", encoding="utf-8"
    )
    return project


def run(folder: Path, *words: object) -> None:
    done = subprocess.run([sys.executable, "-m", *map(str, words)], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_written_files_are_listed_in_json(cli, tmp_path):
    code, out, _ = cli("plugins", "new", "my-flow", "--json")
    assert code == 0
    told = json.loads(out)
    assert told["folder"] == "genzoo-my-flow"
    written = {str(path.relative_to(tmp_path / told["folder"])) for path in tmp_path.rglob("*") if path.is_file()}
    assert set(told["files"]) == written
    assert told["next"][:2] == ["cd genzoo-my-flow", "genzoo install -e ."]


@pytest.mark.xdist_group("warm")
@pytest.mark.parametrize("kind", long_in_full(KINDS))
def test_it_passes_its_own_tests(projects, kind, forked):
    path = [str(projects[kind]), str(projects[kind].parent / "installed")]
    ended = forked("own_tests", path, ["-q"], folder=projects[kind])
    assert ended.code == 0, ended.shown
    assert "passed" in ended.shown
    assert "failed" not in ended.shown
    assert "error" not in ended.shown


@pytest.mark.long
def test_it_is_typed(projects, tmp_path):
    for kind, project in projects.items():  # one mypy run for all, because most of its time goes into torch
        (package,) = project.glob("genzoo_*")
        settings = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["mypy"]
        assert settings == {"strict": True, "files": [package.name, "tests"]}
        shutil.copytree(package, tmp_path / package.name)
        for file in (project / "tests").iterdir():
            shutil.copy(file, tmp_path / f"{file.stem}_of_{kind}.py")
    (tmp_path / "settings.toml").write_text(f"[tool.mypy]\nstrict = true\n{UNSEEN}", encoding="utf-8")
    words = ["--config-file", "settings.toml", "--cache-dir", tmp_path / "cache", "."]
    run(tmp_path, "mypy", *words)


@pytest.mark.parametrize("name", ["a", "my-flow", "x" * 40])
@pytest.mark.parametrize("kind", KINDS)
def test_it_is_linted_and_formatted_for_names_of_any_length(cli, tmp_path, kind, name):
    code, out, _ = cli("plugins", "new", name, "--kind", kind)
    assert code == 0
    assert f"genzoo-{name}" in out
    folder = tmp_path / f"genzoo-{name}"
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    package = f"genzoo_{name.replace('-', '_')}"
    assert files >= {"pyproject.toml", "README.md", f"{package}/py.typed", f"{package}/plugin.py"}
    assert not [file for file in files if file.endswith(".template") or "package" in file.split("/")]
    for file in files:
        text = (folder / file).read_text(encoding="utf-8")
        assert "$" not in text, file
    run(folder, "ruff", "check", "--no-cache", ".")
    run(folder, "ruff", "format", "--no-cache", "--check", ".")


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [
        ("MyFlow", "my-flow"),
        ("my_flow", "my-flow"),
        ("my flow", "my-flow"),
        ("my--flow", "my-flow"),
        ("genzoo_flow", "flow"),
        ("../flow", "flow"),
        ("/tmp/flow", "tmp-flow"),
        ("flow\n", "flow"),
        ("größe", "'grosse'"),
        ("été", "'ete'"),
        ("Ж1", "my-flow"),
        ("GMM", "my-flow"),
        ("GaN", "'ga-n'"),
        ("Mixture", "my-flow"),
        ("", "my-flow"),
        ("..", "my-flow"),
        ("genzoo-", "my-flow"),
        ("x" * 41, "40"),
    ],
)
def test_an_invalid_name_suggests_a_valid_one(cli, tmp_path, name, suggestion):
    assert_refused(cli("plugins", "new", "--", name), 2, suggestion)
    assert not list(tmp_path.iterdir())


def test_a_prefix_is_not_doubled(cli, tmp_path):
    assert cli("plugins", "new", "genzoo-thing")[0] == 0
    assert [path.name for path in tmp_path.iterdir()] == ["genzoo-thing"]
    assert check_name("genzoo-thing") == check_name("thing")


def test_a_name_that_would_clash_is_an_error(cli, tmp_path):
    assert_refused(cli("plugins", "new", "gmm"), 2, "genzoo-mixture/gmm")
    assert_refused(cli("plugins", "new", "mmd", "--kind", "metric"), 2, "genzoo/mmd")
    assert_refused(cli("plugins", "new", "moons", "--kind", "dataset"), 2, "genzoo/moons")
    assert_refused(cli("plugins", "new", "gan", "--kind", "metric"), 2, "'genzoo-gan' is installed")
    assert not list(tmp_path.iterdir())
    assert cli("plugins", "new", "moons", "--kind", "gan")[0] == 0, "a model may be called what a dataset is"


def test_nothing_is_overwritten(cli, tmp_path):
    (tmp_path / "genzoo-waves").mkdir()
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    (tmp_path / "link").symlink_to("nowhere")
    assert_refused(cli("plugins", "new", "waves"), 2, "exists already")
    assert_refused(cli("plugins", "new", "waves", "--out", "file"), 2, "exists already")
    assert_refused(cli("plugins", "new", "waves", "--out", "link"), 2, "exists already")
    assert_refused(cli("plugins", "new", "waves", "--out", "file/below"), 1, "file")
    assert (tmp_path / "file").read_text(encoding="utf-8") == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "genzoo-waves", "link"]


def test_the_folder_can_be_chosen(cli, tmp_path):
    assert cli("plugins", "new", "waves", "--out", "deep/below")[0] == 0
    assert (tmp_path / "deep/below/pyproject.toml").is_file()
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["below"]
