"""Registers the models and objectives of this distribution. Does not import torch."""

from __future__ import annotations

from collections.abc import Callable

import genzoo

GENZOO_API = 2

_BOUNDS = {
    "elbo": ("ELBOOptions", "Evidence lower bound (Kingma and Welling, 2013)"),
    "iwae": ("IWAEOptions", "Importance-weighted bound (Burda et al., 2015)"),
}

_OBJECTIVES = {
    **_BOUNDS,
    "reconstruction-error": (
        "ReconstructionErrorOptions",
        "Squared error of numbers, cross-entropy of categories (Rumelhart et al., 1986)",
    ),
}

_TRAINING = {
    "steps": 8000,
    "batch_size": 64,
    "optimizer": {"name": "adam", "lr": 2e-3},
    "schedule": {"name": "cosine"},
    "ema": 0.999,
    "eval_steps": 200,
    "patience": 10,
}

_AUTOENCODER = genzoo.ModelSpec(
    name="autoencoder",
    family="autoencoder",
    summary="Autoencoder for dimension reduction and anomaly detection (Hinton and Salakhutdinov, 2006)",
    builder="genzoo_vae.autoencoder:build",
    config="genzoo_vae.options:AutoencoderOptions",
    objectives=("reconstruction-error",),
    capabilities=frozenset({"anomaly-score", "decoder", "encoder", "reconstruction"}),
    input={"image": "unit", "table": "standardized"},
    modalities=("image", "table"),
    missing=True,
    data="digits",
    training=_TRAINING,
    reference="Reducing the Dimensionality of Data with Neural Networks (Hinton and Salakhutdinov, 2006)",
)

_VAE = genzoo.ModelSpec(
    name="vae",
    family="vae",
    summary="Variational autoencoder for images and tables (Kingma and Welling, 2013)",
    builder="genzoo_vae.build:build",
    config="genzoo_vae.options:VAEOptions",
    objectives=tuple(_BOUNDS),
    capabilities=frozenset({"likelihood-bound", "decoder", "encoder", "reconstruction", "imputation"}),
    input={"image": "unit", "table": "standardized"},
    modalities=("image", "table"),
    missing=True,
    data="digits",
    objective_options={"elbo": {"warmup": 0.3}},
    training=_TRAINING,
    conditional=True,
    renamed={"components": "n_components", "likelihood=discretised-logistic": "discretized-logistic"},
    reference="Auto-Encoding Variational Bayes (Kingma and Welling, 2013)",
)

_MVAE = genzoo.ModelSpec(
    name="mvae",
    family="vae",
    summary="Multimodal variational autoencoder for events of several parts (Wu and Goodman, 2018)",
    builder="genzoo_vae.mvae:build_mvae",
    config="genzoo_vae.multimodal_options:MVAEOptions",
    objectives=("subset-elbo",),
    capabilities=_VAE.capabilities,
    input=_VAE.input,
    modalities=("parts",),
    missing=True,
    data="labeled-digits",
    objective_options={"subset-elbo": {"warmup": 0.3}},
    training=_TRAINING,
    reference="Multimodal Generative Models for Scalable Weakly-Supervised Learning (Wu and Goodman, 2018)",
)


@genzoo.hookimpl
def register_models(register: Callable[[genzoo.ModelSpec], None]) -> None:
    register(_AUTOENCODER)
    register(_MVAE)
    register(_VAE)


@genzoo.hookimpl
def register_objectives(register: Callable[[genzoo.ObjectiveSpec], None]) -> None:
    for name, (options, summary) in _OBJECTIVES.items():
        builder, config = f"genzoo_vae.objectives:{name.replace('-', '_')}", f"genzoo_vae.options:{options}"
        renamed = {"gradient=doubly-reparameterised": "doubly-reparameterized"} if name == "iwae" else {}
        register(genzoo.ObjectiveSpec(name, summary, builder, config, kind="gradient", renamed=renamed))
    register(
        genzoo.ObjectiveSpec(
            "subset-elbo",
            "Evidence lower bounds of all parts of an event, and of random subsets of them (Wu and Goodman, 2018)",
            "genzoo_vae.subset_elbo:subset_elbo",
            "genzoo_vae.multimodal_options:SubsetELBOOptions",
            kind="gradient",
        )
    )
