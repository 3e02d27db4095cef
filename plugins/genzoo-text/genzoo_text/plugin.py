"""Registers the models of this distribution. Does not import torch."""

from __future__ import annotations

from collections.abc import Callable

import genzoo

GENZOO_API = 2

_GPT = genzoo.ModelSpec(
    name="gpt",
    family="autoregressive",
    summary="Transformer that draws texts symbol by symbol (Radford et al., 2018)",
    builder="genzoo_text.gpt:build",
    config="genzoo_text.gpt_options:GPTOptions",
    objectives=("next-symbol",),
    capabilities=frozenset({"likelihood", "autoregressive", "encoder"}),
    input="raw",
    modalities=("text",),
    conditional=True,
    data="numerals",
    training={
        "epochs": 20,
        "batch_size": 64,
        "optimizer": {"name": "muon", "lr": 0.01, "betas": (0.95, 0.99)},
        "schedule": {"name": "linear", "floor": 0.02},
    },
    presets={
        "tutorial": {
            "options": {"layers": 2, "heads": 2, "width": 64},
            "training": {"epochs": 10},
        },
    },
    sampling="genzoo.config.tokens:TextSampling",
    reference="Improving Language Understanding by Generative Pre-Training (Radford et al., 2018)",
)

_MODELS: tuple[genzoo.ModelSpec, ...] = (_GPT,)


@genzoo.hookimpl
def register_models(register: Callable[[genzoo.ModelSpec], None]) -> None:
    for spec in _MODELS:
        register(spec)


@genzoo.hookimpl
def register_objectives(register: Callable[[genzoo.ObjectiveSpec], None]) -> None:
    register(
        genzoo.ObjectiveSpec(
            name="next-symbol",
            summary="Maximum likelihood of texts, symbol by symbol, in mixed precision",
            builder="genzoo_text.gpt:next_symbol",
            config="genzoo_text.gpt_options:NextSymbolOptions",
            kind="gradient",
        )
    )
