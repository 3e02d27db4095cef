"""Registers the models of this distribution. Does not import torch."""

from __future__ import annotations

from collections.abc import Callable

import genzoo

GENZOO_API = 2

_NGRAM = genzoo.ModelSpec(
    name="ngram",
    family="autoregressive",
    summary="Counts of short pieces of texts with modified Kneser-Ney smoothing (Chen and Goodman, 1999)",
    builder="genzoo_text.ngram.model:build",
    config="genzoo_text.ngram.options:NgramOptions",
    objectives=("kneser-ney",),
    capabilities=frozenset({"likelihood", "autoregressive"}),
    input="raw",
    modalities=("text",),
    data="numerals",
    keeps_rows=True,
    sampling="genzoo.config.tokens:TextSampling",
    sampling_group=256,
    reference="An Empirical Study of Smoothing Techniques for Language Modeling (Chen and Goodman, 1999)",
)

_KNESER_NEY = genzoo.ObjectiveSpec(
    name="kneser-ney",
    summary="Count pieces of texts, and discount the counts (Chen and Goodman, 1999)",
    builder="genzoo_text.ngram.objective:build",
    config="genzoo_text.ngram.options:CountOptions",
    kind="direct",
)

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
        "epochs": 10,
        "batch_size": 64,
        "optimizer": {"name": "muon", "lr": 0.01, "betas": (0.95, 0.99)},
        "schedule": {"name": "linear", "floor": 0.02},
    },
    presets={
        "tutorial": {
            "options": {"layers": 2, "heads": 2, "width": 64},
            "training": {"epochs": 10},
        },
        "windows": {
            "training": {
                "batch_size": 16,
                "optimizer": {"lr": 0.014, "weight_decay": 0.2},
                "schedule": {"name": "quadratic", "floor": 0.005},
            }
        },
        "sounds": {
            "options": {"heads": 3, "width": 96, "attention_window": 128},
            "training": {
                "epochs": 1,
                "batch_size": 2,
                "optimizer": {"lr": 0.014, "weight_decay": 0.2},
                "schedule": {"name": "quadratic", "floor": 0.005},
            },
        },
    },
    sampling="genzoo.config.tokens:TextSampling",
    reference="Improving Language Understanding by Generative Pre-Training (Radford et al., 2018)",
)

_NEXT_SYMBOL = genzoo.ObjectiveSpec(
    name="next-symbol",
    summary="Maximum likelihood of texts, symbol by symbol, in mixed precision",
    builder="genzoo_text.gpt:next_symbol",
    config="genzoo_text.gpt_options:NextSymbolOptions",
    kind="gradient",
)

_MODELS: tuple[genzoo.ModelSpec, ...] = (_GPT, _NGRAM)

_OBJECTIVES: tuple[genzoo.ObjectiveSpec, ...] = (_KNESER_NEY, _NEXT_SYMBOL)


@genzoo.hookimpl
def register_models(register: Callable[[genzoo.ModelSpec], None]) -> None:
    for spec in _MODELS:
        register(spec)


@genzoo.hookimpl
def register_objectives(register: Callable[[genzoo.ObjectiveSpec], None]) -> None:
    for spec in _OBJECTIVES:
        register(spec)
