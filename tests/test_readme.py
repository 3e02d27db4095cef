"""What README promises is held by tests that are there."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_every_promise_names_a_test_that_exists():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
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
