"""Walks through a latent space, compared with decoders whose events have a closed form."""

import math

import numpy as np
import pyarrow.csv
import pytest
import torch
from PIL import Image
from refusals import assert_refused

import genzoo
from genzoo.data.dataset import Dataset
from genzoo.data.transforms import AffineTransform
from genzoo.errors import ConfigError
from genzoo.inference.data_units import CHUNK
from genzoo.inference.export import save_traversal
from genzoo.inference.image_grid import grid
from genzoo.inference.latent import find_prior, interpolate, latent_of_rows, latent_of_samples, traverse
from genzoo.inference.trained_model import TrainedModel
from genzoo.spec.events import DataSpec, Feature

WEIGHT = np.array([[1.0, 0.0, 0.0], [0.0, 5.0, 0.0], [0.0, 0.0, 0.1]])


class Linear(genzoo.Generator, genzoo.Decoder):
    """Decodes `z` to `z @ weight`; `draw` samples its prior."""

    def __init__(self, weight, draw=torch.randn, shape=None) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.as_tensor(weight))
        self.draw = draw
        self.shape = shape or (self.weight.shape[1],)

    @property
    def latent(self):
        return len(self.weight)

    def prior_sample(self, n):
        return self.draw(n, self.latent, dtype=self.weight.dtype)

    def decode(self, z):
        return (z @ self.weight).reshape(len(z), *self.shape)

    def sample(self, n, *, condition=None, **options):
        return self.decode(self.prior_sample(n))


class Invertible(Linear, genzoo.Encoder):
    def encode(self, x):
        return x @ torch.linalg.inv(self.weight)


def table(names, **more):
    features = tuple(Feature(name) for name in names)
    return DataSpec((len(names),), "table", features, storage="float64", **more)


def fit(generator, data=None):
    data = data or table([f"c{i}" for i in range(generator.weight.shape[1])])
    return TrainedModel("toy/linear", generator, AffineTransform(torch.tensor(0.0), torch.tensor(1.0)), data)


def uniform(n, width, *, dtype):
    return 4 + 2 * torch.rand(n, width, dtype=dtype)


def test_a_standard_normal_prior_is_recognized():
    prior = find_prior(fit(Linear(WEIGHT)))
    assert prior.normal
    np.testing.assert_array_equal(prior.center, 0)
    np.testing.assert_array_equal(prior.spread, 1)
    np.testing.assert_array_equal([prior.low, prior.high], [[-3] * 3, [3] * 3])


def test_another_normal_prior_is_estimated_from_draws():
    prior = find_prior(fit(Linear(WEIGHT, lambda n, width, dtype: 7 + 3 * torch.randn(n, width, dtype=dtype))))
    assert prior.normal
    np.testing.assert_allclose(prior.center, 7, atol=5 * 3 / 64)
    np.testing.assert_allclose(prior.spread, 3, atol=5 * 3 / 64 / math.sqrt(2))


def test_a_traversal_of_a_uniform_prior_stays_inside_it():
    found = traverse(fit(Linear(WEIGHT, uniform)), steps=5)
    assert found.values.min() >= 4
    assert found.values.max() <= 6
    assert found.values[:, 0].max() < 4.02
    assert found.values[:, -1].min() > 5.98


def test_a_traversal_is_the_decoder_along_one_dimension_at_a_time():
    found = traverse(fit(Linear(WEIGHT)), steps=7)
    assert found.events.shape == (3, 7, 3)
    for row, dimension in enumerate(found.dimensions):
        for place, value in enumerate([-3, -2, -1, 0, 1, 2, 3]):
            z = np.zeros(3)
            z[dimension] = value
            np.testing.assert_allclose(found.events[row, place], z @ WEIGHT, atol=1e-12)


def test_traversals_choose_the_dimensions_that_move_images_most():
    weight = np.diag(np.random.default_rng(0).permutation(np.arange(1.0, 101.0)))
    data = DataSpec((1, 10, 10), "image", (Feature("pixel"),), storage="float64")
    found = traverse(fit(Linear(weight, shape=(1, 10, 10)), data), steps=3, most=16)
    np.testing.assert_array_equal(found.dimensions, np.argsort(-weight.diagonal())[:16])
    assert found.events.shape == (16, 3, 1, 10, 10)


