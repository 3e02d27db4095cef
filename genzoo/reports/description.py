"""Put a description of a trained model into words: sections of sentences and small tables."""

from __future__ import annotations

import math
from collections.abc import Iterator

from genzoo.inference.description.figures import (
    ColumnFigures,
    ComponentFigures,
    Dependency,
    Description,
    Distinction,
    UnlikelyRow,
    shown_value,
)
from genzoo.reports.columns import DASH
from genzoo.reports.page import Block, Section, Table, Text
from genzoo.reports.rounding import mean_and_sd, number
from genzoo.spec.events import Feature
from genzoo.text import counted, shortened

_MOST_COMPONENTS = 6
"""Largest number of components in a table, so that it fits a terminal."""


_MOST_COLUMNS, _GAP = 12, 2


_MOST_WORDS, _MOST_LEVELS = 4, 2


_MOST_PAIRS = 8


_MOST_CONTRIBUTIONS = 4


_MOST_ROWS = 60
"""Largest number of rows of a table of parameters."""


_LONGEST = 60
"""Characters of a name or category that are shown."""


_VERY = 1.0
"""Difference of means, in standard deviations, that counts as very high or low."""


_FAR = 0.1
"""Distance of a column in the data and in samples that is worth mentioning."""


def description_sections(
    found: Description, where: str | None, summary: str | None = None, width: int = 140
) -> tuple[Section, ...]:
    """Return a description as sections of text.

    Arguments:
        where: what the described rows are, such as `wine.csv`; `None` if samples are described.
        summary: what the model is, in a few words. Defaults to `None`: unknown.
        width: characters in a line of a table.
    """
    sections = [
        Section("Model", (Text(_lead(found, where, summary)), *(Text(note) for note in found.notes))),
        _components(found, width),
        _separation(found),
        _dependencies(found),
        _columns(found),
        _unlikely(found),
        _latent(found),
        _parameters(found),
    ]
    return tuple(section for section in sections if section is not None)


def _lead(found: Description, where: str | None, summary: str | None) -> str:
    name = found.model if summary is None else f"{found.model}: {summary},"
    inside = f"{counted(len(found.components), 'component')} and " if found.components else ""
    form = found.data.form
    text = f"{name} with {inside}{counted(found.parameters, 'parameter')}, described by "
    text += "samples" if where is None else f"{counted(found.rows, form.event)} of {where}"
    text += f" with {counted(len(found.columns), 'column')}." if found.columns else f" ({found.data.describe()})."
    if found.log_likelihood is not None:
        text += f" Mean log-likelihood: {found.log_likelihood:.4f} nats per {form.event} ({found.kind})."
    if form.ranged and found.drawn.rows is not None:
        real, samples = (mean_and_sd(float(x.mean()), float(x.std())) for x in (found.drawn.rows, found.drawn.samples))
        text += f" Values of {form.values}: {real} in the {form.events}, {samples} in samples."
    return text


def _components(found: Description, width: int) -> Section | None:
    if not found.components:
        return None
    lines = [Text(_component_line(component, found)) for component in found.components[:_MOST_COMPONENTS]]
    blocks: list[Block] = [*lines]
    if len(found.components) > _MOST_COMPONENTS:
        blocks.append(Text(f"The {_MOST_COMPONENTS} largest of {len(found.components)} components are shown."))
    if found.columns:
        blocks += _component_tables(found, width)
        blocks += _about_columns(found)
    return Section("Components", tuple(blocks))


def _component_line(component: ComponentFigures, found: Description) -> str:
    rows = f", most probable for {counted(component.rows, 'row')}" if found.rows else ""
    text = f"{_component_name(component)}: share {component.share:.1%}{rows}"
    words = ", ".join(_words(one, found.features[one.column]) for one in component.distinctions[:_MOST_WORDS])
    if not found.columns or len(found.components) == 1:
        return f"{text}."
    return f"{text}; {words or 'close to the average of all rows'}."


def _component_name(component: ComponentFigures) -> str:
    return "Outliers" if component.outliers else f"Component {component.component}"


def _words(one: Distinction, feature: Feature) -> str:
    if one.level is not None:
        return f"{_name(one.column)} {_name(one.level)} {_percent(one.here)} (overall {_percent(one.overall)})"
    word = "high" if one.effect > 0 else "low"
    here, overall = (value_text(shown_value(value, feature)) for value in (one.here, one.overall))
    very = "very " if abs(one.effect) >= _VERY else ""
    return f"{_name(one.column)} {very}{word} ({here}, overall {overall})"


