"""Transforms that bend: log, logit and marginal, chains of them by column, and cells of repeated values."""

import dataclasses
import json
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats

import genzoo
from genzoo import DataSpec, Feature
from genzoo.config.resolve import resolve_config
from genzoo.config.settings import Settings
from genzoo.data.columns.cells import find_cell, with_cells
from genzoo.data.dataset import Split
from genzoo.data.transforms import Transform
from genzoo.data.transforms.chain import choose_stages, fit_stages
from genzoo.data.transforms.functions import LogitTransform, LogTransform
from genzoo.data.transforms.log_tails import LogTailsTransform
from genzoo.data.transforms.marginal import MarginalOptions, MarginalTransform
from genzoo.data.transforms.transform import Stage, to_model_space
from genzoo.errors import ConfigError, DataError, PluginError
from genzoo.inference.row_likelihoods import degrees_of_freedom, kind_of, measure_of
from genzoo.inference.trained_model import TrainedModel
from genzoo.persistence.checkpoint import checkpoints
from genzoo.persistence.model_folder import load_model
from genzoo.plugins import builtin
from genzoo.plugins.manager import PluginManager, get_registry
from genzoo.training.run_training import train_in_memory
from genzoo.training.setup import build_setup

RNG = np.random.default_rng(0)
SHARES = RNG.beta(2, 3, (500, 1))
PRICES = RNG.lognormal(1.0, 0.7, (500, 1))
ONE = DataSpec((1,), "table", (Feature("a"),), storage="float64")
TWO = DataSpec((2,), "table", (Feature("a"), Feature("b")), storage="float64")
FITS = {
    "log": lambda rows: LogTransform.fit(Settings(), ONE, [rows]),
    "logit": lambda rows: LogitTransform.fit(Settings(), ONE, [rows]),
    "log-tails": lambda rows: LogTailsTransform.fit(Settings(), ONE, [rows]),
    "marginal": lambda rows: MarginalTransform.fit(MarginalOptions(), ONE, np.array_split(rows, 7)),
}


def fitted(name):
    return FITS[name](SHARES)


class Normal(genzoo.Generator, genzoo.Likelihood):
    """Independent normal columns."""

    degrees_of_freedom = 2

    def __init__(self, scale=1.0):
        super().__init__()
        self.register_buffer("scale", torch.tensor(scale, dtype=torch.float64))

    def sample(self, n, *, condition=None, **options):
        return torch.randn(n, 1) * self.scale

    def log_prob(self, x):
        return torch.distributions.Normal(0.0, self.scale).log_prob(x).sum(1)


@pytest.mark.parametrize("name", FITS)
def test_a_transform_inverts_and_its_log_det_is_the_numeric_derivative(name):
    transform = fitted(name)
    x = torch.from_numpy(np.linspace(0.02, 0.97, 211))[:, None]
    assert torch.allclose(transform.inverse(transform(x)), x, rtol=1e-12)
    assert (transform(x).diff(dim=0) > 0).all()
    step = 1e-7
    slope = (transform(x + step) - transform(x - step)) / (2 * step)
    kinks = 0 if name != "marginal" else 2  # a difference over a knot is between two slopes
    apart = (slope[:, 0].log() - transform.log_det(x)).abs() > 1e-5
    assert apart.sum() <= kinks


@pytest.mark.parametrize("scale", [0.6, 1.7])
@pytest.mark.parametrize("name", FITS)
def test_a_density_behind_a_transform_integrates_to_one(name, scale):
    transform = fitted(name)
    model = TrainedModel("test/normal", Normal(scale), transform, ONE)
    y = torch.linspace(-12 * scale, 12 * scale, 20_001, dtype=torch.float64)[:, None]
    x = transform.inverse(y).numpy()
    x = np.unique(np.concatenate([x, transform.x.T]) if name == "marginal" else x)
    middles = (x[1:] + x[:-1]) / 2
    density = np.exp(model.log_prob(middles[:, None]))
    assert (density * np.diff(x)).sum() == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize(("name", "outside"), [("log", [0.0, -3.0]), ("logit", [0.0, 1.0, 1.5])])
