"""Builder of `vae`: make a variational autoencoder from its options and the spec of the data."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from genzoo import DataSpec, Feature, Parts, argument
from genzoo_vae.convolutions import ConvDecoder
from genzoo_vae.network import build_networks, has_many_pixels, inner_widths, latent_size
from genzoo_vae.observation import (
    Bernoulli,
    Categorical,
    Columns,
    DiscretizedLogistic,
    GaussianObservation,
    Group,
    NegativeBinomial,
    NeighborLogistic,
    Observation,
    Poisson,
    group_columns,
)
from genzoo_vae.options import VAEOptions
from genzoo_vae.prior import GivenMixture, MixturePrior, Normal, Prior
from genzoo_vae.vae import VAE

_MOST_LEVELS = 256
"""Largest number of levels of a pixel with a categorical likelihood."""

_N_COMPONENTS, _GIVEN_COMPONENTS = 50, 10
"""Default numbers of normals: of a mixture, and of the mixture of each condition."""

_FIRST_COLUMN, _FIRST_PIXEL = 0.5, 0.2
"""Standard deviations when training starts, in model space: of columns and of pixels."""


def build(config: VAEOptions, data: DataSpec) -> Parts:
    """Build a variational autoencoder for images or tables."""
    image = not data.form.columns
    observation = _IMAGES[_likelihood(config, data)](config, data) if image else _columns(config, data)
    latent = latent_size(config, data)
    encoder, decoder = build_networks(config, data, observation, latent, 2 * latent)
    generator = VAE(
        encoder,
        decoder,
        observation,
        build_prior(config, latent, data.condition_size),
        data.event_shape,
        latent,
        sees_missing=data.missing,
        hidden=config.input_dropout,
        largest=_largest(config, data, decoder, latent),
        imputation_draws=config.imputation_draws,
    )
    if image:
        generator.measures = ("density",) if isinstance(observation, GaussianObservation) else ("mass",)
    generator.dequantized = isinstance(observation, GaussianObservation) and data.quantum is not None
    return Parts(generator)


def _largest(config: VAEOptions, data: DataSpec, decoder: nn.Module, latent: int) -> int:
    """Count the outputs, for one latent vector, of the largest inner layer of the decoder or the prior."""
    inner = [config.dense, *decoder.sizes] if isinstance(decoder, ConvDecoder) else inner_widths(config, data)
    return max(1 if config.prior == "normal" else _components(config, data.condition_size) * latent, *inner, 1)


def build_prior(config: VAEOptions, latent: int, condition: int = 0, *, speed: float = 1.0) -> Prior:
    """Build the prior of latent vectors of L dimensions.

    Arguments:
        condition: size of a condition. Defaults to 0: the model is not conditional.
        speed: how many times as fast as other weights a mixture learns. Defaults to 1.

    Raises:
        ValueError: the prior needs conditions, and there are none.
    """
    if config.prior == "given-mixture" and not condition:
        raise ValueError("prior=given-mixture is for conditional models, and this one is none; use mixture")
    if config.prior == "normal":
        return Normal(latent)
    if config.prior == "mixture" or not condition:
        return MixturePrior(latent, _components(config, 0), speed)
    return GivenMixture(latent, _components(config, condition), condition)


def _components(config: VAEOptions, condition: int) -> int:
    """Return the number of normals of a mixture."""
    if config.n_components is not None:
        return config.n_components
    return _GIVEN_COMPONENTS if condition and config.prior != "mixture" else _N_COMPONENTS


def _likelihood(config: VAEOptions, data: DataSpec) -> str:
    """Return the name of the likelihood of images."""
    if config.likelihood != "auto":
        return config.likelihood
    kind = data.features[0].kind
    if kind in ("binary", "categorical"):
        return "bernoulli" if kind == "binary" else "categorical"
    if data.quantum is None or data.bounds is None:
        return "gaussian"
    # Given some values of a row, the distribution of others has a closed form only if values are independent given z.
    independent = data.missing or config.network == "auto" or not has_many_pixels(data)
    return "discretized-logistic" if independent else "neighbor-logistic"


def _levels(data: DataSpec, name: str) -> int:
    """Count the levels of a pixel."""
    if data.quantum is None or data.bounds is None:
        missing = "step" if data.quantum is None else "bounds"
        raise ValueError(
            f"likelihood={name} needs pixels on a grid, and these have no declared {missing}; use gaussian"
        )
    steps = (data.bounds[1] - data.bounds[0]) / data.quantum
    if abs(steps - round(steps)) > 1e-6 * steps or steps < 1:
        raise ValueError(f"the step {data.quantum:g} does not divide the range of pixels, {data.describe()}")
    return round(steps) + 1


def _logistic(config: VAEOptions, data: DataSpec) -> Observation:
    return DiscretizedLogistic(data.size, _levels(data, "discretized-logistic"), config.spread)


def _neighbors(config: VAEOptions, data: DataSpec) -> Observation:
    if data.missing:
        raise ValueError(
            "likelihood=neighbor-logistic cannot learn from images with missing pixels; use discretized-logistic"
        )
    return NeighborLogistic(data.event_shape, _levels(data, "neighbor-logistic"), config.spread)


def _gaussian(config: VAEOptions, data: DataSpec) -> Observation:
    kind = data.features[0].kind
    if kind in ("binary", "categorical"):
        suited = "bernoulli" if kind == "binary" else "categorical"
        raise ValueError(f"likelihood=gaussian is a density, and these pixels are {kind}; use {suited}")
    return GaussianObservation(data.size, config.spread, _FIRST_PIXEL, config.least_scale)


def _bernoulli(_: VAEOptions, data: DataSpec) -> Observation:
    if data.features[0].kind != "binary" and _levels(data, "bernoulli") != 2:
        raise ValueError(
            f"likelihood=bernoulli needs pixels that are 0 or 1; use discretized-logistic, or "
            f"{argument('binarize', True)}"
        )
    return Bernoulli(data.size)


def categorical_pixels(data: DataSpec) -> Categorical:
    """Build a distribution of the levels of each pixel.

    Raises:
        ValueError: the pixels lie on no grid, or have too many levels.
    """
    levels = _levels(data, "categorical")
    if levels > _MOST_LEVELS:
        raise ValueError(
            f"likelihood=categorical accepts pixels of up to {_MOST_LEVELS} levels, and these have {levels}; "
            f"use discretized-logistic"
        )
    return Categorical(data.size, levels, spacing=1 / (levels - 1), ordered=True)


_IMAGES: dict[str, Callable[[VAEOptions, DataSpec], Observation]] = {
    "bernoulli": _bernoulli,
    "categorical": lambda _, data: categorical_pixels(data),
    "discretized-logistic": _logistic,
    "gaussian": _gaussian,
    "neighbor-logistic": _neighbors,
}

_SUITED = {
    "bernoulli": ("binary",),
    "categorical": ("binary", "categorical"),
    "gaussian": ("continuous",),
    "auto": ("continuous", "binary", "categorical", "count"),
}
"""The kinds of columns that each likelihood accepts."""


def _columns(config: VAEOptions, data: DataSpec) -> Observation:
    """Build the distribution of a table: one part for each kind of column and, for categories, number of levels."""
    if config.likelihood not in _SUITED:
        raise ValueError(f"likelihood={config.likelihood} is for images, and this is a table; use auto")

    def group(feature: Feature) -> Group:
        if feature.kind not in _SUITED[config.likelihood]:
            raise ValueError(
                f"column {feature.name!r} is {feature.kind}, and likelihood={config.likelihood} accepts only "
                f"{' and '.join(_SUITED[config.likelihood])} columns; use auto"
            )
        soft = feature.kind == "categorical" or config.likelihood == "categorical"
        return "categorical" if soft else feature.kind, len(feature.levels or ()) if soft else 0

    groups = group_columns(data, group)
    parts = [_column_part(config, kind, levels, len(places)) for (kind, levels), places in groups.items()]
    return parts[0] if len(parts) == 1 else Columns(parts, list(groups.values()))


def _column_part(config: VAEOptions, kind: str, levels: int, places: int) -> Observation:
    if kind == "continuous":
        return GaussianObservation(places, config.spread, _FIRST_COLUMN, config.least_scale)
    if kind == "count":
        return Poisson(places) if config.counts == "poisson" else NegativeBinomial(places)
    return Categorical(places, levels) if kind == "categorical" else Bernoulli(places)
