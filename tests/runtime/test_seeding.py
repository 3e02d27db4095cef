import ast
from pathlib import Path

import pytest
import torch

import genzoo
from genzoo.runtime.seeding import derive, random_scope


def test_a_scope_gives_the_same_numbers_whenever_it_is_entered():
    with random_scope(1, "step", 7):
        first = torch.randn(5)
    torch.randn(100)
    with random_scope(1, "step", 7):
        again = torch.randn(5)
    assert torch.equal(first, again)


def test_scopes_of_other_names_give_other_numbers():
    drawn = []
    for place in [(1, "step", 7), (1, "step", 8), (2, "step", 7), (1, "sample", 7)]:
        with random_scope(*place):
            drawn.append(torch.randn(5))
    assert len({tuple(row.tolist()) for row in drawn}) == 4


def test_a_scope_leaves_the_generator_as_it_was_even_after_an_error():
    torch.manual_seed(3)
    expected = torch.randn(4)
    torch.manual_seed(3)
    try:
        with random_scope(0, "step", 1):
            torch.randn(10)
            raise KeyError
    except KeyError:
        pass
    assert torch.equal(torch.randn(4), expected)


def test_nearby_seeds_share_no_bits_worth_mentioning():
    bits = [bin(derive(0, "step", i) ^ derive(0, "step", i + 1)).count("1") for i in range(200)]
    assert 25 < sum(bits) / len(bits) < 38


def test_a_scope_draws_what_its_seed_would_draw_outside():
    torch.manual_seed(derive(3, "step", 7))
    expected = torch.rand(5)
    with random_scope(3, "step", 7):
        assert torch.equal(torch.rand(5), expected)


@pytest.mark.skipif(torch.cuda.is_available(), reason="CUDA that is not initialised yet must be told its seed")
def test_scopes_leave_nothing_behind():
    with random_scope(0, "step", 1):
        pass
    before = [len(module._queued_calls) for module in (torch.cuda, torch.xpu, torch.mtia)]
    for place in range(5):
        with random_scope(0, "step", place):
            torch.rand(1)
    assert [len(module._queued_calls) for module in (torch.cuda, torch.xpu, torch.mtia)] == before


PURPOSES = {
    "block",
    "bound",
    "build",
    "classifier",
    "dequantise",
    "describe",
    "encode",
    "folds",
    "half-blocks",
    "half-samples",
    "halves",
    "impute",
    "initialise",
    "jackknife",
    "multipliers",
    "order",
    "sample",
    "step",
    "two-sample",
    "validation",
    "watched",
}


def test_the_names_of_scopes_stay_as_stored_seeds_know_them():
    root = Path(genzoo.__file__).parent
    found = {
        node.args[1].value
        for path in root.rglob("*.py")
        if "testing" not in path.parts
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) in ("random_scope", "derive")
        and isinstance(node.args[1], ast.Constant)
    }
    assert found == PURPOSES
