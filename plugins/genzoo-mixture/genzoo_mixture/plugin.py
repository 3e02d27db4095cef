"""What this distribution brings to the zoo. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable

import genzoo

GENZOO_API = 1

_CAPABILITIES = frozenset({"likelihood", "components"})
_TRAINING = {"batch_size": 1, "passes": 500, "tolerance": 1e-5}


@genzoo.hookimpl
def register_models(register: Callable[[genzoo.ModelSpec], None]) -> None:
    register(
        genzoo.ModelSpec(
            name="gaussian",
            family="mixture",
            summary="One multivariate normal, in closed form",
            builder="genzoo_mixture.mixture:build_gaussian",
            config="genzoo_mixture.options:GaussianOptions",
            objectives=("em",),
            capabilities=_CAPABILITIES,
            input="centred",
            modalities=("table",),
            data="iris",
            training=_TRAINING,
        )
    )
    register(
        genzoo.ModelSpec(
            name="gmm",
            family="mixture",
            summary="Gaussian mixture by expectation-maximisation (Dempster et al., 1977)",
            builder="genzoo_mixture.mixture:build_mixture",
            config="genzoo_mixture.options:MixtureOptions",
            objectives=("em",),
            capabilities=_CAPABILITIES,
            input="centred",
            modalities=("table",),
            data="iris",
            training=_TRAINING,
            reference="Maximum Likelihood from Incomplete Data via the EM Algorithm (Dempster, Laird and Rubin, 1977)",
        )
    )


@genzoo.hookimpl
def register_objectives(register: Callable[[genzoo.ObjectiveSpec], None]) -> None:
    register(
        genzoo.ObjectiveSpec(
            "em",
            "Maximum likelihood by expectation-maximisation",
            "genzoo_mixture.em:build",
            "genzoo_mixture.options:EMOptions",
        )
    )
