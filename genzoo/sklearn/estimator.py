"""What estimators of all models have in common; `factory.py` makes one class of it for each model."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator, ClusterMixin, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from genzoo.config.training import BOUND_DRAWS
from genzoo.errors import ConfigError
from genzoo.inference.description.contributions import log_likelihoods_of
from genzoo.inference.row_likelihoods import degrees_of_freedom
from genzoo.inference.trained_model import TrainedModel
from genzoo.metrics import information_criteria
from genzoo.models.base import Outliers
from genzoo.persistence.model_folder import save_model
from genzoo.sklearn.fitting import FitOutcome, checked_events, fit_in_memory, seed_of
from genzoo.sklearn.parameters import SettingParameter, layer_of, words_of
from genzoo.sklearn.storing import EstimatorFile, save_folder, storable, write_file
from genzoo.spec.entries import ModelSpec
from genzoo.spec.modality import MODALITIES
from genzoo.storage.paths import user_path
from genzoo.typing import Array
from genzoo.wording import speaking

OUTLIER = -1
"""Label of rows that the component of outliers claims, as in scikit-learn's DBSCAN."""


def _can(*capabilities: str) -> Callable[[ModelEstimator], bool]:
    """Return a check for `available_if`: whether a model has one of the capabilities."""

    def check(estimator: ModelEstimator) -> bool:
        if estimator.spec.capabilities.isdisjoint(capabilities):
            able = " or ".join(repr(name) for name in capabilities)
            raise AttributeError(f"Model {estimator.model_id!r} has no capability {able}.")
        return True

    return check


def _has_criteria(estimator: ModelEstimator) -> bool:
    return "likelihood" in estimator.spec.capabilities and estimator._weighted


