"""Registers the models and objectives of this distribution. Does not import torch."""

from __future__ import annotations

from collections.abc import Callable

import genzoo

GENZOO_API = 2

_COPULA = genzoo.ModelSpec(
    name="copula",
    family="copula",
    summary="Gaussian copula with marginals of any shape, for mixed tables (Nelsen, 2006)",
    builder="genzoo_tabular.copula.build:build",
    config="genzoo_tabular.copula.options:CopulaOptions",
    objectives=("marginals-and-correlations",),
    capabilities=frozenset({"likelihood", "likelihood-bound", "imputation"}),
    input="standardized",
    modalities=("table",),
    missing=True,
    data="iris",
    sampling_group=1024,
    reference="An Introduction to Copulas (Nelsen, 2006)",
)


@genzoo.hookimpl
def register_models(register: Callable[[genzoo.ModelSpec], None]) -> None:
    register(_COPULA)


@genzoo.hookimpl
def register_objectives(register: Callable[[genzoo.ObjectiveSpec], None]) -> None:
    register(
        genzoo.ObjectiveSpec(
            name="marginals-and-correlations",
            summary="Marginals of each column, then correlations of their normal scores (Joe, 2005)",
            builder="genzoo_tabular.copula.objective:build",
            config="genzoo_tabular.copula.options:FitOptions",
            kind="direct",
        )
    )
