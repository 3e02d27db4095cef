"""Distributions of events given their component, one per file."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from genzoo_mixture.emission.axial import Axial
from genzoo_mixture.emission.diagonal import Diagonal
from genzoo_mixture.emission.emission import Added, Emission
from genzoo_mixture.emission.families import FAMILIES
from genzoo_mixture.emission.full import Full
from genzoo_mixture.emission.spherical import Spherical
from genzoo_mixture.emission.structured import Structured
from genzoo_mixture.emission.tied import Tied

COVARIANCES: dict[str, Callable[[int, int, Added], Full | Diagonal]] = {
    "full": Full,
    "tied": Tied,
    "diagonal": Diagonal,
    "spherical": Spherical,
    **{
        name: partial(Structured if family.correlated else Axial, family)
        for name, family in FAMILIES.items()
        if name not in {"VVV", "EEE", "VVI", "VII"}
    },
}
"""Makes the distribution, given the numbers of components and columns, for each `covariance_type`."""

__all__ = ["COVARIANCES", "Axial", "Diagonal", "Emission", "Full", "Spherical", "Structured", "Tied"]
