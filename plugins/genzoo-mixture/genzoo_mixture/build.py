"""Builders: make the models from their options and the columns of the data."""

from __future__ import annotations

from typing import Any

from genzoo import DataSpec, Feature, Parts
from genzoo_mixture.emission import COVARIANCES, Diagonal, Emission
from genzoo_mixture.emission.categories import Categories
from genzoo_mixture.emission.counts import Counts
from genzoo_mixture.emission.emission import Added
from genzoo_mixture.mixture import Gaussian, Mixture, NoisyMixture
from genzoo_mixture.options import ClassOptions, GaussianOptions, MixtureOptions


def build_gaussian(config: GaussianOptions, data: DataSpec) -> Parts:
    """Build one Gaussian over the columns of the data."""
    emission, places = _gaussian(config, 1, data, Added(config.reg_covar))
    return Parts(Gaussian([emission], [places], "random", data.event_shape))


def build_mixture(config: MixtureOptions, data: DataSpec) -> Parts:
    """Build a mixture of Gaussians over the columns of the data."""
    added = Added(config.reg_covar)
    if config.reg_covar is None and data.quantum is not None:
        # A component with fewer events than pixels has no variance in some directions, where dequantization noise
        # should be. It is uniform over a cell of the grid, and has the variance quantum² / 12.
        added = Added(data.quantum**2 / 12, meant=True)
    emission, places = _gaussian(config, config.n_components, data, added)
    if config.noise:
        names = [feature.name for feature in _columns(data)]
        return Parts(
            NoisyMixture([emission], [places], config.init_params, config.noise_share, names, data.event_shape)
        )
    return Parts(Mixture([emission], [places], config.init_params, data.event_shape))


def _columns(data: DataSpec) -> tuple[Feature, ...]:
    """Return the columns of a table, or one for each pixel and channel of an image."""
    return data.features if data.modality == "table" else data.features * data.size


def _gaussian(
    config: GaussianOptions | MixtureOptions, components: int, data: DataSpec, added: Added
) -> tuple[Emission[Any], range]:
    columns = data.size
    return COVARIANCES[config.covariance_type](components, columns, added), range(columns)


def build_classes(config: ClassOptions, data: DataSpec) -> Parts:
    """Build latent classes over columns of any kind, each kind with its own distribution."""
    components, features = config.n_components, _columns(data)
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
