"""Registers the model and the objectives of this distribution. Does not import torch."""

from __future__ import annotations

from collections.abc import Callable

import genzoo

GENZOO_API = 2

_OBJECTIVES = {
    "velocity": (
        "objectives:velocity",
        "VelocityOptions",
        "Squared error of the velocity, or for images its logarithm",
    ),
    "denoise": ("objectives:denoise", "DenoiseOptions", "Squared error of the event without its noise"),
    "mean-flow": ("mean_flow:MeanFlow", "MeanFlowOptions", "Mean velocities, for samples in one step"),
}

_DIFFUSION = genzoo.ModelSpec(
    name="diffusion",
    family="diffusion",
    summary="Diffusion and flow matching for images and tables (Lipman et al., 2023; Karras et al., 2022)",
    builder="genzoo_diffusion.diffusion:build",
    config="genzoo_diffusion.options:DiffusionOptions",
    sampling="genzoo_diffusion.options:DiffusionSampling",
    objectives=tuple(_OBJECTIVES),
    capabilities=frozenset({"likelihood-bound", "likelihood-estimate"}),
    input={"table": "marginal"},
    modalities=("image", "table"),
    conditional=True,
    data="digits",
    training={
        "steps": 5000,
        "batch_size": 128,
        "optimizer": {"name": "adam", "lr": 2e-3},
        "schedule": {"name": "cosine"},
        "ema": 0.999,
        "bound_draws": 16,
    },
    sampling_group=256,
    reference="Flow Matching for Generative Modeling (Lipman, Chen, Ben-Hamu, Nickel and Le, 2023)",
)


@genzoo.hookimpl
def register_models(register: Callable[[genzoo.ModelSpec], None]) -> None:
    register(_DIFFUSION)


@genzoo.hookimpl
def register_objectives(register: Callable[[genzoo.ObjectiveSpec], None]) -> None:
    for name, (builder, options, summary) in _OBJECTIVES.items():
        builder, config = f"genzoo_diffusion.{builder}", f"genzoo_diffusion.options:{options}"
        register(genzoo.ObjectiveSpec(name, summary, builder, config, kind="gradient"))
