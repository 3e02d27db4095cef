"""Diffusion on images and tables: values, networks, conditions, and errors."""

import numpy as np
import pytest
import torch

import genzoo
from genzoo.runtime import device
from genzoo_diffusion.column_numbers import SCALE, ColumnNumbers
from genzoo_diffusion.diffusion import build
from genzoo_diffusion.objectives import velocity
from genzoo_diffusion.options import DiffusionOptions, VelocityOptions
from genzoo_diffusion.path import PATHS
from genzoo_diffusion.unet import UNet, attended

KINDS = (
    genzoo.Feature("size"),
    genzoo.Feature("sex", "binary", ("f", "m")),
    genzoo.Feature("color", "categorical", ("r", "g", "b")),
    genzoo.Feature("visits", "count"),
)
SMALL = {"width": 16, "layers": 1, "channels": [8, 8]}


def table(features, rows):
    spec = genzoo.DataSpec((len(features),), "table", features, storage="float64")
    return genzoo.Dataset("table", spec, np.ascontiguousarray(rows, np.float64))


def images(shape=(1, 5, 7), n=40):
    rng = np.random.default_rng(0)
    events = rng.normal(size=(n, *shape))
    spec = genzoo.DataSpec(shape, "image", (genzoo.Feature("pixel"),), storage="float64")
    labels = genzoo.Feature("label", "categorical", ("a", "b"))
    return genzoo.Dataset("images", spec, events, labels=rng.integers(0, 2, n), label=labels)


def trained(folder, dataset, **settings):
    options = {**SMALL, **settings.pop("options", {})}
    settings |= {"steps": 4, "batch_size": 8, "device": "cpu", "precision": "fp32"}
    settings["sampling"] = {"steps": 1, **settings.get("sampling", {})}
    return genzoo.train("diffusion", dataset, out=folder / "run", **options, **settings)


def test_values_of_all_kinds_come_back():
    rows = torch.tensor([[-1.5, 0.0, 2.0, 0.0], [0.3, 1.0, 0.0, 7.0], [2.0, 1.0, 1.0, 4000.0]], dtype=torch.float64)
    values = ColumnNumbers(KINDS).double()
    z = values(rows)
    assert z.shape == (3, 6)
    assert torch.equal(values.inverse(z), rows)


def test_the_numbers_of_equally_frequent_levels_have_one_variance():
    z = ColumnNumbers(KINDS[2:3])(torch.arange(3.0)[:, None])
    assert torch.allclose(z.mean(0), torch.zeros(3), atol=1e-6)
    assert torch.allclose(z.var(0, correction=0), torch.full((3,), SCALE**2))


@pytest.mark.parametrize("mean", [0.0, 30.0, 1e6])
def test_numbers_of_counts_have_mean_0_and_deviation_1(mean):
    counts = torch.tensor(np.random.default_rng(0).poisson(mean, (4000, 1)), dtype=torch.float64)
    values = ColumnNumbers(KINDS[3:]).double()
    values.measure(counts.split(1500))
    z = values(counts)
    assert z.mean().item() == pytest.approx(0, abs=0.05)
    assert z.std().item() == pytest.approx(1, abs=0.05)
    assert torch.equal(values.inverse(z), counts)


@pytest.mark.parametrize("path", ["flow", "edm"])
def test_what_the_network_predicts_has_variance_one_and_forgets_the_scale(path):
    torch.manual_seed(0)
    own = PATHS[path]()
    z, noise = torch.randn(2, 100_000, dtype=torch.float64)
    for ratio in (0.01, 1.0, 20.0):
        a, s = own.place(own.of_ratio(torch.tensor(ratio, dtype=torch.float64)))
        assert (s / a).item() == pytest.approx(ratio)
        scale = (a.square() + s.square()).sqrt()
        wanted, seen = (s * z - a * noise) / scale, (a * z + s * noise) / scale
        assert wanted.var().item() == pytest.approx(1, abs=0.02)
        assert (wanted * seen).mean().item() == pytest.approx(0, abs=0.02)


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 2, 2), (1, 5, 7), (3, 9, 16)])
def test_a_unet_takes_images_of_any_size(shape):
    network = UNet(shape, (8, 16), 2, 0, attention=True, dropout=0.0)
    assert network(torch.randn(1, *shape), torch.rand(1), torch.rand(1)).shape == (1, *shape)


def test_a_condition_can_mean_another_thing_at_each_place_after_one_step():
    torch.manual_seed(0)
    network = UNet((1, 64, 64), (8, 8), 1, 2, attention=False, dropout=0.0).double()
    x, one = torch.zeros(2, 1, 64, 64, dtype=torch.float64), torch.ones(2, dtype=torch.float64)

    def apart():  # far from the borders, which convolutions do see, and at one pixel of each square that is enlarged
        upper, lower = network(x, one, one, torch.eye(2, dtype=torch.float64))
        return (upper - lower)[0, 24:40:2, 24:40:2].std().item()

    assert apart() < 1e-12
    (network(x, one, one, torch.eye(2, dtype=torch.float64)) * torch.randn_like(x)).sum().backward()
    torch.optim.SGD(network.parameters(), 1e-3).step()
    assert apart() > 1e-6


@pytest.mark.parametrize("places", [1, 9, 257])
def test_attention_of_few_places_is_the_attention_of_many(places):
    query, key, value = torch.randn(3, 2, 4, places, 8, dtype=torch.float64).unbind(0)
    expected = torch.einsum("nhqc,nhkc->nhqk", query, key).div(8**0.5).softmax(3) @ value
    torch.testing.assert_close(attended(query, key, value), expected)


