"""The objective of `kde`: keep the rows, and choose bandwidths."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from genzoo import Batch, ConfigError, DirectObjective, Model
from genzoo_tabular.kde.fitting import fit
from genzoo_tabular.kde.model import Kernels
from genzoo_tabular.kde.options import BandwidthOptions
from genzoo_tabular.rows import TrainingRows


class Bandwidths(DirectObjective):
    """Keep the training rows, and choose the bandwidths under which rows that are left out are most probable.

    References:
        "Cross-Validation and the Estimation of Probability Distributions with Categorical Data" (Li and Racine, 2003).
    """

    weighted = True

    def __init__(self, options: BandwidthOptions) -> None:
        self.options = options

    def fit(self, model: Model, blocks: Iterable[Batch]) -> dict[str, Any]:
        if not isinstance(model.generator, Kernels):
            raise ConfigError("This objective fits kernel density estimates, and this model is none.")
        return fit(model.generator, TrainingRows.of(blocks), self.options)


def build(options: BandwidthOptions) -> Bandwidths:
    """Build the objective."""
    return Bandwidths(options)
