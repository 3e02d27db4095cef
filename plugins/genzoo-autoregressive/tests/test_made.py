"""`made` against sums over all events, and what its parts promise each other."""

import dataclasses
import itertools
import math

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.special import logsumexp

import genzoo
from genzoo_autoregressive.made.codes import Codes
from genzoo_autoregressive.made.model import AnyOrderBound, AnyOrderDensity, FixedOrder
from genzoo_autoregressive.made.options import MadeOptions

LEVELS = (genzoo.Feature("a", "binary", ("n", "y")), genzoo.Feature("b", "categorical", ("p", "q", "r")))
KINDS = (*LEVELS, genzoo.Feature("c"), genzoo.Feature("d", "count"))
SMALL = MadeOptions(width=6, layers=1, embedding=3, dropout=0.0)


def spec(features, **more):
    return genzoo.DataSpec((len(features),), "table", features, storage="float64", **more)


def random(kind, features, seed=0, **more):
    """A model whose weights are far from those at the start, in float64."""
    torch.manual_seed(seed)
    made = kind(spec(features, **more), SMALL).double().eval()
    for parameter in made.parameters():
        parameter.data += 0.5 * torch.randn_like(parameter)
    return made


def all_rows(*sizes):
    return torch.tensor(list(itertools.product(*map(range, sizes))), dtype=torch.float64)


@pytest.mark.parametrize("kind", [FixedOrder, AnyOrderDensity])
def test_no_value_sees_itself_or_later_ones(kind):
    made = random(kind, (*LEVELS, *KINDS[2:]))
    networks = made.networks
    order = torch.tensor([2, 0, 3, 1])
    seen = torch.randn(1, 4, 3, dtype=torch.float64, requires_grad=True)
    logits = networks(seen, (order[:, None] > order).double())
    for place in range(4):
        (slopes,) = torch.autograd.grad(
            logits[place, 0, : networks.sizes[place]].square().sum(), seen, retain_graph=True
        )
        touched = slopes[0].abs().sum(1) > 0
        assert torch.equal(touched, order < order[place])


@pytest.mark.parametrize("kind", [FixedOrder, AnyOrderDensity, AnyOrderBound])
def test_probabilities_of_all_rows_sum_to_one(kind):
    made = random(kind, LEVELS, missing=kind is AnyOrderBound)
    log = made.log_prob_bound if kind is AnyOrderBound else made.log_prob
    assert log(all_rows(2, 3)).exp().sum().item() == pytest.approx(1)


def test_counts_of_all_sizes_have_probabilities_that_sum_to_one():
    made = random(AnyOrderDensity, (KINDS[3],))
    small = made.log_prob(torch.arange(4096.0, dtype=torch.float64)[:, None]).exp().sum()
    codes = made.codes
    firsts = codes.ends[0, :-1][codes.ends[0, :-1] >= 4096]
    sizes = codes.ends[0].diff()[codes.ends[0, :-1] >= 4096]
    large = (made.log_prob(firsts.double()[:, None]).exp() * sizes).sum()
    assert (small + large).item() == pytest.approx(1)
    assert made.log_prob(torch.tensor([[2.0**41]], dtype=torch.float64)).item() == -math.inf


def test_a_density_over_bins_and_tails_integrates_to_one():
    made = random(AnyOrderDensity, (KINDS[2],))
    made.codes.tops.fill_(3)
    made.networks.base[:, 3:] = -1e9
    made.codes.rooms.copy_(torch.tensor([[0.2, 0.3]]))
    x = torch.linspace(-12, 15, 270_001, dtype=torch.float64)[:, None]
    assert torch.trapezoid(made.log_prob(x).exp(), x[:, 0]).item() == pytest.approx(1, abs=1e-4)


def test_each_value_alone_agrees_with_all_at_once():
    made = random(AnyOrderDensity, KINDS)
    with torch.no_grad():
        x, drawn = made._filled(torch.zeros(40, 4, dtype=torch.float64), torch.zeros(40, 4, dtype=torch.bool), None)
        assert torch.allclose(made.log_prob(x), drawn)


