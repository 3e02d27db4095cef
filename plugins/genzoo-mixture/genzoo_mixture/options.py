"""Options of the models and of their objective."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from genzoo import Settings

CovarianceName = Literal["full", "tied", "diagonal", "spherical"]


class GaussianOptions(Settings):
    """Options of `gaussian`."""

    covariance: CovarianceName = Field("full", description="shape of the covariance")
    reg_covar: float = Field(1e-6, ge=0, le=1e12, description="added to every variance, in squared data units")


class MixtureOptions(GaussianOptions):
    """Options of `gmm`."""

    components: int = Field(2, ge=1, le=10_000, description="number of Gaussians")
    start: Literal["k-means", "k-means++", "random", "from-data"] = Field(
        "k-means",
        description="first means: k-means, its seeding alone, random shares of every event, or random events",
    )


class EMOptions(Settings):
    """Options of `em`: none of its own; passes, tolerance and restarts are settings of the training."""
