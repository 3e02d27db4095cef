"""Work on one core each: in order, without gradients, and the caller's threads are as before."""

import threading
import time

import pytest
import torch
from torch_threads import torch_threads

from genzoo.runtime.cores import one_core, one_core_each


@pytest.fixture(autouse=True)
def three_threads():
    with torch_threads(3):
        yield


def test_results_come_in_the_order_of_the_items_from_threads_of_one_core():
    seen = set()

    def square(number):
        seen.add((threading.current_thread().name, torch.get_num_threads(), torch.is_grad_enabled()))
        time.sleep(0.02 if number == 0 else 0.002)  # the first one is done last of those at the same time
        return number**2

    assert list(one_core_each(square, range(20))) == [number**2 for number in range(20)]
    assert {(cores, gradients) for _, cores, gradients in seen} == {(1, False)}
    names = {name for name, _, _ in seen}
    assert 1 < len(names) <= 3
    assert threading.current_thread().name not in names


def test_items_are_taken_as_threads_need_them():
    taken = []

    def items():
        for number in range(1000):
            taken.append(number)
            yield number

    results = one_core_each(abs, items(), at_once=2)
    next(results)
    results.close()
    assert len(taken) <= 5


def test_an_error_reaches_the_caller():
    with pytest.raises(ZeroDivisionError):
        list(one_core_each(lambda number: 1 // number, [2, 1, 0, 1]))


def test_one_core_holds_for_threads_that_begin_meanwhile():
    found = []
    with one_core():
        thread = threading.Thread(target=lambda: found.append(torch.get_num_threads()))
        thread.start()
        thread.join()
        found.append(torch.get_num_threads())
    assert found == [1, 1]


def test_threads_that_overlap_leave_the_number_as_it_was():
    first_inside, second_inside, first_left = threading.Event(), threading.Event(), threading.Event()
    found = {}

    def first():
        with one_core():
            first_inside.set()
            second_inside.wait(5)
        found["first"] = torch.get_num_threads()
        first_left.set()

    def second():  # begins to compute while the first one is inside
        first_inside.wait(5)
        with one_core() as before:
            second_inside.set()
            first_left.wait(5)
            found["inside"] = torch.get_num_threads()
        found["second"] = before, torch.get_num_threads()

    threads = [threading.Thread(target=first), threading.Thread(target=second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    late = threading.Thread(target=lambda: found.update(late=torch.get_num_threads()))
    late.start()
    late.join()
    assert found == {"first": 3, "inside": 1, "second": (3, 3), "late": 3}
