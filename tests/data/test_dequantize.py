"""Noise over the cells of a grid, and the bound that it gives."""

import math

import numpy as np
import pytest
import torch
from scipy import stats
from toy_plugin import ToyGaussian

import genzoo
from genzoo import DataSpec, Feature
from genzoo.data.builtin import digits
from genzoo.data.dequantize import Dequantizer, hashed
from genzoo.data.transforms import AffineTransform
from genzoo.engine.blocks import BlockLoader
from genzoo.engine.dataloader import ResidentLoader, StreamingLoader
from genzoo.engine.sampler import Sampler
from genzoo.errors import ConfigError, PluginError
from genzoo.inference.row_likelihoods import bits_per_dim, dimensions_of, kind_of, log_likelihoods, measure_of
from genzoo.inference.rows.scoring import score
from genzoo.inference.trained_model import TrainedModel
from genzoo.models.measure import cell_sides, measures_of
from genzoo.runtime.device import Runtime
from genzoo.runtime.seeding import derive

EXACT = Runtime(torch.device("cpu"), "fp64")
IMAGE = DataSpec((1, 4, 5), "image", (Feature("pixel"),), (0.0, 16.0), 1.0, "uint8")
TABLE = DataSpec(
    (3,), "table", (Feature("a"), Feature("b", "count"), Feature("c")), quantum=0.5, storage="float64", missing=True
)
EVENTS = np.random.default_rng(0).integers(0, 17, (300, 1, 4, 5), dtype=np.uint8)


def density(shape, offset=0.0, scale=1.0):
    generator = ToyGaussian(shape, offset).double()
    generator.log_deviation.data.fill_(math.log(scale))
    generator.dequantized = True
    return generator


def noise(seed=0, number=0, rows=None, data=IMAGE):
    index = torch.arange(300) if rows is None else torch.as_tensor(rows)
    spread = Dequantizer(data, (True,) * len(data.features), seed)
    return spread(torch.zeros(len(index), *data.event_shape), index, number)


def split_mix(state, count):
    """The published generator, one number after the other, in Python's own integers."""
    found = []
    for _ in range(count):
        state = (state + 0x9E3779B97F4A7C15) % 2**64
        z = state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) % 2**64
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) % 2**64
        found.append(z ^ (z >> 31))
    return found


def test_each_row_has_the_stream_of_split_mix_64():
    # The first five of its reference implementation from the state 1234567.
    known = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431, 16408922859458223821]
    assert split_mix(1234567, 5) == known
    seed, rows = 2**62 + 12345, [0, 1, 70_000]
    found = hashed(seed, torch.tensor(rows), 6).numpy().view(np.uint64)
    for row, numbers in zip(rows, found, strict=True):
        start = split_mix((seed + (row - 1) * 0x9E3779B97F4A7C15) % 2**64, 1)[0]
        assert numbers.tolist() == split_mix(start, 6)


def test_noise_is_uniform_over_the_open_cell_and_without_correlation():
    found = noise(rows=np.arange(20_000)).flatten(1).numpy()
    assert stats.kstest(found.ravel(), stats.uniform(-0.5, 1.0).cdf).pvalue > 1e-3
    assert (np.abs(found) < 0.5).all()
    for column in range(20):
        assert stats.kstest(found[:, column], stats.uniform(-0.5, 1.0).cdf).pvalue > 1e-5
    between = np.corrcoef(found.T)[np.triu_indices(20, 1)]
    assert np.abs(between).max() < 5 / math.sqrt(20_000)
    along = [np.corrcoef(found[:-lag].ravel(), found[lag:].ravel())[0, 1] for lag in (1, 2, 7)]
    assert np.abs(along).max() < 5 / math.sqrt(found.size)
    assert found.var() == pytest.approx(1 / 12, rel=0.01)


def test_noise_is_a_function_of_seed_row_and_number_alone():
    whole = noise()
    assert torch.equal(noise(rows=[7, 200, 3]), whole[[7, 200, 3]]), "whatever the batch and the order"
    assert torch.equal(torch.cat([noise(rows=np.arange(100)), noise(rows=np.arange(100, 300))]), whole)
    others = [noise(seed=1), noise(number=1), noise(rows=np.arange(1, 301))]
    for other in others:
        assert (other != whole).float().mean() > 0.999
        assert abs(np.corrcoef(other.flatten().numpy(), whole.flatten().numpy())[0, 1]) < 0.06
    assert torch.equal(whole.float().double(), whole), "float32 holds the same noise"


