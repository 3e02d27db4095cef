"""Options of the models and of their objective."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from genzoo import Settings

# scikit-learn's short word is taken, too.
CovarianceName = Annotated[
    Literal["full", "tied", "diagonal", "spherical"],
    BeforeValidator(lambda name: "diagonal" if name == "diag" else name),
]
StartName = Literal["kmeans", "k-means++", "random", "random_from_data"]

_REG_COVAR = "added to every variance, in squared data units; by default a billionth of that of the column"
_START = "first components: k-means, its seeding alone, random shares of every event, or random events"


class GaussianOptions(Settings):
    """Options of `gaussian`."""

    covariance_type: CovarianceName = Field("full", description="shape of the covariance; diag is diagonal")
    reg_covar: float | None = Field(None, ge=0, le=1e12, description=_REG_COVAR)


class MixtureOptions(GaussianOptions):
    """Options of `gmm`."""

    reg_covar: float | None = Field(
        None, ge=0, le=1e12, description=f"{_REG_COVAR}, and of data on a grid that of a value within its cell"
    )
    n_components: int = Field(2, ge=1, le=10_000, description="number of Gaussians")
    init_params: StartName = Field("kmeans", description=_START)
    noise: bool = Field(
        False, description="one more component for outliers, uniform over the box that holds the training rows"
    )
    noise_share: float = Field(0.1, gt=0, lt=1, description="share of every event that the noise has at first")


class ClassOptions(Settings):
    """Options of `naive-bayes`."""

    n_components: int = Field(2, ge=1, le=10_000, description="number of latent classes")
    reg_covar: float | None = Field(None, ge=0, le=1e12, description=_REG_COVAR)
    init_params: StartName = Field("k-means++", description=_START)


class EMOptions(Settings):
    """Options of `em`: none of its own; max_iter, tol and n_init are settings of the training."""
