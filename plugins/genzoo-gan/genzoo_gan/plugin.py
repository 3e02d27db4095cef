"""Registers the models and objectives of this distribution. Does not import torch."""

from __future__ import annotations

from collections.abc import Callable

import genzoo

GENZOO_API = 2

_OBJECTIVES = {
    "relativistic": ("RelativisticOptions", "Relativistic pairing loss with R1 and R2 penalties (Huang et al., 2024)"),
    "non-saturating": ("NonSaturatingOptions", "Non-saturating cross-entropy (Goodfellow et al., 2014)"),
    "hinge": ("HingeOptions", "Hinge loss (Lim and Ye, 2017)"),
    "least-squares": ("LeastSquaresOptions", "Least-squares loss (Mao et al., 2017)"),
    "wasserstein-gp": ("WassersteinOptions", "Wasserstein loss with gradient penalty (Gulrajani et al., 2017)"),
}

_DCGAN = genzoo.ModelSpec(
    name="dcgan",
    family="gan",
    summary="Deep convolutional GAN (Radford et al., 2015)",
    builder="genzoo_gan.dcgan:build",
    config="genzoo_gan.options:DCGANOptions",
    objectives=tuple(_OBJECTIVES),
    capabilities=frozenset({"decoder"}),
    input="signed-unit",
    modalities=("image",),
    data="digits",
    training={
        "epochs": 200,
        "batch_size": 64,
        "optimizer": {"name": "adam", "lr": 2e-3, "betas": (0.0, 0.99)},
        "ema": 0.999,
    },
    presets={
        "tutorial": {
            "options": {
                "latent": 100,
                "generator_widths": (256, 128, 64),
                "discriminator_widths": (64, 128),
                "kernel": 5,
                "dropout": 0.3,
            },
            "objective": {"name": "non-saturating", "options": {"simultaneous": True}},
            "training": {
                "epochs": 50,
                "batch_size": 256,
                "optimizer": {"name": "adam", "lr": 1e-4, "betas": (0.9, 0.999)},
                "ema": 0.0,
            },
        },
        "paper": {
            "options": {"width": 128, "latent": 100, "kernel": 5, "slope": 0.2},
            "objective": {"name": "non-saturating"},
            "training": {
                "batch_size": 128,
                "optimizer": {"name": "adam", "lr": 2e-4, "betas": (0.5, 0.999)},
                "ema": 0.0,
            },
        },
    },
    conditional=True,
    renamed={"normalise": "normalize"},
    reference="Unsupervised Representation Learning with Deep Convolutional Generative Adversarial Networks "
    "(Radford, Metz and Chintala, 2015)",
)

_R3GAN = genzoo.ModelSpec(
    name="r3gan",
    family="gan",
    summary="Residual GAN without normalization, for images and rows of numbers (Huang et al., 2024)",
    builder="genzoo_gan.r3gan:build",
    config="genzoo_gan.options:R3GANOptions",
    objectives=tuple(_OBJECTIVES),
    capabilities=frozenset({"decoder"}),
    input={"image": "signed-unit"},
    modalities=("image", "table"),
    kinds=("continuous",),
    data="digits",
    training={
        "epochs": 200,
        "batch_size": 64,
        "optimizer": {"name": "adam", "lr": 3e-3, "betas": (0.0, 0.99)},
        "schedule": {"name": "cosine"},
        "ema": 0.999,
    },
    objective_options={"relativistic": {"gamma": 1.0, "penalty_every": 4}},
    presets={
        "rows": {
            "options": {"latent": 2, "row_width": 64, "blocks": 2, "waves": 64},
            "objective": {
                "name": "relativistic",
                "options": {"gamma": 0.0005, "penalty_every": 4, "augment": 0.2, "augment_warmup": 0.0},
            },
            "training": {
                "steps": 16_000,
                "batch_size": 512,
                "optimizer": {"name": "adam", "lr": 2e-3, "betas": (0.0, 0.99)},
                "ema": 0.99,
            },
        }
    },
    conditional=True,
    reference="The GAN is dead; long live the GAN! A Modern GAN Baseline (Huang, Gokaslan, Kuleshov and Tompkin, 2024)",
)


@genzoo.hookimpl
def register_models(register: Callable[[genzoo.ModelSpec], None]) -> None:
    for model in (_DCGAN, _R3GAN):
        register(model)


@genzoo.hookimpl
def register_objectives(register: Callable[[genzoo.ObjectiveSpec], None]) -> None:
    for name, (options, summary) in _OBJECTIVES.items():
        builder = f"genzoo_gan.objectives:{name.replace('-', '_')}"
        renamed = {"critic_steps": "discriminator_steps"} if name == "wasserstein-gp" else {}
        config = f"genzoo_gan.options:{options}"
        register(genzoo.ObjectiveSpec(name, summary, builder, config, kind="gradient", renamed=renamed))
