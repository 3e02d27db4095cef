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
            name="first-likelihood",
            family="flow",
            summary="Affine coupling flow (Dinh et al., 2017)",
            builder="genzoo_first_likelihood.model:build",
            config="genzoo_first_likelihood.options:FlowOptions",
            objectives=("maximum-likelihood",),
            capabilities=frozenset({"likelihood", "decoder", "encoder"}),
            input="standardised",
            modalities=("table",),
            kinds=("continuous",),
            data="moons",
            training={
                "steps": 2000,
                "batch_size": 128,
                "optimiser": {"rate": 2e-3},
                "schedule": {"name": "cosine"},
                "patience": 20,
            },
            reference="Density Estimation Using Real NVP (Dinh, Sohl-Dickstein and Bengio, 2017)",
        )
    )
