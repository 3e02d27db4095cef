"""Notebooks of the documentation run and hold what they showed, and notebooks of tutorials have all that pages have."""

import importlib.util
import json
import os
import re
import sys
from pathlib import Path

import pytest
from sessions import BLOCK, assert_shows, commands, without_decimals

nbformat = pytest.importorskip("nbformat")

FOLDER = Path(__file__).parents[1] / "docs" / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
TUTORIALS = [path for path in sorted((FOLDER.parent / "tutorials").glob("*.md")) if path.stem != "index"]

COLOR = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
"""What makes text bold or colored in a terminal, and in a notebook, too."""


def script(path):
    """Import a script of docs/."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


converted = script(FOLDER.parent / "site" / "notebooks.py")


def read(path):
    return nbformat.read(path, as_version=4)


def test_there_are_three_and_the_readme_names_each():
    readme = (FOLDER.parents[1] / "README.md").read_text(encoding="utf-8")
    assert len(NOTEBOOKS) == 3
    assert all(f"docs/notebooks/{path.name}" in readme for path in NOTEBOOKS)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_kept_with_its_outputs_and_no_trace_of_a_machine(path):
    notebook = read(path)
    nbformat.validate(notebook)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert all(output.output_type in ("display_data", "execute_result") for cell in cells for output in cell.outputs)
    assert path.stat().st_size < 400_000
    text = path.read_text(encoding="utf-8")
    assert "/home/" not in text
    assert "/tmp/" not in text


@pytest.mark.full
@pytest.mark.once
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path, tmp_path):
    ran, kept = script(FOLDER / "execute.py").executed(path, str(tmp_path)), read(path)
    assert [cell.source for cell in ran.cells] == [cell.source for cell in kept.cells]
    for new, old in zip(ran.cells, kept.cells, strict=True):
        kinds = [{*output.get("data", {})} for output in new.get("outputs", ()) if output.output_type != "stream"]
        assert len(kinds) == len(old.get("outputs", ())), new.source


def made_of(page):
    return nbformat.reads(json.dumps(converted.notebook(page.read_text(encoding="utf-8"), page.stem)), as_version=4)


def expected_cells(page):
    """Return each cell of code that a page should become, and what the page says that it shows."""
    for language, title, text in BLOCK.findall(page.read_text(encoding="utf-8")):
        if title:
            yield f"%%writefile {title}\n{text.rstrip()}", ""
        elif language == "console":
            yield from ((f"!{command}", shown) for command, shown in commands(text))


@pytest.mark.parametrize("page", TUTORIALS, ids=lambda path: path.stem)
def test_the_notebook_of_a_tutorial_has_its_commands_files_and_text(page):
    notebook = made_of(page)
    nbformat.validate(notebook)
    assert [cell.source for cell in notebook.cells if cell.cell_type == "code"] == [s for s, _ in expected_cells(page)]
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    assert re.findall(r"^#+ .*", text, re.MULTILINE) == re.findall(r"^#+ .*", page.read_text("utf-8"), re.MULTILINE)
    assert not re.search(r"\]\((?!https?://)", text)
    assert not any(cell.source.isspace() or not cell.source for cell in notebook.cells)


def test_what_a_notebook_would_replace_in_a_command_is_doubled():
    page = "# T\n\n```console\n$ echo $HOME {a}\n/root {a}\n```\n\n```python\nx = {1: 2}\n```\n\nSee [it](a.md).\n"
    cells = converted.notebook(page, "t")["cells"]
    assert ["".join(cell["source"]) for cell in cells[1:]] == ["!echo $$HOME {{a}}", "x = {1: 2}", "See it."]


@pytest.mark.full
@pytest.mark.once
@pytest.mark.parametrize("name", ["missing", "text"])
def test_the_notebook_of_a_tutorial_shows_what_its_page_says(name, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("COLUMNS", "150")
    page = FOLDER.parent / "tutorials" / f"{name}.md"
    nbformat.write(made_of(page), tmp_path / "t.ipynb")
    ran = script(FOLDER / "execute.py").executed(tmp_path / "t.ipynb", str(tmp_path))
    cells = [cell for cell in ran.cells if cell.cell_type == "code"]
    for cell, (source, shown) in zip(cells, expected_cells(page), strict=True):
        printed = COLOR.sub("", "".join(output.text for output in cell.outputs))
        assert_shows(source, without_decimals(printed), without_decimals(shown))
