"""Distributions p(x | z) of an event given its latent vector, one per file."""

from __future__ import annotations

from genzoo_vae.observation.bernoulli import Bernoulli
from genzoo_vae.observation.categorical import Categorical
from genzoo_vae.observation.columns import Columns
from genzoo_vae.observation.gaussian import GaussianObservation
from genzoo_vae.observation.logistic import DiscretizedLogistic
from genzoo_vae.observation.negative_binomial import NegativeBinomial
from genzoo_vae.observation.observation import Observation
from genzoo_vae.observation.poisson import Poisson

__all__ = [
    "Bernoulli",
    "Categorical",
    "Columns",
    "DiscretizedLogistic",
    "GaussianObservation",
    "NegativeBinomial",
    "Observation",
    "Poisson",
]
