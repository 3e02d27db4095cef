"""Means of samples: what a model decodes, without the noise that it adds."""

from pathlib import Path

import numpy as np
import pytest
import torch

import genzoo
from genzoo.errors import ConfigError
from genzoo.inference.trained_model import TrainedModel
from genzoo.persistence.run import Run


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "images"
    return genzoo.train("vae", "digits", training={"steps": 3}, latent=2, precision="fp32", out=out)


def test_means_decode_the_latent_vectors_of_the_samples(images):
    model = images.load()
    means = images.sample(70, seed=3, mean=True)
    assert np.array_equal(means, model.decode(model.prior_sample(70, seed=3)))
    assert not np.array_equal(means, images.sample(70, seed=3))


def test_means_given_a_condition_decode_latent_vectors_given_it(tmp_path):
    out = tmp_path / "given"
    run = genzoo.train("vae", "iris", condition=["species"], training={"steps": 3}, precision="fp32", out=out)
    model = run.load().under({"species": "setosa"})
    with torch.no_grad():
        model.generator.prior.moved.weight.normal_(0, 0.5)
    means = model.sample(70, seed=3, mean=True, output="array")
    z = model.prior_sample(70, seed=3)
    assert np.array_equal(means, model.decode(z, output="array"))
    assert not np.array_equal(z, model.under({"species": "virginica"}).prior_sample(70, seed=3))


def test_pictures_of_a_model_with_noise_are_means_and_rows_are_draws(images, tmp_path):
    shown, means = images.load().sample_shown(9, seed=1)
    assert means
    assert np.array_equal(shown, images.sample(9, seed=1, mean=True))
    table = genzoo.train(
        "vae", "iris", training={"steps": 3}, latent=2, precision="fp32", out=tmp_path / "table"
    ).load()
    drawn, means = table.sample_shown(9, seed=1)
    assert not means
    assert np.array_equal(drawn, table.sample(9, seed=1))


def test_a_model_that_only_decodes_adds_no_noise(tmp_path):
    gan = genzoo.train("dcgan", "digits", training={"steps": 1}, precision="fp32", out=tmp_path / "gan").load()
    assert not gan.adds_noise
    assert np.array_equal(gan.sample(5), gan.sample(5, mean=True))


@pytest.mark.parametrize(("name", "options", "noisy"), [("gaussian", {}, False), ("ppca", {"n_factors": 5}, True)])
def test_a_model_of_the_same_distribution_adds_no_noise(name, options, noisy, tmp_path):
    run = genzoo.train(name, "digits", precision="fp32", out=tmp_path / name, **options)
    assert run.load().adds_noise is noisy
    assert run.load().sample_shown(4)[1] is noisy


def test_a_model_without_a_decoder_has_no_means(tmp_path):
    mixture: TrainedModel = genzoo.train("gmm", "iris", n_components=2, out=tmp_path / "gmm").load()
    assert not mixture.adds_noise
    with pytest.raises(ConfigError, match="decoder"):
        mixture.sample(3, mean=True)


def test_the_command_says_what_a_picture_shows(cli, images):
    path = str(images.path)
    assert "--mean leaves it out" in cli("sample", path, "-n", 4, "--out", "draws.png")[1]
    assert cli("sample", path, "-n", 4, "--mean", "--out", "means.png")[1].startswith("4 means (image")
    assert cli("sample", path, "--traverse", "--mean", "--out", "path.png")[0] == 0


def test_pages_say_that_they_show_means(cli, images):
    assert cli("report", str(images.path), "--out", "page.html")[0] == 0
    assert "These are means" in Path("page.html").read_text(encoding="utf-8")
    assert Run(images.path).pictures()
