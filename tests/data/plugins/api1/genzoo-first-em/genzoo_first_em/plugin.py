"""What this distribution brings to the zoo. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable

import genzoo

GENZOO_API = 1


@genzoo.hookimpl
def register_models(register: Callable[[genzoo.ModelSpec], None]) -> None:
    """Register the model."""
    register(
        genzoo.ModelSpec(
            name="first-em",
            family="mixture",
            summary="Mixture of t distributions, which outliers hardly move (Peel and McLachlan, 2000)",
            builder="genzoo_first_em.model:build",
            config="genzoo_first_em.options:MixtureOptions",
            objectives=("first-em-em",),
            capabilities=frozenset({"likelihood", "components"}),
            input="centred",
            modalities=("table",),
            kinds=("continuous",),
            data="iris",
            training={"passes": 2000, "tolerance": 1e-6, "restarts": 5},
            reference="Robust Mixture Modelling Using the t Distribution (Peel and McLachlan, 2000)",
        )
    )


@genzoo.hookimpl
def register_objectives(register: Callable[[genzoo.ObjectiveSpec], None]) -> None:
    """Register how the model is trained."""
    register(
        genzoo.ObjectiveSpec(
            name="first-em-em",
            summary="Maximum likelihood by expectation-maximisation",
            builder="genzoo_first_em.em:build",
            config="genzoo_first_em.options:EMOptions",
        )
    )
