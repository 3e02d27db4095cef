"""Registers the models of this distribution. Does not import torch."""

from __future__ import annotations

from collections.abc import Callable

import genzoo

GENZOO_API = 2

_MADE = genzoo.ModelSpec(
    name="made",
    family="autoregressive",
    summary="Each column or pixel given others, by masked networks (Germain et al., 2015)",
    builder="genzoo_autoregressive.made.build:build",
    config="genzoo_autoregressive.made.options:MadeOptions",
    objectives=("log-probability",),
    capabilities=frozenset({"likelihood", "likelihood-bound", "imputation"}),
    input={"image": "raw", "table": "bins"},
    missing=True,
    conditional=True,
    data="iris",
    training={
        "steps": 1000,
        "batch_size": 256,
        "optimizer": {"name": "adamw", "lr": 4e-3, "weight_decay": 0.01, "betas": (0.9, 0.99)},
        "schedule": {"name": "cosine", "warmup": 50},
        "ema": 0.995,
        "eval_steps": 50,
    },
    sampling_group=1024,
    reference="MADE: Masked Autoencoder for Distribution Estimation (Germain, Gregor, Murray and Larochelle, 2015)",
)

_LOG_PROBABILITY = genzoo.ObjectiveSpec(
    name="log-probability",
    summary="Maximum likelihood of each value given others, in random orders",
    builder="genzoo_autoregressive.made.objective:build",
    config="genzoo_autoregressive.made.options:ConditionalOptions",
    kind="gradient",
)

_BINS = genzoo.TransformSpec(
    name="bins",
    summary="numbers to bins of about equally many rows, and the place in the bin",
    builder="genzoo_autoregressive.bins:Bins",
    config="genzoo_autoregressive.bins:BinOptions",
    cells=True,
)


_MODELS: tuple[genzoo.ModelSpec, ...] = (_MADE,)

_OBJECTIVES: tuple[genzoo.ObjectiveSpec, ...] = (_LOG_PROBABILITY,)


@genzoo.hookimpl
def register_models(register: Callable[[genzoo.ModelSpec], None]) -> None:
    for spec in _MODELS:
        register(spec)


@genzoo.hookimpl
def register_objectives(register: Callable[[genzoo.ObjectiveSpec], None]) -> None:
    for spec in _OBJECTIVES:
        register(spec)


@genzoo.hookimpl
def register_transforms(register: Callable[[genzoo.TransformSpec], None]) -> None:
    register(_BINS)