def test_samples_have_the_frequencies_of_their_probabilities():
    made = random(FixedOrder, LEVELS)
    with torch.no_grad():
        x = made.sample(20_000)
        expected = made.log_prob(all_rows(2, 3)).exp()
    found = torch.bincount((x[:, 0] * 3 + x[:, 1]).long(), minlength=6) / len(x)
    assert ((found - expected).abs() < 4 * (expected * (1 - expected) / len(x)).sqrt()).all()


def test_draws_of_missing_values_average_to_the_sum_over_all_of_them():
    made = random(AnyOrderBound, LEVELS, missing=True)
    rows = all_rows(2, 3)
    joint = made.log_prob_bound(rows).exp().view(2, 3)
    observed = torch.stack([torch.zeros(3, dtype=torch.float64), torch.arange(3.0, dtype=torch.float64)], 1)
    observed = observed.repeat(2000, 1)
    missing = torch.tensor([[True, False]]).expand_as(observed)
    torch.manual_seed(0)
    found = made.log_prob_bound(observed, missing, draws=2).exp().view(2000, 3).mean(0)
    assert torch.allclose(found, joint.sum(0), rtol=0.1)


def test_imputation_is_near_the_sum_over_all_values():
    """Draws are weighted by the whole row, so they follow it although the orders of random weights disagree."""
    made = random(AnyOrderDensity, LEVELS)
    joint = made.log_prob(all_rows(2, 3)).exp().view(2, 3)
    observed = torch.tensor([[0.0, 1.0]], dtype=torch.float64).expand(3000, 2)
    missing = torch.tensor([[True, False]]).expand(3000, 2)
    torch.manual_seed(0)
    drawn = made.impute(observed, missing, draw=True)
    assert drawn[:, 0].mean().item() == pytest.approx((joint[1, 1] / joint[:, 1].sum()).item(), abs=0.05)
    assert made.impute(observed[:1], missing[:1])[0, 0] == joint[:, 1].argmax()


def test_before_training_each_column_has_its_shares_of_training_rows():
    made = AnyOrderDensity(spec(KINDS), SMALL).double().eval()
    x = torch.tensor([[0, 2, 0.5, 3], [1, 2, 1.5, 3], [1, 1, 1.2, 0]], dtype=torch.float64)
    made.count_codes([genzoo.Batch(x[:2]), genzoo.Batch(x[2:])])
    base = made.networks.base.exp()
    assert torch.allclose(base[0, :2], (torch.tensor([1.0, 2.0], dtype=torch.float64) + 0.5) / 4)
    assert torch.allclose(base[1, :3], (torch.tensor([0.0, 1.0, 2.0], dtype=torch.float64) + 1 / 3) / 4)
    assert made.codes.tops[2] == 2
    assert torch.allclose(base[2, :2], (torch.tensor([1.0, 2.0], dtype=torch.float64) + 0.5) / 4)
    assert not base[2, 2:].any()
    assert torch.allclose(made.codes.rooms[2], torch.tensor([0.5 / 2, 0.5 / 3]).double())


@pytest.mark.parametrize(
    "law",
    [stats.poisson(1e6), stats.geom(0.01), stats.geom(1e-6), stats.poisson(3)],
    ids=["far", "few", "many", "small"],
)
def test_counts_of_any_size_are_nearly_as_likely_as_they_should_be(law):
    rows, others = (torch.from_numpy(law.rvs((3000, 1), random_state=seed).astype(np.float64)) for seed in (0, 1))
    made = AnyOrderDensity(spec((KINDS[3],)), SMALL).double().eval()
    made.count_codes([genzoo.Batch(rows[:1000]), genzoo.Batch(rows[1000:])])
    ends = made.codes.ends[0]
    assert (made.log_prob(ends[:-1].double()[:, None]).exp() * ends.diff()).sum().item() == pytest.approx(1)
    assert made.log_prob(others).mean().item() == pytest.approx(law.logpmf(others).mean(), abs=0.06)
    torch.manual_seed(0)
    drawn = made.sample(4000)
    assert drawn.mean().item() == pytest.approx(law.mean(), abs=5 * law.std() / math.sqrt(3000))
    assert drawn.std().item() == pytest.approx(law.std(), rel=0.15)


