"""The pages do what they say: their files are written and their commands run, in order.

The guide, which installs a plugin, gets an environment of its own.
"""

import ast
import functools
import importlib.metadata
import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import bf16
import pytest
from sessions import BLOCK, assert_shows, commands, without_decimals
from warm import HEAVY, Warm, warm

import genzoo

ROOT = Path(genzoo.__file__).parent.parent
GUIDE = (ROOT / "docs" / "guide.md").read_text(encoding="utf-8")
BLOCKS = BLOCK.findall(GUIDE)
CODE = {title: text for _, title, text in BLOCKS if title}
SITE = Path(importlib.metadata.distribution("pip").locate_file("")) if importlib.util.find_spec("pip") else None


class Environment:
    """A virtual environment that sees the packages of this one, and a folder to work in."""

    def __init__(self, folder: Path) -> None:
        venv.create(folder / "env", symlinks=True)
        self.bin = folder / "env" / "bin"
        site = next((folder / "env" / "lib").glob("python*")) / "site-packages"
        (site / "parent.pth").write_text(f"{SITE}\n", encoding="utf-8")
        self.folder = folder / "work"
        self.folder.mkdir()
        self.variables = {
            key: value
            for key, value in os.environ.items()
            if key.startswith("GENZOO_TEST_") or not key.startswith("GENZOO_")
        }
        self.variables["PATH"] = f"{self.bin}{os.pathsep}{os.environ['PATH']}"
        self.variables["PYTHONPATH"] = os.pathsep.join([str(ROOT), *map(str, (ROOT / "plugins").iterdir())])
        self.variables["PYTEST_PLUGINS"] = (
            "genzoo.testing.reporting"  # also where genzoo was installed before it had it
        )
        if importlib.util.find_spec("hatchling") and importlib.util.find_spec("editables"):
            self.variables["PIP_NO_BUILD_ISOLATION"] = "0"  # which turns it off, and needs no network

    def run(self, command: str, forked: Warm) -> str:
        """What a command shows; it must succeed."""
        program, *words = shlex.split(command)
        if program == "genzoo":
            words += ["--yes"] if words[0] == "install" else []  # there is no terminal
            done = forked("command", words, folder=self.folder)
            assert done.code == 0, f"{command}\n{done.shown}"
            return done.shown
        ended = subprocess.run(
            ["/bin/sh", "-c", command], cwd=self.folder, env=self.variables, capture_output=True, text=True
        )
        assert ended.returncode == 0, f"{command}\n{ended.stdout}{ended.stderr}"
        return ended.stdout + ended.stderr


@pytest.mark.once
@pytest.mark.long
@pytest.mark.skipif(SITE is None, reason="there is no pip in this environment")
def test_the_guide_leads_from_an_empty_folder_to_an_installed_model(tmp_path):
    environment = Environment(tmp_path)
    with warm(environment.bin / "python", HEAVY, environment.variables) as forked:
        for language, title, text in BLOCKS:
            if title:
                (environment.folder / title).parent.mkdir(parents=True, exist_ok=True)
                (environment.folder / title).write_text(text, encoding="utf-8")
            elif language == "console":
                for command, expected in commands(text):
                    assert_shows(command, environment.run(command, forked), expected)


PAGES = [
    page
    for page in sorted((ROOT / "docs").glob("*.md")) + sorted((ROOT / "docs" / "tutorials").glob("*.md"))
    if page.name != "guide.md" and "```console\n" in page.read_text(encoding="utf-8")
]
NETWORKS = {"callbacks", "conditions", "one-file", "runs", "use", "tutorials/images", "tutorials/sound"}
"""Pages that train networks, whose numbers can depend on the CPU's bfloat16."""
SOUNDS = next(filter(Path.is_dir, (folder / "shared/data/spoken-digits" for folder in (ROOT, *ROOT.parents))), None)


def page_of(path: Path) -> object:
    """Return a page as a parameter. Tutorials take longer, and need recordings that have to be fetched."""
    name = path.relative_to(ROOT / "docs").with_suffix("").as_posix()
    marks = [pytest.mark.once] * (name in NETWORKS) + [pytest.mark.full] * name.startswith("tutorials/")
    marks += [pytest.mark.skipif(SOUNDS is None, reason="needs spoken-digits in shared/data")] * ("/sound" in name)
    return pytest.param(path, id=name, marks=marks)


