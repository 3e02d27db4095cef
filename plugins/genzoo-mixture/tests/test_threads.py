"""Threads compute blocks of a pass side by side, with the same result as one after the other."""

import threading

import numpy as np
import pytest
import torch
from mixture_cases import begin, mixture

import genzoo
from genzoo.config.training import EMTraining
from genzoo.engine.em import EMEngine
from genzoo_mixture import em
from genzoo_mixture.em import MixtureEM


class Watched(MixtureEM):
    """EM that notes which threads compute blocks, and fails at one of them if asked to."""

    def __init__(self, at_once=8, broken=None):
        self.own, self.broken, self.threads, self.between = at_once, broken, [], []

    def initialize(self, model, blocks):
        pass

    def at_once(self, model):
        return self.own

    def prepare_pass(self, model):
        self.between.append(torch.get_num_threads())
        super().prepare_pass(model)

    def maximize(self, model, statistics):
        self.between.append(torch.get_num_threads())
        super().maximize(model, statistics)

    def statistics(self, model, batch):
        if batch is self.broken:
            raise ValueError("This block is broken.")
        self.threads.append((threading.current_thread(), torch.get_num_threads(), torch.is_grad_enabled()))
        return super().statistics(model, batch)


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def parts_of(x, count):
    return [genzoo.Batch(part) for part in torch.as_tensor(x, dtype=torch.float32).tensor_split(count)]


def events():
    rng = np.random.default_rng(0)
    return rng.normal(size=(3000, 4)) + 3 * rng.integers(3, size=3000)[:, None]


def passed(objective, parts, passes=3):
    """Run passes from one start; return the engine's last loss, and the parameters."""
    wide = [genzoo.Batch(torch.as_tensor(events()))]
    generator = begin(mixture("full", 3, 4, "kmeans"), wide, seed=1).float()
    engine = EMEngine(genzoo.Model(genzoo.Parts(generator)), objective, EMTraining(tol=0.0, max_iter=99), seed=0)
    losses = [engine.update(parts, step + 1, 0.0) for step in range(passes)]
    return losses[-1]["negative_log_likelihood"], generator.state_dict()


def test_threads_change_no_digit_of_a_pass(two_threads):
    loss, state = passed(Watched(at_once=8), parts_of(events(), 7))
    wanted_loss, wanted = passed(Watched(at_once=1), parts_of(events(), 7))
    assert loss == wanted_loss
    assert all(torch.equal(state[name], value) for name, value in wanted.items())


def test_blocks_are_computed_in_threads_of_one_core_each(two_threads):
    objective = Watched()
    passed(objective, parts_of(events(), 7))
    assert len(objective.threads) == 21
    assert all(
        thread is not threading.main_thread() and cores == 1 and not grad for thread, cores, grad in objective.threads
    )
    assert torch.get_num_threads() == 2


@pytest.mark.parametrize(("at_once", "cores"), [(1, 2), (8, 1)])
def test_between_passes_one_core_computes_if_threads_compute_blocks(two_threads, at_once, cores):
    objective = Watched(at_once)
    passed(objective, parts_of(events(), 7))
    assert objective.between == [cores] * 6
    assert torch.get_num_threads() == 2


@pytest.mark.parametrize(("at_once", "count"), [(1, 7), (8, 1)])
def test_one_block_or_an_objective_for_one_at_a_time_has_no_threads(two_threads, at_once, count):
    objective = Watched(at_once)
    passed(objective, parts_of(events(), count))
    assert {thread for thread, _, _ in objective.threads} == {threading.main_thread()}


def test_an_error_in_a_block_ends_the_pass_with_its_message(two_threads):
    parts = parts_of(events(), 7)
    with pytest.raises(genzoo.PluginError, match="This block is broken"):
        passed(Watched(broken=parts[3]), parts)
    assert torch.get_num_threads() == 2


@pytest.mark.parametrize(("columns", "components"), [(2, 2), (16, 16), (64, 32), (784, 10)])
def test_blocks_at_once_fit_in_memory(columns, components):
    model, objective = genzoo.Model(genzoo.Parts(mixture("full", components, columns, "random"))), MixtureEM()
    width = columns * (columns + 3) // 2 + 2 * components
    at_once, size = objective.at_once(model), objective.block(model)
    part = max(map(len, em._parts(model, genzoo.Batch(torch.zeros(size, columns)))))
    assert at_once * part * width <= 2**25
    assert at_once * size * width <= 2**27
