"""The objective of `arf`: forests of real against synthetic rows, one after another."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from genzoo import Batch, ConfigError, DirectObjective, Model
from genzoo_tabular.arf.fitting import fit
from genzoo_tabular.arf.model import LeafMixture
from genzoo_tabular.arf.options import GrowingOptions
from genzoo_tabular.rows import TrainingRows


class AdversarialForest(DirectObjective):
    """Grow forests of real against synthetic rows until they cannot distinguish them, and describe their leaves.

    References:
        "Adversarial Random Forests for Density Estimation and Generative Modeling" (Watson et al., 2023).
    """

    weighted = True

    def __init__(self, options: GrowingOptions) -> None:
        self.options = options

    def fit(self, model: Model, blocks: Iterable[Batch]) -> dict[str, Any]:
        if not isinstance(model.generator, LeafMixture):
            raise ConfigError("This objective fits adversarial random forests, and this model is none.")
        return fit(model.generator, TrainingRows.of(blocks), self.options)


def build(options: GrowingOptions) -> AdversarialForest:
    """Build the objective."""
    return AdversarialForest(options)