@pytest.mark.parametrize("page", [page_of(page) for page in PAGES])
def test_a_page_shows_what_its_commands_print(page, tmp_path, forked):
    if SOUNDS is not None:
        forked = functools.partial(forked, GENZOO_DATA=str(SOUNDS.parent))
    shutil.copytree(ROOT / "tests" / "data", tmp_path / "tests" / "data", ignore=lambda *_: {"runs"})
    for language, title, text in BLOCK.findall(page.read_text(encoding="utf-8")):
        if title:
            (tmp_path / title).write_text(text, encoding="utf-8")
        elif language == "console":
            for command, expected in commands(text):
                assert_shows(command, without_decimals(run(command, tmp_path, forked)), without_decimals(expected))


def run(command: str, folder: Path, forked: Warm) -> str:
    """Run a command of a page in a folder and return what it prints; it must succeed."""
    program, *words = shlex.split(command)
    if program in ("genzoo", "python"):
        work = ("command", words) if program == "genzoo" else ("script", *words)
        ended = forked(*work, folder=folder, PYTHONPATH=os.environ.get("PYTHONPATH", ""))
        if ended.asked:
            bf16.ask()
        code, shown = ended.code, ended.shown
    else:
        done = subprocess.run(["/bin/sh", "-c", command], cwd=folder, capture_output=True, text=True)
        code, shown = done.returncode, done.stdout + done.stderr
    assert code == 0, f"{command}\n{shown}"
    return shown


@pytest.mark.parametrize("page", sorted((ROOT / "docs" / "tutorials").glob("*.md")), ids=lambda page: page.stem)
def test_every_block_of_a_tutorial_runs_or_is_a_further_command(page):
    text = page.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 120
    for language, title, block in BLOCK.findall(text):
        assert title or language in ("console", "sh"), block
        assert language != "sh" or page.stem == "cluster"
    for language, block in re.findall(r"^```([^\n]*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        assert language or all(line.startswith("genzoo ") for line in block.splitlines()), block


def test_every_block_of_the_guide_is_a_file_or_a_session():
    assert len(BLOCKS) == GUIDE.count("\n```") // 2
    assert all(title or language == "console" for language, title, _ in BLOCKS)


def test_the_guides_model_is_at_most_60_lines_of_code():
    count = sum(len(lines_of_code(text)) for title, text in CODE.items() if title.startswith("genzoo_ppca/"))
    assert 0 < count <= 60


def test_the_guides_first_model_runs_in_12_lines():
    assert next(iter(CODE)) == "first.py"
    assert len(lines_of_code(CODE["first.py"])) == 12


def lines_of_code(text: str) -> list[str]:
    """The lines that are neither empty, nor comments, nor docstrings."""
    told: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            told |= set(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    lines = enumerate(text.splitlines(), 1)
    return [line for number, line in lines if number not in told and line.strip() and not line.strip().startswith("#")]


def test_the_guides_code_is_formatted(tmp_path):
    for title, text in CODE.items():
        (tmp_path / title).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / title).write_text(text, encoding="utf-8")
    for words in (["check", "--ignore", "RUF012"], ["format", "--check"]):  # a recipe is a plain dict
        command = [sys.executable, "-m", "ruff", *words, "--isolated", "--no-cache", "--line-length", "120", tmp_path]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout


@pytest.mark.full
def test_the_script_of_the_gallery_writes_its_page_and_its_pictures(tmp_path):
    words = ["--only", "digits", "--models", "gaussian", "--features", "pixels", "--samples", "50"]
    places = ["--work", "runs", "--page", "gallery.md", "--pictures", "images"]
    script = [sys.executable, str(ROOT / "docs" / "make_gallery.py"), *words, *places]
    ended = subprocess.run(script, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    page = (tmp_path / "gallery.md").read_text(encoding="utf-8")
    assert re.search(r"^\| \[`gaussian`\]\(#digits-gaussian\) \| \d+ \| -?\d+\.\d{3} ", page, re.MULTILINE), page
    assert "![42 samples of gaussian](images/digits-gaussian.png)" in page
    assert (tmp_path / "images" / "digits-gaussian.png").stat().st_size > 1000
