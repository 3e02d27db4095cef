"""Flows on tables: mixed columns, missing values, conditions, and what is said about them."""

import dataclasses
import itertools
import math

import numpy as np
import pytest
import torch

import genzoo
from genzoo.comparison.fits.learned import check_scored
from genzoo.config.resolve import resolve_config
from genzoo.data.dataset import Split
from genzoo.inference.joint import how_drawn
from genzoo.plugins.manager import get_registry
from genzoo.training.setup import build_setup
from genzoo_flow.autoregressive import Conditionals
from genzoo_flow.columns import SpreadColumns
from genzoo_flow.network import Network
from genzoo_flow.options import FlowOptions

KINDS = {"color": genzoo.Feature("color", "categorical", ("r", "g", "b")), "count": genzoo.Feature("count", "count")}
SMALL = {"widths": [16], "layers": 2, "bins": 4, "dropout": 0.0}


def table(names, rows, **kinds):
    features = tuple(kinds.get(name) or genzoo.Feature(name) for name in names)
    missing = bool(np.isnan(rows).any())
    spec = genzoo.DataSpec((len(names),), "table", features, storage="float64", missing=missing)
    return genzoo.Dataset("table", spec, np.ascontiguousarray(rows, np.float64))


def trained(folder, dataset, steps=60, **options):
    settings = {"training": {"steps": steps, "batch_size": 64}, "device": "cpu", "precision": "fp32"}
    return genzoo.train("flow", dataset, out=folder / "run", **settings, **{**SMALL, **options})


def mixed(n=200):
    rng = np.random.default_rng(0)
    color, size = rng.integers(0, 3, n), rng.normal(size=n)
    count = rng.poisson(np.exp(0.5 * size + color / 2))
    kinds = {
        "color": genzoo.Feature("color", "categorical", ("r", "g", "b")),
        "count": genzoo.Feature("count", "count"),
    }
    return table(("size", "color", "count"), np.stack([size, color, count], 1), **kinds)


@pytest.mark.parametrize("autoregressive", [False, True])
def test_a_category_and_a_count_have_probabilities_that_sum_to_at_most_one(tmp_path, autoregressive):
    kinds = {
        "color": genzoo.Feature("color", "categorical", ("r", "g", "b")),
        "count": genzoo.Feature("count", "count"),
    }
    dataset = table(("color", "count"), mixed().events[:, 1:], **kinds)
    fitted = trained(tmp_path, dataset, autoregressive=autoregressive).load()
    assert "likelihood" not in fitted.capabilities
    cells = np.array(list(itertools.product(range(3), range(60))), np.float64)
    total = np.exp(fitted.log_prob_bound(cells, draws=50)).sum()
    assert 0.8 < total < 1.01
    drawn = np.asarray(fitted.sample(200, output="array"))
    assert set(drawn[:, 0]) <= {0, 1, 2}
    assert (drawn[:, 1] >= 0).all()
    assert (drawn[:, 1] == np.round(drawn[:, 1])).all()


def test_columns_come_back_and_cells_have_their_volume():
    features = (genzoo.Feature("a", "binary", ("n", "y")), genzoo.Feature("b", "count"), genzoo.Feature("c"))
    columns = SpreadColumns(features).double()
    x = torch.tensor([[0.0, 0.0, -1.5], [1.0, 7.0, 2.0], [1.0, 40.0, 0.0]], dtype=torch.float64)
    for parameter in columns.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    z, slopes = columns(x)
    assert torch.equal(columns.inverse(z), x)
    assert torch.equal(slopes[:, 2], torch.zeros(3, dtype=torch.float64))
    # A level's interval of normal scores has its share: the normal density over it is the share.
    density = torch.distributions.Normal(0.0, 1.0).log_prob(z[:, 0]) + slopes[:, 0]
    shares = (10 * columns.shares[0]).softmax(0).log()
    assert torch.allclose(density, shares[[0, 1, 1]])