def test_channels_last_images_in_half_precision_are_normalized_as_others():
    torch.manual_seed(0)
    norm = UNet((1, 4, 4), (16,), 1, 0, attention=False, dropout=0.0).norm.bfloat16()
    x = torch.randn(3, 16, 4, 4, dtype=torch.bfloat16)
    turned = norm(x.contiguous(memory_format=torch.channels_last))
    assert turned.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(turned, norm(x))


@pytest.mark.precision
def test_black_and_white_images_come_back_black_and_white(tmp_path):
    run = trained(tmp_path, "digits", binarize=True, options={"network": "unet"})
    assert set(np.unique(np.asarray(run.sample(5)))) <= {0, 1}


@pytest.mark.precision
def test_guidance_changes_the_samples_of_a_class(tmp_path):
    run = trained(tmp_path, images(), condition=["label"], options={"network": "unet"})
    plain, guided = (
        np.asarray(run.sample(4, given={"label": "a"}, options={"guidance": strength})) for strength in (1.0, 3.0)
    )
    assert plain.shape == guided.shape
    assert not np.array_equal(plain, guided)


@pytest.fixture
def native_bf16(monkeypatch):
    monkeypatch.setattr(device, "has_native_bf16", lambda _: True)


def model_of(network, dtype=torch.float32):
    torch.manual_seed(0)
    data = genzoo.DataSpec((1, 6, 6), "image", (genzoo.Feature("pixel"),))
    options = DiffusionOptions(network=network, channels=(16, 16), width=16, layers=1)
    return build(options, data).generator.to(dtype).eval()


def sampled(model, **options):
    torch.manual_seed(1)
    with torch.no_grad():
        return model.sample(32, steps=8, **options)


@pytest.mark.usefixtures("native_bf16")
def test_rounding_of_a_unet_hardly_moves_samples():
    model = model_of("unet")
    rough, exact = sampled(model), sampled(model, precision="fp32")
    assert rough.dtype == torch.float32
    assert 0 < (rough - exact).square().mean().sqrt() < 0.01 * exact.std()


@pytest.mark.usefixtures("native_bf16")
@pytest.mark.parametrize(("network", "dtype"), [("mlp", torch.float32), ("unet", torch.float64)])
def test_perceptrons_and_doubles_are_not_rounded(network, dtype):
    model = model_of(network, dtype)
    assert torch.equal(sampled(model), sampled(model, precision="fp32"))


def test_guidance_without_conditions_is_one_clear_error(tmp_path):
    run = trained(tmp_path, images())
    with pytest.raises(genzoo.ConfigError, match="guidance=2 strengthens a condition"):
        run.sample(2, options={"guidance": 2.0})


def test_guidance_without_conditions_is_an_error_before_training(tmp_path):
    with pytest.raises(genzoo.ConfigError, match="guidance=2 strengthens a condition"):
        trained(tmp_path, images(), sampling={"guidance": 2.0})
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("hidden", [0.0, 1.0])
def test_guidance_that_was_never_trained_is_an_error(tmp_path, hidden):
    run = trained(tmp_path, images(), condition=["label"], options={"condition_dropout": hidden})
    with pytest.raises(genzoo.ConfigError, match="the network sees only one of them"):
        run.sample(2, given={"label": "a"}, options={"guidance": 2.0})


@pytest.mark.parametrize(("name", "value"), [("steps", 0), ("sampler", "rk4"), ("guidance", 0.5)])
def test_sampling_options_out_of_range_are_errors(tmp_path, name, value):
    run = trained(tmp_path, images())
    with pytest.raises(genzoo.ConfigError, match=name):
        run.sample(2, options={name: value})


def test_a_unet_of_a_table_is_an_error(tmp_path):
    with pytest.raises(genzoo.ConfigError, match="network=unet needs images"):
        trained(tmp_path, table(KINDS[:1], np.arange(20.0)[:, None]), options={"network": "unet"})


def test_an_unknown_label_is_an_error(tmp_path):
    run = trained(tmp_path, images(), condition=["label"])
    with pytest.raises(genzoo.ConfigError, match="has no level 'c'"):
        run.sample(2, given={"label": "c"})


def test_too_few_images_for_a_step_are_an_error(tmp_path):
    with pytest.raises(genzoo.ConfigError, match="There are 2 training rows and a step takes 8"):
        trained(tmp_path, images(n=2))


def test_hidden_conditions_leave_nothing_of_the_condition():
    data = genzoo.DataSpec((2,), "table", (genzoo.Feature("a"), genzoo.Feature("b")), condition=(genzoo.Feature("c"),))
    model = build(DiffusionOptions(width=8, layers=1, condition_dropout=1.0), data).generator
    x, t, given = torch.randn(3, 2), torch.rand(3), torch.randn(3, 1)
    kept = model.kept(given)
    assert not kept.any()
    assert torch.equal(model.predict(x, t, given, kept), model.predict(x, t))
    assert not torch.equal(model.predict(x, t, given), model.predict(x, t))


def test_times_of_a_batch_are_spread_evenly():
    data = genzoo.DataSpec((1,), "table", (genzoo.Feature("a"),))
    model = build(DiffusionOptions(width=8, layers=1), data).generator
    objective = velocity(VelocityOptions(times="uniform"))
    seen = []
    model.outputs = lambda x, t, *rest: seen.append(t) or x
    torch.manual_seed(0)
    objective._error(model, torch.zeros(10, 1), None, None)
    gaps = seen[0].diff()
    assert torch.allclose(gaps, torch.full_like(gaps, 0.1), atol=1e-6)
