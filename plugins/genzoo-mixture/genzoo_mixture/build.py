"""Builders: make the models from their options and the columns of the data."""

from __future__ import annotations

from typing import Any

from genzoo import ConfigError, DataSpec, Parts
from genzoo_mixture.emission import COVARIANCES, Diagonal, Emission, Full
from genzoo_mixture.emission.categories import Categories
from genzoo_mixture.emission.counts import Counts
from genzoo_mixture.emission.emission import Added
from genzoo_mixture.factors.emission import Factors
from genzoo_mixture.factors.model import FactorMixture, FactorModel
from genzoo_mixture.mixture import Gaussian, Mixture, NoisyMixture
from genzoo_mixture.options import (
    ClassOptions,
    ClusterOptions,
    FactorMixtureOptions,
    FactorOptions,
    GaussianOptions,
    MixtureOptions,
    PrincipalOptions,
    StudentOptions,
)
from genzoo_mixture.student.emission import Student


def build_gaussian(config: GaussianOptions, data: DataSpec) -> Parts:
    """Build one Gaussian over the columns of the data."""
    emission, places = _gaussian(config, 1, data, Added(config.reg_covar))
    return Parts(Gaussian([emission], [places], "random", data.event_shape))


def build_mixture(config: MixtureOptions, data: DataSpec) -> Parts:
    """Build a mixture of Gaussians over the columns of the data."""
    emission, places = _gaussian(config, config.n_components, data, _added(config, data))
    if config.noise:
        names = [feature.name for feature in data.places]
        return Parts(
            NoisyMixture([emission], [places], config.init_params, config.noise_share, names, data.event_shape)
        )
    return Parts(Mixture([emission], [places], config.init_params, data.event_shape))


def _added(config: ClusterOptions, data: DataSpec) -> Added:
    """Return what is added to the variances of a mixture."""
    if config.reg_covar is None and data.quantum is not None:
        # A component with fewer events than pixels has no variance in some directions, where dequantization noise
        # should be. It is uniform over a cell of the grid, and has the variance quantum² / 12.
        return Added(data.quantum**2 / 12, meant=True)
    return Added(config.reg_covar)


def _gaussian(
    config: GaussianOptions | ClusterOptions, components: int, data: DataSpec, added: Added
) -> tuple[Full | Diagonal, range]:
    columns = data.size
    return COVARIANCES[config.covariance_type](components, columns, added), range(columns)


def build_students(config: StudentOptions, data: DataSpec) -> Parts:
    """Build a mixture of multivariate t distributions over the columns of the data."""
    normal, places = _gaussian(config, config.n_components, data, _added(config, data))
    emission = Student(normal, config.df == "shared", None if isinstance(config.df, str) else config.df)
    return Parts(Mixture([emission], [places], config.init_params, data.event_shape))


def build_factor_analysis(config: FactorOptions, data: DataSpec) -> Parts:
    """Build a factor model over the columns of the data."""
    return Parts(FactorModel(*_factors(config, 1, data), "random", data.event_shape))


def build_principal(config: PrincipalOptions, data: DataSpec) -> Parts:
    """Build a factor model with the same noise in all columns of the data."""
    return Parts(FactorModel(*_factors(config, 1, data, isotropic=True), "random", data.event_shape))


def build_factor_mixture(config: FactorMixtureOptions, data: DataSpec) -> Parts:
    """Build a mixture of factor models over the columns of the data."""
    parts = _factors(config, config.n_components, data, isotropic=config.isotropic)
    return Parts(FactorMixture(*parts, config.init_params, data.event_shape))


def _factors(
    config: FactorOptions, components: int, data: DataSpec, *, isotropic: bool = False
) -> tuple[list[Emission[Any]], list[range]]:
    if config.n_factors >= data.size:
        things = "continuous columns" if data.form.columns else data.form.values
        raise ConfigError(
            f"n_factors={config.n_factors} needs at least {config.n_factors + 1} {things}, and the data have "
            f"{data.size}. Set a smaller n_factors."
        )
    names = [feature.name for feature in data.features]
    if not data.form.columns:
        names = [data.value_name(place) for place in range(data.size)]
    emission = Factors(components, names, config.n_factors, isotropic, config.min_uniqueness)
    return [emission], [range(data.size)]


def build_classes(config: ClassOptions, data: DataSpec) -> Parts:
    """Build latent classes over columns of any kind, each kind with its own distribution."""
    components, features = config.n_components, data.places
    kinds: dict[str, list[int]] = {"continuous": [], "count": [], "categories": []}
    for place, feature in enumerate(features):
        kinds[feature.kind if feature.kind in kinds else "categories"].append(place)
    made: dict[str, Emission[Any]] = {
        "continuous": Diagonal(components, len(kinds["continuous"]), Added(config.reg_covar)),
        "count": Counts(components, len(kinds["count"])),
        "categories": Categories(components, [len(features[i].levels or ()) for i in kinds["categories"]]),
    }
    used = [kind for kind, places in kinds.items() if places]
    return Parts(
        Mixture([made[kind] for kind in used], [kinds[kind] for kind in used], config.init_params, data.event_shape)
    )
