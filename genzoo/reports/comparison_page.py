"""Make the page of a comparison."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

from genzoo.inference.trained_model import TrainedModel
from genzoo.metrics.metric import Score
from genzoo.metrics.protocol import differing
from genzoo.persistence.run import Run
from genzoo.reports.columns import ReportColumn, metric_names, report_columns, report_reasons, score_text
from genzoo.reports.curves import curve_section
from genzoo.reports.formats import read_plain_report, read_report
from genzoo.reports.former import current_ids
from genzoo.reports.inside import inside_sections
from genzoo.reports.modalities.report import ModalityReport, report_of
from genzoo.reports.overview.drawing import criterion_picture, forest_picture
from genzoo.reports.overview.figures import criterion_lines, forest
from genzoo.reports.overview.finding import finding
from genzoo.reports.page import Block, Facts, Heading, Notes, Page, Picture, Pictures, Section, Table, Text
from genzoo.reports.result import Report
from genzoo.reports.run_page import origin
from genzoo.reports.samples import PageSamples, read_page_samples
from genzoo.reports.sections import as_text, protocol_lines
from genzoo.storage.paths import check_inside
from genzoo.text import counted

_CRITERIA = frozenset({"bic", "aic", "aicc", "icl", "akaike_weight"})


_MOST_CANDIDATES = 12


_FEW_ROWS = 100
"""With fewer held-out rows, all rows are drawn beside samples."""


_MOST_PICTURES = 24


_MOST_COLUMNS = 4


_METRICS_IN_A_TABLE = 5


_ARROWS = {"higher": "↑", "lower": "↓"}


_CAPTION = "↑ higher is better, ↓ lower is better{real}; ± standard error or [95 % interval]"


_NEAR = ", ≈ best near the score of the real rows, in parentheses"


_NAMES = {"events": "rows", "event": "form", "rows": "rows used", "sha256": "SHA-256"}
"""What the page calls the entries of `Report.data`."""


def comparison_page(folder: Path, *, seed: int = 0) -> Page:
    """Make the page of a comparison that was kept in a folder.

    Arguments:
        seed: seed of the latent traversals of the best candidate.

    Raises:
        ArtifactError: a file in the folder is damaged.
    """
    report = read_report(folder / "report.json")
    shown = _samples_of(folder)
    best = _best_run(folder, report)
    fitted = None if best is None else best.load()
    drawn = [*_overview(report), *_of_the_best(report, fitted, shown, seed)]
    beside = Section("Samples and real data", tuple(_samples(report, shown)))
    leads = shown is not None and report_of(shown.data.form).leads
    sections = [
        *([Section("Pictures", (Pictures(tuple(drawn)),))] if drawn else []),
        *([beside] if leads else []),
        Section("Ranking", tuple(_ranking(report))),
        *_criteria(report),
        *_metrics(report),
        *([] if leads else [beside]),
        *([] if best is None or fitted is None else _best(best, fitted, shown, seed)),
        Section("Data", (Facts(tuple((_NAMES.get(key, key), as_text(x)) for key, x in report.data.items())),)),
    ]
    first, *more = finding(report)
    lead = " ".join([*more, f"{counted(len(report.rows), 'candidate')} on {_about_data(report)}."])
    foot = "Comparison by genzoo." if best is None else f"Comparison by genzoo. {origin(best)}"
    return Page(f"Comparison on {report.data.get('name', 'data')}", lead, tuple(sections), foot, first)


def _about_data(report: Report) -> str:
    rows, form = report.data.get("events"), report.data.get("event")
    return f"{report.data.get('name', 'data')}" + (f": {rows} rows, {form}" if rows and form else "")


def _overview(report: Report) -> Iterator[Picture]:
    """Yield the differences from the best, and a criterion by number of components."""
    differences, lines = forest(report), criterion_lines(report)
    if differences is not None:
        yield forest_picture(differences)
    if lines is not None:
        yield criterion_picture(lines)


def _of_the_best(
    report: Report, fitted: TrainedModel | None, shown: PageSamples | None, seed: int
) -> Iterator[Picture]:
    """Yield the components of the best candidate over the data, and its samples beside real rows."""
    if shown is None:
        return
    draw = report_of(shown.data.form)
    alike = fitted is not None and fitted.data.event_shape == shown.data.event_shape
    if draw.components_picture is not None and fitted is not None and alike:
        rows, what = (shown.real, "held-out row") if shown.all is None else (shown.all, "row")
        over = draw.components_picture(fitted, rows, seed, what)
        yield from [] if over is None else [over]
    samples = shown.samples.get(report.best or "")
    if draw.pairs_picture is not None and samples is not None:
        few = shown.all is not None and len(shown.real) < _FEW_ROWS
        real, what = (shown.all, "rows") if few and shown.all is not None else (shown.real, "held-out rows")
        pairs = draw.pairs_picture(real, samples, shown.data, what)
        yield from [] if pairs is None else [pairs]


def _samples_of(folder: Path) -> PageSamples | None:
    """Return the stored samples by the current ids of their candidates, or `None`."""
    shown = read_page_samples(folder)
    if shown is None:
        return None
    ids = current_ids(read_plain_report(folder / "report.json"))
    samples = {ids.get(name, name): x for name, x in shown.samples.items()}
    return dataclasses.replace(shown, samples=samples, means=frozenset(ids.get(name, name) for name in shown.means))


def _best_run(folder: Path, report: Report) -> Run | None:
    """Return the run of the best candidate, or `None`. It is looked up in the folder, which may have been moved."""
    row = next((row for row in report.rows if row.id == report.best), None)
    run = Run(folder / "best")
    check_inside(run.path, folder)
    return run if row is not None and row.run is not None and (run.path / "run.json").is_file() else None


def _ranking(report: Report) -> Iterator[Block]:
    metrics = set(metric_names(report))
    own = [
        column
        for column in report_columns(report)
        if column.name == report.by or column.name not in _CRITERIA | metrics
    ]
    yield _table("Candidates, best first", own, report)
    notes = [*report.sentences, *report_reasons(report)]
    if notes:
        yield Notes(tuple(notes))


def _table(caption: str, shown: Sequence[ReportColumn], report: Report) -> Table:
    """Return a table of all candidates if their verdicts are in it, else of those that were fitted."""
    whole = any(column.name == "verdict" for column in shown)
    listed = [row for row in report.rows if whole or row.status == "ok"]
    rows = tuple(tuple(column.cell(row) for column in shown) for row in listed)
    words = frozenset(place for place, column in enumerate(shown) if column.name in ("id", "verdict"))
    best = next((place for place, row in enumerate(listed) if row.id == report.best), None)
    return Table(caption, tuple(column.title for column in shown), rows, best, words)


def _criteria(report: Report) -> Iterator[Section]:
    found = report_columns(report)
    own = [column for column in found if column.name == "id" or column.name in _CRITERIA]
    if len(own) > 1:
        yield Section("Information criteria", (_table("Lower is better, except for the Akaike weight", own, report),))


def _metrics(report: Report) -> Iterator[Section]:
    """Yield a section with tables of a few metrics each, and the protocol of every score."""
    names = metric_names(report)
    if not names:
        return
    blocks: list[Block] = []
    fitted = [row for row in report.rows if row.status == "ok"]
    for start in range(0, len(names), _METRICS_IN_A_TABLE):
        few = names[start : start + _METRICS_IN_A_TABLE]
        marks = [_mark(report, name) for name in few]
        titles = [f"{name}\N{NO-BREAK SPACE}{mark}" for name, mark in zip(few, marks, strict=True)]
        caption = _CAPTION.format(real=_NEAR if any(mark.startswith("≈") for mark in marks) else "")
        rows = tuple(
            (row.id, *(score_text(row.metrics[name]) if name in row.metrics else "–" for name in few)) for row in fitted
        )
        place = next((place for place, row in enumerate(fitted) if row.id == report.best), None)
        blocks.append(Table(caption, ("candidate", *titles), rows, place))
    notes = [
        f"{row.id}, {name}: {note}"
        for row in report.rows
        for name, score in row.metrics.items()
        for note in score.notes
    ]
    if notes:
        blocks.append(Notes(tuple(notes)))
    for name in names:
        blocks += _protocols(report, name)
    yield Section("Metrics", tuple(blocks))


def _mark(report: Report, name: str) -> str:
    """Return which values of a metric are better: an arrow, or the score of the real rows to be near to."""
    score = next(row.metrics[name] for row in report.rows if name in row.metrics)
    return _ARROWS[score.direction] if score.real is None else f"≈ ({score.real:.3g})"


def _protocols(report: Report, name: str) -> Iterator[Facts]:
    """Yield the protocol of a metric once for all candidates that were measured alike."""
    groups: list[tuple[Score, list[str]]] = []
    for row in report.rows:
        score = row.metrics.get(name)
        if score is None:
            continue
        known = next((owners for first, owners in groups if differing(first, score) is None), None)
        if known is None:
            groups.append((score, [row.id]))
        else:
            known.append(row.id)
    for score, owners in groups:
        whose = "" if len(groups) == 1 else f" for {', '.join(owners)}"
        yield Facts(protocol_lines(name, score).pairs, f"How {name} was measured{whose}")


def _samples(report: Report, shown: PageSamples | None) -> Iterator[Block]:
    if shown is None:
        yield Text("No samples of these candidates were kept.")
        return
    owners = [row.id for row in report.rows if row.id in shown.samples][:_MOST_CANDIDATES]
    if not owners:
        yield Text("No samples of these candidates were kept.")
    else:
        yield from _of_candidates(shown, owners, report_of(shown.data.form))
    if len(shown.samples) > len(owners):
        yield Text(f"The first {len(owners)} of {len(shown.samples)} candidates are shown.")
    if lacking := [row.id for row in report.rows if row.status == "ok" and row.id not in shown.samples]:
        yield Text(f"No samples can be shown for: {', '.join(lacking)}.")


def _of_candidates(shown: PageSamples, owners: Sequence[str], draw: ModalityReport) -> Iterator[Block]:
    """Yield the samples of every candidate beside real data, or distributions of their values; of texts, both."""
    if draw.distributions is None or shown.data.form.ended:
        kinds = dict.fromkeys(shown.means, "Samples (means, without the noise of pixels)")
        samples = {f"{kinds.get(name, 'Samples')} of {name}": shown.samples[name] for name in owners}
        yield from draw.show({f"Real {shown.data.form.events}": shown.real, **samples}, shown.data)
    if draw.distributions is None:
        return
    most = max(1, min(_MOST_COLUMNS, _MOST_PICTURES // max(len(owners), 1)))
    for name in owners:
        yield Heading(name)
        yield from draw.distributions(shown.real, shown.samples[name], shown.data, most)


def _best(run: Run, fitted: TrainedModel, shown: PageSamples | None, seed: int) -> Iterator[Section]:
    """Yield curves, latent space and components of the best candidate."""
    curve = curve_section(run)
    alike = shown is not None and fitted.data.event_shape == shown.data.event_shape
    found = inside_sections(fitted, shown.real if shown is not None and alike else None, seed)
    for section in [*([] if curve is None else [curve]), *found]:
        yield Section(f"Best candidate: {section.title.lower()}", section.blocks)