def test_a_count_that_many_rows_share_keeps_its_gap_to_others():
    rng = np.random.default_rng(0)
    counts = np.where(rng.random(4000) < 0.9, 0, rng.integers(5000, 90_000, 4000))
    made = AnyOrderDensity(spec((KINDS[3],)), SMALL).double().eval()
    made.count_codes([genzoo.Batch(torch.from_numpy(counts[:, None].astype(np.float64)))])
    drawn = made.sample(4000)
    assert (drawn == 0).double().mean().item() == pytest.approx(0.9, abs=0.03)
    assert ((drawn > 0) & (drawn < 4000)).double().mean().item() < 0.005


def test_codes_return_to_their_values():
    codes = Codes(spec(KINDS)).double()
    torch.manual_seed(0)
    x = torch.tensor([[1, 2, 3.7, 31], [0, 0, 0.1, 2**30 + 5]], dtype=torch.float64)
    found = codes(x)
    for place in range(4):
        drawn = codes.draw(found[:, place], place, torch.float64)
        again = x.clone()
        again[:, place] = drawn
        assert torch.equal(codes(again), found)
    assert codes.draw(found[:1, 3], 3, torch.float64) == 31


def rows_and_kinds(n=400, gaps=False):
    rng = np.random.default_rng(0)
    first = rng.normal(size=n)
    kind = (first + 0.3 * rng.normal(size=n) > 0).astype(float)
    rows = np.stack([first, kind, np.round(10 * kind + rng.poisson(3, n))], 1)
    if gaps:
        rows[::5, 1] = np.nan
    features = (genzoo.Feature("size"), genzoo.Feature("kind", "binary", ("n", "y")), genzoo.Feature("visits", "count"))
    return genzoo.Dataset("table", spec(features, missing=gaps), rows)


def trained(folder, dataset, **options):
    training = {"steps": 80, "batch_size": 100, "ema": 0.0, "optimizer": {"lr": 0.02}, "eval_steps": None}
    settings = {"training": training, "device": "cpu", "precision": "fp32", "width": 16}
    return genzoo.train("made", dataset, out=folder / "run", **{**settings, **options}).load()


@pytest.fixture(scope="module")
def whole_model(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("made"), rows_and_kinds())


@pytest.mark.parametrize("gaps", [False, True])
def test_rows_given_a_column_follow_it(tmp_path, whole_model, gaps):
    model = trained(tmp_path, rows_and_kinds(gaps=True)) if gaps else whole_model
    for kind, low, high in (("n", -5, 0), ("y", 0, 5)):
        given = np.asarray(model.sample(200, given={"kind": kind}, output="array"))
        assert low < given[:, 0].mean() < high
        assert (given[:, 2] > 8).mean() == pytest.approx(float(kind == "y"), abs=0.2)
    assert ("likelihood-bound" in model.capabilities) == gaps


def test_scores_name_the_columns_of_unlikely_rows(whole_model):
    row = np.array([[-2.0, 1.0, 3.0]])
    found = {one.column: one for one in whole_model.score(row).unlikely[0].columns}
    both = whole_model.log_prob(np.array([[-2.0, 0.0, 3.0], *row]))
    assert found["kind"].log_prob == pytest.approx(both[1] - logsumexp(both))
    assert found["kind"].expected == "n"


def test_a_fixed_order_takes_no_missing_values(tmp_path):
    with pytest.raises(genzoo.ConfigError, match="any_order=true"):
        trained(tmp_path, rows_and_kinds(gaps=True), any_order=False)
    model = trained(tmp_path, rows_and_kinds(), any_order=False)
    assert "imputation" not in model.capabilities


def test_conditions_change_what_is_drawn(tmp_path):
    whole = rows_and_kinds()
    features = whole.spec.features
    asked = dataclasses.replace(
        whole,
        spec=dataclasses.replace(spec(features[::2]), condition=features[1:2]),
        events=np.ascontiguousarray(whole.events[:, ::2]),
        conditions=np.ascontiguousarray(whole.events[:, 1:2]),
    )
    model = trained(tmp_path, asked)
    few, many = (np.asarray(model.sample(200, given={"kind": kind}, output="array"))[:, 1] for kind in ("n", "y"))
    assert few.mean() + 5 < many.mean()


def test_images_need_a_short_grid(tmp_path):
    images = genzoo.DataSpec((1, 2, 2), "image", (genzoo.Feature("pixel"),), bounds=(0, 1), storage="float32")
    with pytest.raises(genzoo.ConfigError, match="a grid between two bounds"):
        Codes(images)
