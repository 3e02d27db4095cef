"""Options of `copula`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from genzoo import Settings


class CopulaOptions(Settings):
    """Options of `copula`."""

    marginals: Literal["empirical", "parametric", "normal"] = Field(
        "empirical",
        description="distribution of each column: smoothed quantiles with normal tails; the one of normal and "
        "Johnson's SU with the lower BIC; or normal",
    )
    by: str = Field(
        "auto",
        min_length=1,
        description="column by whose levels rows are grouped, with marginals and correlations for each group; none for "
        "no groups; auto chooses by cross-validation",
    )


class FitOptions(Settings):
    """Options of `marginals-and-correlations`."""

    sweeps: int = Field(
        200,
        ge=10,
        le=100_000,
        description="draws of the normal scores that ranks or missing values leave open, for the correlations",
    )
