"""Log-likelihoods of rows, exact, a lower bound or an estimate, of a density or of a mass; or else anomaly scores."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal, Protocol

import numpy as np

from genzoo.config.training import BOUND_DRAWS
from genzoo.data.dataset import BLOCK, Dataset, ModelEvents, Rows, rows_at_once
from genzoo.inference.data_units import any_observed
from genzoo.inference.description.contributions import RowModel, log_likelihoods_of
from genzoo.inference.likelihood import ESTIMATE_STEPS, default_probes, is_certain_bound
from genzoo.inference.usable import Usable, check_usable, check_weights, impossible, unusable
from genzoo.models.base import AnomalyScore, Likelihood, Outliers
from genzoo.models.measure import measures_of, on_grid
from genzoo.runtime.cores import one_core_each
from genzoo.runtime.progress import Phase
from genzoo.runtime.seeding import derive
from genzoo.typing import Array

_EXAMINED = 512
"""Largest number of rows that show the error of a solver."""

_NAMED = 10
"""Largest number of rows that a message lists."""


ScoreName = Literal["log_likelihood", "anomaly_score"]
"""What scores are: a low log-likelihood is unusual, and so is a high anomaly score."""


class Scorable(RowModel, Usable, Protocol):
    """What scoring rows needs of a trained model; `TrainedModel` has it all."""

    def covers(self, x: ModelEvents) -> Array: ...


def kind_of(fitted: Scorable, draws: int = BOUND_DRAWS) -> str:
    """Return the kind of a model's log-likelihoods: `exact`, `lower bound (N draws)`, an estimate, or `none`.

    If the data lie on a grid, a density gives only a lower bound. A model of tokens gives a `lower bound` that is the
    same at any number of draws. An estimate names its solver: `estimate (N probes, M steps)`, or `estimate (M steps)`
    with exact divergences. If a model has a bound and an estimate, the bound counts.
    """
    able = fitted.capabilities
    if "likelihood" in able:
        return "exact"
    if "likelihood-bound" in able and is_certain_bound(fitted.units):
        return "lower bound"
    if "likelihood-bound" in able:
        return f"lower bound ({draws} draw{'s'[: draws != 1]})"
    return estimate_kind(fitted) if "likelihood-estimate" in able else "none"


def estimate_kind(fitted: Scorable) -> str:
    """Return the kind of a model's estimates: `estimate (N probes, M steps)`, or `estimate (M steps)`."""
    probes = default_probes(fitted.data)
    return f"estimate ({f'{probes} probes, ' if probes else ''}{ESTIMATE_STEPS} steps)"


def is_estimate(kind: str) -> bool:
    """Return whether log-likelihoods of a kind may be above or below the true ones.

    Examples:
        >>> is_estimate("estimate (50 steps)"), is_estimate("exact")
        (True, False)
    """
    return kind.startswith("estimate")


