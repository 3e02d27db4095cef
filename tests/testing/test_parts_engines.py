"""Events of several parts under every engine, and every question that a model of them is asked."""

from pathlib import Path

import numpy as np
import pytest
import torch
from forked import command
from safetensors.torch import load_file
from scipy.stats import norm
from together import together

import genzoo
from genzoo.errors import ArtifactError, ConfigError

FILE = str(Path(__file__).parents[1] / "support" / "parts_kinds.py")
RNG = np.random.default_rng(0)
PLACE = RNG.normal(size=(120, 2, 3)) * 5 + 3
NAME = np.where(PLACE.mean((1, 2)) > 3, "up", "down")


def trained(kind, data, out, **settings):
    return genzoo.train(f"{FILE}:{kind}", data, out=out, precision="fp32", **settings)


@pytest.fixture(scope="module")
def mixture(tmp_path_factory):
    names = NAME.astype(object)
    names[::4] = None
    return trained("Mixture", {"image": PLACE, "label": names}, tmp_path_factory.mktemp("runs") / "em", max_iter=30)


@pytest.fixture(scope="module")
def autoencoder(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "vae"
    return trained("Autoencoder", "labeled-digits", out, ema=0.9, grad_accumulation=2)


def by_hand(rows, known):
    """Return the density of normal values and the frequency of names, with the moments of some rows."""
    values, first = rows.reshape(len(rows), -1), rows[known].reshape(known.stop, -1)
    share = np.where(NAME == "up", (NAME[known] == "up").mean(), (NAME[known] == "down").mean())
    return norm.logpdf(values, first.mean(0), first.std(0)).sum(1), np.log(share)


def test_a_direct_fit_has_the_density_of_both_parts_in_data_units(tmp_path):
    run = trained("Single", {"image": PLACE, "label": NAME}, tmp_path / "run", split="contiguous")
    place, name = by_hand(PLACE, slice(84))
    given = {"label": NAME, "image": PLACE}
    assert run.log_prob(given) == pytest.approx(place + name, abs=2e-3)
    assert run.log_prob({**given, "label": None}) == pytest.approx(place, abs=1e-3)
    assert genzoo.score(run, {**given, "label": [None] * 120}).values == pytest.approx(place, abs=1e-3)
    (score,) = run.evaluate(metrics=["log-likelihood"]).scores.values()
    assert score.protocol["measure"] == "density of image; mass of label"


def test_pixels_on_a_grid_are_scored_by_the_probability_of_their_cells(tmp_path):
    pixels = np.clip(np.round(PLACE * 4 + 100), 0, 255).astype(np.uint8)
    run = trained("Single", {"image": pixels, "label": NAME}, tmp_path / "run", split="contiguous")
    rows = pixels.reshape(120, -1).astype(float)
    first, spread = rows[:84].mean(0), np.sqrt(rows[:84].var(0) + 1 / 12)
    cells = np.log(norm.cdf(rows + 0.5, first, spread) - norm.cdf(rows - 0.5, first, spread)).sum(1)
    found = run.log_prob_bound({"image": pixels, "label": NAME}, draws=64)
    assert (found - cells - by_hand(PLACE, slice(84))[1]).mean() == pytest.approx(0, abs=0.02)
    with pytest.raises(ConfigError, match="grid of step 1 "):
        run.log_prob({"image": pixels, "label": NAME})


def test_em_on_parts_converges_and_groups_events(mixture):
    lines = [line for line in (mixture.path / "metrics.jsonl").read_text(encoding="utf-8").splitlines() if line]
    assert len(lines) > 1
    found = mixture.cluster({"image": PLACE, "label": NAME})
    assert len(found.label) == 120
    assert "components" in mixture.describe().as_dict()


def test_missing_parts_are_filled_in_and_others_kept(mixture):
    given = {"image": PLACE.copy(), "label": NAME.astype(object)}
    given["image"][:5] = np.nan
    given["label"][5:60] = None
    full = mixture.impute(given)
    assert np.array_equal(full["image"][5:, 0], PLACE[5:])
    assert np.isfinite(full["image"]).all()
    assert (full["label"] == NAME).mean() > 0.8


def test_parts_that_are_given_whole_are_not_computed_again(monkeypatch):
    fitted = genzoo.load(Path(__file__).parents[1] / "data" / "models" / "0.2" / "mvae")
    whole = fitted.sample(4, seed=1)
    rows = {"image": whole["image"].astype(float), "label": np.array([None] * 4, object)}
    before = fitted.impute(rows)
    monkeypatch.setattr(fitted.units.transform.parts[0], "inverse", lambda y: 1 / 0)  # of the image
    after = fitted.impute(rows)
    assert np.array_equal(after["image"], whole["image"])
    assert list(after["label"]) == list(before["label"])
    rows["image"][3] = np.nan
    with pytest.raises(ArtifactError, match="ZeroDivisionError"):
        fitted.impute(rows)


def test_events_are_drawn_given_a_column_of_a_part(mixture):
    drawn = mixture.sample(200, given={"label": "up"})
    assert set(drawn["label"]) == {"up"}
    assert drawn["image"].mean() > PLACE.mean()
    with pytest.raises(ConfigError, match="no condition"):
        mixture.sample(2, given={"image": 3})


@pytest.mark.parametrize("kind", ["Mixture", "Autoencoder"])
def test_two_processes_train_on_parts_as_one_does(tmp_path, kind):
    words = ["train", f"{FILE}:{kind}", "--precision", "fp64", "--device", "cpu", "--out"]
    words[2:2] = ["-o", "training.max_iter=5"] if kind == "Mixture" else ["-o", "training.ema=0.9"]
    command(*words, tmp_path / "one")
    ended = together(tmp_path, 2, command, *words, tmp_path / "two")
    assert ended.codes == [0, 0], ended.err
    one, two = (load_file(tmp_path / name / "model" / "model.safetensors") for name in ("one", "two"))
    near = 1e-6 if kind == "Mixture" else 0.01  # an autoencoder draws noise of its own in each process
    for name in one.keys() - {"validation_scores"}:
        assert torch.allclose(one[name], two[name], atol=near), name


def test_events_are_encoded_decoded_and_reconstructed(autoencoder):
    given = autoencoder.sample(7, seed=1)
    assert autoencoder.embed(given).shape == (7, 2)
    model = autoencoder.load()
    turned = dict(reversed(given.items()))
    assert np.array_equal(model.encode(given), model.encode(turned))
    again = model.reconstruct({**given, "label": None})
    assert again["image"].shape == (7, 1, 8, 8)
    assert set(again["label"]) <= set(range(10))
    assert model.decode(np.zeros((3, 2)))["image"].dtype == np.uint8
    assert autoencoder.describe().as_dict()["latent"]


class Raw(genzoo.Generator, genzoo.Likelihood):
    """Standard normal images that are seen as they are, and rows that are standardized."""

    modalities, kinds, degrees_of_freedom, data = ("parts",), ("continuous",), None, "labeled-digits"
    input = {"image": "raw"}  # noqa: RUF012 - as users write it
    training = {"steps": 1}  # noqa: RUF012

    def __init__(self, data):
        super().__init__()
        self.zero = torch.nn.Parameter(torch.zeros(data.size))
        self.shapes = {name: part.event_shape for name, part in data.parts.items()}

    def log_prob(self, x):
        rows = torch.cat([x[name].flatten(1) for name in self.shapes], 1)
        return torch.distributions.Normal(0 * self.zero, 1.0).log_prob(rows).sum(1)

    def sample(self, n, *, condition=None):
        return {name: torch.randn(n, *shape) for name, shape in self.shapes.items()}


def test_the_input_may_name_a_space_for_one_kind_of_part(tmp_path):
    table = RNG.normal(size=(120, 2)) * 7 + 2
    run = genzoo.train(
        Raw, {"image": PLACE, "table": table}, out=tmp_path / "run", split="contiguous", precision="fp32"
    )
    first, spread = table[:84].mean(0), table[:84].std(0)
    wanted = norm.logpdf(PLACE).sum((1, 2)) + norm.logpdf(table, first, spread).sum(1)
    assert run.log_prob({"image": PLACE, "table": table}) == pytest.approx(wanted, rel=1e-4)
    wrong = type("Wrong", (Raw,), {"input": {"images": "raw"}})
    with pytest.raises(ConfigError, match="unknown modalities"):
        genzoo.train(wrong, {"image": PLACE, "table": table}, out=tmp_path / "wrong")
