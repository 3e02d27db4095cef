"""`TrainedModel`: what users hold after training, and every question they can ask it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, overload

import numpy as np
import torch
from torch import Tensor

from genzoo.config.counts import check_count
from genzoo.config.settings import BOUND_DRAWS
from genzoo.data.dataset import Dataset
from genzoo.data.frames.kinds import is_frame
from genzoo.data.transforms import AffineTransform
from genzoo.errors import ConfigError
from genzoo.inference import encoding, floors, likelihood, sampling, scoring
from genzoo.inference.answers import (
    Output,
    answer,
    answer_latent,
    answer_rows,
    as_components,
    as_events,
    as_filled,
    as_latent,
    as_series,
    choose_output,
    present_events,
)
from genzoo.inference.data_units import DataUnits, Events
from genzoo.inference.description.describe import UNLIKELY, describe, samples_for
from genzoo.inference.description.figures import Description
from genzoo.inference.threshold import Calibration
from genzoo.models.base import Floor, Generator, capabilities_of
from genzoo.plugins.api1 import with_former_names
from genzoo.runtime.device import widest
from genzoo.spec.events import DataSpec
from genzoo.typing import Array


@with_former_names
@dataclass(frozen=True, slots=True)
class TrainedModel:
    """A trained generator. Methods take and return events in data units, and latent vectors, on the host.

    Events are arrays `(N, *event)`, with NaN for a missing value, or tables of pandas, polars or pyarrow. Columns of a
    table are found by name, in any order. Methods answer in kind: arrays for arrays, and for a table of N rows a
    Series, pyarrow array or table of N rows, with the index of pandas. A table may have no rows.

    Arguments:
        model: id of the zoo entry, `distribution/name`.
        generator: the trained generator.
        transform: maps data units to the generator's space.
        data: describes one event: a row of a table, or an image.
        missing: whether the generator accepts missing values, which are NaN. Defaults to false.
        validation_scores: log-likelihoods, or anomaly scores, of validation rows in increasing order, or evenly spaced
            ones of them. Defaults to `None`.
        calibration: which rows these are. Defaults to "validation".
        bound_draws: number of draws for each of these scores, if they are lower bounds, and so for scores to compare
            them with. Defaults to 64.
        origin: path it was loaded from. Errors of the generator then name this file. Defaults to `None`.
    """

    model: str
    generator: Generator
    transform: AffineTransform
    data: DataSpec
    missing: bool = False
    validation_scores: Array | None = None
    origin: str | None = None
    calibration: Calibration = "validation"
    bound_draws: int = BOUND_DRAWS

    @property
    def device(self) -> torch.device:
        """Where the generator computes."""
        return self._units.device

    @property
    def capabilities(self) -> frozenset[str]:
        """What the model can do besides sampling: `likelihood`, `decoder` ..."""
        found = capabilities_of(self.generator)
        if self.dequantized and "likelihood" in found:
            return found - {"likelihood"} | {"likelihood-bound"}
        return found

    @property
    def dequantized(self) -> bool:
        """Whether the data lie on a grid and the generator is a density, which bounds the probability of a point."""
        return likelihood.is_density_on_grid(self._units)

    @overload
    def sample(self, n: int, *, seed: int = 0, output: Literal["array"], mean: bool = False) -> Array: ...

    @overload
    def sample(self, n: int, *, seed: int = 0, output: Output | None = None, mean: bool = False) -> Any: ...

    def sample(self, n: int, *, seed: int = 0, output: Output | None = None, mean: bool = False) -> Any:
        """Draw events.

        Arguments:
            n: number of events, at least 1.
            seed: the same seed gives the same events on the same machine; fewer events are the first of more.
            output: `array | pandas | polars | pyarrow`. Defaults to the kind of table that the model was trained on in
                Python, and to `array` if it was trained on an array or a file.
            mean: return the mean of the events of each latent vector, or its most probable categories, instead of a
                draw: what the model decodes, without noise. Latent vectors are drawn either way. Defaults to false.

        Returns:
            Events on the data's grid and of its type, `(n, *event)`. An array holds the codes of categories; a table
            has the columns of training, with their names, types and categories.

        Raises:
            ConfigError: `n` is not a number of events, or the library of `output` is not installed; or `mean` of a
                model without a decoder.
        """
        form = choose_output(output, self.data)
        return present_events(sampling.sample(self._units, n, seed, mean=mean), self.data, form)

    @property
    def adds_noise(self) -> bool:
        """Whether samples are more than what the model decodes: a draw of each value around it, as of a VAE."""
        return sampling.adds_noise(self._units)

    def sample_shown(self, n: int, *, seed: int = 0) -> tuple[Array, bool]:
        """Draw events for a picture or page, and return whether they are means.

        Images of a model that adds noise are means, because a grid of noisy images hides what was learned. A table of
        means would hide how rows vary, so rows are draws.
        """
        mean = self.data.form.pictured and self.adds_noise
        return self.sample(n, seed=seed, output="array", mean=mean), mean

    @overload
    def decode(self, z: Events, *, output: Literal["array"]) -> Array: ...

    @overload
    def decode(self, z: Events, *, output: Output | None = None) -> Any: ...

    def decode(self, z: Events, *, output: Output | None = None) -> Any:
        """Return the events of latent vectors `z (N, L)`, `(N, *event)`.

        Arguments:
            z: an array, or a table with columns z0, z1 ... as `encode` returns it.
            output: as for `sample`. Defaults to the kind of table that `z` is, and as for `sample` if it is none.

        Raises:
            ConfigError: the model has no decoder, or the vectors have another shape.
        """
        form = choose_output(output, self.data)
        present = as_events(self.data) if output is None else lambda _, events: present_events(events, self.data, form)
        if is_frame(z):
            return answer_latent(self._units, z, lambda latent: sampling.decode(self._units, latent), present)
        return present_events(sampling.decode(self._units, z), self.data, form)

    def prior_sample(self, n: int, *, seed: int = 0, first: int = 0) -> Array:
        """Draw latent vectors from the prior, `(n, L)`.

        Arguments:
            n: number of vectors.
            seed: with the seed of `sample`, a model that only decodes turns these vectors into its samples.
            first: number of the first vector. Each depends only on the seed and its number.

        Raises:
            ConfigError: the model has no decoder.
        """
        return sampling.prior_sample(self._units, n, seed, first)

    @overload
    def encode(self, x: Array | Tensor, *, seed: int = 0) -> Array: ...

    @overload
    def encode(self, x: Events, *, seed: int = 0) -> Any: ...

    def encode(self, x: Events, *, seed: int = 0) -> Any:
        """Return the posterior means of the latent vectors of events `x (N, *event)`, `(N, L)`.

        For a table, they are a table with columns z0, z1 ...

        Raises:
            ConfigError: the model has no encoder.
            DataError: the events do not fit the model.
        """
        return answer(self._units, x, lambda events: encoding.encode(self._units, events, seed), as_latent)

    @overload
    def reconstruct(self, x: Array | Tensor) -> Array: ...

    @overload
    def reconstruct(self, x: Events) -> Any: ...

    def reconstruct(self, x: Events) -> Any:
        """Return the model's own version of events `x (N, *event)`.

        For a table, it is a table with the columns of training, their names and categories.

        Raises:
            ConfigError: the model cannot reconstruct.
            DataError: the events do not fit the model.
        """
        return answer(self._units, x, lambda events: encoding.reconstruct(self._units, events), as_events(self.data))

    @overload
    def anomaly_score(self, x: Array | Tensor) -> Array: ...

    @overload
    def anomaly_score(self, x: Events) -> Any: ...

    def anomaly_score(self, x: Events) -> Any:
        """Return how unusual events `x (N, *event)` are, `(N,)` float64; higher is more unusual.

        `generator.score_meaning` says what the score is, with its unit.

        Raises:
            ConfigError: the model has no anomaly score. Take minus the log-likelihood if it has a likelihood.
            DataError: the events do not fit the model.
        """
        return answer(
            self._units, x, lambda events: encoding.anomaly_score(self._units, events), as_series("anomaly_score")
        )

    @overload
    def impute(self, x: Array | Tensor, *, draw: bool = False, seed: int = 0) -> Array: ...

    @overload
    def impute(self, x: Events, *, draw: bool = False, seed: int = 0) -> Any: ...

    def impute(self, x: Events, *, draw: bool = False, seed: int = 0) -> Any:
        """Fill in the missing values of events `x (N, *event)`; the others stay as they are.

        Missing values are NaN in an array, and also null in a table. A table of pandas, polars or pyarrow comes back as
        such a table, with all its columns, their types and a pandas index.

        Arguments:
            draw: draw from the distribution given the observed values, instead of its mean or most probable category.
                Means of counts need not be whole, and turn a column of integers into fractions; drawn counts are whole.
            seed: seed of the draws. Those for an event depend on the seed and its position, not on later events.

        Raises:
            ConfigError: the model cannot impute.
            DataError: the events do not fit the model.
        """
        return answer(
            self._units, x, lambda events: encoding.impute(self._units, events, draw, seed), as_filled(self.data)
        )

    @overload
    def log_prob(self, x: Array | Tensor) -> Array: ...

    @overload
    def log_prob(self, x: Events) -> Any: ...

    def log_prob(self, x: Events) -> Any:
        """Return the log-density of events `x (N, *event)` in nats, `(N,)` float64.

        Missing values are marginalized. Values that the model measures as probability masses count with their
        log-probability.

        Raises:
            ConfigError: the model has no likelihood, or is a density of data on a grid, which only bounds it.
            DataError: the events do not fit the model.
        """
        return answer(self._units, x, lambda events: likelihood.log_prob(self._units, events), as_series("log_prob"))

    @overload
    def log_prob_bound(self, x: Array | Tensor, *, draws: int = 1, seed: int = 0) -> Array: ...

    @overload
    def log_prob_bound(self, x: Events, *, draws: int = 1, seed: int = 0) -> Any: ...

    def log_prob_bound(self, x: Events, *, draws: int = 1, seed: int = 0) -> Any:
        """Return a lower bound of the log-density of events `x (N, *event)` in nats, `(N,)` float64.

        If the model is a density and the data lie on a grid, the bound is for the log-probability of the grid point.
        Each draw is then one place in the cell around the point and, if the model itself draws, one draw there.

        Arguments:
            draws: number of draws, at least 1. The bound tightens as it grows.
            seed: seed of the draws. Those for an event depend on the seed and its position, not on later events.

        Raises:
            ConfigError: the model has no such bound, or `draws` is not a positive integer.
            DataError: the events do not fit the model.
        """

        def compute(events: Events) -> Array:
            return likelihood.log_prob_bound(self._units, events, draws, seed)

        return answer(self._units, x, compute, as_series("log_prob_bound"))

    @overload
    def log_posterior(self, x: Array | Tensor) -> Array: ...

    @overload
    def log_posterior(self, x: Events) -> Any: ...

    def log_posterior(self, x: Events) -> Any:
        """Return the log-probability of each component given events `x (N, *event)`, `(N, K)`.

        For a table, they are a table with columns named 0, 1 ... as text, or `outliers`.

        Raises:
            ConfigError: the model has no components.
            DataError: the events do not fit the model.
        """
        units = self._units
        return answer(units, x, lambda events: encoding.log_posterior(units, events), as_components(units))

    @overload
    def covers(self, x: Array | Tensor) -> Array: ...

    @overload
    def covers(self, x: Events) -> Any: ...

    def covers(self, x: Events) -> Any:
        """Return whether the component of outliers has any density at events `x (N, *event)`, `(N,)` bool.

        Raises:
            ConfigError: the model has no component of outliers.
            DataError: the events do not fit the model.
        """
        return answer(self._units, x, lambda events: encoding.covers(self._units, events), as_series("covers"))

    @overload
    def score(
        self, x: Array | Tensor, *, threshold: float | None = None, keep: Sequence[object] = (), explained: int = 10
    ) -> scoring.ScoreResult: ...

    @overload
    def score(
        self, x: Events, *, threshold: float | None = None, keep: Sequence[object] = (), explained: int = 10
    ) -> Any: ...

    def score(
        self,
        x: Events,
        *,
        threshold: float | None = None,
        keep: Sequence[object] = (),
        explained: int = scoring.EXPLAINED,
    ) -> Any:
        """Score events by their log-likelihood, or by their anomaly score if the model has no likelihood.

        Arguments:
            x: events, `(N, *event)`. A table may hold categories that the model does not know.
            threshold: flag at most this share of new rows, by scores of held-out rows that are stored with the model.
                Defaults to `None`: no row is flagged.
            keep: columns of the table to copy to the result. Defaults to none.
            explained: number of least likely rows to explain. Defaults to 10. Up to 1,000 flagged rows are explained,
                too, if the likelihood is exact and the model accepts missing values.

        Returns:
            A `ScoreResult` for an array. For a table a table: the kept columns, `log_likelihood` or `anomaly_score`,
            `flagged`, `because` with the columns that make explained rows unlikely, and levels `unseen` in training.

        Raises:
            ConfigError: the model cannot score, or has no scores of held-out rows; or a column to keep is unknown.
            DataError: the events do not fit the model, or there are none.
        """

        def compute(dataset: Dataset) -> scoring.ScoreResult:
            return scoring.score(self, dataset, threshold, explained)

        return answer_rows(self._units, x, keep, scoring.SCORE_COLUMNS, compute, keep_unknown=True)

    @overload
    def cluster(self, x: Array | Tensor, *, keep: Sequence[object] = ()) -> scoring.ClusterResult: ...

    @overload
    def cluster(self, x: Events, *, keep: Sequence[object] = ()) -> Any: ...

    def cluster(self, x: Events, *, keep: Sequence[object] = ()) -> Any:
        """Assign events to their most probable component; outliers get −1.

        Arguments:
            x: events, `(N, *event)`.
            keep: columns of the table to copy to the result. Defaults to none.

        Returns:
            A `ClusterResult` for an array. For a table a table: the kept columns, `cluster` and `probability`.

        Raises:
            ConfigError: the model has no components, or a column to keep is unknown.
            DataError: the events do not fit the model, or there are none.
        """
        return answer_rows(
            self._units, x, keep, scoring.CLUSTER_COLUMNS, lambda dataset: scoring.cluster(self, dataset)
        )

    def describe(
        self, x: Events | None = None, *, weights: Array | None = None, rows: int = UNLIKELY, seed: int = 0
    ) -> Description:
        """Describe what the model says about data: components, dependencies, the least likely rows, latent space.

        Arguments:
            x: events, `(N, *event)`. Defaults to `None`: samples of the model are described instead.
            weights: weights of the events, `(N,)`. Defaults to equal weights.
            rows: number of least likely rows to explain. Defaults to 5.
            seed: seed of samples, and of draws of a lower bound.

        Raises:
            ConfigError: there are not as many weights as events, or they are unusable; or `rows` is negative.
            DataError: the events do not fit the model.
        """
        units = self._units
        checked = None if x is None else units.check(x)
        if weights is not None:
            try:
                weights = np.asarray(weights, np.float64)
            except (TypeError, ValueError) as error:
                raise ConfigError(f"weights must be numbers: {error}.") from error
            if checked is None or weights.shape != (len(checked),):
                raise ConfigError(f"weights of shape {weights.shape} are not one weight for each event.")
            if not (np.isfinite(weights) & (weights >= 0)).all() or not weights.any():
                raise ConfigError("weights must be finite and at least 0, and not all 0.")
        check_count("rows", rows, 0)
        samples = sampling.sample(units, samples_for(self), seed)
        return describe(self, samples, checked, weights, rows, seed)

    def floors(self, x: Events) -> list[Floor]:
        """Return where the density of events rests on a setting, such as the variance that `reg_covar` adds.

        Directions are coefficients of the values in data units. The list is empty if the density rests on nothing but
        the data.

        Raises:
            DataError: the events do not fit the model.
        """
        return floors.floors(self._units, x)

    def to(self, device: torch.device) -> TrainedModel:
        """Move the model to a device, in place, and return it."""
        self.generator.to(device)
        self.transform.to(device, widest(device))
        return self

    @property
    def _units(self) -> DataUnits:
        return DataUnits(self.model, self.generator, self.transform, self.data, self.missing, self.origin)