def _component_tables(found: Description, width: int) -> list[Block]:
    """Return tables with one row per column and one column per component, as many as fit the width."""
    names = _order(found)[:_MOST_COLUMNS]
    overall = {match.model.name: match.data or match.model for match in found.columns}
    parts = [("overall", [overall[name] for name in names])]
    shown = found.components[:_MOST_COMPONENTS] if len(found.components) > 1 else ()
    for component in reversed(shown):
        own = {column.name: column for column in component.columns}
        parts.insert(0, (_component_name(component).lower(), [own[name] for name in names]))
    features = found.features
    texts = [[title, *(figures_text(one, features[one.name]) for one in columns)] for title, columns in parts]
    first = ["column", *map(_name, names)]
    tables: list[Block] = []
    while texts:
        count, used = 1, _widest(first) + _GAP + _widest(texts[0])
        while count < len(texts) and used + _GAP + _widest(texts[count]) <= width:
            used += _GAP + _widest(texts[count])
            count += 1
        header, *rows = zip(first, *texts[:count], strict=True)
        caption = "Mean ± standard deviation, or the most probable categories"
        tables.append(Table(f"{caption}, continued" if tables else caption, header, tuple(rows)))
        texts = texts[count:]
    return tables


def _widest(texts: list[str]) -> int:
    return max(map(len, texts))


def _order(found: Description) -> list[str]:
    """Return the names of the columns, those that separate the components most first."""
    return [name for name, _ in found.separation] or [match.model.name for match in found.columns]


def _about_columns(found: Description) -> list[Block]:
    count = len(found.columns)
    if count <= _MOST_COLUMNS:
        return []
    which = f"The {_MOST_COLUMNS} columns that separate the components most" if found.separation else "The first"
    return [Text(f"{which} are shown, of {count}.")]


def _separation(found: Description) -> Section | None:
    if not found.separation:
        return None
    rows = tuple((_name(name), f"{value:.1%}") for name, value in found.separation[:_MOST_COLUMNS])
    table = Table("Share of a column's variance that lies between the components (η²)", ("column", "share"), rows)
    return Section("Columns that separate the components", (table,))


def _dependencies(found: Description) -> Section | None:
    if len(found.columns) < 2 or (found.drawn.model_strength is None):
        return None
    blocks: list[Block] = [Text("No two columns depend on each other in the model.")]
    if found.dependencies:
        blocks = [_pair_table("Strongest dependencies in the model", found.dependencies[:_MOST_PAIRS])]
    if found.disagreements:
        count = f"{found.disagreeing_pairs} of {counted(found.pairs, 'pair')}"
        caption = f"Model and data differ by more than three standard errors for {count} of columns, most for these"
        blocks.append(_pair_table(caption, found.disagreements[:_MOST_PAIRS]))
    elif found.rows:
        blocks.append(Text("Model and data agree on all pairs of columns, within three standard errors."))
    return Section("Dependencies between columns", tuple(blocks))


def _pair_table(caption: str, pairs: tuple[Dependency, ...]) -> Table:
    rows = tuple(
        (
            " – ".join(map(_name, pair.columns)),
            DASH if pair.data is None else _strength(pair.data, pair),
            _strength(pair.model, pair),
            pair.measure,
        )
        for pair in pairs
    )
    return Table(caption, ("columns", "data", "model", "measure"), rows)


def _strength(value: float, pair: Dependency) -> str:
    return f"{value:+.2f}" if pair.measure == "correlation" else f"{value:.2f}"


def _columns(found: Description) -> Section | None:
    """Return the columns whose distributions in the data and in samples differ most."""
    if not found.rows or not found.columns:
        return None
    known = [match for match in found.columns if match.distance is not None and match.data is not None]
    far = sorted((match for match in known if (match.distance or 0) > _FAR), key=lambda one: -(one.distance or 0))
    if not far:
        text = f"Means in samples of the model are within {_FAR} standard deviations of the data for all columns, and "
        return Section("Data and samples", (Text(f"{text}shares of categories within {_FAR:.0%} in total."),))
    rows = tuple(
        (_name(match.model.name), *_both(match.data, match.model, found), f"{match.distance:.2f}")
        for match in far[:_MOST_PAIRS]
        if match.data is not None
    )
    caption = "Columns whose samples differ most: standard deviations between means, or total variation of categories"
    return Section("Data and samples", (Table(caption, ("column", "data", "samples", "distance"), rows),))