def test_the_unit_of_a_column_does_not_choose_the_dimensions():
    mixed = np.array([[1.0, 0.2], [0.5, 1.0]])
    orders = [traverse(fit(Linear(mixed * [1, unit]))).dimensions.tolist() for unit in (1e-6, 1, 1e6)]
    assert orders[0] == orders[1] == orders[2]


@pytest.mark.parametrize("steps", [2, 3, 11])
def test_a_path_under_a_normal_prior_is_a_great_circle_at_constant_speed(steps):
    ends = np.array([[2.0, 0.0, 0.0], [0.0, 2.0, 0.0]])
    found = interpolate(fit(Linear(WEIGHT)), ends, steps=steps)
    assert found.spherical
    np.testing.assert_allclose(found.latent[[0, -1]], ends, atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(found.latent, axis=1), 2)
    angles = np.degrees(np.arctan2(found.latent[:, 1], found.latent[:, 0]))
    np.testing.assert_allclose(angles, np.linspace(0, 90, steps), atol=1e-9)
    np.testing.assert_allclose(found.events, found.latent @ WEIGHT, atol=1e-12)


@pytest.mark.parametrize(
    ("draw", "ends"),
    [
        (uniform, [[4.5, 4.5, 5], [5.5, 5, 5]]),
        (torch.randn, [[1, 2, 3], [-1, -2, -3]]),
        (torch.randn, [[0, 0, 0], [1, 2, 3]]),
    ],
    ids=["uniform", "opposite", "origin"],
)
def test_a_path_is_straight_where_no_great_circle_is_known(draw, ends):
    found = interpolate(fit(Linear(WEIGHT, draw)), np.array(ends, float), steps=4)
    assert not found.spherical
    np.testing.assert_allclose(found.latent, np.linspace(*np.array(ends, float), 4), atol=1e-12)


def test_latent_vectors_of_samples_are_the_ones_that_sampling_decodes():
    fitted = fit(Linear(WEIGHT))
    events = fitted.sample(CHUNK * 2, seed=3)
    for pair in ((0, 5), (CHUNK - 1, CHUNK), (1, CHUNK + 7)):
        np.testing.assert_allclose(fitted.decode(latent_of_samples(fitted, pair, seed=3)), events[list(pair)])
    np.testing.assert_array_equal(fitted.prior_sample(700, seed=1)[600:], fitted.prior_sample(100, seed=1, first=600))


def test_vectors_of_rows_are_encoded():
    fitted = fit(Invertible(WEIGHT))
    events = np.random.default_rng(0).normal(size=(5, 3))
    dataset = Dataset("five", fitted.data, events)
    np.testing.assert_allclose(latent_of_rows(fitted, dataset, (4, 1)), events[[4, 1]] @ np.linalg.inv(WEIGHT))
    for pair in ((0, 5), (-1, 0)):
        with pytest.raises(ConfigError, match="its rows are 0 to 4"):
            latent_of_rows(fitted, dataset, pair)


def test_a_grid_has_the_requested_number_of_columns():
    data = DataSpec((1, 48, 48), "image", (Feature("pixel"),), bounds=(0, 255), storage="uint8")
    events = np.arange(6, dtype=np.uint8)[:, None, None, None] * np.full((1, 48, 48), 40, np.uint8)
    picture = np.asarray(grid(events, data, columns=3))
    assert picture.shape == (2 * 50 + 2, 3 * 50 + 2)
    np.testing.assert_array_equal(picture[26::50, 26::50], [[0, 40, 80], [120, 160, 200]])


def test_a_table_traversal_names_dimension_and_value_beside_like_columns(tmp_path):
    fitted = fit(Linear(WEIGHT), table(["value", "b", "dimension"]))
    found = traverse(fitted, steps=2)
    save_traversal(tmp_path / "t.csv", found, fitted.data)
    read = pyarrow.csv.read_csv(tmp_path / "t.csv")
    assert read.column_names == ["latent_dimension", "latent_value", "value", "b", "dimension"]
    assert read["latent_dimension"].to_pylist() == found.dimensions.repeat(2).tolist()
    assert read["latent_value"].to_pylist() == [-3, 3] * 3


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    genzoo.train("gaussian", data="iris", out=folder / "table", training={"max_iter": 20})
    genzoo.train(
        "dcgan", out=folder / "image", generator_widths=[8, 8, 8], discriminator_widths=[8, 8], training={"steps": 2}
    )
    return folder


