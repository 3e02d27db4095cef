"""What this distribution brings to the zoo. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable

import genzoo

GENZOO_API = 1

_MODELS = (
    ("gaussian", "One multivariate normal, in closed form", "build_gaussian", "GaussianOptions", ""),
    (
        "gmm",
        "Gaussian mixture by expectation-maximisation (Dempster et al., 1977)",
        "build_mixture",
        "MixtureOptions",
        "Maximum Likelihood from Incomplete Data via the EM Algorithm (Dempster, Laird and Rubin, 1977)",
    ),
)


@genzoo.hookimpl
def register_models(register: Callable[[genzoo.ModelSpec], None]) -> None:
    for name, summary, builder, options, reference in _MODELS:
        register(
            genzoo.ModelSpec(
                name=name,
                family="mixture",
                summary=summary,
                builder=f"genzoo_mixture.mixture:{builder}",
                config=f"genzoo_mixture.options:{options}",
                objectives=("em",),
                capabilities=frozenset({"likelihood", "components"}),
                input="centred",
                modalities=("table",),
                data="iris",
                training={"batch_size": 1, "passes": 500, "tolerance": 1e-5},
                reference=reference,
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
