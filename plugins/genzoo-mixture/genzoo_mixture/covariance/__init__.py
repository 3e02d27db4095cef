"""The covariances of K Gaussians over C columns, one shape per file."""

from __future__ import annotations

from genzoo_mixture.covariance.covariance import Covariance
from genzoo_mixture.covariance.diagonal import Diagonal
from genzoo_mixture.covariance.full import Full
from genzoo_mixture.covariance.spherical import Spherical
from genzoo_mixture.covariance.tied import Tied

COVARIANCES: dict[str, type[Covariance]] = {
    "full": Full,
    "tied": Tied,
    "diagonal": Diagonal,
    "spherical": Spherical,
}
