"""dcgan given labels: the condition reaches generator and discriminator, and nothing changes for others."""

import numpy as np
import pytest
import torch

import genzoo
from genzoo import DataSpec, Feature
from genzoo_gan.dcgan import build
from genzoo_gan.options import DCGANOptions

PIXELS = Feature("pixel")
LABEL = Feature("label", "categorical", ("0", "1", "2"))
SMALL = DCGANOptions(latent=4, generator_widths=(8, 8, 8), discriminator_widths=(4, 4))


def test_an_unconditional_model_keeps_its_weights():
    def weights(condition):
        torch.manual_seed(0)
        return build(SMALL, DataSpec((1, 8, 8), "image", (PIXELS,), condition=condition))

    plain, given = weights(()), weights((LABEL,))
    assert plain.generator.linear.in_features == 4
    assert given.generator.linear.in_features == 7
    assert plain.discriminator.projection is None


def test_conditions_change_samples_and_logits():
    parts = build(SMALL, DataSpec((1, 8, 8), "image", (PIXELS,), condition=(LABEL,)))
    one, two = torch.eye(3)[[0, 0]], torch.eye(3)[[1, 2]]
    z = parts.generator.prior_sample(2)
    x = parts.generator.eval().decode(z, condition=one)
    assert not torch.equal(x, parts.generator.decode(z, condition=two))
    assert not torch.equal(parts.discriminator(x, one), parts.discriminator(x, two))


@pytest.mark.parametrize("objective", ["relativistic", "wasserstein-gp", "non-saturating"])
def test_digits_are_trained_given_their_label(objective, tmp_path):
    run = genzoo.train(
        "dcgan",
        "digits",
        condition=["label"],
        steps=3,
        batch_size=32,
        latent=4,
        generator_widths=(8, 8, 8),
        discriminator_widths=(4, 4),
        objective=objective,
        out=tmp_path / "run",
        precision="fp32",
        progress=False,
    )
    three = run.sample(10, given={"label": 3}, output="array")
    assert three.shape == (10, 1, 8, 8)
    assert not np.array_equal(three, run.sample(10, given={"label": "4"}, output="array"))


def test_samples_follow_their_label(tmp_path):
    rng = np.random.default_rng(0)
    label = rng.integers(2, size=128)
    images = np.zeros((128, 1, 8, 8))
    images[label == 0, :, :4] = images[label == 1, :, 4:] = 200
    images = (images + rng.integers(0, 50, images.shape)).astype(np.uint8)
    np.savez(tmp_path / "halves.npz", images=images, labels=np.array(["top", "bottom"])[label])
    run = genzoo.train(
        "dcgan",
        str(tmp_path / "halves.npz"),
        condition=["label"],
        steps=120,
        batch_size=32,
        latent=4,
        generator_widths=(16, 16, 8),
        discriminator_widths=(8, 16),
        precision="fp32",
        ema=0.0,
        seed=0,
        out=tmp_path / "run",
        progress=False,
    )
    for level, bright, dark in (("top", slice(4), slice(4, 8)), ("bottom", slice(4, 8), slice(4))):
        drawn = run.sample(32, given={"label": level}, output="array").astype(float)
        assert drawn[:, :, bright].mean() > drawn[:, :, dark].mean() + 60