class ModelEstimator(BaseEstimator):  # type: ignore[misc]
    """A model of the zoo as an estimator. Its subclasses have the settings of their model as parameters.

    Attributes that `fit` sets: `model_`, the `TrainedModel`; `n_features_in_`, and `feature_names_in_` for tables with
    names; `n_iter_`, the number of passes or updates; for expectation-maximization `converged_` and `lower_bound_`, the
    mean log-likelihood of the training rows; for clusterers `labels_`.
    """

    model_id: ClassVar[str]
    spec: ClassVar[ModelSpec]
    preset: ClassVar[str | None]
    _parameters: ClassVar[tuple[SettingParameter, ...]]
    _beneath: ClassVar[Mapping[str, Any]]
    """Settings that the parameters are laid over."""
    _weighted: ClassVar[bool]
    """Whether the model learns by expectation-maximization, which takes weights."""
    _rebuild: ClassVar[Callable[[str, str | None], Self]]

    model_: TrainedModel
    random_state: Any

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = self.spec.missing
        tags.input_tags.two_d_array = any(MODALITIES[name].rank == 1 for name in self.spec.modalities)
        return tags

    def __reduce__(self) -> tuple[Any, ...]:
        # The class is made on demand, so a copy in another process finds it by the model's id.
        return type(self)._rebuild, (self.model_id, self.preset), self.__getstate__()

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: N803 - as scikit-learn names it
        """Train the model in memory.

        Arguments:
            X: a table of pandas, polars or pyarrow, an array `(N, C)`, or images if the model takes them.
            y: ignored.
        """
        return self._fit(X, None)

    def _fit(self, x: Any, sample_weight: Any) -> Self:
        events = checked_events(self, x, self.spec, reset=True, framed=False)
        values = {parameter.name: getattr(self, parameter.name) for parameter in self._parameters}
        layer = layer_of(self._parameters, values, self._beneath)
        with speaking(words_of(self._parameters)):
            self._take(fit_in_memory(self.model_id, layer, events, sample_weight, self.random_state))
        if isinstance(self, ClusterMixin):
            self.labels_ = self._labels(events)
        return self

    def _take(self, fitted: FitOutcome) -> None:
        """Set the attributes that a fit has."""
        self.model_, self.n_iter_, self._record = fitted.model, fitted.steps, fitted
        if fitted.converged is not None:
            self.converged_, self.lower_bound_ = fitted.converged, fitted.lower_bound
        if isinstance(self, TransformerMixin):
            self._latent = self.model_.encode(self.model_.sample(1, output="array")).shape[1]

    def _events(self, x: Any) -> Any:
        check_is_fitted(self, "model_")
        return checked_events(self, x, self.spec, reset=False, framed=self.model_.data.frame is not None)

    def sample(
        self,
        n_samples: int = 1,
        *,
        random_state: Any = None,
        given: Mapping[str, object] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> Any:
        """Draw samples.

        Arguments:
            n_samples: number of samples.
            random_state: a whole number, a generator of NumPy, or `None` for the estimator's own.
            given: columns to draw the others given, such as `{"species": "setosa"}`. Defaults to none.
            options: values of the model's sampling options. Defaults to the model's own.

        Returns:
            A table of the kind and with the columns and types of training, or an array `(n_samples, C)`. It is no pair
            with the numbers of components, which scikit-learn's `GaussianMixture` returns; `predict` finds them.
        """
        check_is_fitted(self, "model_")
        seed = seed_of(self.random_state if random_state is None else random_state)
        return self.model_.sample(n_samples, seed=seed, given=given, options=options)

    @available_if(_can("components"))  # type: ignore[untyped-decorator]
    def predict(self, X: Any) -> Array:  # noqa: N803
        """Return the number of the most probable component of each row, `(N,)`; −1 for the component of outliers."""
        return self._labels(self._events(X))

    def _labels(self, events: Any) -> Array:
        labels: Array = np.asarray(self.model_.log_posterior(events)).argmax(axis=1)
        generator = self.model_.generator
        if isinstance(generator, Outliers) and generator.outlier is not None:
            labels[labels == generator.outlier] = OUTLIER
        return labels

    @available_if(_can("components"))  # type: ignore[untyped-decorator]
    def predict_proba(self, X: Any) -> Array:  # noqa: N803
        """Return the probability of each component for each row, `(N, K)`; a component of outliers is the last."""
        events = self._events(X)
        return np.exp(np.asarray(self.model_.log_posterior(events), np.float64))

    @available_if(_can("decoder"))  # type: ignore[untyped-decorator]
    def inverse_transform(self, X: Any) -> Any:  # noqa: N803
        """Return the rows of latent vectors `(N, L)`, in the form of `sample`."""
        check_is_fitted(self, "model_")
        return self.model_.decode(np.asarray(X))

    @available_if(_can("reconstruction"))  # type: ignore[untyped-decorator]
    def reconstruct(self, X: Any) -> Any:  # noqa: N803
        """Return the model's own version of each row, in the form of `X`."""
        events = self._events(X)
        return self.model_.reconstruct(events)

    @available_if(_can("imputation"))  # type: ignore[untyped-decorator]
    def impute(self, X: Any, *, draw: bool = False, random_state: Any = 0) -> Any:  # noqa: N803
        """Return rows with their missing values filled in, in the form of `X`.

        Arguments:
            X: rows; missing values are NaN, and also null in a table.
            draw: draw them from their distribution, instead of taking its mean or most probable category.
            random_state: seed of the draws.
        """
        events = self._events(X)
        return self.model_.impute(events, draw=draw, seed=seed_of(random_state))

    def save(self, path: str | Path) -> None:
        """Save the fitted estimator as a folder that holds no code; `genzoo.sklearn.load` reads it.

        Its subfolder `model` is a model folder of genzoo. An existing estimator in that place is replaced.
        """
        check_is_fitted(self, "model_")
        save_folder(user_path(path), self._write)

    def _write(self, folder: Path) -> None:
        """Write the fitted estimator into an empty folder."""
        fitted = self._record
        save_model(folder / "model", fitted.model, dict(fitted.options), dict(fitted.training))
        content = EstimatorFile(
            kind="model",
            preset=self.preset,
            parameters=storable(self),
            columns=getattr(self, "feature_names_in_", None),
            steps=fitted.steps,
            converged=fitted.converged,
            lower_bound=fitted.lower_bound,
        )
        write_file(folder, content)

    def _restore(self, fitted: FitOutcome, columns: Sequence[str] | None) -> None:
        """Set the attributes that `fit` sets, from a folder.

        Arguments:
            columns: names of the columns, if they have any.
        """
        self._take(fitted)
        self.n_features_in_ = fitted.model.data.event_shape[0]
        if columns is not None:
            self.feature_names_in_ = np.asarray(columns, object)


class Weighted:
    """The `fit` of models that learn by expectation-maximization."""

    def fit(self: Any, X: Any, y: Any = None, sample_weight: Any = None) -> Any:  # noqa: N803
        """Train the model in memory.

        Arguments:
            X: a table of pandas, polars or pyarrow, an array `(N, C)`, or images if the model takes them.
            y: ignored.
            sample_weight: how much each row counts, `(N,)`. Defaults to 1 each.
        """
        return self._fit(X, sample_weight)


class Scoring:
    """The methods of models that score rows. It stands before `DensityMixin`, whose `score` does nothing."""

    def score_samples(self: Any, X: Any) -> Array:  # noqa: N803
        """Return how usual each row is, `(N,)`: its log-likelihood in nats, a lower bound, or an estimate.

        For a model that only has an anomaly score, it is minus this score.
        """
        scores: Array = self._scores(self._events(X))
        return scores

    def _scores(self: Any, events: Any) -> Array:
        model, able = self.model_, self.model_.capabilities
        if able & {"likelihood", "likelihood-bound", "likelihood-estimate"}:
            return np.asarray(log_likelihoods_of(model, events, draws=BOUND_DRAWS, seed=0), np.float64)
        return -np.asarray(model.anomaly_score(events), np.float64)

    def score(self: Any, X: Any, y: Any = None) -> float:  # noqa: N803
        """Return the mean of `score_samples`; higher is better."""
        return float(np.mean(self.score_samples(X)))

    @available_if(_has_criteria)  # type: ignore[untyped-decorator]
    def bic(self: Any, X: Any) -> float:  # noqa: N803
        """Return the Bayesian information criterion for rows; lower is better."""
        scores = self.score_samples(X)
        return information_criteria.bic(float(scores.sum()), self._degrees_of_freedom, len(scores))

    @available_if(_has_criteria)  # type: ignore[untyped-decorator]
    def aic(self: Any, X: Any) -> float:  # noqa: N803
        """Return Akaike's information criterion for rows; lower is better."""
        return information_criteria.aic(float(self.score_samples(X).sum()), self._degrees_of_freedom)

    @property
    def _degrees_of_freedom(self: Any) -> int:
        found = degrees_of_freedom(self.model_)
        if found is None:
            raise ConfigError(f"Model {self.model_id!r} with these options has no defined degrees of freedom.")
        return found


class Encoding(TransformerMixin):  # type: ignore[misc]
    """The methods of models that encode rows as latent vectors."""

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []  # latent vectors have the precision of the model
        return tags

    def transform(self: Any, X: Any) -> Array:  # noqa: N803
        """Return the means of the latent vectors of rows, `(N, L)`, in columns z0, z1 ..."""
        events = self._events(X)
        return np.asarray(self.model_.encode(events))

    def get_feature_names_out(self: Any, input_features: Any = None) -> Array:
        """Return the names of the latent dimensions, z0, z1 ...; `input_features` is ignored."""
        check_is_fitted(self, "model_")
        return np.asarray([f"z{place}" for place in range(self._latent)], object)


def constructor(signature: inspect.Signature) -> Callable[..., None]:
    """Return an `__init__` with a signature, which stores each argument under its name, as scikit-learn asks."""

    def __init__(self: Any, *placed: Any, **given: Any) -> None:  # noqa: N807
        try:
            bound = signature.bind(self, *placed, **given)
        except TypeError as error:
            raise TypeError(f"{type(self).__name__}: {error}") from error
        bound.apply_defaults()
        values: Mapping[str, Any] = {name: value for name, value in bound.arguments.items() if name != "self"}
        for name, value in values.items():
            setattr(self, name, value)

    __init__.__signature__ = signature  # type: ignore[attr-defined]
    return __init__
