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
            name="first-vae",
            family="vae",
            summary="Variational autoencoder of two small perceptrons, for tables (Kingma and Welling, 2013)",
            builder="genzoo_first_vae.model:build",
            config="genzoo_first_vae.options:VAEOptions",
            objectives=("maximum-bound",),
            capabilities=frozenset({"likelihood-bound", "decoder", "encoder", "reconstruction"}),
            input="standardised",
            modalities=("table",),
            kinds=("continuous",),
            data="wine",
            training={
                "steps": 3000,
                "batch_size": 64,
                "optimiser": {"rate": 1e-3},
                "schedule": {"name": "cosine"},
                "patience": 20,
            },
            reference="Auto-Encoding Variational Bayes (Kingma and Welling, 2013)",
        )
    )
