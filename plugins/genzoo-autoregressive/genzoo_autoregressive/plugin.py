"""Registers the models of this distribution. Does not import torch."""

from __future__ import annotations

from collections.abc import Callable

import genzoo

GENZOO_API = 2

_PIXELCNN = genzoo.ModelSpec(
    name="pixelcnn",
    family="autoregressive",
    summary="Gated PixelCNN, which draws images pixel by pixel (van den Oord et al., 2016)",
    builder="genzoo_autoregressive.pixelcnn.pixelcnn:build",
    config="genzoo_autoregressive.pixelcnn.options:PixelCNNOptions",
    objectives=("next-pixel",),
    capabilities=frozenset({"likelihood"}),
    input="unit",
    modalities=("image",),
    conditional=True,
    data="digits",
    training={
        "epochs": 40,
        "batch_size": 64,
        "optimizer": {"name": "muon", "lr": 0.01, "betas": (0.95, 0.99), "weight_decay": 1.0},
        "schedule": {"name": "linear", "floor": 0.02},
    },
    presets={
        "binarized": {
            "options": {"dropout": 0.0},
            "training": {
                "epochs": None,
                "steps": 5000,
                "batch_size": 16,
                "optimizer": {"name": "muon", "lr": 0.01, "betas": (0.95, 0.99), "weight_decay": 0.0},
            },
        }
    },
    reference="Conditional Image Generation with PixelCNN Decoders (van den Oord and others, 2016)",
)

_NEXT_PIXEL = genzoo.ObjectiveSpec(
    name="next-pixel",
    summary="Maximum likelihood of images, value by value, in mixed precision",
    builder="genzoo_autoregressive.pixelcnn.pixelcnn:next_pixel",
    config="genzoo_autoregressive.pixelcnn.options:NextPixelOptions",
    kind="gradient",
)

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
        "patience": 6,
    },
    presets={
        "binarized": {
            "options": {"dropout": 0.0},
            "training": {"steps": 4000, "batch_size": 512, "ema": 0.998, "eval_steps": 200},
        }
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

_MODELS: tuple[genzoo.ModelSpec, ...] = (_MADE, _PIXELCNN)

_OBJECTIVES: tuple[genzoo.ObjectiveSpec, ...] = (_LOG_PROBABILITY, _NEXT_PIXEL)


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