def test_events_outside_the_support_have_probability_zero(name, outside):
    model = TrainedModel("test/normal", Normal(), fitted(name), ONE)
    assert np.isneginf(model.log_prob(np.array(outside)[:, None])).all()


def test_a_marginal_gives_every_finite_number_a_positive_density():
    model = TrainedModel("test/normal", Normal(), fitted("marginal"), ONE)
    assert np.isfinite(model.log_prob(np.array([[-1e6], [-1.0], [2.0], [1e6]]))).all()


@pytest.mark.parametrize("name", FITS)
def test_missing_values_stay_missing_and_do_not_count(name):
    transform = fitted(name)
    x = torch.tensor([[0.3], [torch.nan]], dtype=torch.float64)
    assert transform(x).isnan().tolist() == [[False], [True]]
    assert transform.log_det(x, x.isnan())[1] == 0
    with_holes = FITS[name](np.concatenate([SHARES, np.full((9, 1), np.nan)]))
    assert torch.equal(with_holes(x[:1]), transform(x[:1]))


def test_a_marginal_maps_values_to_a_standard_normal():
    rows = RNG.standard_cauchy((20_000, 1))
    y = MarginalTransform.fit(MarginalOptions(), ONE, np.array_split(rows, 11))(torch.from_numpy(rows)).numpy()[:, 0]
    assert stats.kstest(y, "norm").statistic < 0.005


def test_the_knots_of_a_marginal_are_limited_however_many_rows_there_are():
    few, many = (MarginalTransform.fit(MarginalOptions(knots=40), ONE, [RNG.normal(size=(n, 1))]) for n in (60, 50_000))
    assert few.x.shape[1] <= 20
    assert many.x.shape[1] <= 40
    assert MarginalTransform.outlines(MarginalOptions(knots=40), ONE) == {"x": (1, 40), "y": (1, 40)}


def test_large_data_are_thinned_without_bias(monkeypatch):
    monkeypatch.setattr("genzoo.data.transforms.marginal._NUMBERS", 5000)
    rows = RNG.normal(size=(60_000, 1))
    y = MarginalTransform.fit(MarginalOptions(), ONE, np.array_split(np.sort(rows, axis=0), 20))(torch.from_numpy(rows))
    assert stats.kstest(y.numpy()[:, 0], "norm").statistic < 0.03


def test_a_marginal_of_a_constant_column_is_an_error():
    with pytest.raises(DataError, match="Column 'a' never changes"):
        MarginalTransform.fit(MarginalOptions(), ONE, [np.ones((30, 1))])


@pytest.mark.parametrize(
    ("name", "rows", "words"),
    [
        ("log", [[1.0], [0.0], [-2.0]], "Column 'a' has 2 of 3 training values outside the support of log, such as 0;"),
        ("logit", [[0.5], [1.0]], "between 0 and 1, ends excluded"),
    ],
)
def test_training_rows_outside_the_support_are_an_error(name, rows, words):
    with pytest.raises(DataError, match=words):
        FITS[name](np.array(rows))


def test_float32_events_are_transformed_in_float64():
    transform = LogTransform()
    x = torch.tensor([[1e-30], [3.0]])
    expected = x.double().log().float()
    assert torch.equal(to_model_space(transform, x, torch.float32), expected)


def chain(chosen, spec=TWO, rows=None, model="gaussian"):
    zoo = get_registry()
    stages = choose_stages(zoo.models.get(model), spec, chosen, zoo)
    rows = np.hstack([PRICES, SHARES]) if rows is None else rows
    return fit_stages(stages, spec, lambda: [rows[:200], rows[200:]], zoo)


