import math
from itertools import pairwise

import torch

from genzoo import Batch, DataSpec, Feature, Model
from genzoo_first_em.em import MixtureEM
from genzoo_first_em.model import Mixture, build
from genzoo_first_em.options import MixtureOptions


def test_no_pass_lowers_the_likelihood_and_outliers_hardly_move_a_mean() -> None:
    torch.manual_seed(0)
    table = DataSpec((2,), "table", (Feature("a"), Feature("b")))
    model = Model(build(MixtureOptions(components=1), table)).double()
    x = torch.randn(500, 2, dtype=torch.float64)
    x[:5] += 1000.0
    objective, found = MixtureEM(), []
    objective.initialise(model, [Batch(x)])
    for _ in range(100):
        statistics = objective.statistics(model, Batch(x))
        objective.maximise(model, statistics)
        found.append(float(statistics["log_likelihood"]))
    assert all(later >= earlier - 1e-9 for earlier, later in pairwise(found))
    assert isinstance(model.generator, Mixture)
    assert model.generator.means.abs().max() < 0.2


def test_a_tail_of_1_is_the_cauchy_distribution() -> None:
    x = torch.randn(7, 2, dtype=torch.float64)
    expected = -(math.pi * (1 + x.square())).log().sum(1)
    assert torch.allclose(Mixture(1, 2, tail=1.0).double().log_prob(x), expected)
