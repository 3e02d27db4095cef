"""Build the empty kernel density estimate for the columns of a table."""

from __future__ import annotations

from genzoo import DataSpec, Parts
from genzoo_tabular.kde.model import Kernels
from genzoo_tabular.kde.options import KernelOptions


def build(config: KernelOptions, data: DataSpec) -> Parts:
    """Build the kernel density estimate of a table."""
    return Parts(Kernels(data.features, config.most_rows))
