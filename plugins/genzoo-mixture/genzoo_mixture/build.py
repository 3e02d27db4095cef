"""From options and the columns of the data to a mixture."""

from __future__ import annotations

import shlex
from typing import Any

from genzoo import DataSpec, Parts
from genzoo_mixture.emission import COVARIANCES, Diagonal, Emission
from genzoo_mixture.emission.categories import Categories
from genzoo_mixture.emission.counts import Counts
from genzoo_mixture.mixture import Gaussian, Mixture, NoisyMixture
from genzoo_mixture.options import ClassOptions, GaussianOptions, MixtureOptions


def build_gaussian(config: GaussianOptions, data: DataSpec) -> Parts:
    """One Gaussian over the columns of the data."""
    emission, places = _gaussian(config, 1, data)
    return Parts(Gaussian([emission], [places], "random"))


def build_mixture(config: MixtureOptions, data: DataSpec) -> Parts:
    """A mixture of Gaussians over the columns of the data."""
    emission, places = _gaussian(config, config.components, data)
    if config.noise:
        names = [feature.name for feature in data.features]
        return Parts(NoisyMixture([emission], [places], config.start, config.noise_share, names))
    return Parts(Mixture([emission], [places], config.start))


def _gaussian(config: GaussianOptions, components: int, data: DataSpec) -> tuple[Emission[Any], list[int]]:
    for feature in data.features:
        if feature.kind != "continuous":
            raise ValueError(
                f"column {feature.name!r} is {feature.kind} and a Gaussian wants continuous columns; leave it out "
                f"with --drop {shlex.quote(feature.name)}, or train naive-bayes"
            )
    columns = len(data.features)
    return COVARIANCES[config.covariance](components, columns, config.reg_covar), list(range(columns))


def build_classes(config: ClassOptions, data: DataSpec) -> Parts:
    """Latent classes over columns of any kind, each kind with its own distribution."""
    components = config.components
    kinds: dict[str, list[int]] = {"continuous": [], "count": [], "categories": []}
    for place, feature in enumerate(data.features):
        kinds[feature.kind if feature.kind in kinds else "categories"].append(place)
    made: dict[str, Emission[Any]] = {
        "continuous": Diagonal(components, len(kinds["continuous"]), config.reg_covar),
        "count": Counts(components, len(kinds["count"])),
        "categories": Categories(components, [len(data.features[i].levels or ()) for i in kinds["categories"]]),
    }
    used = [kind for kind, places in kinds.items() if places]
    return Parts(Mixture([made[kind] for kind in used], [kinds[kind] for kind in used], config.start))
