"""Find rows that are unlike the others, with any model that scores rows."""

from __future__ import annotations

import warnings
from numbers import Real
from pathlib import Path
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.model_selection import train_test_split
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from genzoo.errors import ConfigError
from genzoo.inference.rows.threshold import conformal_threshold
from genzoo.metrics.statistics import are_frequencies
from genzoo.metrics.weighting import same_squares, spread_evenly
from genzoo.sklearn.fitting import seed_of
from genzoo.sklearn.inner import accepts_missing, made, set_columns, weights_for, write_inner
from genzoo.sklearn.storing import EstimatorFile, save_folder, storable, write_file
from genzoo.storage.paths import user_path
from genzoo.typing import Array


class OutlierDetector(OutlierMixin, BaseEstimator):  # type: ignore[misc]
    """Flags rows that a model finds unlikely.

    The threshold is conformal: part of the rows is held out, and of new rows like them, at most the share `threshold`
    is flagged on average. With `contamination`, the model learns from all rows, and this share of them is flagged.

    Arguments:
        estimator: name or id of a model, or an estimator with `score_samples`, which is cloned.
        threshold: largest share of new rows to flag.
        calibration_fraction: share of the rows that is held out to find the threshold.
        contamination: share of the training rows to flag; replaces `threshold`. Defaults to `None`.
        random_state: seed of the division of the rows, and of a model that is given by its name.

    Attributes:
        estimator_: the fitted estimator.
        offset_: score below which a row is an outlier; minus infinity if too few rows are held out to flag any.
    """

    offset_: float

    def __init__(
        self,
        estimator: Any = "gmm",
        *,
        threshold: float = 0.05,
        calibration_fraction: float = 0.25,
        contamination: float | None = None,
        random_state: Any = 0,
    ) -> None:
        self.estimator = estimator
        self.threshold = threshold
        self.calibration_fraction = calibration_fraction
        self.contamination = contamination
        self.random_state = random_state

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = accepts_missing(self.estimator)
        return tags

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:  # noqa: N803
        """Train the model in memory, and find the threshold.

        Arguments:
            X: rows, as for the estimator.
            y: ignored.
            sample_weight: how much each row counts, `(N,)`, if the model takes weights. Defaults to 1 each.

        Warns:
            UserWarning: too few rows are held out for the threshold.
        """
        share = self.threshold if self.contamination is None else self.contamination
        limit = "threshold" if self.contamination is None else "contamination"
        for name, value in ((limit, share), ("calibration_fraction", self.calibration_fraction)):
            if not (isinstance(value, Real) and 0 < value < 1):
                raise ConfigError(f"{name} is {value!r}; it must be a share between 0 and 1.")
        seed = seed_of(self.random_state)
        inner = made(self.estimator, seed, "score_samples")
        given = weights_for(inner, sample_weight)
        weights = given.get("sample_weight")
        if self.contamination is not None:
            self.estimator_ = inner.fit(X, **given)
            scores = _counted(np.asarray(inner.score_samples(X)), weights)
            self.offset_ = float(np.quantile(scores, share))
        else:
            self._calibrate(inner, X, weights, seed)
        set_columns(self, self.estimator_)
        return self

    def _calibrate(self, inner: Any, x: Any, weights: Array | None, seed: int) -> None:
        size = {"test_size": self.calibration_fraction, "random_state": seed % 2**32}
        if weights is None:
            train, held_out = train_test_split(x, **size)
            self.estimator_, own = inner.fit(train), None
        else:
            train, held_out, kept, own = train_test_split(x, weights, **size)
            self.estimator_ = inner.fit(train, sample_weight=kept)
        scores = _counted(np.asarray(inner.score_samples(held_out)), own)
        found = conformal_threshold(scores, float(self.threshold), "validation")
        if found.warning is not None:
            warnings.warn(f"{found.warning}.", stacklevel=3)
        self.offset_ = found.value

    def score_samples(self, X: Any) -> Array:  # noqa: N803
        """Return how usual each row is, `(N,)`, as the estimator does."""
        check_is_fitted(self, "estimator_")
        return np.asarray(self.estimator_.score_samples(X))

    def decision_function(self, X: Any) -> Array:  # noqa: N803
        """Return `score_samples(X) - offset_`, `(N,)`; negative for outliers."""
        return self.score_samples(X) - self.offset_

    def predict(self, X: Any) -> Array:  # noqa: N803
        """Return −1 for outliers and 1 for all other rows, `(N,)`."""
        return np.where(self.decision_function(X) < 0, -1, 1)

    def save(self, path: str | Path) -> None:
        """Save the fitted detector as a folder that holds no code; `genzoo.sklearn.load` reads it."""
        check_is_fitted(self, "estimator_")
        save_folder(user_path(path), self._write)

    def _write(self, folder: Path) -> None:
        write_inner(self.estimator_, folder)
        offset = self.offset_ if np.isfinite(self.offset_) else None
        write_file(folder, EstimatorFile(kind="outlier-detector", parameters=storable(self), offset=offset))

    def _restore(self, content: EstimatorFile) -> None:
        """Set the attributes that `fit` sets besides the estimator, from a folder."""
        self.offset_ = -np.inf if content.offset is None else content.offset


def _counted(scores: Array, weights: Array | None) -> Array:
    """Return scores as often as weights count them, or as many with the same quantiles."""
    if weights is None:
        return scores
    if are_frequencies(weights):
        return np.repeat(scores, weights.astype(np.int64))
    kept = weights > 0
    return spread_evenly(scores[kept], same_squares(weights[kept]))
