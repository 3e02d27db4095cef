"""docs/peers.md: its rows are the trials of benchmarks/peers.py, and come out so; the tests that it names exist."""

import ast
import importlib.util
import re
import sys

import pytest
from checkout import ROOT

PAGE = (ROOT / "docs" / "peers.md").read_text(encoding="utf-8")
TABLES = [
    [line.strip("| ").split(" | ") for line in table.splitlines()] for table in re.findall(r"(?:^\|.*\n)+", PAGE, re.M)
]


def trials():
    """Import the script that tries each feature."""
    spec = importlib.util.spec_from_file_location("peers", ROOT / "benchmarks" / "peers.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_table_has_the_features_and_libraries_that_are_tried():
    peers, (header, _, *rows) = trials(), TABLES[0]
    assert header == ["feature", "how tried", *peers.PEERS]
    assert [row[:2] for row in rows] == [[feature, how] for feature, (how, _) in peers.FEATURES.items()]
    assert all(codes.keys() == peers.PEERS.keys() for _, codes in peers.FEATURES.values())


def test_each_feature_names_a_test_of_it():
    _, _, *rows = TABLES[1]
    assert [feature for feature, _ in rows] == [row[0] for row in TABLES[0][2:]]
    for _, named in rows:
        file, test = named.strip("`").split("::")
        tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
        assert test in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, named
    assert len({named for _, named in rows}) == len(rows)


@pytest.mark.full
@pytest.mark.parametrize("row", TABLES[0][2:], ids=lambda row: row[0])
def test_trials_of_genzoo_and_scikit_learn_come_out_as_the_table_says(row):
    peers = trials()
    for place, name in enumerate(peers.PEERS, 2):
        if name in ("genzoo", "scikit-learn"):
            assert peers.tried(sys.executable, name, peers.FEATURES[row[0]][1][name]) == row[place], name
