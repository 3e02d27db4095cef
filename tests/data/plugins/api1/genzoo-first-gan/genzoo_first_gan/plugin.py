"""What this distribution brings to the zoo. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable

import genzoo

GENZOO_API = 1


@genzoo.hookimpl
def register_models(register: Callable[[genzoo.ModelSpec], None]) -> None:
    """Register the model."""
    register(
        genzoo.ModelSpec(
            name="first-gan",
            family="gan",
            summary="Adversarial network of two small perceptrons, for tables (Goodfellow et al., 2014)",
            builder="genzoo_first_gan.model:build",
            config="genzoo_first_gan.options:GANOptions",
            objectives=("first-gan-adversarial",),
            capabilities=frozenset({"decoder"}),
            input="standardised",
            modalities=("table",),
            kinds=("continuous",),
            data="moons",
            training={
                "steps": 4000,
                "batch_size": 256,
                "optimiser": {"rate": 1e-3, "betas": (0.5, 0.99)},
                "ema": 0.999,
            },
            reference="Generative Adversarial Nets (Goodfellow et al., 2014)",
        )
    )


@genzoo.hookimpl
def register_objectives(register: Callable[[genzoo.ObjectiveSpec], None]) -> None:
    """Register how the model is trained."""
    register(
        genzoo.ObjectiveSpec(
            name="first-gan-adversarial",
            summary="Critic and generator in turn, by one of two losses",
            builder="genzoo_first_gan.adversarial:build",
            config="genzoo_first_gan.options:AdversarialOptions",
        )
    )
