"""`Description`: the figures that describe what a trained model says about the data."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import genzoo
from genzoo.data.columns.dates import show_time
from genzoo.data.frames.results import frame_of
from genzoo.models.base import ParameterTable
from genzoo.spec.events import DataSpec, Feature, Library
from genzoo.text import counted
from genzoo.typing import Array

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SCHEMA = 1
"""Version of `Description.as_dict`, and therefore of `genzoo describe --json`."""


@dataclass(frozen=True, slots=True)
class ColumnFigures:
    """The distribution of a column in some rows, in data units.

    Arguments:
        name: name of the column.
        mean, sd: mean and standard deviation; `None` for a column of categories, or if no value is observed.
        levels: probability of each category. Empty for a column of numbers, or if no value is observed.
    """

    name: str
    mean: float | None = None
    sd: float | None = None
    levels: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Distinction:
    """How a component differs from all rows in one column.

    Arguments:
        column: name of the column.
        effect: size of the difference in standard deviations of the column: difference of the means or, for a
            category, of its probabilities.
        level: the category, or `None` for a column of numbers.
        here, overall: mean or probability in the component, and in all rows.
    """

    column: str
    effect: float
    level: str | None
    here: float
    overall: float


@dataclass(frozen=True, slots=True)
class ComponentFigures:
    """One component of a mixture.

    Arguments:
        component: its number, as in `log_posterior`.
        outliers: whether it is the component for outliers.
        share: mean posterior probability over the rows; rows count by their weights.
        rows: number of rows whose most probable component it is.
        columns: distribution of each column, each row weighted by its posterior probability. Empty for images.
        distinctions: what makes it differ from all rows, the largest effect first; only effects of at least 0.25.
    """

    component: int
    outliers: bool
    share: float
    rows: int
    columns: tuple[ColumnFigures, ...]
    distinctions: tuple[Distinction, ...]


@dataclass(frozen=True, slots=True)
class Dependency:
    """How strongly two columns depend on each other, in the data and in the model.

    Arguments:
        columns: names of both columns.
        measure: `correlation` (Pearson, −1 to 1) of two columns of numbers; `correlation ratio` (0 to 1) of numbers
            and categories; `Cramér's V` (0 to 1) of two columns of categories. The last two are corrected for chance.
        data: value in the data; `None` if the description has no data.
        model: value in samples of the model.
        doubtful: whether data and model differ by more than three standard errors of independent columns.
    """

    columns: tuple[str, str]
    measure: str
    data: float | None
    model: float
    doubtful: bool


@dataclass(frozen=True, slots=True)
class Contribution:
    """What one column adds to the log-likelihood of a row.

    Arguments:
        column: name of the column.
        value: value in the row: a number, or a category.
        log_prob: log p(value | rest of the row), nats in data units.
        usual: median of the same over other rows.
        expected: value that the model expects given the rest of the row: a mean, or the most probable category.
            `None` if the model cannot say.
    """

    column: str
    value: float | str
    log_prob: float
    usual: float
    expected: float | str | None

    @property
    def surprise(self) -> float:
        """Nats by which the value is less likely than usual, given the rest of the row."""
        return self.usual - self.log_prob


@dataclass(frozen=True, slots=True)
class UnlikelyRow:
    """A row with a low log-likelihood.

    Arguments:
        row: number of the row, from 0.
        log_likelihood: nats, in data units; a lower bound or an estimate if `Description.kind` says so.
        contributions: contributions of the observed columns, the most surprising one first. Empty if unknown.
    """

    row: int
    log_likelihood: float
    contributions: tuple[Contribution, ...]


@dataclass(frozen=True, slots=True)
class LatentFigures:
    """How the rows use the latent dimensions of a model.

    Arguments:
        determined: variance of the posterior means over the rows, as a share of the prior variance, `L` values.
        active: dimensions whose share exceeds 0.01, the largest share first.
        columns: for each active dimension, its strongest correlations with columns or categories: name and value.
    """

    determined: tuple[float, ...]
    active: tuple[int, ...]
    columns: tuple[tuple[tuple[str, float], ...], ...]


@dataclass(frozen=True, slots=True)
class ColumnMatch:
    """A column in the data and in samples of the model.

    Arguments:
        data: distribution in the data; `None` if the description has no data.
        model: distribution in samples.
        distance: for numbers, the difference of means in standard deviations of the data; for categories, the total
            variation distance. `None` if the description has no data.
    """

    data: ColumnFigures | None
    model: ColumnFigures
    distance: float | None


@dataclass(frozen=True, slots=True)
class Drawn:
    """What a picture of the description needs besides its figures.

    Arguments:
        rows: evenly spaced rows of the data, at most 10,000, or `None`.
        samples: samples of the model, as many events at most.
        data_strength, model_strength: strength of the dependency of each pair of columns, `(C, C)`. The first is
            `None` if the description has no data. Both are `None` for images.
        means: mean image of each component, in the order of `Description.components`; `None` for tables.
    """

    rows: Array | None
    samples: Array
    data_strength: Array | None = None
    model_strength: Array | None = None
    means: Array | None = None


@dataclass(frozen=True, slots=True, repr=False)
class Description:
    """What a trained model says about the data. All figures are in data units.

    Arguments:
        model: id of the zoo entry, `distribution/name`.
        data: describes one event.
        rows: number of rows of data; 0 if the description is about samples of the model only.
        parameters: number of free parameters, or of trained numbers if the model does not define it.
        kind: kind of the log-likelihoods: `exact`, `lower bound`, `estimate` or `none`.
        log_likelihood: mean over the rows, nats per row; `None` without data or likelihood.
        columns: each column in the data and in samples. Empty for images.
        components: components by decreasing share. Empty if the model has none.
        separation: for each column, the share of its variance that lies between components (η²), the largest first.
            For categories: the same of their indicators together.
        dependencies: pairs of columns that depend on each other in the model, the strongest first; at most 30.
        pairs, disagreeing_pairs: number of pairs of columns, and of those that are doubtful.
        disagreements: pairs for which model and data differ most, the largest difference first; at most 10.
        unlikely: rows with the lowest log-likelihoods, the lowest first.
        latent: use of the latent dimensions, or `None` if the model has no encoder.
        tables: parameters of the model that have a meaning of their own, such as loadings.
        notes: what could not be said, and why.
        drawn: what pictures need.
    """

    model: str
    data: DataSpec
    rows: int
    parameters: int
    kind: str
    log_likelihood: float | None
    columns: tuple[ColumnMatch, ...]
    components: tuple[ComponentFigures, ...]
    separation: tuple[tuple[str, float], ...]
    dependencies: tuple[Dependency, ...]
    pairs: int
    disagreeing_pairs: int
    disagreements: tuple[Dependency, ...]
    unlikely: tuple[UnlikelyRow, ...]
    latent: LatentFigures | None
    tables: tuple[ParameterTable, ...]
    notes: tuple[str, ...]
    drawn: Drawn = field(repr=False, compare=False)

    @property
    def features(self) -> dict[str, Feature]:
        """The columns by name."""
        return {feature.name: feature for feature in self.data.features}

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; docs/formats.md lists the keys. Numbers that are not finite become `None`."""
        kept = {item.name: getattr(self, item.name) for item in dataclasses.fields(self) if item.name != "drawn"}
        return {"schema": SCHEMA, **{name: _plain(value) for name, value in kept.items()}}

    def to_frame(self, library: Library | None = None) -> Any:
        """Return a table with a row for each column: mean and standard deviation in the data and in the model.

        Categories have a row for each level, whose mean is its probability. Images have a row for each component.

        Arguments:
            library: `pandas | polars | pyarrow`. Defaults to the first of them that is installed.
        """
        if not self.columns:
            shares = {
                name: [getattr(each, name) for each in self.components] for name in ("component", "share", "rows")
            }
            return frame_of(shares, library)
        found = [row for match in self.columns for row in _rows(match)]
        header = ("column", "data", "data_sd", "model", "model_sd")
        return frame_of(dict(zip(header, map(list, zip(*found, strict=True)), strict=True)), library)

    def _repr_html_(self) -> str:
        return genzoo.view(self).html

    def figure(self) -> Figure:
        """Draw the description of a table: components, dependencies, and the columns that separate them most.

        Raises:
            ConfigError: images are described; `Run.picture` draws some.
        """
        return genzoo.description_figure(self)

    def __repr__(self) -> str:
        about = counted(self.rows, "row") if self.rows else "its own samples"
        parts = [counted(len(self.components), "component")] if self.components else []
        parts += [counted(len(self.columns), "column")] if self.columns else []
        parts += [] if self.log_likelihood is None else [f"{self.log_likelihood:.4g} nats per row ({self.kind})"]
        return f"<Description of {self.model} by {about}{''.join(f', {part}' for part in parts)}>"


def _rows(match: ColumnMatch) -> list[tuple[str, float, float, float, float]]:
    """Return the rows of a table about a column in the data and in the model."""
    nan, model, data = math.nan, match.model, match.data

    def number(value: float | None) -> float:
        return nan if value is None else value

    if not model.levels:
        own = (nan, nan) if data is None else (number(data.mean), number(data.sd))
        return [(model.name, *own, number(model.mean), number(model.sd))]
    known = {} if data is None else data.levels
    return [(f"{model.name}={level}", known.get(level, nan), nan, p, nan) for level, p in model.levels.items()]


def _plain(value: Any) -> Any:
    if isinstance(value, DataSpec):
        return value.as_dict()
    if dataclasses.is_dataclass(value):
        return {item.name: _plain(getattr(value, item.name)) for item in dataclasses.fields(value)}
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def shown_value(value: float, feature: Feature) -> float | str:
    """Return a value of a column as a category, a date or time, or a number."""
    if feature.temporal:
        return show_time(value, feature)
    return float(value) if feature.levels is None else feature.levels[int(value)]
