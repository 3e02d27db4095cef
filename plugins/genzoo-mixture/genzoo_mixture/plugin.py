"""Registers the models and objectives of this distribution. Does not import torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import genzoo

GENZOO_API = 2

_COMMON: dict[str, Any] = {
    "family": "mixture",
    "objectives": ("em",),
    "modalities": ("table", "image"),
    "missing": True,
    "data": "iris",
}
_COMPONENTS = {
    "components": "n_components",
    "start": "init_params",
    "init_params=k-means": "kmeans",
    "init_params=from-data": "random_from_data",
}
_BASIC = frozenset({"likelihood", "components", "imputation"})


@genzoo.hookimpl
def register_models(register: Callable[[genzoo.ModelSpec], None]) -> None:
    register(
        genzoo.ModelSpec(
            name="gaussian",
            summary="One multivariate normal, in closed form",
            builder="genzoo_mixture.build:build_gaussian",
            config="genzoo_mixture.options:GaussianOptions",
            capabilities=_BASIC | {"decoder", "encoder"},
            kinds=("continuous",),
            input="centered",
            training={"max_iter": 1000, "tol": 1e-7},
            renamed={"covariance": "covariance_type"},
            **_COMMON,
        )
    )
    register(
        genzoo.ModelSpec(
            name="gmm",
            summary="Gaussian mixture by expectation-maximization (Dempster et al., 1977)",
            builder="genzoo_mixture.build:build_mixture",
            config="genzoo_mixture.options:MixtureOptions",
            capabilities=_BASIC | {"outliers"},
            kinds=("continuous",),
            input="centered",
            training={"max_iter": 1000, "tol": 1e-6},
            reference="Maximum Likelihood from Incomplete Data via the EM Algorithm (Dempster, Laird and Rubin, 1977)",
            renamed={"covariance": "covariance_type", **_COMPONENTS},
            **_COMMON,
        )
    )
    register(
        genzoo.ModelSpec(
            name="t-mixture",
            summary="Mixture of multivariate t distributions, robust to outliers (Peel and McLachlan, 2000)",
            builder="genzoo_mixture.build:build_students",
            config="genzoo_mixture.options:StudentOptions",
            capabilities=_BASIC,
            kinds=("continuous",),
            input="centered",
            training={"max_iter": 2000, "tol": 1e-7},
            reference="Finite Mixture Models (McLachlan and Peel, 2000)",
            **_COMMON,
        )
    )
    for spec in _factor_models():
        register(spec)
    register(
        genzoo.ModelSpec(
            name="naive-bayes",
            summary="Latent classes: columns of any kind, independent given the class (Lazarsfeld, 1950)",
            builder="genzoo_mixture.build:build_classes",
            config="genzoo_mixture.options:ClassOptions",
            capabilities=_BASIC,
            input={"table": "centered", "image": "raw"},  # the pixels of binary images are codes
            training={"max_iter": 2000, "tol": 1e-6},
            reference="The Logical and Mathematical Foundation of Latent Structure Analysis (Lazarsfeld, 1950)",
            renamed=_COMPONENTS,
            **_COMMON,
        )
    )


def _factor_models() -> Iterator[genzoo.ModelSpec]:
    common: dict[str, Any] = {
        **_COMMON,
        "data": "wine",
        "kinds": ("continuous",),
        "input": "centered",
        "training": {"max_iter": 2000, "tol": 1e-7},
    }
    able = _BASIC | {"encoder", "reconstruction"}
    yield genzoo.ModelSpec(
        name="factor-analysis",
        summary="Factor analysis: columns depend on few factors, each column with noise of its own (Spearman, 1904)",
        builder="genzoo_mixture.build:build_factor_analysis",
        config="genzoo_mixture.options:FactorOptions",
        capabilities=able | {"decoder"},
        reference="Some contributions to maximum likelihood factor analysis (Jöreskog, 1967)",
        **common,
    )
    yield genzoo.ModelSpec(
        name="ppca",
        summary="Probabilistic principal components: few factors, and equal noise in all columns",
        builder="genzoo_mixture.build:build_principal",
        config="genzoo_mixture.options:PrincipalOptions",
        capabilities=able | {"decoder"},
        reference="Probabilistic Principal Component Analysis (Tipping and Bishop, 1999)",
        **common,
    )
    yield genzoo.ModelSpec(
        name="mfa",
        summary="Mixture of factor analyzers: clusters that each depend on few factors of their own",
        builder="genzoo_mixture.build:build_factor_mixture",
        config="genzoo_mixture.options:FactorMixtureOptions",
        capabilities=able,
        reference="The EM Algorithm for Mixtures of Factor Analyzers (Ghahramani and Hinton, 1996)",
        **common,
    )


@genzoo.hookimpl
def register_objectives(register: Callable[[genzoo.ObjectiveSpec], None]) -> None:
    register(
        genzoo.ObjectiveSpec(
            "em",
            "Maximum likelihood by expectation-maximization",
            "genzoo_mixture.em:build",
            "genzoo_mixture.options:EMOptions",
            kind="em",
        )
    )