def solver_error(fitted: Scorable, dataset: Dataset, rows: Rows, seed: int) -> float:
    """Return how much a mean of estimates changes with half as many steps, in nats per row; 0 for other kinds.

    It exceeds the error of the solver, which more steps make smaller. The probes are the same for both.

    Arguments:
        rows: at most 512 of them, evenly spaced, are examined.
    """
    if not is_estimate(kind_of(fitted)) or not len(rows):
        return 0.0
    chosen = rows[np.linspace(0, len(rows) - 1, min(len(rows), _EXAMINED)).astype(np.int64)]
    chosen = observed_rows(dataset, np.unique(chosen))
    fine = coarse = 0.0
    for block in dataset.given_blocks(chosen):
        fine += float(fitted.log_prob_estimate(block, seed=seed)[0].sum())
        coarse += float(fitted.log_prob_estimate(block, steps=ESTIMATE_STEPS // 2, seed=seed)[0].sum())
    return abs(fine - coarse) / max(len(chosen), 1)


def measure_of(fitted: Scorable) -> str | None:
    """Return what a model's log-likelihoods measure, by column, such as `density of a; mass of b, c`.

    For a conditional model, events are measured given their conditions: `density given species`. Behind a transform
    that rounds values, it is a `mass of` what they are rounded to.
    """
    if kind_of(fitted) == "none":
        return None
    data, measures = fitted.data, _measured(fitted)
    given = f" given {', '.join(feature.name for feature in data.condition)}" if data.condition else ""
    if fitted.units.transform.rounds_to:
        return f"mass of {fitted.units.transform.rounds_to}{given}"
    if len(set(measures)) == 1:
        return measures[0] + given
    names = [feature.name for feature in data.features]
    parts = []
    for measure in ("density", "mass"):
        columns = [name for name, own in zip(names, measures, strict=True) if own == measure]
        parts.append(f"{measure} of {', '.join(columns)}")
    return "; ".join(parts) + given


def _measured(fitted: Scorable) -> tuple[str, ...]:
    """Return `density` or `mass` for each feature; features on a grid always have a mass."""
    units = fitted.units  # of a joint model that is asked given conditions: these are its last features
    seen = units.inner
    pairs = zip(measures_of(units.generator, seen), on_grid(units.generator, seen), strict=True)
    return tuple("mass" if spread else measure for measure, spread in pairs)[: len(fitted.data.features)]


def scored_as_density(fitted: Scorable) -> frozenset[int]:
    """Return the numbers of the features whose density is part of a model's log-likelihoods."""
    if kind_of(fitted) == "none":
        return frozenset()
    return frozenset(place for place, measure in enumerate(_measured(fitted)) if measure == "density")


def dimensions_of(fitted: Scorable) -> int | None:
    """Return the number of values of an image, if the model's log-likelihoods can be given in bits per dimension.

    Returns `None` for tables, and for models whose log-likelihood is not a probability mass.
    """
    rated = "bits-per-dim" in fitted.data.form.rates and kind_of(fitted) != "none"
    return fitted.data.size if rated and set(_measured(fitted)) == {"mass"} else None


def bits_per_dim(log_likelihood: float, dimensions: int) -> float:
    """Convert nats per event to bits per dimension; lower is better.

    Examples:
        >>> round(bits_per_dim(-8 * math.log(2) * 64, 64), 9)  # 64 pixels of 256 levels, all as probable
        8.0
    """
    return -log_likelihood / (dimensions * math.log(2.0))


def degrees_of_freedom(fitted: Usable) -> int | None:
    """Return the number of free parameters of a model and its transform, or `None` if either does not define one."""
    own = fitted.generator.degrees_of_freedom if isinstance(fitted.generator, Likelihood) else None
    others = fitted.units.transform.degrees_of_freedom
    return None if own is None or others is None else own + others


def log_likelihoods(
    fitted: Scorable, dataset: Dataset, rows: Rows, seed: int, draws: int = BOUND_DRAWS, first: int = 0
) -> Array:
    """Compute log-likelihoods of rows, lower bounds or estimates, `(n,)` nats; NaN for rows without any value.

    A row that is too far from the training rows to compute with has minus infinity.

    Arguments:
        seed, draws: seed and number of draws of a lower bound.
        first: number of the first row, if they are a part of a larger table; a multiple of `BLOCK`, and of
            `rows_at_once`. Defaults to 0.

    Raises:
        DivergenceError: a log-likelihood is plus infinity; or one is NaN or all are minus infinity, and ordinary rows'
            are, too.
        ArtifactError: the same, for a model that was loaded from a file.
    """

    def compute(block: ModelEvents, place: int) -> Array:
        return log_likelihoods_of(fitted, block, draws=draws, seed=derive(seed, "block", place))

    size = _rows_at_once(fitted)
    with Phase("scoring", len(rows), "rows") as phase:
        blocks = enumerate(phase.over(dataset.given_blocks(rows, size), len), first // size)
        # Always on one core, also a single chunk: on several cores, products may round otherwise, and a part of a table
        # has the values of the whole to the last bit.
        if _in_threads(fitted):
            found = one_core_each(lambda numbered: compute(numbered[1], numbered[0]), blocks)
        else:
            found = (compute(block, place) for place, block in blocks)
        values = np.concatenate([*found])
    return _where_observed(
        dataset, rows, values, lambda own: _checked(fitted, own, "log-likelihood", lambda events: compute(events, 0))
    )


def _rows_at_once(fitted: Scorable) -> int:
    """Return for how many rows log-likelihoods are computed at a time."""
    return (rows_at_once(fitted.data) if "likelihood" in fitted.capabilities else None) or BLOCK


def _in_threads(fitted: Scorable) -> bool:
    """Return whether threads may compute log-likelihoods: exact ones, on a CPU."""
    generator = fitted.generator
    able = isinstance(generator, Likelihood) and generator.thread_safe and "likelihood" in fitted.capabilities
    return able and not generator.training and fitted.units.device.type == "cpu"


def _where_observed(dataset: Dataset, rows: Rows, values: Array, checked: Callable[[Array], Array]) -> Array:
    """Return the values of rows after a check; NaN for rows without any observed value.

    Arguments:
        checked: takes the values of the other rows, and returns them.
    """
    observed = observed_rows(dataset, rows)
    if len(observed) == len(rows):
        return checked(values)
    known = np.isin(rows, observed)
    found = np.full(len(rows), np.nan)
    found[known] = checked(values[known])
    return found


def estimates(fitted: Scorable, dataset: Dataset, rows: Rows, seed: int) -> tuple[Array, Array]:
    """Estimate log-likelihoods of rows, with standard errors over probes, `(n,)` nats each; NaN without any value.

    Raises:
        ConfigError: the model has no estimate for such data.
        DivergenceError, ArtifactError: as for `log_likelihoods`.
    """

    def compute(block: ModelEvents, place: int) -> Array:
        return np.stack(fitted.log_prob_estimate(block, seed=derive(seed, "block", place)), 1)

    with Phase("scoring", len(rows), "rows") as phase:
        blocks = enumerate(phase.over(dataset.given_blocks(rows), len))
        found = np.concatenate([np.empty((0, 2)), *(compute(block, place) for place, block in blocks)])
    known = np.isin(rows, observed_rows(dataset, rows))
    found[known, 0] = _checked(fitted, found[known, 0], "log-likelihood", lambda events: compute(events, 0)[:, 0])
    found[~known] = np.nan
    return found[:, 0], found[:, 1]


def score_of(fitted: Scorable) -> ScoreName | None:
    """Return what a model scores rows by; `None` if it has neither."""
    if kind_of(fitted) != "none":
        return "log_likelihood"
    return "anomaly_score" if "anomaly-score" in fitted.capabilities else None


def meaning_of(fitted: Scorable, draws: int = BOUND_DRAWS) -> str:
    """Return what a model's scores are: the kind of its log-likelihoods, or what its anomaly score measures."""
    generator = fitted.generator
    if score_of(fitted) == "anomaly_score" and isinstance(generator, AnomalyScore):
        return generator.score_meaning
    return kind_of(fitted, draws)


def row_scores(
    fitted: Scorable, dataset: Dataset, rows: Rows, seed: int, draws: int = BOUND_DRAWS, first: int = 0
) -> Array:
    """Compute the scores of rows by which `score_of` says, `(n,)`; NaN for rows with no value.

    A row that is too far from the training rows to compute with has an infinite score, on the side of unusual rows.

    Arguments:
        seed, draws: seed and number of draws of a lower bound of a log-likelihood.
        first: as for `log_likelihoods`. Defaults to 0.

    Raises:
        DivergenceError: a score is infinite on the side of usual rows; or one is NaN or all are infinite, and ordinary
            rows' are, too.
        ArtifactError: the same, for a model that was loaded from a file.
    """
    if score_of(fitted) == "log_likelihood":
        return log_likelihoods(fitted, dataset, rows, seed, draws, first)
    with Phase("scoring", len(rows), "rows") as phase:
        blocks = phase.over(dataset.given_blocks(rows), len)
        values = np.concatenate([fitted.anomaly_score(block) for block in blocks])
    return -_where_observed(
        dataset,
        rows,
        -values,
        lambda own: _checked(fitted, own, "anomaly score", lambda events: -np.asarray(fitted.anomaly_score(events))),
    )


def _checked(fitted: Scorable, usual: Array, name: str, compute: Callable[[ModelEvents], Array]) -> Array:
    """Check scores `(n,)`, and return them with NaN turned into minus infinity.

    Arguments:
        usual: scores that are low for unusual rows.
        name: what the score is, for the message.
        compute: returns such scores of other events.

    Raises:
        DivergenceError: a score is plus infinity; or one is NaN or all are minus infinity, and ordinary rows' are, too.
        ArtifactError: the same, for a model that was loaded from a file.
    """
    if np.isposinf(usual).any():
        raise unusable(fitted, np.isposinf(usual), name)
    far = np.isnan(usual)
    if far.any():
        check_weights(fitted, far, name, lambda events: impossible(compute(events)))
    else:
        check_usable(fitted, impossible(usual), name, lambda events: impossible(compute(events)))
    return np.where(far, -np.inf, usual)


def observed_rows(dataset: Dataset, rows: Rows) -> Rows:
    """Return the rows that have any value at all."""
    if not dataset.spec.missing or not len(rows):
        return rows
    observed: Rows = rows[np.concatenate([any_observed(block) for block in dataset.blocks(rows)])]
    return observed


def uncovered(fitted: Scorable, dataset: Dataset, rows: Rows) -> Rows:
    """Return the rows outside the box of the model's outlier component; none if the model has no such component."""
    if not isinstance(fitted.generator, Outliers):
        return rows[:0]
    covered = np.concatenate([fitted.covers(block) for block in dataset.given_blocks(rows)])
    outside: Rows = rows[~covered]
    return outside


def about_uncovered(rows: Rows) -> dict[str, str]:
    """Return a reason under the key `uncovered` if there are rows outside the box, else an empty dict."""
    return {"uncovered": f"outside the box that holds the training rows: {named_rows(rows)}"} if len(rows) else {}


def named_rows(rows: Rows) -> str:
    """Return the number of rows and the first row numbers, as text.

    Examples:
        >>> named_rows(np.array([3, 5]))
        '2 rows (3, 5)'
    """
    shown = ", ".join(map(str, rows[:_NAMED])) + (" ..." if len(rows) > _NAMED else "")
    return f"{len(rows)} row{'s'[: len(rows) != 1]} ({shown})"
