"""Registers the model and the objective of this distribution. Does not import torch."""

from __future__ import annotations

from collections.abc import Callable

import genzoo

GENZOO_API = 2

_FLOW = genzoo.ModelSpec(
    name="flow",
    family="flow",
    summary="Neural spline flow for tables (Durkan et al., 2019)",
    builder="genzoo_flow.build:build",
    config="genzoo_flow.options:FlowOptions",
    objectives=("log-density",),
    capabilities=frozenset({"likelihood", "likelihood-bound", "imputation"}),
    input="log-tails",
    modalities=("table",),
    missing=True,
    conditional=True,
    data="iris",
    training={
        "epochs": 100,
        "batch_size": 256,
        "optimizer": {"name": "adamw", "lr": 5e-3, "weight_decay": 1.0},
        "schedule": {"name": "cosine"},
        "ema": 0.99,
    },
    sampling_group=1024,
    reference="Neural Spline Flows (Durkan, Bekasov, Murray and Papamakarios, 2019)",
)


@genzoo.hookimpl
def register_models(register: Callable[[genzoo.ModelSpec], None]) -> None:
    register(_FLOW)


@genzoo.hookimpl
def register_objectives(register: Callable[[genzoo.ObjectiveSpec], None]) -> None:
    register(
        genzoo.ObjectiveSpec(
            name="log-density",
            summary="Maximum likelihood of rows, with noise in the cells of categories and counts",
            builder="genzoo_flow.objective:log_density",
            config="genzoo_flow.options:DensityOptions",
            kind="gradient",
        )
    )
