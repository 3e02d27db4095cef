"""The result of a comparison: a report with one row per candidate."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import genzoo
from genzoo.config.layers import leaves
from genzoo.data.frames.results import frame_of
from genzoo.errors import ConfigError, DataError
from genzoo.metrics.metric import Score
from genzoo.spec.events import Library
from genzoo.wording import argument

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SCHEMA = 1
"""Version of `report.json`."""


Status = Literal["ok", "failed"]


UNSUITED = "not for these data"
"""The verdict on a candidate that could not be fitted because it does not take the columns or rows of the data."""


_OF_THE_DATA = (ConfigError.exit_code, DataError.exit_code)
"""Exit codes of errors of a fit that say that a model or its options do not suit the data."""


@dataclass(frozen=True, slots=True)
class LogLikelihood:
    """Mean log-likelihoods of the held-out fit, in nats per row and in data units.

    Arguments:
        train: mean over the training rows.
        test, se: mean over the test rows, and its standard error.
        kind: `exact`, `lower bound (N draws)`, `lower bound`, `estimate (N probes, M steps)`, `estimate (M steps)` or
            `none`.
        measure: what it measures, such as `density`, or `density of a; mass of b`.
        spread: standard deviation of `test` over seeds; `None` for one seed.
        bits_per_dim: `test` in bits per number of an image, if it is a probability mass of images.
        bits_per_byte, bits_per_byte_se: `test` in bits per byte of texts, and its standard error. Ends cost bits,
            and are no bytes. `None` for other data.
        bits_per_sample, bits_per_sample_se: the same for the samples of sounds, if it is a probability mass.
    """

    train: float | None = None
    test: float | None = None
    se: float | None = None
    kind: str = "none"
    measure: str | None = None
    spread: float | None = None
    bits_per_dim: float | None = None
    bits_per_byte: float | None = None
    bits_per_byte_se: float | None = None
    bits_per_sample: float | None = None
    bits_per_sample_se: float | None = None

    @property
    def exact(self) -> bool:
        """Return whether the values are the log-likelihood itself, and not a bound."""
        return self.kind == "exact"

    @property
    def estimated(self) -> bool:
        """Return whether the values are estimates, which may be above or below the log-likelihood."""
        return self.kind.startswith("estimate")

    @property
    def bounded(self) -> bool:
        """Return whether the values are below the log-likelihood, or at it."""
        return self.kind.startswith("lower bound")


@dataclass(frozen=True, slots=True)
class CrossValidation:
    """Mean held-out log-likelihood over all folds, nats per row, and its standard error."""

    mean: float | None = None
    se: float | None = None


@dataclass(frozen=True, slots=True)
class Difference:
    """How much a candidate differs from the best one: the mean of differences row by row.

    Arguments:
        figure: `cv`, `test` or the name of a metric.
        mean: nats per row, or the metric's own unit. Negative log-likelihood differences mean worse.
        se: standard error of the difference; NaN if there are too few rows for one.
        low, high: 95 % interval; NaN if there is no standard error.
    """

    figure: str
    mean: float
    se: float
    low: float
    high: float

    @property
    def has_interval(self) -> bool:
        """Return whether there were enough rows for an interval."""
        return math.isfinite(self.low) and math.isfinite(self.high)

    @property
    def undecided(self) -> bool:
        """Return whether the interval contains 0, so that either candidate may be better."""
        return self.low <= 0.0 <= self.high


@dataclass(frozen=True, slots=True)
class Cost:
    """What a model costs; `None` for what is not known.

    Arguments:
        training_seconds: duration of training on the training rows.
        sampling_seconds: duration of drawing 1,000 samples.
        peak_memory: bytes that training took at most, beyond what was in use before.
        parameters: degrees of freedom if they are defined, else the number of learned numbers of the generator.
    """

    training_seconds: float | None = None
    sampling_seconds: float | None = None
    peak_memory: int | None = None
    parameters: int | None = None

    @property
    def seconds(self) -> float:
        """Duration of training and of drawing 1,000 samples; infinite if it is not known."""
        parts = (self.training_seconds, self.sampling_seconds)
        return math.inf if None in parts else sum(part for part in parts if part is not None)


@dataclass(frozen=True, slots=True)
class Row:
    """One candidate of a report.

    Arguments:
        id: its name in this report, such as `gmm:n_components=3`.
        model: id of the zoo entry.
        options: the options that were given, by name.
        reasons: why figures are `None` or not ranked, by their name; under `status`, why the candidate failed; under
            `uncovered`, the test rows for which its outlier component has no density; under `unseen`, the held-out rows
            with a level that no training row has; under `starts`, how many starts of EM led to the maximum.
        seconds: duration of all its fits and evaluations.
        cost: what one fit of the model costs.
        run: run directory of this candidate, if it was kept.
        exit_code: exit code of a failed candidate's error on a command line.
    """

    id: str
    model: str
    options: Mapping[str, Any] = field(default_factory=dict)
    status: Status = "ok"
    degrees_of_freedom: int | None = None
    log_likelihood: LogLikelihood = LogLikelihood()
    aic: float | None = None
    aicc: float | None = None
    bic: float | None = None
    icl: float | None = None
    akaike_weight: float | None = None
    cv: CrossValidation = CrossValidation()
    difference: Difference | None = None
    metrics: Mapping[str, Score] = field(default_factory=dict)
    seconds: float | None = None
    cost: Cost = Cost()
    verdict: str = ""
    run: str | None = None
    reasons: Mapping[str, str] = field(default_factory=dict)
    exit_code: int = 0

    @property
    def unsuited(self) -> bool:
        """True if the candidate could not be fitted because it does not suit the data; nothing went wrong."""
        return self.status == "failed" and (self.verdict == UNSUITED or self.exit_code in _OF_THE_DATA)

    def figure(self, name: str) -> float | None:
        """Return a figure by name: one of `FIGURES`, or a metric."""
        if name in ("train", "test"):
            return self.log_likelihood.train if name == "train" else self.log_likelihood.test
        if name == "cv":
            return self.cv.mean
        if name in FIGURES:
            found = getattr(self.cost if name in COSTS else self, name)
            return None if found is None else float(found)
        score = self.metrics.get(name)
        return None if score is None else score.value

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        content = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "exit_code"}
        for name in ("log_likelihood", "cv", "cost", "difference"):
            content[name] = None if content[name] is None else asdict(content[name])
        metrics = {name: asdict(score) for name, score in self.metrics.items()}
        for score in metrics.values():
            del score["shared"]  # a part of errors that a difference of scores needs, which files of rows keep
        return {**content, "options": dict(self.options), "metrics": metrics, "reasons": dict(self.reasons)}

    def ranked_by(self, name: str) -> float | None:
        """Return a figure that can be ranked; `None` if there is none, or a reason not to compare it."""
        return None if name in self.reasons else self.figure(name)


def likelihood_scores(row: Row) -> dict[str, Score]:
    """Return the held-out log-likelihoods of a row as scores of metrics, by name."""
    own, folded = row.log_likelihood, row.cv
    found: dict[str, Score] = {}
    if own.test is not None:
        found["log-likelihood"] = Score("log-likelihood", own.test, "higher", own.se, _PER_EVENT)
    if folded.mean is not None:
        found["cross-validation"] = Score("log-likelihood", folded.mean, "higher", folded.se, _PER_EVENT)
    if own.bits_per_dim is not None:
        found["bits-per-dim"] = Score("bits-per-dim", own.bits_per_dim, "lower")
    if own.bits_per_byte is not None:
        found["bits-per-byte"] = Score("bits-per-byte", own.bits_per_byte, "lower", own.bits_per_byte_se)
    if own.bits_per_sample is not None:
        found["bits-per-sample"] = Score("bits-per-sample", own.bits_per_sample, "lower", own.bits_per_sample_se)
    return found


_PER_EVENT = {"unit": "nats per event"}


CHEAPEST = "best: cheapest"
"""The verdict on a candidate that is not told apart from the one with the best figure, and is cheaper."""


COSTS = tuple(Cost.__dataclass_fields__)
"""Names of the figures of a cost."""


_OF_ROWS = ("bic", "aic", "aicc", "icl", "test", "cv", "train", "akaike_weight", "degrees_of_freedom", "seconds")
FIGURES = (*_OF_ROWS, *COSTS)
"""Names that `Row.figure` accepts, besides metrics."""


_TEXTS, _OF_TEST = (
    ("id", "model", "status"),
    (
        *("bits_per_dim", "bits_per_byte", "bits_per_sample"),
        *("kind", "measure"),
    ),
)
"""Fields of a row, and of its log-likelihood, that are columns of a table besides the figures."""


@dataclass(frozen=True, slots=True, repr=False)
class Report:
    """A whole comparison, with rows in the order of their rank. A notebook shows it as a table.

    Arguments:
        data: name, rows, form and digest of the data, and how rows were divided.
        by: figure that ranks the candidates.
        best: id of the best candidate, or `None` if none could be ranked.
        simplest: id of the simplest candidate within one paired standard error of the best.
        rows: the candidates.
        notes: sentences about the ranking.
        conflict: why candidates cannot be ranked together, if their likelihoods measure different things.
        reason: why the best was picked, if something other than the figure decided. Defaults to `None`.
    """

    data: Mapping[str, Any]
    by: str
    best: str | None
    simplest: str | None
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()
    conflict: str | None = None
    reason: str | None = None

    @property
    def sentences(self) -> tuple[str, ...]:
        """Everything to say about the ranking: first, why candidates cannot be ranked together."""
        return self.notes if self.conflict is None else (self.conflict, *self.notes)

    def __getitem__(self, name: str) -> Row:
        """Return the row with this id."""
        return next(row for row in self.rows if row.id == name)

    @property
    def best_run(self) -> genzoo.Run:
        """The run of the best candidate, which can be asked and sampled.

        Raises:
            ConfigError: the comparison kept none: it had no `out`, or no candidate could be ranked.
        """
        path = None if self.best is None else self[self.best].run
        if path is None:
            if self.best is None:
                raise ConfigError("There is no run of the best candidate: no candidate could be ranked.")
            raise ConfigError(f"The best candidate was not kept. Compare with {argument('out', 'FOLDER')} to keep it.")
        return genzoo.Run(Path(path))

    def as_dict(self) -> dict[str, Any]:
        """Return what `genzoo compare --json` prints."""
        return {
            "schema": SCHEMA,
            "data": dict(self.data),
            "by": self.by,
            "best": self.best,
            "simplest": self.simplest,
            "notes": list(self.notes),
            "conflict": self.conflict,
            **({} if self.reason is None else {"reason": self.reason}),
            "rows": [row.as_dict() for row in self.rows],
        }

    def columns(self) -> dict[str, list[Any]]:
        """Return every figure of every candidate, at full precision, by the name of the column."""
        metrics = list(dict.fromkeys(name for row in self.rows for name in row.metrics))
        columns: dict[str, list[Any]] = {name: [getattr(row, name) for row in self.rows] for name in _TEXTS}
        columns |= {name: [row.figure(name) for row in self.rows] for name in FIGURES}
        columns["test_se"] = [row.log_likelihood.se for row in self.rows]
        columns["cv_se"] = [row.cv.se for row in self.rows]
        columns |= {name: [getattr(row.log_likelihood, name) for row in self.rows] for name in _OF_TEST}
        for gap in ("mean", "se", "low", "high"):
            name = "difference" if gap == "mean" else f"difference_{gap}"
            columns[name] = [None if row.difference is None else getattr(row.difference, gap) for row in self.rows]
        columns |= {name: [row.figure(name) for row in self.rows] for name in metrics}
        return {**columns, "verdict": [row.verdict for row in self.rows]}

    def to_frame(self, library: Library | None = None) -> Any:
        """Return a table with a row for each candidate and a column for each figure.

        Arguments:
            library: `pandas | polars | pyarrow`. Defaults to the first of them that is installed.
        """
        return frame_of(self.columns(), library)

    # The functions of `genzoo` that show a report need packages above this one; the façade imports them on first use.

    def figure(self, name: str = "differences") -> Figure:
        """Draw the report.

        Arguments:
            name: `"differences"` of each candidate from the best, with intervals; or `"criterion"`: BIC, or the
                criterion that ranks, against an option with several whole numbers.

        Raises:
            ConfigError: there is nothing of the kind to draw.
        """
        return genzoo.report_figure(self, name)

    def __repr__(self) -> str:
        return genzoo.view(self).text

    def _repr_html_(self) -> str:
        return genzoo.view(self).html


def candidate_id(model: str, options: Mapping[str, Any]) -> str:
    """Return the name of a candidate in a report.

    Examples:
        >>> candidate_id("gmm", {"n_components": 3, "training": {"tol": 0.001}})
        'gmm:n_components=3,training.tol=0.001'
    """
    pairs = ",".join(f"{_key(path)}={_text(value)}" for path, value in leaves(options))
    return f"{model}:{pairs}" if pairs else model


def _key(path: tuple[str, ...]) -> str:
    """Return a path as a user types it."""
    return "objective" if path == ("objective", "name") else ".".join(path)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