def test_a_chain_changes_chosen_columns_and_then_scales_as_the_model_asks():
    transform = chain({"a": "log", "b": "logit"})
    x = torch.from_numpy(np.hstack([PRICES, SHARES]))
    inner = torch.stack([x[:, 0].log(), torch.logit(x[:, 1])], 1)
    assert torch.allclose(transform(x), inner - inner.mean(0), atol=1e-12)
    assert torch.allclose(transform.inverse(transform(x)), x)
    expected = -x[:, 0].log() - (x[:, 1] * (1 - x[:, 1])).log()
    assert torch.allclose(transform.log_det(x), expected)
    first = torch.tensor([True, False]).expand_as(x)
    assert torch.allclose(transform.log_det(x, first), -(x[:, 1] * (1 - x[:, 1])).log())


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        ({"aa": "log"}, "for column 'aa'. Did you mean 'a'"),
        ({"a": "lgo"}, "no transform 'lgo'. Did you mean 'log'"),
        ({"a": "log-mel"}, "'log-mel' .* is not for columns. Use one of bins, centered, log, log-tails, logit"),
        ({"b": "log"}, "column 'b' is count, and transforms are for continuous columns"),
    ],
)
def test_a_wrong_choice_of_a_transform_is_an_error(chosen, words):
    spec = dataclasses.replace(TWO, features=(Feature("a"), Feature("b", "count")))
    with pytest.raises(ConfigError, match=words):
        chain(chosen, spec)


def trained(transforms, rows, model="gaussian", options=None):
    """A model trained on all rows of a table with the columns of ONE or TWO."""
    spec = ONE if rows.shape[1] == 1 else TWO
    settings = {"data": {"source": "x", "transforms": transforms}, "options": options or {}}
    config = resolve_config(get_registry(), model, settings)
    every = np.arange(len(rows))
    split = Split(every, every[:0], every[:0])
    return train_in_memory(build_setup(config, genzoo.Dataset("x", spec, rows), split))


def test_a_log_normal_column_has_the_density_of_scipy():
    model = trained({"a": "log"}, PRICES, options={"reg_covar": 0})
    logs = np.log(PRICES)
    expected = stats.lognorm.logpdf(PRICES[:, 0], logs.std(), scale=np.exp(logs.mean()))
    assert np.allclose(model.log_prob(PRICES), expected, atol=1e-5)
    assert degrees_of_freedom(model) == 2


def test_a_logit_takes_the_bounds_that_the_user_states():
    frame = pd.DataFrame(100 * SHARES, columns=["a"])
    model = genzoo.train("gaussian", data=frame, transforms={"a": "logit"}, bounds={"a": (0, 100)}).load()
    assert (model.transform.parts[0].low.item(), model.transform.parts[0].high.item()) == (0, 100)
    with pytest.raises(DataError, match=r"between 0 and 1.*bounds"):
        genzoo.train("gaussian", data=frame, transforms={"a": "logit"})


@pytest.mark.parametrize(
    ("values", "cell"),
    [
        ([5.1, 5.1, 4.9, 6.0, 5.1], 0.1),
        ([10.0, 20.0, 20.0, 50.0], 10.0),
        ([0.25, 0.75, 0.25, 1.0], 0.25),
        ([np.pi, np.pi, np.e, 1.0], np.pi - np.e),
        (list(np.linspace(0, 1, 50)), None),
        ([2.0, 2.0, np.nan], None),
    ],
)
def test_cells_are_as_wide_as_the_step_of_repeated_values(values, cell):
    assert find_cell(np.array(values)) == (None if cell is None else pytest.approx(cell, rel=1e-9))


def test_cells_are_found_in_rounded_float32_values():
    values = np.round(RNG.normal(5, 1, 400), 1).astype(np.float32)
    found = find_cell(values.astype(np.float64), float(np.finfo(np.float32).eps))
    assert found == pytest.approx(0.1)


