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


class ClusterOptions(Settings):
    """Options that `gmm` and `t-mixture` have in common."""

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
    n_components: int = Field(2, ge=1, le=10_000, description="number of clusters")
    init_params: StartName = Field("several", description=_SEVERAL)

    @property
    def tries_several_starts(self) -> bool:
        return self.init_params == "several"


class MixtureOptions(ClusterOptions):
    """Options of `gmm`."""

    n_components: int = Field(2, ge=1, le=10_000, description="number of Gaussians")
    noise: bool = Field(
        False, description="add a component for outliers, uniform over the smallest box around the training rows"
    )
    noise_share: float = Field(0.1, gt=0, lt=1, description="share of every row that the noise has when EM starts")


def _checked_df(value: Any) -> Any:
    """Check a value, in plain words: the message of a union would name its parts."""
    try:
        known = value in ("free", "shared") or 0.5 <= float(value) <= 1e6
    except (TypeError, ValueError):
        known = False
    if not known:
        raise ValueError("it is free, shared, or a number from 0.5 to 1,000,000")
    return value


class StudentOptions(ClusterOptions):
    """Options of `t-mixture`."""

    n_components: int = Field(2, ge=1, le=10_000, description="number of t distributions")
    df: Annotated[Literal["free", "shared"] | Annotated[float, Field(ge=0.5, le=1e6)], BeforeValidator(_checked_df)] = (
        Field(
            "free",
            description="degrees of freedom: estimated for each component (free), estimated and the same for all "
            "(shared), or a number; estimates lie between 0.5 and 10,000, which is practically normal",
        )
    )


class FactorOptions(Settings):
    """Options of `factor-analysis`."""

    n_factors: int = Field(2, ge=1, le=10_000, description="number of factors, less than the number of columns")
    min_uniqueness: float = Field(
        1e-6,
        ge=1e-9,
        le=0.5,
        description="smallest noise variance of a column, as a share of its robust variance; with less, it is a "
        "Heywood case, which has no AIC or BIC",
    )


class PrincipalOptions(FactorOptions):
    """Options of `ppca`."""

    n_factors: int = Field(
        2,
        ge=1,
        le=10_000,
        description="number of principal components, less than the number of columns; all columns have the same noise, "
        "so results depend on their units: scale columns in different units first, or use factor-analysis",
    )
    min_uniqueness: float = Field(
        1e-6,
        ge=1e-9,
        le=0.5,
        description="smallest noise variance, as a share of the robust variance of the narrowest column",
    )


class FactorMixtureOptions(FactorOptions):
    """Options of `mfa`."""

    n_components: int = Field(2, ge=1, le=10_000, description="number of factor models")
    n_factors: int = Field(
        1, ge=1, le=10_000, description="number of factors of each component, less than the number of columns"
    )
    isotropic: bool = Field(
        False,
        description="the same noise variance for all columns: a mixture of probabilistic principal components, whose "
        "results depend on the units of columns",
    )
    init_params: StartName = Field("several", description=_SEVERAL)

    @property
    def tries_several_starts(self) -> bool:
        return self.init_params == "several"


class ClassOptions(Settings):
    """Options of `naive-bayes`."""

    n_components: int = Field(2, ge=1, le=10_000, description="number of latent classes")
    reg_covar: float | None = Field(None, ge=0, le=1e12, description=_REG_COVAR)
    init_params: StartName = Field("several", description=_SEVERAL)

    @property
    def tries_several_starts(self) -> bool:
        return self.init_params == "several"


class EMOptions(Settings):
    """Options of `em`: none. `max_iter`, `tol` and `n_init` are training settings."""
