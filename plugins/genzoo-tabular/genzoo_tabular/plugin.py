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

_ARF = genzoo.ModelSpec(
    name="arf",
    family="forest",
    summary="Adversarial random forest: independent columns in each leaf, for mixed tables (Watson et al., 2023)",
    builder="genzoo_tabular.arf.build:build",
    config="genzoo_tabular.arf.options:ForestOptions",
    objectives=("adversarial-forest",),
    capabilities=frozenset({"likelihood", "imputation"}),
    input="standardized",
    modalities=("table",),
    missing=True,
    data="iris",
    sampling_group=1024,
    reference="Adversarial Random Forests for Density Estimation and Generative Modeling (Watson et al., 2023)",
)

_KDE = genzoo.ModelSpec(
    name="kde",
    family="kernel",
    summary="Kernel density estimate for mixed tables, which keeps training rows (Li and Racine, 2003)",
    builder="genzoo_tabular.kde.build:build",
    config="genzoo_tabular.kde.options:KernelOptions",
    objectives=("bandwidths",),
    capabilities=frozenset({"likelihood", "imputation"}),
    input="standardized",
    modalities=("table",),
    missing=True,
    data="iris",
    sampling_group=1024,
    keeps_rows=True,
    reference="Nonparametric Estimation of Distributions with Categorical and Continuous Data (Li and Racine, 2003)",
)

_SMOTE = genzoo.ModelSpec(
    name="smote",
    family="interpolation",
    summary="Baseline that copies: points between neighboring training rows, with no density (Chawla et al., 2002)",
    builder="genzoo_tabular.smote.model:build",
    config="genzoo_tabular.smote.options:NeighborOptions",
    objectives=("kept-rows",),
    input="standardized",
    modalities=("table",),
    data="iris",
    sampling_group=1024,
    keeps_rows=True,
    reference="SMOTE: Synthetic Minority Over-sampling Technique (Chawla et al., 2002)",
)


@genzoo.hookimpl
def register_models(register: Callable[[genzoo.ModelSpec], None]) -> None:
    register(_COPULA)
    register(_ARF)
    register(_KDE)
    register(_SMOTE)


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
    register(
        genzoo.ObjectiveSpec(
            name="adversarial-forest",
            summary="Forests that classify real and synthetic rows, until they cannot (Watson et al., 2023)",
            builder="genzoo_tabular.arf.objective:build",
            config="genzoo_tabular.arf.options:GrowingOptions",
            kind="direct",
        )
    )
    register(
        genzoo.ObjectiveSpec(
            name="bandwidths",
            summary="Widths of kernels by the likelihood of rows that are left out (Li and Racine, 2003)",
            builder="genzoo_tabular.kde.objective:build",
            config="genzoo_tabular.kde.options:BandwidthOptions",
            kind="direct",
        )
    )
    register(
        genzoo.ObjectiveSpec(
            name="kept-rows",
            summary="Keep the training rows (Chawla et al., 2002)",
            builder="genzoo_tabular.smote.model:build_objective",
            config="genzoo_tabular.smote.options:KeepOptions",
            kind="direct",
        )
    )
