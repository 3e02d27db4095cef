"""Assign rows to the components of a model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

import genzoo
from genzoo.data.dataset import Dataset, ModelEvents
from genzoo.data.frames.results import frame_of
from genzoo.inference.row_likelihoods import kind_of, row_scores
from genzoo.inference.rows.scoring import Scored
from genzoo.models.base import Outliers
from genzoo.runtime.progress import Phase
from genzoo.spec.events import Library
from genzoo.text import counted
from genzoo.typing import Array

CLUSTER_COLUMNS = ("cluster", "probability")
"""Columns of the components of rows."""

_MOST_SHOWN = 8
"""Largest number of components in a line of text."""


@dataclass(frozen=True, slots=True, repr=False)
class ClusterResult:
    """The component of every row.

    Arguments:
        label: the most probable component, `(N,)`; −1 for the outlier component.
        probability: posterior probability of that component, `(N,)`.
        rand_index: adjusted Rand index against the labels of the data; `None` if the data have no labels.
    """

    label: Array
    probability: Array
    rand_index: float | None

    @property
    def sizes(self) -> dict[int, int]:
        """Number of rows of each component."""
        labels, counts = np.unique(self.label, return_counts=True)
        return {int(label): int(count) for label, count in zip(labels, counts, strict=True)}

    def columns(self) -> dict[str, Array]:
        """Return what there is to say about each row, by name."""
        return {"cluster": self.label, "probability": self.probability}

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON, without the columns."""
        return {"rows": len(self.label), "sizes": self.sizes, "adjusted_rand_index": self.rand_index}

    def to_frame(self, library: Library | None = None) -> Any:
        """Return the columns as a table with a row for each row.

        Arguments:
            library: `pandas | polars | pyarrow`. Defaults to the first of them that is installed.
        """
        return frame_of(self.columns(), library)

    def _repr_html_(self) -> str:
        return genzoo.view(self).html

    def __repr__(self) -> str:
        sizes = ", ".join(f"{label}: {count}" for label, count in list(self.sizes.items())[:_MOST_SHOWN])
        more = ", ..." if len(self.sizes) > _MOST_SHOWN else ""
        about = f", sizes {sizes}{more}" if sizes else ""
        return f"<ClusterResult of {counted(len(self.label), 'row')}{about}>"


def cluster(fitted: Scored, dataset: Dataset) -> ClusterResult:
    """Assign every row to its most probable component.

    Raises:
        ArtifactError, DivergenceError: the weights are unusable.
        ConfigError: the model has no components.
        DataError: the rows do not match the model's training data.
    """
    rows = np.arange(len(dataset))
    if not len(rows):
        return ClusterResult(*_assigned(fitted, np.asarray(dataset.events)), None)
    with Phase("finding clusters", len(rows), "rows") as phase:
        blocks = [_assigned(fitted, block) for block in phase.over(dataset.given_blocks(rows), len)]
    if all((part[1] == part[1][0]).all() or np.isnan(part[1]).any() for part in blocks) and kind_of(fitted) != "none":
        row_scores(fitted, dataset, rows, seed=0)  # raises if no row is possible, which gives all the same posterior
    label = np.concatenate([part[0] for part in blocks])
    if isinstance(fitted.generator, Outliers):
        label = np.where(label == fitted.generator.outlier, -1, label)
    agreement = None if dataset.labels is None else _agreement(dataset.labels, label)
    return ClusterResult(label, np.concatenate([part[1] for part in blocks]), agreement)


def _assigned(fitted: Scored, events: ModelEvents) -> tuple[Array, Array]:
    posterior = fitted.log_posterior(events)
    return posterior.argmax(axis=1), np.exp(posterior.max(axis=1).astype(np.float64))


def _agreement(labels: Array, clusters: Array) -> float:
    from sklearn.metrics import adjusted_rand_score  # imported here, because loading a model needs no scikit-learn

    return float(adjusted_rand_score(labels.astype(str), clusters))
