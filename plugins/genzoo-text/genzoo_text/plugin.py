"""Registers the models of this distribution. Does not import torch."""

from __future__ import annotations

from collections.abc import Callable

import genzoo

GENZOO_API = 2

_NGRAM = genzoo.ModelSpec(
    name="ngram",
    family="text",
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

_MODELS: tuple[genzoo.ModelSpec, ...] = (_NGRAM,)

_KNESER_NEY = genzoo.ObjectiveSpec(
    name="kneser-ney",
    summary="Count pieces of texts, and discount the counts (Chen and Goodman, 1999)",
    builder="genzoo_text.ngram.objective:build",
    config="genzoo_text.ngram.options:CountOptions",
    kind="direct",
)

_OBJECTIVES: tuple[genzoo.ObjectiveSpec, ...] = (_KNESER_NEY,)


@genzoo.hookimpl
def register_models(register: Callable[[genzoo.ModelSpec], None]) -> None:
    for spec in _MODELS:
        register(spec)


@genzoo.hookimpl
def register_objectives(register: Callable[[genzoo.ObjectiveSpec], None]) -> None:
    for spec in _OBJECTIVES:
        register(spec)
