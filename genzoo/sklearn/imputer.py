"""Fill in missing values with any model that can."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from genzoo.sklearn.fitting import seed_of
from genzoo.sklearn.inner import accepts_missing, made, set_columns, weights_for, write_inner
from genzoo.sklearn.storing import EstimatorFile, save_folder, storable, write_file
from genzoo.storage.paths import user_path


class Imputer(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Fills in missing values: NaN in an array, and also null in a table.

    Arguments:
        estimator: name or id of a model, or an estimator with `impute`, which is cloned.
        draw: draw the values from their distribution, instead of taking its mean or most probable category.
        random_state: seed of the draws, and of a model that is given by its name. As in scikit-learn, a whole number
            gives the same draws in every call of `transform`, and None or a generator of NumPy gives new ones.

    Attributes:
        estimator_: the fitted estimator.
    """

    def __init__(self, estimator: Any = "gmm", *, draw: bool = False, random_state: Any = 0) -> None:
        self.estimator = estimator
        self.draw = draw
        self.random_state = random_state

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = accepts_missing(self.estimator)
        return tags

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:  # noqa: N803
        """Train the model in memory.

        Arguments:
            X: rows, as for the estimator; some values may be missing.
            y: ignored.
            sample_weight: how much each row counts, `(N,)`, if the model takes weights. Defaults to 1 each.
        """
        inner = made(self.estimator, seed_of(self.random_state), "impute")
        self.estimator_ = inner.fit(X, **weights_for(inner, sample_weight))
        set_columns(self, self.estimator_)
        return self

    def transform(self, X: Any) -> Any:  # noqa: N803
        """Return rows with their missing values filled in: a table for a table, and an array for an array."""
        check_is_fitted(self, "estimator_")
        filled = self.estimator_.impute(X, draw=self.draw, random_state=self.random_state if self.draw else 0)
        kind = getattr(X, "dtype", None)
        whole = isinstance(filled, np.ndarray) and kind is not None and np.issubdtype(kind, np.floating)
        return filled.astype(kind) if whole else filled

    def save(self, path: str | Path) -> None:
        """Save the fitted imputer as a folder that holds no code; `genzoo.sklearn.load` reads it."""
        check_is_fitted(self, "estimator_")
        save_folder(user_path(path), self._write)

    def _write(self, folder: Path) -> None:
        write_inner(self.estimator_, folder)
        write_file(folder, EstimatorFile(kind="imputer", parameters=storable(self)))
