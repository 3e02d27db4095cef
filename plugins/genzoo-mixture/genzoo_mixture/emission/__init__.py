"""Distributions of events given their component, one per file."""

from __future__ import annotations

from genzoo_mixture.emission.diagonal import Diagonal
from genzoo_mixture.emission.emission import Emission
from genzoo_mixture.emission.full import Full
from genzoo_mixture.emission.spherical import Spherical
from genzoo_mixture.emission.tied import Tied

COVARIANCES: dict[str, type[Full | Diagonal]] = {
    "full": Full,
    "tied": Tied,
    "diagonal": Diagonal,
    "spherical": Spherical,
}

__all__ = ["COVARIANCES", "Diagonal", "Emission", "Full", "Spherical", "Tied"]
