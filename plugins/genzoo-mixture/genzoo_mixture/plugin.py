"""Registers the models and objectives of this distribution. Does not import torch."""

from __future__ import annotations

from collections.abc import Callable
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