def test_cells_are_centred_on_the_values_and_only_where_there_is_a_grid():
    x = torch.tensor([[1.5, 3.0, math.nan], [0.0, 2.0, 2.5]])
    spread = Dequantizer.of(density((3,)), TABLE, 0)
    assert spread.features == (True, False, True)
    found = spread(x, torch.arange(2))
    assert torch.equal(found[:, 1], x[:, 1].double()), "counts stay as they are"
    assert math.isnan(found[0, 2])
    off = (found - x)[:, [0, 2]].flatten()
    off = off[~off.isnan()]
    assert (off.abs() < 0.25).all()
    assert (off != 0).all()
    edge = Dequantizer.of(density((1, 4, 5)), IMAGE, 0)(torch.full((50, 1, 4, 5), 16.0), torch.arange(50))
    assert edge.max() > 16.3, "bounds do not clip"
    assert Dequantizer.of(density((3,)), DataSpec((3,), "table", TABLE.features), 0) is None
    assert Dequantizer.of(ToyGaussian((1, 4, 5), 0.0), IMAGE, 0) is None, "only a density needs it"
    binary = DataSpec((1, 4, 5), "image", (Feature("pixel", "binary", ("0", "1")),), (0.0, 1.0), 1.0, "uint8")
    assert Dequantizer.of(density((1, 4, 5)), binary, 0) is None, "the mass of a category is known"


def test_passes_see_the_same_noise_and_epochs_another(tmp_path):
    data = genzoo.Dataset("x", IMAGE, EVENTS)
    plain = AffineTransform(torch.tensor(3.0), torch.tensor(2.0))
    spread = Dequantizer.of(density((1, 4, 5)), IMAGE, 4)
    rows = np.arange(10, 110)
    expected = (torch.as_tensor(EVENTS[rows]).double() + noise(4, 0, rows) - 3) / 2
    for size in (30, 100):
        found = torch.cat([batch.x for batch in BlockLoader(data, rows, size, plain, EXACT, spread)])
        assert torch.allclose(found, expected, rtol=1e-14)
    np.save(tmp_path / "rows.npy", EVENTS)
    mapped = np.load(tmp_path / "rows.npy", mmap_mode="r")
    order = Sampler(rows, 25, 0)
    feeds = [
        ResidentLoader(order, EVENTS, plain, EXACT, dequantizer=spread),
        StreamingLoader(order, mapped, plain, EXACT, dequantizer=spread),
    ]
    for feed in feeds:
        items = feed.items(3)  # two batches of the first epoch, then the second
        for epoch in (0, 0, 1, 1, 1, 1, 2):
            batch = next(items)
            expected = torch.as_tensor(EVENTS[batch.index]).double() + noise(4, epoch, batch.index)
            assert torch.allclose(batch.x, (expected - 3) / 2, rtol=1e-14)
        items.close()


def grid_model(quantum=1.0, columns=2, scale=0.8):
    """A density over a table that is declared to lie on a grid, its columns independent normals."""
    features = tuple(Feature(f"x{i}") for i in range(columns))
    data = DataSpec((columns,), "table", features, quantum=quantum, storage="float64", missing=True)
    transform = AffineTransform(torch.full((columns,), 3.0 * quantum), torch.full((columns,), 2.0 * quantum))
    return TrainedModel("test/grid", density((columns,), 0.25, scale), transform, data)


def cell_probability(x, quantum=1.0, scale=0.8):
    """Log-probability of the cells about `x (N, C)` by differences of the cumulative distribution, per column."""
    normal = stats.norm((3.0 + 0.25 * 2.0) * quantum, 2.0 * scale * quantum)
    return np.log(normal.cdf(x + quantum / 2) - normal.cdf(x - quantum / 2))


@pytest.mark.parametrize("columns", [1, 2])
def test_the_bound_stays_below_the_cells_probability_and_tightens(columns):
    model = grid_model(columns=columns, scale=0.3)  # deviations of 0.6 cells: a density that bends within one
    x = np.random.default_rng(1).integers(2, 6, (4000, columns)).astype(float)
    exact = cell_probability(x, scale=0.3).sum(1)
    means = []
    for draws in (1, 8, 128):
        found = model.log_prob_bound(x, draws=draws, seed=3)
        gap = found - exact
        assert gap.mean() < 3 * gap.std() / math.sqrt(len(x))
        means.append(gap.mean())
    assert means == sorted(means)
    assert means[0] < -0.05
    assert abs(means[-1]) < 0.01


