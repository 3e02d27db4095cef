"""A likelihood that profits from rounded values is recognized, without the model's cooperation."""

import math

import numpy as np
import pytest
import torch
from sklearn.datasets import load_iris

import genzoo
from genzoo.metrics.evaluate import evaluate
from genzoo.metrics.rounding import profit_from_rounding

rng = np.random.default_rng(0)
ROWS = 400
X = rng.normal(size=(ROWS, 2)) @ np.array([[1.0, 0.8], [0.0, 0.4]])
ALL = {"test": 0, "validation": 0}


class Keep(genzoo.DirectObjective):
    exact_maximum = True

    def fit(self, model, blocks):
        model.generator.points = torch.cat([block.x for block in blocks])


class Spikes(genzoo.Generator, genzoo.Likelihood):
    """Independent spikes at the training values, on top of broad kernels."""

    objective = Keep
    grows = ("points",)
    degrees_of_freedom = 2

    def __init__(self, data, width: float = 1e-4, share: float = 0.9):
        super().__init__()
        self.widths, self.shares = (width, 0.3), (share, 1 - share)
        self.register_buffer("points", torch.zeros(0, *data.event_shape))

    def log_prob(self, x, *, condition=None):
        parts = []
        for width, share in zip(self.widths, self.shares, strict=True):
            z = (x[:, None] - self.points) / width
            kernels = -0.5 * z.square() - math.log(width * math.sqrt(2 * math.pi))
            parts.append(kernels.logsumexp(1) - math.log(len(self.points)) + math.log(share))
        return torch.logaddexp(*parts).sum(1)

    def sample(self, n, *, condition=None):
        return self.points[torch.randint(len(self.points), (n,))]


class BoundedSpikes(genzoo.Generator, genzoo.LikelihoodBound):
    """The same density, known as a lower bound only."""

    objective = Keep
    grows = ("points",)

    def __init__(self, data):
        super().__init__()
        self.data = data
        self.register_buffer("points", torch.zeros(0, *data.event_shape))

    def log_prob_bound(self, x, *, draws, condition=None):
        spikes = Spikes(self.data)
        spikes.points = self.points
        return spikes.log_prob(x) - torch.rand(draws, len(x)).mean(0)

    def sample(self, n, *, condition=None):
        return self.points[torch.randint(len(self.points), (n,))]


def table(events, **more):
    features = tuple(genzoo.Feature(f"x{place}") for place in range(events.shape[1]))
    spec = genzoo.DataSpec((events.shape[1],), "table", features, missing=bool(np.isnan(events).any()))
    return genzoo.Dataset("table", spec, events, **more)


def profit(tmp_path, model, data, **options):
    run = genzoo.train(model, data, out=tmp_path / "run", split={"test": 0.25, "validation": 0}, **options)
    trained = run.load() if isinstance(model, str) else genzoo.load(run.path, model=model)
    return profit_from_rounding(trained, data, data.split(run.config.split, run.config.seed).test)


ROUNDED = {
    "decimals": X.round(1),
    "coarse": X.round(0),
    "digits": np.array([[float(f"{value:.2g}") for value in row] for row in np.exp(X)]),
    "off a grid": np.log1p(rng.poisson(6, (ROWS, 2))),
    "correlated": (X[:, :1] + 0.05 * np.array([0, 1]) * X[:, 1:]).round(1),
}


@pytest.mark.parametrize("name", ROUNDED)
def test_spikes_profit_from_rounding_and_a_normal_distribution_does_not(name, tmp_path):
    found = profit(tmp_path / "spikes", Spikes, table(ROUNDED[name]))
    assert found.material
    assert found.gain > 4
    assert found.reason.startswith("its density profits from rounding: it is ")
    assert profit(tmp_path / "gaussian", "gaussian", table(ROUNDED[name])) is None


def test_the_gain_is_what_the_spikes_add(tmp_path):
    events = X[:, :1].round(1)
    found = profit(tmp_path, Spikes, table(events), width=0.02, share=1 - 1e-9)
    step = 0.1 / events.std()
    assert found.gain == pytest.approx(math.log(step / (0.02 * math.sqrt(2 * math.pi))), abs=0.05)


def test_spikes_without_rounding_gain_nothing(tmp_path):
    assert profit(tmp_path, Spikes, table(X)) is None


def test_a_bound_is_judged_like_a_density(tmp_path):
    assert profit(tmp_path, BoundedSpikes, table(X.round(1))).gain > 4


def test_rows_with_missing_values_are_judged_by_the_others(tmp_path):
    events = np.where(rng.random(X.shape) < 0.2, np.nan, X.round(1))
    assert profit(tmp_path, "gaussian", table(events)) is None


def test_rows_of_weight_0_do_not_count(tmp_path):
    weights = np.ones(ROWS)
    run = genzoo.train(Spikes, table(X.round(1)), out=tmp_path / "run", split=ALL)
    model = genzoo.load(run.path, model=Spikes)
    assert profit_from_rounding(model, table(X.round(1), weights=weights), np.arange(9)).gain > 4
    weights[:9] = 0
    assert profit_from_rounding(model, table(X.round(1), weights=weights), np.arange(9)) is None


def test_columns_scored_by_cells_have_nothing_to_gain(tmp_path):
    found = profit(tmp_path, "gaussian", table(X.round(1)), transforms={"x0": "marginal", "x1": "marginal"})
    assert found is None


def test_an_evaluation_and_a_run_say_so(tmp_path):
    data = table(X.round(1))
    run = genzoo.train(Spikes, data, out=tmp_path / "run", split=ALL)
    assert "profits from rounding" in run.record["density_rests_on"]
    found = evaluate(genzoo.load(run.path, model=Spikes), data, np.arange(40), (), seed=0)
    assert "profits from rounding" in found.density_rests_on


@pytest.mark.parametrize(("conditional", "rival"), [(False, "gaussian"), (True, "naive-bayes:n_components=3")])
def test_a_comparison_ranks_no_spikes(conditional, rival):
    features = load_iris(as_frame=True).data
    frame = features.assign(species=np.array(["a", "b", "c"])[load_iris().target])
    attack = ConditionedSpikes if conditional else Spikes
    given = {"condition": ["species"]} if conditional else {"drop": ["species"]}
    report = genzoo.compare([attack, rival], frame, folds=2, **given)
    best, attacker = report.rows
    assert (report.best, best.id, attacker.id) == (rival, rival, f"local/{attack.__name__}")
    assert attacker.verdict == "not ranked: its density profits from rounding"
    assert attacker.log_likelihood.test > best.log_likelihood.test + 10
    assert {"test", "cv", "bic", "aic"} <= {name for name, reason in attacker.reasons.items() if "profits" in reason}


class ConditionedSpikes(Spikes):
    conditional = True
