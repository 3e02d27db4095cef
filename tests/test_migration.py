"""docs/migration.md: every call of ours that it shows runs, in its order."""

import re
import shlex
from pathlib import Path

import pytest

from genzoo.cli.main import main

PAGE = (Path(__file__).parents[1] / "docs" / "migration.md").read_text(encoding="utf-8")
SETUP = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)[1]
SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))
WORDS = re.compile(r"`([^`]+)`")


def calls(section: str) -> list[tuple[str, str]]:
    """Return the cells of the last column of a section's table: what stands before their code, and the code."""
    rows = [row for row in section.splitlines() if row.startswith("| ")][1:]
    cells = [re.split(r"(?<!\\) \| ", row.strip("| "))[-1] for row in rows]
    return [(cell.partition("`")[0], *WORDS.findall(cell)) for cell in cells if "`" in cell]


@pytest.mark.full
@pytest.mark.once
@pytest.mark.filterwarnings("ignore:The cosine schedule:UserWarning")  # of a resumed run with a larger budget
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", SECTIONS)
def test_our_side_of_a_table_runs(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    known: dict[str, object] = {}
    exec(SETUP, known)
    for before, code in calls(SECTIONS[name]):
        if before.startswith("not run, as "):
            continue
        if code.startswith("genzoo "):
            assert main(shlex.split(code)[1:]) == 0, code
        else:
            exec(code, known)


def test_tables_show_many_calls_and_leave_two_out():
    assert {name: len(calls(text)) for name, text in SECTIONS.items()}.keys() >= {"scikit-learn", "SDV", "Pythae"}
    shown = [call for text in SECTIONS.values() for call in calls(text)]
    assert len(shown) >= 40
    assert sum(before.startswith("not run") for before, _ in shown) == 2
    for _, code in shown:
        compile(code, "migration.md", "exec") if not code.startswith(("genzoo ", "torchrun ")) else shlex.split(code)
