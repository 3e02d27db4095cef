"""Build the untrained forest for the columns of a table."""

from __future__ import annotations

from genzoo import DataSpec, Parts
from genzoo_tabular.arf.model import LeafMixture
from genzoo_tabular.arf.options import ForestOptions


def build(config: ForestOptions, data: DataSpec) -> Parts:
    """Build the forest of a table."""
    return Parts(LeafMixture(data.features, config.trees))