@pytest.mark.parametrize(("quantum", "cell"), [(None, 0.125), (0.5, 0.5)])
def test_images_of_rounded_values_have_cells_too(quantum, cell):
    spec = DataSpec((1, 2, 3), "image", (Feature("pixel"),), (0.0, 1.0), quantum, "float64")
    events = RNG.integers(0, 9, (80, 1, 2, 3)) / 8
    found = with_cells(genzoo.Dataset("x", spec, events), np.arange(80), (0,))
    assert found.spec.features[0].cell == cell


ROUNDED = pd.DataFrame({"a": np.round(RNG.normal(5, 0.8, 400), 1), "b": RNG.normal(size=400)})


def test_repeated_values_behind_a_marginal_are_scored_by_their_cells():
    model = genzoo.train("gaussian", data=ROUNDED, transforms={"a": "marginal", "b": "marginal"}, seed=0).load()
    assert model.data.features[0].cell == pytest.approx(0.1)
    assert model.data.features[1].cell is None
    assert (measure_of(model), kind_of(model)) == ("density of b; mass of a", "lower bound (64 draws)")
    assert degrees_of_freedom(model) is None
    with pytest.raises(ConfigError, match=r"lie on a grid of step 0\.1"):
        model.log_prob(ROUNDED)


def test_the_probabilities_of_all_cells_add_up_to_one():
    model = genzoo.train("gaussian", data=ROUNDED[["a"]], transforms={"a": "marginal"}, seed=0).load()
    assert measure_of(model) == "mass"
    grid = np.arange(-20, 130)[:, None] / 10
    total = np.exp(model.log_prob_bound(grid, draws=200)).sum()
    assert 0.98 < total <= 1 + 1e-3


def test_a_spike_at_every_training_value_gains_nothing():
    frame = ROUNDED[["a"]]
    model = genzoo.train("gaussian", data=frame, transforms={"a": "marginal"}, seed=0).load()
    centers = model.transform(torch.from_numpy(np.unique(frame.to_numpy(), axis=0)))

    class Spikes(Normal):
        def log_prob(self, x):
            near = torch.distributions.Normal(centers[:, 0], 1e-9).log_prob(x.double())
            return near.logsumexp(1) - np.log(len(centers))

    attack = TrainedModel("test/spikes", Spikes(), model.transform, model.data)
    free = dataclasses.replace(model.data, features=(dataclasses.replace(model.data.features[0], cell=None),))
    naive = TrainedModel("test/spikes", Spikes(), model.transform, free)
    honest = model.log_prob_bound(frame.to_numpy(), draws=64).mean()
    assert naive.log_prob(frame.to_numpy()).mean() > 10, "as a density, the spikes would win"
    assert attack.log_prob_bound(frame.to_numpy(), draws=64).mean() < honest < 0


def test_a_comparison_says_why_a_marginal_has_no_criteria():
    report = genzoo.compare(["gaussian", "gmm"], data=ROUNDED[["b"]], transforms={"b": "marginal"}, seed=0)
    assert all(row.bic is None for row in report.rows)
    assert "follows the training rows" in report.rows[0].reasons["bic"]
    assert {row.log_likelihood.measure for row in report.rows} == {"density"}


@pytest.mark.parametrize("transforms", [{"a": "log"}, {"a": "log", "b": "marginal"}])
def test_a_run_and_its_checkpoint_hold_the_transforms(transforms, tmp_path):
    frame = pd.DataFrame(np.hstack([PRICES, SHARES]), columns=["a", "b"])
    settings = {"transforms": transforms, "precision": "fp32"}
    training = {"steps": 4, "batch_size": 64, "schedule": {"name": "constant"}}
    run = genzoo.train("toy", data=frame, out=tmp_path / "run", training=training, **settings)
    model = run.load()
    content = json.loads((run.model / "config.json").read_text())
    assert [stage["id"] for stage in content["transforms"]] == [
        *(f"genzoo/{name}" for name in transforms.values()),
        "genzoo/standardized",
    ]
    rows = frame.to_numpy()
    checkpoint = run._read_checkpoint(checkpoints(run.checkpoints), None)
    for found in (checkpoint, load_model(run.model, get_registry())):
        assert np.array_equal(found.log_prob(rows), model.log_prob(rows))
    whole = genzoo.train("toy", data=frame, out=tmp_path / "all", training={**training, "steps": 8}, **settings)
    again = genzoo.resume(tmp_path / "run", data=frame, steps=8)
    assert np.array_equal(again.load().sample(5), whole.load().sample(5))