@pytest.mark.once
def test_the_command_line_draws_traversals_and_paths(runs, cli, tmp_path):
    code, out, _ = cli("sample", runs / "table", "--traverse", "--out", "t.csv", "-n", 3)
    assert code == 0
    assert "latent dimensions" in out
    read = pyarrow.csv.read_csv(tmp_path / "t.csv")
    assert read.column_names[:2] == ["dimension", "value"]
    assert read.num_rows == 12
    assert cli("sample", runs / "table", "--interpolate", 0, 149, "--out", "p.npy")[0] == 0
    path, iris = np.load(tmp_path / "p.npy"), genzoo.load(runs / "table")
    assert path.shape == (10, 4)
    rows = genzoo.Run(runs / "table").open_data().events[[0, 149]]
    np.testing.assert_allclose(path[[0, -1]], iris.decode(iris.encode(rows)))
    assert cli("sample", runs / "image", "--traverse", "--out", "t.png", "-n", 5)[0] == 0
    with Image.open(tmp_path / "t.png") as picture:
        assert picture.size == (5 * 50 + 2, 16 * 50 + 2)
    code, out, _ = cli("sample", runs / "image", "--interpolate", 2, 9, "--out", "p.npy", "-n", 4, "--seed", 6)
    assert "its own samples 2 and 9 with seed 6" in out
    events = genzoo.load(runs / "image").sample(CHUNK, seed=6)
    np.testing.assert_array_equal(np.load(tmp_path / "p.npy")[[0, -1]], events[[2, 9]])


@pytest.mark.once
def test_the_command_line_raises_for_impossible_walks(runs, cli, tmp_path):
    table_run, image_run = runs / "table", runs / "image"
    assert_refused(cli("sample", table_run, "--interpolate", 0, 150), 2, "row 150", "0 to 149")
    assert_refused(cli("sample", table_run, "--interpolate", -1, 1), 2, "row -1", "0 to 149")
    assert_refused(cli("sample", image_run, "--interpolate", -1, 1), 2, "no sample -1")
    assert_refused(cli("sample", table_run, "--interpolate", 0, 1, "--traverse"), 2, "one of them")
    assert_refused(cli("sample", table_run, "--traverse", "--out", "t.png"), 2, "t.png", ".csv")
    assert_refused(cli("sample", image_run, "--traverse", "--out", "t"), 2, "suffix", ".png")
    assert_refused(cli("sample", image_run, "--traverse", "-n", 1), 2, "at least 2")
    assert_refused(cli("sample", image_run, "--interpolate", 0, 1, "-n", 1), 2, "at least 2")
    assert_refused(cli("sample", image_run, "--interpolate", 0, 1, "--data", "digits"), 2, "no encoder", "samples")
    assert_refused(cli("sample", table_run / "model", "--interpolate", 0, 1), 2, "--data")
    assert_refused(cli("sample", table_run, "-n", 3, "--data", "iris"), 2, "--interpolate")
    assert_refused(cli("sample", table_run, "-n", 3, "--columns", "a"), 2, "--columns", "--data")
    assert cli("train", "toy", "--out", tmp_path / "toy")[0] == 0
    assert_refused(cli("sample", tmp_path / "toy", "--traverse"), 2, "no 'decoder'", "dcgan", "gaussian")
    assert_refused(
        cli("embed", image_run, "--data", "digits"),
        2,
        "Model 'dcgan' cannot embed. Models that can: autoencoder, factor-analysis, gaussian, gpt, mfa, mvae, ppca, "
        "vae.",
    )


@pytest.mark.once
def test_embed_writes_the_posterior_means_row_by_row(runs, cli, tmp_path):
    assert cli("embed", runs / "table", "--data", "iris", "--out", "z.csv")[0] == 0
    read = pyarrow.csv.read_csv(tmp_path / "z.csv")
    assert read.column_names == ["row", "z0", "z1", "z2", "z3"]
    z = np.stack([read[name].to_numpy() for name in read.column_names[1:]], axis=1)
    iris = genzoo.Run(runs / "table").open_data().events
    fitted = genzoo.load(runs / "table")
    np.testing.assert_allclose(fitted.decode(z), iris, rtol=1e-4)
    assert cli("embed", runs / "table", "--data", "iris", "--out", "z.npy")[0] == 0
    np.testing.assert_allclose(np.load(tmp_path / "z.npy")[:, 1:], z, rtol=1e-5)
    _, out, _ = cli("embed", runs / "table", "--data", "iris", "--json")
    assert '"latent": 4' in out
