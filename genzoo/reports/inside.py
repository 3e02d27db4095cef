"""Sections on what is inside a model: reconstructions, latent space and components."""

from __future__ import annotations

import numpy as np

from genzoo.inference.latent import traverse
from genzoo.inference.trained_model import TrainedModel
from genzoo.models.base import Components, Decoder, Outliers, Reconstruction
from genzoo.reports.modalities.report import report_of
from genzoo.reports.page import Block, Section, Table, Text
from genzoo.typing import Array

_STEPS = 7


_MOST_DIMENSIONS = 10


_MOST_COMPONENTS = 20


_PAIRS = 8


_COMPONENT_NUMBERS = 400_000


def inside_sections(fitted: TrainedModel, real: Array | None, seed: int) -> list[Section]:
    """Return sections on reconstructions, latent space and components, as far as the model has them.

    Arguments:
        real: rows that the model was not trained on, in data units, or `None`.
    """
    sections = []
    if real is not None and isinstance(fitted.generator, Reconstruction) and not fitted.data.condition:
        few = real[:_PAIRS]
        blocks = report_of(fitted.data.form).reconstructions(few, fitted.reconstruct(few), fitted.data)
        sections.append(Section("Reconstructions", tuple(blocks)))
    if isinstance(fitted.generator, Decoder):
        sections.append(_traversal(fitted, seed))
    if real is not None and isinstance(fitted.generator, Components):
        sections.append(_components(fitted, real))
    return sections


def _traversal(fitted: TrainedModel, seed: int) -> Section:
    most = max(2, min(_MOST_DIMENSIONS, _COMPONENT_NUMBERS // (_STEPS * fitted.data.size)))
    fitted = fitted.under_usual
    found = traverse(fitted, steps=_STEPS, most=most, seed=seed)
    under = f" They are decoded given {fitted.given_in_words}." if fitted.fixed else ""
    numbers = ", ".join(map(str, found.dimensions))
    text = Text(
        f"Each row varies one latent dimension from one end of the prior to the other, and keeps all others at their "
        f"center. Dimensions that change the output most come first: {numbers}.{under}"
    )
    return Section("Latent space", (text, *report_of(fitted.data.form).traversal(found)))


def _components(fitted: TrainedModel, real: Array) -> Section:
    """Describe each component by its share of the rows, and by what its rows are like."""
    posterior = np.exp(fitted.log_posterior(real).astype(np.float64))  # (N, K)
    share = posterior.mean(axis=0)
    order = np.argsort(-share, kind="stable")[:_MOST_COMPONENTS]
    outlier = fitted.generator.outlier if isinstance(fitted.generator, Outliers) else None
    rows = tuple(
        ("outliers" if component == outlier else str(component), f"{share[component]:.1%}") for component in order
    )
    table = Table(f"Share of each component in {len(real)} rows", ("component", "share"), rows)
    complete = report_of(fitted.data.form).components
    blocks: list[Block] = [table] if complete is None else complete(table, real, posterior[:, order], fitted.data)
    if len(share) > len(order):
        blocks.append(Text(f"The {len(order)} largest of {len(share)} components are shown."))
    return Section("Components", tuple(blocks))
