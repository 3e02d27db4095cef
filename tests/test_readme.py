"""What README promises is held by tests that are there."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_every_promise_names_a_test_that_exists():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    section = text[text.index("## Promises") :].split("\n## ", 2)[0]
    rows = re.findall(r"^\| (.+) \| `(.+)::(.+)` \|$", section, re.MULTILINE)
    assert len(rows) >= 10
    for promise, file, name in rows:
        tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
        assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, promise
    assert len({name for _, _, name in rows}) == len(rows)
