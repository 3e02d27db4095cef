"""`TrainedModel`: what users hold after training, and every question they can ask it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, overload

import torch
from torch import Tensor

from genzoo.config.counts import check_count
from genzoo.config.sampling import Sampling, options_together
from genzoo.config.training import BOUND_DRAWS
from genzoo.data.condition_transform import ConditionTransform
from genzoo.data.conditions import joint_events, joint_spec
from genzoo.data.dataset import Dataset
from genzoo.data.frames.kinds import is_frame
from genzoo.data.transforms import Transform
from genzoo.inference import drawing, encoding, floors, likelihood, sampling
from genzoo.inference.answers import (
    Output,
    answer,
    answer_events,
    answer_latent,
    answer_rows,
    as_components,
    as_events,
    as_filled,
    as_latent,
    as_series,
    choose_output,
    in_array,
    present_events,
)
from genzoo.inference.data_units import CheckedEvents, DataUnits, Events
from genzoo.inference.description.describe import UNLIKELY, checked_weights, describe, samples_for
from genzoo.inference.description.figures import Description
from genzoo.inference.given import check_given, conditions_of, with_condition
from genzoo.inference.likelihood import ESTIMATE_STEPS
from genzoo.inference.rows import clustering, scores, scoring
from genzoo.inference.rows.threshold import Calibration
from genzoo.inference.texts.each import log_prob_each
from genzoo.inference.texts.prompts import Beginning, Watch
from genzoo.models.base import Floor, Generator, capabilities_of, scores_whole_only
from genzoo.plugins.api1 import with_former_names
from genzoo.runtime.device import widest
from genzoo.spec.events import DataSpec
from genzoo.typing import Array


@with_former_names
@dataclass(frozen=True, slots=True)
class TrainedModel:
    """A trained generator. Methods take and return events in data units, and latent vectors, on the host.

    Events are arrays `(N, *event)`, with NaN for a missing value, or tables of pandas, polars or pyarrow. Columns of a
    table are found by name, in any order. If the model is conditional, tables have columns of the conditions, too, and
    methods that take arrays of events have an argument `condition`: a table with a column for each, or an array
    `(N, K)` of levels, codes or numbers. Methods answer in kind: arrays for arrays, and for a table of N rows a
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
        sampling: how samples are drawn: the values of the model's sampling options. Defaults to none.
        condition: maps conditions to the generator's space. Defaults to `None`: the model is not conditional.
        fixed: conditions that are known, by number of their column; `under` sets them. Defaults to none.
    """

    model: str
    generator: Generator
    transform: Transform
    data: DataSpec
    missing: bool = False
    validation_scores: Array | None = None
    origin: str | None = None
    calibration: Calibration = "validation"
    bound_draws: int = BOUND_DRAWS
    sampling: Sampling = field(default_factory=Sampling)
    condition: ConditionTransform | None = None
    fixed: Mapping[int, float] = field(default_factory=dict)
    _units: DataUnits = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        units = DataUnits(
            self.model,
            self.generator,
            self.transform,
            self.data,
            self.missing,
            self.origin,
            self.sampling,
            self.condition,
            self.fixed,
        )
        object.__setattr__(self, "_units", units)  # built once, as it keeps what it finds out about the model

    @property
    def device(self) -> torch.device:
        """Where the generator computes."""
        return self.units.device

    @property
    def capabilities(self) -> frozenset[str]:
        """What the model can do besides sampling: `likelihood`, `decoder` ..."""
        found = capabilities_of(self.generator) - self.units.lost
        if self.dequantized or self.transform.bound:
            bound = {"likelihood-bound"} if "likelihood" in found else set()
            return found - {"likelihood", "likelihood-estimate"} | bound
        return found

    @property
    def leaves_out(self) -> bool:
        """Whether it scores rows without some of their values."""
        return self.missing and not scores_whole_only(self.generator)

    @property
    def dequantized(self) -> bool:
        """Whether the data lie on a grid and the generator is a density, which bounds the probability of a point."""
        return likelihood.is_density_on_grid(self.units)

    def under(self, given: Mapping[str, object] | None) -> TrainedModel:
        """Return the model with conditions that are known: for samples, decoded events and arrays of events.

        Arguments:
            given: levels or numbers by name, such as `{"species": "setosa"}`. Defaults to none.

        Raises:
            ConfigError: the model is not trained given such a column, or it has no such level.
        """
        found = drawing.fixed_conditions(self.units, check_given(given, None, self.data))
        return dataclasses.replace(self, fixed={**self.fixed, **found}) if found else self

    @overload
    def sample(
        self,
        n: int,
        *,
        seed: int = 0,
        output: Literal["array"],
        mean: bool = False,
        given: Mapping[str, object] | None = None,
        condition: Any = None,
        options: Mapping[str, Any] | None = None,
        prompt: str | None = None,
    ) -> Array: ...

    @overload
    def sample(
        self,
        n: int,
        *,
        seed: int = 0,
        output: Output | None = None,
        mean: bool = False,
        given: Mapping[str, object] | None = None,
        condition: Any = None,
        options: Mapping[str, Any] | None = None,
        prompt: str | None = None,
    ) -> Any: ...

    @options_together
    def sample(
        self,
        n: int,
        *,
        seed: int = 0,
        output: Output | None = None,
        mean: bool = False,
        given: Mapping[str, object] | None = None,
        condition: Any = None,
        options: Mapping[str, Any] | None = None,
        prompt: str | None = None,
    ) -> Any:
        """Draw events.

        Arguments:
            n: number of events, at least 1.
            seed: the same seed gives the same events on the same machine; fewer events are the first of more.
            output: `array | dict | list | pandas | polars | pyarrow`. Defaults to the kind of table that the model was
                trained on in Python, to `dict` for events of several parts, to `list` for texts, and to `array` for
                other arrays and for files. An array of events of several parts holds rows of all their values.
            mean: return the mean of the events of each latent vector, or its most probable categories, instead of a
                draw: what the model decodes, without noise. Latent vectors are drawn either way. Defaults to false.
            options: values of the model's sampling options, such as `{"steps": 20}`. Defaults to the model's own, which
                were chosen when it was trained.
            given: what to draw the events given, such as `{"species": "setosa"}`: conditions, or columns of a model
                that fills in missing values. Categories of conditions that are not given are drawn as often as training
                rows have them. Defaults to none.
            condition: what to draw each event given: a table with a column for each condition, or an array `(n, K)`.
                Defaults to `None`: as `given` says.
            prompt: what each text begins with, exactly; the rest is drawn given it. Defaults to `None`: whole texts.

        Returns:
            Events on the data's grid and of its type, `(n, *event)`. An array holds the codes of categories; a list
            holds texts as `str`, in which bytes that are no valid UTF-8 are `�`; a table
            has the columns of training, with their names, types and categories, and conditions after the others.

        Raises:
            ConfigError: `n` is not a number of events, or the library of `output` is not installed; or `mean` of a
                model without a decoder; or the model has no such condition, or needs one; or a sampling option is
                unknown, or its value out of range; or a prompt of a model that is not `autoregressive`, an empty one,
                one with unknown characters, or one that is as long as the longest text.
        """
        form = choose_output(output, self.data)
        how: dict[str, Any] = {"given": given, "condition": condition, "options": options, "prompt": prompt}
        events, conditions = self.sample_given(n, seed=seed, mean=mean, **how)
        if conditions is None or form in ("array", "dict", "list"):
            return present_events(events, self.data, form)
        return present_events(joint_events(events, conditions), joint_spec(self.data), form)

    def sample_given(
        self,
        n: int,
        *,
        seed: int = 0,
        mean: bool = False,
        given: Mapping[str, object] | None = None,
        condition: Any = None,
        options: Mapping[str, Any] | None = None,
        prompt: str | None = None,
        watch: Watch | None = None,
        first: int = 0,
    ) -> tuple[Array, Array | None]:
        """Draw events as `sample` does. Return arrays of them and of their conditions, if the model is conditional.

        Arguments:
            watch: takes the bytes of the first text so far, after each of its symbols. Defaults to none.
            first: number of the first event, if they are a part of more samples; a multiple of the group that are drawn
                at once, and of 512. Defaults to 0.
        """
        return drawing.draw(
            self.units,
            n,
            seed,
            mean=mean,
            given=given,
            condition=condition,
            options=options,
            beginning=Beginning.of(self.units, prompt, watch),
            first=first,
        )

    def with_sampling(self, options: Mapping[str, Any] | None, *, section: str = "sampling") -> TrainedModel:
        """Return the model with other values of its sampling options. Both share the generator.

        Arguments:
            options: values by the name of the option. `None` changes nothing.
            section: what comes before an option's name in messages. Defaults to "sampling".

        Raises:
            ConfigError: an option is unknown, its value is out of range, or the model has no sampling options.
        """
        changed = self.sampling.replaced(options, section=section)
        return self if changed is self.sampling else dataclasses.replace(self, sampling=changed)

    @property
    def adds_noise(self) -> bool:
        """Whether samples are more than what the model decodes: a draw of each value around it, as of a VAE."""
        return sampling.adds_noise(self.units)

    def sample_shown(self, n: int, *, seed: int = 0) -> tuple[Array, bool]:
        """Draw events for a picture or page, and return whether they are means.

        Images of a model that adds noise are means, because a grid of noisy images hides what was learned. A table of
        means would hide how rows vary, so rows are draws.
        """
        mean = self.data.form.pictured and self.adds_noise
        return self.sample(n, seed=seed, output="array", mean=mean, condition=self.units.usual_conditions(n)), mean

    @overload
    def decode(self, z: Events, *, output: Literal["array"], condition: Any = None) -> Array: ...

    @overload
    def decode(self, z: Events, *, output: Output | None = None, condition: Any = None) -> Any: ...

    def decode(self, z: Events, *, output: Output | None = None, condition: Any = None) -> Any:
        """Return the events of latent vectors `z (N, L)`, `(N, *event)`.

        Arguments:
            z: an array, or a table with columns z0, z1 ... as `encode` returns it.
            output: as for `sample`. Defaults to the kind of table that `z` is, and as for `sample` if it is none.
            condition: what to decode each vector given, as for `sample`. Defaults to what `under` says.

        Raises:
            ConfigError: the model has no decoder, or the vectors have another shape.
        """
        form = choose_output(output, self.data)
        present = as_events(self.data) if output is None else lambda _, events: present_events(events, self.data, form)
        conditions = None if condition is None else conditions_of(condition, self.data, len(z))
        if is_frame(z):
            return answer_latent(self.units, z, lambda latent: sampling.decode(self.units, latent, conditions), present)
        return present_events(sampling.decode(self.units, z, conditions), self.data, form)

    def prior_sample(self, n: int, *, seed: int = 0, first: int = 0) -> Array:
        """Draw latent vectors from the prior, `(n, L)`.

        Arguments:
            n: number of vectors.
            seed: with the seed of `sample`, a model that only decodes turns these vectors into its samples.
            first: number of the first vector. Each depends only on the seed and its number.

        Raises:
            ConfigError: the model has no decoder.
        """
        return sampling.prior_sample(self.units, n, seed, first)

    @overload
    def encode(self, x: Array | Tensor, *, condition: Any = None, seed: int = 0) -> Array: ...

    @overload
    def encode(self, x: Events, *, condition: Any = None, seed: int = 0) -> Any: ...

    def encode(self, x: Events, *, condition: Any = None, seed: int = 0) -> Any:
        """Return the posterior means of the latent vectors of events `x (N, *event)`, `(N, L)`.

        For a table, they are a table with columns z0, z1 ...

        Raises:
            ConfigError: the model has no encoder.
            DataError: the events do not fit the model.
        """
        return answer(
            self.units,
            with_condition(x, condition, self.data),
            lambda events: encoding.encode(self.units, events, seed),
            as_latent,
        )

    @overload
    def reconstruct(self, x: Array | Tensor, *, condition: Any = None) -> Array: ...

    @overload
    def reconstruct(self, x: Events, *, condition: Any = None) -> Any: ...

    def reconstruct(self, x: Events, *, condition: Any = None) -> Any:
        """Return the model's own version of events `x (N, *event)`.

        It is found in the space of the model and mapped back. A mean there is no mean in data units behind a transform
        that bends, such as `log`. For a table, it is a table with the columns of training, their names and categories.

        Raises:
            ConfigError: the model cannot reconstruct.
            DataError: the events do not fit the model.
        """
        return answer_events(
            self.units,
            with_condition(x, condition, self.data),
            lambda events: encoding.reconstruct(self.units, events),
            as_events(self.data),
        )

    @overload
    def anomaly_score(self, x: Array | Tensor, *, condition: Any = None) -> Array: ...

    @overload
    def anomaly_score(self, x: Events, *, condition: Any = None) -> Any: ...

    def anomaly_score(self, x: Events, *, condition: Any = None) -> Any:
        """Return how unusual events `x (N, *event)` are, `(N,)` float64; higher is more unusual.

        `generator.score_meaning` says what the score is, with its unit.

        Raises:
            ConfigError: the model has no anomaly score. Take minus the log-likelihood if it has a likelihood.
            DataError: the events do not fit the model.
        """
        return answer(
            self.units,
            with_condition(x, condition, self.data),
            lambda events: encoding.anomaly_score(self.units, events),
            as_series("anomaly_score"),
        )

    @overload
    def impute(self, x: Array | Tensor, *, condition: Any = None, draw: bool = False, seed: int = 0) -> Array: ...

    @overload
    def impute(self, x: Events, *, condition: Any = None, draw: bool = False, seed: int = 0) -> Any: ...

    def impute(self, x: Events, *, condition: Any = None, draw: bool = False, seed: int = 0) -> Any:
        """Fill in the missing values of events `x (N, *event)`; the others stay as they are.

        Missing values are NaN in an array, and also null in a table. A table of pandas, polars or pyarrow comes back as
        such a table, with all its columns, their types and a pandas index.

        Arguments:
            draw: draw from the distribution given the observed values, instead of its mean or most probable category.
                The mean is taken in the space of the model and mapped back: behind `log`, it is a geometric mean.
                Means of counts need not be whole, and turn a column of integers into fractions; drawn counts are whole.
            seed: seed of the draws. Those for an event depend on the seed and its position, not on later events.

        Raises:
            ConfigError: the model cannot impute.
            DataError: the events do not fit the model.
        """
        return answer_events(
            self.units,
            with_condition(x, condition, self.data),
            lambda events: encoding.impute(self.units, events, draw, seed),
            as_filled(self.data),
        )

    @overload
    def log_prob(self, x: Array | Tensor, *, condition: Any = None) -> Array: ...

    @overload
    def log_prob(self, x: Events, *, condition: Any = None) -> Any: ...

    def log_prob(self, x: Events, *, condition: Any = None) -> Any:
        """Return the log-density of events `x (N, *event)` in nats, `(N,)` float64.

        Missing values are marginalized. Values that the model measures as probability masses count with their
        log-probability.

        Raises:
            ConfigError: the model has no likelihood, or is a density of data on a grid, which only bounds it.
            DataError: the events do not fit the model.
        """
        return answer(
            self.units,
            with_condition(x, condition, self.data),
            lambda events: likelihood.log_prob(self.units, events),
            as_series("log_prob"),
        )

    def log_prob_each(self, texts: Any, *, condition: Any = None) -> list[Array]:
        """Return the log-probability of each symbol of texts given those before it, in nats, `(L,)` float64 each.

        They sum to `log_prob`. The last one is the end's, which a text as long as the longest does not have. Symbols
        are bytes, or what the model reads instead: characters or tokens.

        Arguments:
            texts: a list of `str`, or codes `(N, T)`.
            condition: what each text is conditional on, as for `sample`.

        Raises:
            ConfigError: the model is not `autoregressive`.
            DataError: the texts do not fit the model.
        """
        return log_prob_each(self.units, with_condition(texts, condition, self.data))

    @overload
    def log_prob_bound(self, x: Array | Tensor, *, condition: Any = None, draws: int = 1, seed: int = 0) -> Array: ...

    @overload
    def log_prob_bound(self, x: Events, *, condition: Any = None, draws: int = 1, seed: int = 0) -> Any: ...

    def log_prob_bound(self, x: Events, *, condition: Any = None, draws: int = 1, seed: int = 0) -> Any:
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
            return likelihood.log_prob_bound(self.units, events, draws, seed)

        return answer(self.units, with_condition(x, condition, self.data), compute, as_series("log_prob_bound"))

    def log_prob_estimate(
        self,
        x: Events,
        *,
        condition: Any = None,
        probes: int | None = None,
        steps: int = ESTIMATE_STEPS,
        seed: int = 0,
    ) -> tuple[Array, Array]:
        """Estimate the log-density of events `x (N, *event)` in nats.

        An estimate may be above or below the density. The error of the solver is not in the standard errors: compare
        with half as many steps to see it.

        Arguments:
            condition: what each event is conditional on, as for `sample`.
            probes: random vectors behind each estimate, 0 or at least 2; 0 computes divergences exactly. Defaults to 0
                for events of at most 16 values, and to 16 for larger ones.
            steps: steps of the solver. Defaults to 50.
            seed: seed of the probes.

        Returns:
            Estimates, and their standard errors over the probes: 0 without probes. Both `(N,)` float64.

        Raises:
            ConfigError: the model has no estimate for such data, or a number is out of range.
            DataError: the events do not fit the model.
        """
        given = in_array(self.units, with_condition(x, condition, self.data))
        return likelihood.log_prob_estimate(self.units, given, probes, steps, seed)

    @overload
    def log_posterior(self, x: Array | Tensor, *, condition: Any = None) -> Array: ...

    @overload
    def log_posterior(self, x: Events, *, condition: Any = None) -> Any: ...

    def log_posterior(self, x: Events, *, condition: Any = None) -> Any:
        """Return the log-probability of each component given events `x (N, *event)`, `(N, K)`.

        For a table, they are a table with columns named 0, 1 ... as text, or `outliers`.

        Raises:
            ConfigError: the model has no components.
            DataError: the events do not fit the model.
        """
        units = self.units
        return answer(
            units,
            with_condition(x, condition, self.data),
            lambda events: encoding.log_posterior(units, events),
            as_components(units),
        )

    @overload
    def covers(self, x: Array | Tensor, *, condition: Any = None) -> Array: ...

    @overload
    def covers(self, x: Events, *, condition: Any = None) -> Any: ...

    def covers(self, x: Events, *, condition: Any = None) -> Any:
        """Return whether the component of outliers has any density at events `x (N, *event)`, `(N,)` bool.

        Raises:
            ConfigError: the model has no component of outliers.
            DataError: the events do not fit the model.
        """
        return answer(
            self.units,
            with_condition(x, condition, self.data),
            lambda events: encoding.covers(self.units, events),
            as_series("covers"),
        )

    @overload
    def score(
        self,
        x: Array | Tensor,
        *,
        threshold: float | None = None,
        keep: Sequence[object] = (),
        explained: int = 10,
        estimate: bool = False,
        condition: Any = None,
    ) -> scores.ScoreResult: ...

    @overload
    def score(
        self,
        x: Events,
        *,
        threshold: float | None = None,
        keep: Sequence[object] = (),
        explained: int = 10,
        estimate: bool = False,
        condition: Any = None,
    ) -> Any: ...

    def score(
        self,
        x: Events,
        *,
        threshold: float | None = None,
        keep: Sequence[object] = (),
        explained: int = scoring.EXPLAINED,
        estimate: bool = False,
        condition: Any = None,
    ) -> Any:
        """Score events by their log-likelihood, or by their anomaly score if the model has no likelihood.

        Arguments:
            x: events, `(N, *event)`. A table may hold categories that the model does not know.
            threshold: flag at most this share of new rows, by scores of held-out rows that are stored with the model.
                Defaults to `None`: no row is flagged.
            keep: columns of the table to copy to the result. Defaults to none.
            explained: number of least likely rows to explain. Defaults to 10. Up to 1,000 flagged rows are explained,
                too, if the likelihood is exact and the model accepts missing values.
            estimate: whether to estimate log-likelihoods, even if the model has a bound. Defaults to false.
            condition: what each event of an array is conditional on, as for `sample`. Tables have columns of it.

        Returns:
            A `ScoreResult` for an array. For a table a table: the kept columns, `log_likelihood` or `anomaly_score`,
            `flagged`, `because` with the columns that make explained rows unlikely, and levels `unseen` in training.

        Raises:
            ConfigError: the model cannot score, or has no scores of held-out rows; or a column to keep is unknown.
            DataError: the events do not fit the model.
        """

        def compute(dataset: Dataset) -> scores.ScoreResult:
            return scoring.score(self, dataset, threshold, explained, estimate=estimate)

        given = with_condition(x, condition, self.data)
        return answer_rows(self.units, given, keep, scores.SCORE_COLUMNS, compute, keep_unknown=True)

    @overload
    def cluster(self, x: Array | Tensor, *, keep: Sequence[object] = ()) -> clustering.ClusterResult: ...

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
            DataError: the events do not fit the model.
        """
        return answer_rows(
            self.units, x, keep, clustering.CLUSTER_COLUMNS, lambda dataset: clustering.cluster(self, dataset)
        )

    def describe(
        self, x: Events | None = None, *, weights: Array | None = None, rows: int = UNLIKELY, seed: int = 0
    ) -> Description:
        """Describe what the model says about data: components, dependencies, the least likely rows, latent space.

        Arguments:
            x: events, `(N, *event)`. Defaults to `None`: samples of the model are described instead, as also for no
                events.
            weights: weights of the events, `(N,)`. Defaults to equal weights.
            rows: number of least likely rows to explain. Defaults to 5.
            seed: seed of samples, and of draws of a lower bound.

        Raises:
            ConfigError: there are not as many weights as events, or they are unusable; or `rows` is negative.
            DataError: the events do not fit the model.
        """
        units = self.units
        checked = None if x is None else units.check(x)
        checked = checked if checked is not None and len(checked) else None
        weights = checked_weights(weights, 0 if checked is None else len(checked))
        check_count("rows", rows, 0)
        conditions = units.usual_conditions(samples_for(self))
        samples = sampling.sample(units, samples_for(self), seed, conditions=conditions)
        return describe(self, CheckedEvents(samples, False, conditions), checked, weights, rows, seed)

    def floors(self, x: Events) -> list[Floor]:
        """Return where the density of events rests on a setting, such as the variance that `reg_covar` adds.

        Directions are coefficients of the values in data units. The list is empty if the density rests on nothing but
        the data.

        Raises:
            DataError: the events do not fit the model.
        """
        return floors.floors(self.units, x)

    @property
    def under_usual(self) -> TrainedModel:
        """The model under the combination of categories that most training rows have, and numbers at their mean."""
        if self.condition is None:
            return self
        return dataclasses.replace(self, fixed=self.condition.usual() | dict(self.fixed))

    @property
    def given_in_words(self) -> str:
        """The conditions that are known, such as `species=setosa`."""
        return "" if self.condition is None else self.condition.describe(self.fixed)

    def to(self, device: torch.device) -> TrainedModel:
        """Move the model to a device, in place, and return it."""
        self.generator.to(device)
        self.transform.to(device, widest(device))
        if self.condition is not None:
            self.condition.to(device, widest(device))
        return self

    @property
    def units(self) -> DataUnits:
        """The generator, called with events in data units."""
        return self._units
