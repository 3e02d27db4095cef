"""README and the pages it leads to: promises name tests, links lead somewhere, the first screen is short."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PAGES = [README, ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_every_promise_names_a_test_that_exists():
    text = (ROOT / "docs" / "runs.md").read_text(encoding="utf-8")
    section = text[text.index("## Promises") :].split("\n## ", 2)[0]
    rows = [row for row in section.splitlines() if row.startswith("| ") and "::" in row]
    assert len(rows) >= 10
    named = []
    for row in rows:
        tests = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", row)
        assert tests, row
        for file, name in tests:
            tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
            assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, row
        named += tests
    assert len(set(named)) == len(named)


def test_readme_is_short_and_shows_a_command_and_a_picture_first():
    lines = README.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 180
    first_screen = "\n".join(lines[:20])
    assert "genzoo compare" in first_screen
    (picture,) = re.findall(r"!\[[^]]{20,}\]\((.+)\)", first_screen)
    assert 0 < (ROOT / picture).stat().st_size < 200_000


def test_readme_links_every_page():
    linked = {target.partition("#")[0] for target in links(README)}
    assert {f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md")} <= linked


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_of_a_page_lead_to_files_and_headings(page):
    for target in links(page):
        name, _, heading = target.partition("#")
        file = page.parent / name if name else page
        assert file.exists(), target
        assert not heading or heading in headings(file), target


def links(page: Path) -> list[str]:
    """Return the targets of relative links."""
    targets = re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))
    return [target for target in targets if "://" not in target]


def headings(page: Path) -> set[str]:
    """Return the anchors that GitHub gives the headings of a page."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