def test_conditionals_sample_their_own_density():
    torch.manual_seed(0)
    flow = Conditionals(3, 0, FlowOptions(widths=(8,), dropout=0.0)).double()
    for parameter in flow.parameters():
        parameter.data += 0.3 * torch.randn_like(parameter)
    none = torch.zeros(50, 3, dtype=torch.bool)
    noise = torch.randn(50, 3, dtype=torch.float64)
    drawn, logs = flow.fill(torch.zeros_like(noise), none, None, noise)
    assert torch.allclose(flow.log_prob(drawn), logs)


def test_couplings_ask_for_the_other_form_if_values_are_missing(tmp_path):
    rows = np.random.default_rng(0).normal(size=(200, 2))
    rows[::5, 0] = np.nan
    with pytest.raises(genzoo.ConfigError, match="autoregressive"):
        trained(tmp_path, table(("a", "b"), rows))
    whole = trained(tmp_path, table(("a", "b"), rows[~np.isnan(rows).any(1)])).load()
    with pytest.raises(genzoo.DataError, match="does not accept"):
        whole.log_prob(rows)


def test_rows_given_a_column_follow_it_and_are_said_to_be_approximate(tmp_path):
    rng = np.random.default_rng(0)
    first = rng.normal(size=400)
    rows = np.stack([first, 2 * first + 0.3 * rng.normal(size=400)], 1)
    rows[::7, 0] = np.nan
    fitted = trained(tmp_path, table(("a", "b"), rows), steps=400, autoregressive=True, widths=[32]).load()
    low, high = (np.asarray(fitted.sample(200, given={"b": b}, output="array"))[:, 0].mean() for b in (-2.0, 2.0))
    assert low < -0.5 < 0.5 < high
    assert how_drawn(fitted.units, {"b": 2.0}) == "approximate draws from the model's conditional distribution"
    filled = fitted.impute(rows)
    assert np.isfinite(filled).all()


def test_rounded_columns_are_scored_by_the_probability_of_cells(tmp_path):
    rows = np.round(np.random.default_rng(0).normal(size=(300, 2)), 1)
    fitted = trained(tmp_path, table(("a", "b"), rows)).load()
    assert fitted.dequantized
    assert [feature.cell for feature in fitted.data.features] == [0.1, 0.1]
    assert (fitted.log_prob_bound(rows, draws=8) < 0).all()


def test_rows_with_gaps_have_no_likelihood_after_training_on_whole_rows(tmp_path):
    rows = np.random.default_rng(0).normal(size=(200, 2))
    fitted = trained(tmp_path, table(("a", "b"), rows), steps=5, autoregressive=True).load()
    assert np.isfinite(fitted.log_prob(rows[:3])).all()
    rows[0, 1] = np.nan
    with pytest.raises(genzoo.DataError, match="whole rows only"):
        fitted.log_prob(rows[:3])


@pytest.mark.parametrize("gaps", [False, True])
def test_a_flow_of_all_columns_is_not_compared_given_some(gaps):
    rows = np.random.default_rng(0).normal(size=(200, 3))
    whole, given = table(("a", "b", "c"), rows), (genzoo.Feature("c"),)
    whole = dataclasses.replace(whole, spec=dataclasses.replace(whole.spec, missing=gaps))
    asked = table(("a", "b"), rows[:, :2])
    asked = dataclasses.replace(
        asked, spec=dataclasses.replace(asked.spec, condition=given), conditions=rows[:, 2:].astype(np.float64)
    )
    options = {"autoregressive": True, "widths": [8]}
    config = resolve_config(get_registry(), "flow", {"options": options, "precision": "fp32"})
    with pytest.raises(genzoo.ConfigError, match="no exact likelihood of some columns alone"):
        check_scored(build_setup(config, whole), asked)


def test_dropout_follows_the_rows_per_column_unless_given(tmp_path):
    rows = np.random.default_rng(0).normal(size=(6000, 2))
    for given, expected in ((None, 0.3 / math.e), (0.0, 0.0)):
        options = {"widths": [8], "dropout": given}
        config = resolve_config(get_registry(), "flow", {"options": options, "precision": "fp32"})
        setup = build_setup(config, table(("a", "b"), rows), Split(np.arange(5000), *[np.arange(0)] * 2))
        (found,) = {module.dropout for module in setup.engine.model.generator.modules() if isinstance(module, Network)}
        assert found == pytest.approx(expected)
