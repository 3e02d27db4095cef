"""The notebooks of the documentation hold what they showed when they ran, and run."""

import importlib.util
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat")

FOLDER = Path(__file__).parents[1] / "docs" / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


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
    spec = importlib.util.spec_from_file_location("execute", FOLDER / "execute.py")
    execute = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(execute)
    ran, kept = execute.executed(path, str(tmp_path)), read(path)
    assert [cell.source for cell in ran.cells] == [cell.source for cell in kept.cells]
    for new, old in zip(ran.cells, kept.cells, strict=True):
        kinds = [{*output.get("data", {})} for output in new.get("outputs", ()) if output.output_type != "stream"]
        assert len(kinds) == len(old.get("outputs", ())), new.source
