"""What a notebook or a terminal shows of a result."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from functools import singledispatch
from typing import TYPE_CHECKING, Any

from rich.console import Console

from genzoo.config.sampling import options_together
from genzoo.errors import ArtifactError, ConfigError, did_you_mean
from genzoo.inference.description.figures import Description
from genzoo.inference.image_grid import picture_of, png
from genzoo.inference.latent import LatentPath, Traversal
from genzoo.inference.rows.clustering import ClusterResult
from genzoo.inference.rows.scores import ScoreResult
from genzoo.metrics.evaluate import Evaluation
from genzoo.persistence.listing import RunSummary, describe_run, summarize, summary_rows
from genzoo.persistence.run import Run
from genzoo.persistence.run_list import RunList
from genzoo.reports.columns import report_columns, report_reasons, report_refusals, score_text
from genzoo.reports.description import description_sections
from genzoo.reports.description_figure import table_figure
from genzoo.reports.html import render_fragment
from genzoo.reports.overview.drawing import criterion_figure, forest_figure
from genzoo.reports.overview.figures import criterion_lines, forest
from genzoo.reports.overview.finding import finding
from genzoo.reports.page import Block, Facts, Notes, Picture, Pictures, Section, Table, Text
from genzoo.reports.result import Report
from genzoo.reports.terminal import fitting_columns, print_ranking
from genzoo.text import counted, printable, shortened
from genzoo.verbs.given import Asked, open_asked

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL.Image import Image

_WIDTH, _MOST_ROWS, _LONGEST_TEXT = 100, 15, 80
"""Characters in a line, and candidates in the table, of a report as text."""


_MOST_REASONS = 3
"""Reasons for failures in a report as text; a notebook shows all."""


_MOST_IN_A_NOTEBOOK = 30
"""Candidates in the table of a report in a notebook."""


@dataclass(frozen=True, slots=True)
class View:
    """A result as text for a terminal and as HTML for a notebook.

    Arguments:
        text: at most about a screen of text.
        html: the same with tables and pictures.
    """

    text: str
    html: str


@singledispatch
def view(result: object) -> View:
    """Return what a terminal and a notebook show of a result: a report, a description, an evaluation, runs ...

    Raises:
        ConfigError: it is no result of genzoo.
    """
    raise ConfigError(f"view shows results of genzoo, and this is of type {type(result).__name__}.")


@view.register
def _(result: Report) -> View:
    buffer = io.StringIO()
    console = Console(file=buffer, width=_WIDTH, highlight=False, color_system=None, force_jupyter=False)
    said = finding(result)
    console.print(" ".join(said), markup=False)
    console.print()
    print_ranking(result, fitting_columns(result, _WIDTH)[0], console, most=_MOST_ROWS)
    if len(result.rows) > _MOST_ROWS:
        console.print(f"and {len(result.rows) - _MOST_ROWS} more")
    for reason in report_refusals(result)[:_MOST_REASONS]:
        console.print(reason, markup=False)
    lines = (*result.sentences, *report_reasons(result))
    blocks: list[Block] = [Text(" ".join(said)), _ranking(result), Notes(lines)]
    return View(buffer.getvalue().rstrip(), render_fragment([Section("", tuple(blocks))]))


def _ranking(report: Report) -> Table:
    shown = [column for column in report_columns(report) if column.rank <= 4]
    best = next((place for place, row in enumerate(report.rows) if row.id == report.best), None)
    rows = tuple(tuple(column.cell(row) for column in shown) for row in report.rows[:_MOST_IN_A_NOTEBOOK])
    more = len(report.rows) - len(rows)
    caption = f"{counted(len(report.rows), 'candidate')} by {report.by}{f'; {more} are not shown' if more else ''}"
    return Table(caption, tuple(column.title for column in shown), rows, best, frozenset({0, len(shown) - 1}))


@view.register
def _(result: Description) -> View:
    where = "the data" if result.rows else None
    sections = [one for one in description_sections(result, where) if one.title != "Parameters"]
    return View(repr(result), render_fragment(sections))


@view.register
def _(result: Evaluation) -> View:
    rows = tuple((name, score_text(score), score.better) for name, score in result.scores.items())
    reasons = tuple(f"no {name}: {why}" for name, why in result.reasons.items())
    table = Table(repr(result).partition("\n")[0], ("metric", "value", "better"), rows, words=frozenset({0, 2}))
    about = (Text(result.about),) if result.about else ()
    return View(repr(result), render_fragment([Section("", (*about, table, Notes(reasons)))]))


@view.register
def _(result: ScoreResult) -> View:
    shown = result.unlikely[:_MOST_ROWS]
    texts = [[shortened(printable(one.text.text), _LONGEST_TEXT)] if one.text else [] for one in shown]
    rows = tuple(
        (str(one.row), f"{one.score:.4g}", one.because or "", *text) for one, text in zip(shown, texts, strict=True)
    )
    caption = "least likely rows" if result.name == "log_likelihood" else "most unusual rows"
    header = ("row", result.name.replace("_", "-"), "because", *["text"] * any(texts))
    table = Table(caption, header, rows, words=frozenset({0, 2, 3}))
    blocks: list[Block] = [Text(repr(result).strip("<>")), *([table] if rows else [])]
    return View(repr(result), render_fragment([Section("", tuple(blocks))]))


@view.register
def _(result: ClusterResult) -> View:
    rows = tuple((str(label), f"{count:,}") for label, count in result.sizes.items())
    table = Table(counted(len(result.label), "row"), ("cluster", "rows"), rows, words=frozenset({0}))
    return View(repr(result), render_fragment([Section("", (table,))]))


@view.register
def _(result: RunList) -> View:
    header, *rows = summary_rows(result.summaries)
    table = Table(counted(len(rows), "run"), tuple(header), tuple(map(tuple, rows)), words=frozenset({0, 1, 2, 3}))
    return View(repr(result), render_fragment([Section("", (table,) if rows else (Text("No runs."),))]))


@view.register
def _(result: Run) -> View:
    summary = summarize(result.path)
    if summary is None:
        return View(repr(result), render_fragment([Section("", (Text(f"{result.path} is no run."),))]))
    blocks: list[Block] = [Facts(_facts(summary))]
    pictures = [path for path in result.pictures() if path.suffix == ".png"]
    if pictures:
        step = int(pictures[-1].stem.removeprefix("step-"))
        caption = f"samples at step {step:,}"
        blocks.append(Pictures((Picture(caption, caption, "png", pictures[-1].read_bytes()),)))
    return View(repr(result), render_fragment([Section("", tuple(blocks))]))


def _facts(summary: RunSummary) -> tuple[tuple[str, str], ...]:
    header, values = summary_rows([summary])
    facts = [("path", str(summary.path)), *zip(header[1:], values[1:], strict=True)]
    try:
        losses = describe_run(summary)["loss"] or {}
    except ArtifactError:
        losses = {}
    facts += [(f"loss {name}", f"{value:.6g}") for name, value in losses.items() if isinstance(value, float)]
    return tuple((name, value) for name, value in facts if value)


@view.register
def _(result: Traversal) -> View:
    rows, steps = result.values.shape
    events = result.events.reshape(rows * steps, *result.data.event_shape)
    about = "One row for each latent dimension, the most influential first"
    return _walk(result, about, picture_of(events, result.data, columns=steps) if result.data.form.pictured else None)


@view.register
def _(result: LatentPath) -> View:
    images = result.data.form.pictured
    picture = picture_of(result.events, result.data, columns=len(result.events)) if images else None
    return _walk(result, "From one latent vector to another", picture)


def _walk(result: Traversal | LatentPath, about: str, picture: Image | None) -> View:
    block: Block
    if picture is not None:
        block = Pictures((Picture(about, about, "png", png(picture)),))
    else:
        table = result.to_frame("pyarrow")
        rows = tuple(tuple(_number(value) for value in row.values()) for row in table.slice(0, 100).to_pylist())
        block = Table(about, tuple(table.column_names), rows)
    return View(repr(result), render_fragment([Section("", (block,))]))


def _number(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def report_figure(report: Report, name: str) -> Figure:
    """Draw a report, as `Report.figure` does.

    Raises:
        ConfigError: the name is unknown, or there is nothing of the kind to draw.
    """
    if name == "differences":
        differences = forest(report)
        if differences is not None:
            return forest_figure(differences)
        raise ConfigError("No candidate has a paired difference from the best, so there is none to draw.")
    if name == "criterion":
        lines = criterion_lines(report)
        if lines is not None:
            return criterion_figure(lines)
        raise ConfigError("No information criterion varies with an option of whole numbers, so there is none to draw.")
    raise ConfigError(f"A report has no figure {name!r}. {did_you_mean(name, ('differences', 'criterion'))}")


def description_figure(description: Description) -> Figure:
    """Draw a description of a table.

    Raises:
        ConfigError: images are described.
    """
    if not description.data.form.columns:
        look = " Look at images of the model with run.picture()." if description.data.form.pictured else ""
        raise ConfigError(f"A description of {description.data.form.events} is no figure.{look}")
    return table_figure(description)


@options_together
def picture(
    asked: Asked,
    n: int = 64,
    *,
    seed: int = 0,
    mean: bool = False,
    options: Mapping[str, Any] | None = None,
    device: str | None = None,
) -> Image:
    """Draw images from a model and arrange them side by side.

    Arguments:
        asked: a run, a trained model, or the path of a run or model folder.
        n: number of images. Defaults to 64.
        seed: seed of the samples. Defaults to 0.
        mean: show what the model decodes, without the noise that it adds. Defaults to false.
        options: values of the model's sampling options, as for `sample`. Defaults to the run's own.
        device: where the model computes. Defaults to the host.

    Raises:
        ConfigError: the model is not of images.
    """
    fitted = open_asked(asked, device)[1]
    if not fitted.data.form.pictured:
        raise ConfigError(
            f"Model {fitted.model!r} samples {fitted.data.form.events}, not images. Draw them with sample."
        )
    return picture_of(fitted.sample(n, seed=seed, output="array", mean=mean, options=options), fitted.data)
