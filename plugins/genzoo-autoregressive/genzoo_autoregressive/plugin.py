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
    reference="Conditional Image Generation with PixelCNN Decoders (van den Oord and others, 2016)",
)

_NEXT_PIXEL = genzoo.ObjectiveSpec(
    name="next-pixel",
    summary="Maximum likelihood of images, value by value, in mixed precision",
    builder="genzoo_autoregressive.pixelcnn.pixelcnn:next_pixel",
    config="genzoo_autoregressive.pixelcnn.options:NextPixelOptions",
    kind="gradient",
)

_MODELS: tuple[genzoo.ModelSpec, ...] = (_PIXELCNN,)

_OBJECTIVES: tuple[genzoo.ObjectiveSpec, ...] = (_NEXT_PIXEL,)


@genzoo.hookimpl
def register_models(register: Callable[[genzoo.ModelSpec], None]) -> None:
    for spec in _MODELS:
        register(spec)


@genzoo.hookimpl
def register_objectives(register: Callable[[genzoo.ObjectiveSpec], None]) -> None:
    for spec in _OBJECTIVES:
        register(spec)