def test_draws_are_averaged_as_probabilities():
    model = grid_model()
    x = np.array([[2.0, 3.0], [5.0, 5.0], [0.0, 1.0]])
    spread = Dequantizer(model.data, (True, True), 9)
    terms = []
    for number in range(5):
        moved = spread(torch.as_tensor(x), torch.arange(3), number).numpy()
        terms.append(stats.norm(3.5, 1.6).logpdf(moved).sum(1))
    expected = np.logaddexp.reduce(terms) - math.log(5)
    assert np.allclose(model.log_prob_bound(x, draws=5, seed=9), expected, rtol=1e-12)


class Drawing(genzoo.Generator, genzoo.LikelihoodBound):
    """A bound that draws: a standard normal whose density is multiplied by exponential noise of mean 1."""

    dequantized = True

    def sample(self, n, *, condition=None, **options):
        return torch.randn(n, 2)

    def log_prob_bound(self, x, *, draws=1):
        factor = torch.empty(draws, len(x), dtype=x.dtype).exponential_().mean(0)
        return torch.distributions.Normal(0.0, 1.0).log_prob(x).sum(1) + factor.log()


def test_a_bound_that_draws_itself_is_drawn_within_the_cells():
    model = grid_model()
    twin = TrainedModel("test/drawing", Drawing(), model.transform, model.data)
    x = np.random.default_rng(1).integers(0, 7, (2000, 2)).astype(float)
    normal = stats.norm(3.0, 2.0)
    exact = np.log(normal.cdf(x + 0.5) - normal.cdf(x - 0.5)).sum(1)
    gaps = [(twin.log_prob_bound(x, draws=draws) - exact).mean() for draws in (1, 20, 100)]
    assert gaps == sorted(gaps)
    assert gaps[0] < -0.4  # E log of the noise is -0.577
    assert -0.02 < gaps[-1] < 0.01
    assert np.array_equal(twin.log_prob_bound(x, draws=3, seed=1), twin.log_prob_bound(x, draws=3, seed=1))


def test_the_mass_does_not_depend_on_the_unit_of_the_grid():
    x = np.random.default_rng(1).integers(0, 7, (700, 2)).astype(float)
    x[3, 0] = math.nan
    levels, shares = grid_model(1.0), grid_model(1 / 16)
    for model in (levels, shares):
        model.generator.log_prob = lambda y, missing=None, model=model: (
            stats_log_density(model.generator, y).masked_fill(missing, 0.0).sum(1)
        )
    found = [TrainedModel(m.model, m.generator, m.transform, m.data, missing=True) for m in (levels, shares)]
    one, two = (model.log_prob_bound(x * q, draws=4) for model, q in zip(found, (1.0, 1 / 16), strict=True))
    assert np.allclose(one, two, rtol=0, atol=1e-9)
    cells = cell_probability(x)
    assert one[3] == pytest.approx(cells[3, 1], abs=0.2), "only the observed column counts"


def stats_log_density(generator, y):
    return torch.distributions.Normal(generator.mean, generator.log_deviation.exp()).log_prob(y)


def test_an_exact_probability_is_not_claimed():
    model = grid_model()
    assert model.capabilities == {"likelihood-bound"}
    assert (kind_of(model), measure_of(model)) == ("lower bound (64 draws)", "mass")
    with pytest.raises(ConfigError, match=r"only a lower bound for the probability of a point. Ask for log_prob_bound"):
        model.log_prob(np.zeros((1, 2)))
    with pytest.raises(ConfigError, match="whole number of at least 1"):
        model.log_prob_bound(np.zeros((1, 2)), draws=0)
    dataset = genzoo.Dataset("x", model.data, np.random.default_rng(0).integers(0, 7, (50, 2)).astype(float))
    rows = np.arange(10, 40)
    expected = model.log_prob_bound(dataset.events[rows], draws=64, seed=derive(5, "block", 0))
    assert np.array_equal(log_likelihoods(model, dataset, rows, seed=5), expected)


def test_what_a_generator_measures_decides_which_columns_are_stretched():
    data = DataSpec((3,), "table", (Feature("a"), Feature("b"), Feature("c")), storage="float64")
    generator = ToyGaussian((3,), 0.0).double()
    generator.measures = ("density", "mass", "density")
    transform = AffineTransform(torch.zeros(3), torch.tensor([2.0, 4.0, 8.0]))
    model = TrainedModel("test/mixed", generator, transform, data)
    y = stats.norm(0, 1).logpdf(np.array([[1.0, 1.0, 1.0]])).sum()
    assert model.log_prob(np.array([[2.0, 4.0, 8.0]]))[0] == pytest.approx(y - math.log(2) - math.log(8), rel=1e-14)
    assert measure_of(model) == "density of a, c; mass of b"
    generator.measures = ("mass",)
    with pytest.raises(PluginError, match="names 1 measures, and the data have 3 features"):
        measures_of(generator, data)


