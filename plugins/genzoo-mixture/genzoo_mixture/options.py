"""Options of the models and of their objective."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from genzoo import Settings

_ALSO = {"diag": "diagonal", "VVV": "full", "EEE": "tied", "VVI": "diagonal", "VII": "spherical"}
"""Other names of covariance types: of scikit-learn, and of mclust."""


def _usual(name: Any) -> Any:
    return _ALSO.get(name, name) if isinstance(name, str) else name


CovarianceName = Annotated[Literal["full", "tied", "diagonal", "spherical"], BeforeValidator(_usual)]
FamilyName = Annotated[
    Literal[
        "full", "tied", "diagonal", "spherical",
        "EII", "EEI", "VEI", "EVI", "VEE", "EVE", "VVE", "EEV", "VEV", "EVV",
    ],
    BeforeValidator(_usual),
]  # fmt: skip
StartName = Literal["several", "kmeans", "k-means++", "random", "random_from_data"]

_REG_COVAR = "added to every variance, in squared data units; by default 1e-9 times the robust variance of the column"
_START = "how EM starts: from k-means, from k-means++ seeds, with random shares of every row, or from random rows"
_SEVERAL = f"{_START}; or from the best of several starts, tried in short runs on a sample of rows"


class GaussianOptions(Settings):
    """Options of `gaussian`."""

    covariance_type: CovarianceName = Field("full", description="form of the covariance matrices; diag means diagonal")
    reg_covar: float | None = Field(None, ge=0, le=1e12, description=_REG_COVAR)


class MixtureOptions(Settings):
    """Options of `gmm`."""

    covariance_type: FamilyName = Field(
        "full",
        description="form of the covariance matrices, also by mclust's names: full is VVV, tied EEE, diagonal (or "
        "diag) VVI, and spherical VII",
    )
    reg_covar: float | None = Field(
        None,
        ge=0,
        le=1e12,
        description=f"{_REG_COVAR}, or for data on a grid the variance of a uniform value in a cell",
    )
    n_components: int = Field(2, ge=1, le=10_000, description="number of Gaussians")
    init_params: StartName = Field("several", description=_SEVERAL)
    noise: bool = Field(
        False, description="add a component for outliers, uniform over the smallest box around the training rows"
    )
    noise_share: float = Field(0.1, gt=0, lt=1, description="share of every row that the noise has when EM starts")

    @property
    def tries_several_starts(self) -> bool:
        return self.init_params == "several"


class ClassOptions(Settings):
    """Options of `naive-bayes`."""

    n_components: int = Field(2, ge=1, le=10_000, description="number of latent classes")
    reg_covar: float | None = Field(None, ge=0, le=1e12, description=_REG_COVAR)
    init_params: Literal["kmeans", "k-means++", "random", "random_from_data"] = Field("k-means++", description=_START)


class EMOptions(Settings):
    """Options of `em`: none. `max_iter`, `tol` and `n_init` are training settings."""