def test_a_warm_start_keeps_the_transforms_and_takes_no_others(tmp_path):
    frame = pd.DataFrame(np.hstack([PRICES, SHARES]), columns=["a", "b"])
    first = genzoo.train("gmm", data=frame, transforms={"a": "marginal"}, out=tmp_path / "one")
    second = genzoo.train("gmm", data=frame, warm_start=first.path, out=tmp_path / "two")
    assert second.load().transform.stages == first.load().transform.stages
    with pytest.raises(ConfigError, match="keeps the transforms of that model"):
        genzoo.train("gmm", data=frame, transforms={"a": "log"}, warm_start=first.path, out=tmp_path / "three")


class Halved(Transform):
    """`y = x / 2`."""

    affine = True

    @classmethod
    def outlines(cls, options, data):
        return {}

    @classmethod
    def fit(cls, options, data, blocks):
        return cls()

    @classmethod
    def restore(cls, options, data, tensors):
        return cls()

    def forward(self, x):
        return x / 2

    def inverse(self, y):
        return 2 * y

    def log_det(self, x, without=None):
        kept = torch.ones_like(x) if without is None else (~without).to(x.dtype)
        return kept.sum(1) * np.log(0.5)


def registry_with(model_input):
    found = ModuleType("a_plugin")
    halved = genzoo.TransformSpec("halved", "Half of it", f"{__name__}:Halved", "genzoo:Settings")
    model = dataclasses.replace(get_registry().models.get("gaussian").spec, name="theirs", input=model_input)

    @genzoo.hookimpl
    def register_transforms(register):
        register(halved)

    @genzoo.hookimpl
    def register_models(register):
        register(model)

    found.GENZOO_API, found.register_transforms, found.register_models = 2, register_transforms, register_models
    manager = PluginManager()
    manager.add("genzoo", builtin)
    manager.add("a-plugin", found)
    return manager.registry


@pytest.mark.parametrize("name", ["halved", "a-plugin/halved"])
def test_a_plugin_registers_a_transform_that_its_model_takes_as_input(name):
    zoo = registry_with(name)
    stages = choose_stages(zoo.models.get("theirs"), TWO, {"a": "log"}, zoo)
    assert stages == (Stage("genzoo/log", {}, (0,)), Stage("a-plugin/halved", {}, None))
    transform = fit_stages(stages, TWO, lambda: [np.hstack([PRICES, SHARES])], zoo)
    assert transform(torch.tensor([[np.e, 4.0]], dtype=torch.float64)).tolist() == [[0.5, 2.0]]


def test_a_model_whose_input_nobody_registers_is_an_error():
    with pytest.raises(PluginError, match="input 'doubled' is not one of"):
        registry_with("doubled")


def test_a_model_may_have_the_marginal_as_its_input():
    zoo = registry_with("marginal")
    spec = dataclasses.replace(TWO, features=(Feature("a"), Feature("b", "count")))
    assert choose_stages(zoo.models.get("theirs"), spec, {}, zoo)[0].columns == (0,)
    image = DataSpec((1, 2, 2), "image", (Feature("pixel"),), storage="float64")
    stages = choose_stages(zoo.models.get("theirs"), image, {}, zoo)
    rows = RNG.gamma(2.0, size=(300, 1, 2, 2))
    y = fit_stages(stages, image, lambda: [rows], zoo)(torch.from_numpy(rows))
    assert stats.kstest(y.numpy().ravel(), "norm").statistic < 0.02
