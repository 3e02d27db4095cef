import ast
import contextlib
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import threads
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


def test_scopes_of_many_threads_draw_what_each_would_draw_alone():
    def draws(place: int) -> list[float]:
        found = []
        for step in range(200):
            with random_scope(place, "step", step):
                found += [float(torch.rand(())), float(torch.rand(()))]
        return found

    alone = [draws(place) for place in range(4)]
    before = torch.get_rng_state()
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(draws, range(4))) == alone
    assert torch.equal(torch.get_rng_state(), before)


def test_a_thread_may_enter_a_scope_inside_another():
    with random_scope(0, "step", 1):
        with random_scope(0, "step", 2):
            pass
        inside = torch.rand(5)
    with random_scope(0, "step", 1):
        assert torch.equal(torch.rand(5), inside)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
@pytest.mark.parametrize("own", [False, True])
def test_a_fork_beside_or_inside_a_scope_can_enter_scopes(own):
    inside, leave = threading.Event(), threading.Event()

    def stay() -> None:
        with random_scope(0, "step", 1):
            inside.set()
            leave.wait(60)

    thread = threading.Thread(target=stay)
    if not own:
        thread.start()
        inside.wait(60)
    with random_scope(0, "step", 3) if own else contextlib.nullcontext():
        child = os.fork()
        if not child:
            with random_scope(0, "step", 2):
                os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
    if not own:
        leave.set()
        thread.join()


@pytest.mark.long
def test_trainings_and_samples_in_many_threads_get_the_bits_they_get_alone(tmp_path):
    count, differ = threads.tried(tmp_path, 1)
    assert count > 50
    assert not differ


PURPOSES = {
    "block",
    "bound",
    "buckets",
    "build",
    "classifier",
    "condition",
    "dequantise",
    "describe",
    "encode",
    "estimate",
    "flip",
    "folds",
    "half-blocks",
    "half-samples",
    "halves",
    "impute",
    "initialise",
    "jackknife",
    "multipliers",
    "order",
    "places in cells",
    "redraw",
    "sample",
    "step",
    "trial",
    "two-sample",
    "usual conditions",
    "validation",
    "watched",
    "windows",
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
