"""What a decoder's outputs mean: distributions p(x | z) of an event, or its values; one per file."""

from __future__ import annotations

from genzoo_vae.observation.bernoulli import Bernoulli
from genzoo_vae.observation.categorical import Categorical
from genzoo_vae.observation.columns import ColumnHeads, Columns, Group, group_columns
from genzoo_vae.observation.gaussian import GaussianObservation
from genzoo_vae.observation.head import Head
from genzoo_vae.observation.logistic import DiscretizedLogistic
from genzoo_vae.observation.negative_binomial import NegativeBinomial
from genzoo_vae.observation.neighbors import NeighborLogistic
from genzoo_vae.observation.observation import Observation
from genzoo_vae.observation.poisson import Poisson
from genzoo_vae.observation.squared_error import SquaredError, SquaredLogError

__all__ = [
    "Bernoulli",
    "Categorical",
    "ColumnHeads",
    "Columns",
    "DiscretizedLogistic",
    "GaussianObservation",
    "Group",
    "Head",
    "NegativeBinomial",
    "NeighborLogistic",
    "Observation",
    "Poisson",
    "SquaredError",
    "SquaredLogError",
    "group_columns",
]