def _unlikely(found: Description) -> Section | None:
    if not found.unlikely:
        return None
    blocks: list[Block] = []
    if any(row.contributions for row in found.unlikely):
        about = "Each value is compared with what the model expects given the rest of the row. Surprise is how many "
        about += "nats less likely it is than usual for its column. Rows count from 0."
        of = "estimates" if found.kind == "estimate" else "lower bounds"
        rough = "" if found.kind == "exact" else f" Contributions are estimated from {of}."
        blocks.append(Text(f"{about}{rough}"))
    for row in found.unlikely:
        blocks += _row_blocks(row)
    return Section("Least likely rows", tuple(blocks))


def _row_blocks(row: UnlikelyRow) -> Iterator[Block]:
    caption = f"Row {row.row}: log-likelihood {row.log_likelihood:.2f}"
    if not row.contributions:
        yield Text(f"{caption}.")
        return
    rows = tuple(
        (
            _name(one.column),
            value_text(one.value),
            DASH if one.expected is None else value_text(one.expected),
            _nats(one.surprise),
        )
        for one in row.contributions[:_MOST_CONTRIBUTIONS]
    )
    yield Table(caption, ("column", "value", "expected", "surprise"), rows)


def _latent(found: Description) -> Section | None:
    latent = found.latent
    if latent is None:
        return None
    text = f"{len(latent.active)} of {counted(len(latent.determined), 'latent dimension')} differ between rows."
    if not latent.active:
        return Section("Latent space", (Text(f"{text} The model ignores its latent space."),))
    rows = tuple(
        (f"z{dimension}", f"{latent.determined[dimension]:.0%}", ", ".join(f"{n} {v:+.2f}" for n, v in names) or DASH)
        for dimension, names in list(zip(latent.active, latent.columns, strict=True))[:_MOST_COLUMNS]
    )
    whole = "100 % is a variance of 1" if found.kind == "none" else "as a share of the prior's"
    caption = f"Variance over rows, {whole}, and the strongest correlations"
    header = ("dimension", "share", "columns")
    if not found.columns:
        rows, header = tuple(row[:2] for row in rows), header[:2]  # type: ignore[misc, assignment]
        caption = f"Variance over {found.data.form.events}, {whole}"
    return Section("Latent space", (Text(text), Table(caption, header, rows)))


def _parameters(found: Description) -> Section | None:
    """Return the tables of parameters that a model gives."""
    if not found.tables:
        return None
    blocks: list[Block] = []
    for table in found.tables:
        rows = tuple((_name(name), *(f"{value:.4g}" for value in numbers)) for name, numbers in table.rows)
        blocks.append(Table(table.caption, table.header, rows[:_MOST_ROWS]))
        if len(rows) > _MOST_ROWS:
            blocks.append(Text(f"The first {_MOST_ROWS} of {len(rows)} rows are shown."))
    return Section("Parameters", tuple(blocks))


def _name(text: str) -> str:
    return shortened(text, _LONGEST)


def _both(data: ColumnFigures, model: ColumnFigures, found: Description) -> tuple[str, str]:
    feature = found.features[data.name]
    return figures_text(data, feature), figures_text(model, feature)


def figures_text(column: ColumnFigures, feature: Feature) -> str:
    """Return the distribution of a column: mean ± standard deviation, or the most probable categories."""
    if column.mean is not None and column.sd is not None:
        if feature.temporal:
            return f"{shown_value(column.mean, feature)} ± {_span(column.sd, feature)}"
        return mean_and_sd(column.mean, column.sd)
    top = sorted(column.levels.items(), key=lambda pair: -pair[1])[:_MOST_LEVELS]
    return ", ".join(f"{_name(level)} {_percent(share)}" for level, share in top) or DASH


def _span(value: float, feature: Feature) -> str:
    """Return a time between two values of a column of dates or times."""
    days = value if feature.stored == "date" else value / 86_400
    return f"{number(days)} days" if days >= 1 else f"{number(days * 86_400)} seconds"


def value_text(value: float | str) -> str:
    """Return a value of a row."""
    return _name(value) if isinstance(value, str) else number(value)


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.01 or share == 0 else f"{share:.2%}"


def _nats(value: float) -> str:
    return f"{value:z.1f}" if math.isfinite(value) else "∞"