def test_images_measured_as_a_mass_are_told_in_bits_per_dimension():
    generator = ToyGaussian((1, 4, 5), 0.0).double()
    transform = AffineTransform(torch.tensor(8.0), torch.tensor(8.0))
    plain = TrainedModel("test/toy", generator, transform, IMAGE)
    x = EVENTS[:3]
    inside = stats.norm(0, 1).logpdf((x - 8.0) / 8.0).reshape(3, -1).sum(1)
    assert np.allclose(plain.log_prob(x), inside - 20 * math.log(8), rtol=1e-13)
    assert (measure_of(plain), dimensions_of(plain)) == ("density", None)
    generator.measures = ("mass",)
    plain = TrainedModel("test/toy", generator, transform, IMAGE)  # a model keeps what its generator declared
    assert np.allclose(plain.log_prob(x), inside, rtol=1e-13)
    assert (kind_of(plain), measure_of(plain), dimensions_of(plain)) == ("exact", "mass", 20)
    generator.measures, generator.dequantized = None, True
    plain = TrainedModel("test/toy", generator, transform, IMAGE)
    assert (measure_of(plain), dimensions_of(plain)) == ("mass", 20)
    assert dimensions_of(grid_model()) is None, "bits per dimension are of images"
    assert bits_per_dim(-3.0 * 20 * math.log(2), 20) == pytest.approx(3.0)


@pytest.mark.precision
def test_training_on_a_grid_is_repeated_by_a_resume_to_the_bit(tmp_path):
    settings = {"batch_size": 100, "checkpoint_every": 17}
    runs = [
        genzoo.train(
            "toy", "digits", dequantized=True, training={**settings, "steps": steps}, out=tmp_path / str(steps)
        )
        for steps in (40, 17)
    ]
    resumed = genzoo.resume(runs[1].path, steps=40)
    whole, again = (run.fitted().generator.state_dict() for run in (runs[0], resumed))
    assert all(torch.equal(whole[name], again[name]) for name in whole)
    fitted = runs[0].fitted()
    assert fitted.capabilities == {"likelihood-bound"}
    data = genzoo.Dataset("digits", fitted.data, digits().events)
    validation = digits().split(runs[0].config.split, 0).validation
    own = log_likelihoods(fitted, data, validation, seed=0)
    assert np.array_equal(fitted.validation_scores, np.sort(own)), "as scores will be, by the same draws"
    flagged = score(fitted, data, 0.1)
    assert flagged.threshold.value == np.sort(own)[int(0.1 * (len(own) + 1)) - 1]
    assert 0.02 < flagged.flagged.mean() < 0.25


@pytest.mark.precision
def test_the_transform_is_fitted_to_the_noisy_rows(tmp_path):
    run = genzoo.train(
        "toy", "digits", dequantized=True, training={"steps": 1, "batch_size": 100}, out=tmp_path / "run"
    )
    rows = digits().split(run.config.split, 0).train
    noisy = digits().events[rows] + noise(0, 0, rows, digits().spec).numpy()
    transform = run.fitted().transform
    assert transform.shift.item() == pytest.approx(noisy.mean(), rel=1e-12)
    assert transform.scale.item() == pytest.approx(noisy.std(), rel=1e-12)
    flat = genzoo.Dataset("flat", IMAGE, np.full((200, 1, 4, 5), 7, np.uint8))
    run = genzoo.train("toy", flat, dequantized=True, training={"steps": 1, "batch_size": 100}, out=tmp_path / "flat")
    assert run.fitted().transform.scale.item() == pytest.approx(12**-0.5, rel=0.02), "no image is too flat for a mass"


def test_the_sides_of_cells_are_copied_to_a_device_once(monkeypatch):
    asked = []

    def counted(flags, data):
        asked.append(flags)
        return cell_sides(flags, data)

    monkeypatch.setattr("genzoo.data.dequantize.cell_sides", counted)
    spread = Dequantizer(IMAGE, (True,), 3)
    for number in range(3):
        spread(torch.zeros(2, 1, 4, 5), torch.arange(2), number)
    assert len(asked) == 1
