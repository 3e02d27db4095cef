"""A report says first what was found; its pictures show exactly the stored figures."""

import dataclasses
import io
import json
import math

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import RendererAgg
from PIL import Image
from refusals import assert_refused
from rich.console import Console

import genzoo
from genzoo.metrics.metric import Score
from genzoo.reports.charts import canvas
from genzoo.reports.comparison_page import comparison_page
from genzoo.reports.formats import read_report
from genzoo.reports.overview.drawing import WIDTH, criterion_picture, forest_picture, legend_look
from genzoo.reports.overview.figures import MOST_LINES, criterion_lines, forest
from genzoo.reports.overview.finding import finding
from genzoo.reports.overview.plane import complete, components_picture, ellipse, pairs_picture, plane_of
from genzoo.reports.overview.terminal import criterion_text, forest_text, print_overview
from genzoo.reports.result import Difference, Report, Row
from genzoo.reports.samples import read_page_samples
from genzoo.spec.events import DataSpec, Feature

pytestmark = pytest.mark.xdist_group("overview")  # the comparison is made once for all tests
NAMES = {"differences", "bic", "components", "real-and-sampled"}


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """The folder of a comparison of mixtures with one failure."""
    rng = np.random.default_rng(0)
    events = np.concatenate([rng.normal(0, 1, (90, 3)), rng.normal(4, 1, (60, 3)), [[40.0, -40.0, 40.0]]])
    folder = tmp_path_factory.mktemp("overview") / "compared"
    candidates = ["gaussian", "gmm:n_components=1..3,covariance_type=full|diag", "gmm:n_components=200"]
    genzoo.compare(candidates, events, out=folder, folds=3, training={"n_init": 1})
    return folder


@pytest.fixture
def drawn(monkeypatch):
    """The points of everything that is plotted in a test."""
    found, plot = [], Axes.plot

    def noting(axes, *values, **rest):
        found.append([tuple(map(float, np.ravel(part))) for part in values[:2]])
        return plot(axes, *values, **rest)

    monkeypatch.setattr(Axes, "plot", noting)
    return found


def row(name, mean=None, verdict="not told apart", half=0.5, figure="test", **more):
    gap = None if mean is None else Difference(figure, mean, half / 2, mean - half, mean + half)
    return Row(name, "zoo/m", difference=gap, verdict=verdict, **more)


def report(*rows, by="bic", best="a", simplest=None):
    return Report({"name": "x", "events": 9, "event": "table 2"}, by, best, simplest, rows)


def test_the_forest_plot_shows_the_stored_differences_and_intervals(compared, drawn):
    stored = json.loads((compared / "report.json").read_text(encoding="utf-8"))
    known = {r["id"]: r["difference"] for r in stored["rows"] if r["difference"] is not None}
    found = forest(read_report(compared / "report.json"))
    assert found.best == stored["best"]
    assert [line.id for line in found.lines] == list(known)
    assert len(known) == 6
    for line in found.lines:
        gap = known[line.id]
        assert (line.mean, line.se, line.low, line.high) == (gap["mean"], gap["se"], gap["low"], gap["high"])
        assert found.limits[0] <= line.low <= line.high <= found.limits[1]
    picture = forest_picture(found)
    plotted = [values[0] for values in drawn]
    for line in found.lines:
        assert (line.low, line.high) in plotted
        assert (line.mean,) in plotted
        assert f"{line.id} {line.text}, {line.verdict}" in picture.alt
        assert line.text in picture.content.decode()


def test_the_picture_of_bic_shows_the_stored_values(compared, drawn):
    stored = json.loads((compared / "report.json").read_text(encoding="utf-8"))
    known = {r["id"]: r["bic"] for r in stored["rows"] if r["bic"] is not None}
    found = criterion_lines(read_report(compared / "report.json"))
    assert (found.criterion, found.option, found.title) == ("bic", "n_components", "covariance_type")
    assert set(found.lines) == {"full", "diag"}
    for name, points in found.lines.items():
        assert [point.x for point in points] == [1, 2, 3]
        for point in points:
            assert point.id == f"gmm:n_components={point.x},covariance_type={name}"
            assert point.value == known.pop(point.id)
    assert dict(found.references) == known == {"gaussian": known["gaussian"]}
    assert found.best == min((p for p in found.points), key=lambda p: p.value).id
    picture = criterion_picture(found)
    for points in found.lines.values():
        assert [(1.0, 2.0, 3.0), tuple(point.value for point in points)] in drawn
        assert all(f"{point.value:.2f} at {point.x}" in picture.alt for point in points)


def test_a_page_starts_with_the_finding_then_pictures_then_tables(compared):
    page = comparison_page(compared)
    assert page.finding == finding(read_report(compared / "report.json"))[0]
    assert [section.title for section in page.sections][:2] == ["Pictures", "Ranking"]
    assert {picture.name for picture in page.pictures if picture.name} == NAMES
    html = (compared / "report.html").read_text(encoding="utf-8")
    assert html.index('class="finding"') < html.index("<img") < html.index("<table")
    assert "1 candidate is not for these data: gmm:n_components=200." in page.lead


def test_pictures_are_kept_as_png_and_svg(compared, tmp_path):
    place = compared / "pictures"
    assert {path.name for path in place.iterdir()} == {f"{name}{end}" for name in NAMES for end in (".png", ".svg")}
    for name in NAMES:
        with Image.open(place / f"{name}.png") as image:
            assert min(image.size) > 150
        assert (place / f"{name}.svg").read_bytes().startswith(b"<?xml")
    page = comparison_page(compared)
    assert all((place / f"{p.name}.svg").read_bytes() == p.content for p in page.pictures if p.name)


def test_a_former_picture_goes_and_a_file_of_the_user_stays(tmp_path):
    events = np.random.default_rng(0).normal(size=(60, 2))
    (tmp_path / "out").mkdir()
    genzoo.compare(["gaussian", "gmm:n_components=1..2"], events, out=tmp_path / "out", training={"n_init": 1})
    (tmp_path / "out/pictures/mine.png").write_bytes(b"mine")
    assert (tmp_path / "out/pictures/bic.svg").exists()
    genzoo.compare(["gaussian"], events, out=tmp_path / "out")
    assert {path.stem for path in (tmp_path / "out/pictures").iterdir()} == {"components", "real-and-sampled", "mine"}


FAILED = Row("c", "zoo/m", status="failed", verdict="failed", reasons={"status": "Boom."})
UNSUITED = dataclasses.replace(FAILED, verdict="not for these data")
CASES = {
    "sure": (
        report(row("a", bic=1.0, verdict="best"), row("b", -3.0, "worse"), row("c", -2.0, "worse")),
        "a is the best of 3 candidates by BIC (1.00), and this is clear: both others are worse on held-out rows, too, "
        "with a 95 % interval that excludes 0.",
    ),
    "not sure": (
        report(row("a", bic=1.0, verdict="best"), row("b", -0.1), row("c", -2.0, "worse")),
        "a is the best of 3 candidates by BIC (1.00), but this is not certain: 1 of 2 others is not told apart from "
        "it, and 1 is worse.",
    ),
    "contradicted": (
        report(row("a", bic=1.0, verdict="best"), row("b", 2.0, "better held out"), row("c", -0.1)),
        "a is the best of 3 candidates by BIC (1.00), but held-out rows do not confirm it: 1 of 2 others scores higher "
        "there.",
    ),
    "bounds": (
        report(row("a", verdict="best", metrics={}), row("b", -3.0, "undecided: lower bound"), by="test"),
        "a is the best of 2 candidates by test log-likelihood, but the other one is undecided: a likelihood is only "
        "bounded.",
    ),
    "no interval": (
        report(row("a", bic=1.0, verdict="best"), row("b", verdict="worse"), row("c", -2.0, "worse")),
        "a is the best of 3 candidates by BIC (1.00); both others are worse, but 1 of them without an interval.",
    ),
    "alone": (
        report(row("a", bic=1.0, verdict="best")),
        "a is the only candidate, so nothing was compared. Its BIC is 1.00.",
    ),
    "only one ranked": (
        report(row("a", bic=1.0, verdict="best"), row("b", verdict="not ranked: no bic"), FAILED),
        "a is the best of 3 candidates by BIC (1.00); no other candidate could be ranked.",
    ),
    "cheapest": (
        report(row("a", -0.1, "best: cheapest", bic=2.0), row("b", bic=1.0)),
        "a is the cheapest of the candidates that are not told apart from b, the best of 2 by BIC (1.00).",
    ),
    "lower bounds": (
        report(row("a", verdict="best: lower bound"), row("b", -3.0, "worse: lower bounds"), by="test"),
        "a is the best of 2 candidates by test log-likelihood; the other one is worse by lower bounds, so the true "
        "order may differ.",
    ),
    "estimates": (
        report(row("a", verdict="best: estimate"), row("b", -3.0, "worse: estimate"), by="test"),
        "a is the best of 2 candidates by test log-likelihood; the other one is worse by an estimate, by more than the "
        "error of its solver.",
    ),
    "estimated": (
        report(row("a", verdict="best"), row("b", -0.1, "undecided: estimate"), by="test"),
        "a is the best of 2 candidates by test log-likelihood, but the other one is undecided: a likelihood is only "
        "estimated.",
    ),
    "nothing": (
        report(row("a", verdict="not ranked: no bic"), best=None),
        "No candidate could be ranked by BIC: no bic.",
    ),
    "failed": (
        report(FAILED, best=None),
        "The candidate failed, so nothing was found. c: Boom.",
    ),
    "unsuited": (
        report(UNSUITED, dataclasses.replace(UNSUITED, id="d"), best=None),
        "All 2 candidates are not for these data, so nothing was found. c: Boom.",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_first_sentence_says_what_was_found_and_how_sure_it_is(name):
    found, text = CASES[name]
    assert finding(found)[0] == text


def test_more_sentences_name_candidates_that_matter():
    rows = (row("a", bic=1.0, verdict="best"), *(row(f"b{i}", -0.1) for i in range(5)), row("c", verdict="failed"))
    more = " ".join(finding(report(*rows, simplest="b1"))[1:])
    assert "Not told apart: b0, b1, b2 and 2 more." in more
    assert "The simplest candidate within one standard error of the best score is b1." in more


def test_a_far_candidate_does_not_squeeze_the_others():
    near = [row(f"b{i}", -0.1 * i) for i in range(1, 6)]
    found = forest(report(row("a", verdict="best"), *near, row("far", -1e6, "worse")))
    assert found.limits[0] > -2
    assert found.lines[-1].mean == -1e6
    assert "-1000000" in forest_picture(found).content.decode()
    assert any("<" in line for line in forest_text(found, 100))


def test_differences_are_from_the_best_if_a_cheaper_one_is_chosen():
    rows = (row("a", -0.1, "best: cheapest"), row("b"), row("c", -2.0, "worse"))
    found = forest(report(*rows, by="test"))
    assert (found.best, [line.id for line in found.lines]) == ("b", ["a", "c"])
    assert "Difference of each candidate from b " in forest_picture(found).caption
    lines = list(forest_text(found, 100))
    assert [(line.split()[0], line.split()[-1]) for line in lines[1:3]] == [("b", "best"), ("a", "cheapest")]


def test_numbers_below_a_picture_do_not_run_together():
    rows = [row(f"a{k}", bic=float(k), options={"k": k}) for k in range(1, 43)]
    *_, numbers, _, _ = criterion_text(criterion_lines(report(*rows, best="a1")), 80)
    assert [int(x) for x in numbers.split()][:3] == [1, 3, 5]
    assert max(map(int, numbers.split())) <= 42
    assert len(numbers) <= 80


@pytest.mark.parametrize(
    "names", [["component 10"] * 9, ["not told apart", "better held out", "worse", "best"], ["a" * 60]]
)
def test_a_legend_is_no_wider_than_its_picture(names):
    figure, axes = canvas(WIDTH, 3.0)
    for name in names:
        axes.plot([0, 1], [0, 1], label=name)
    legend = figure.legend(loc="outside lower center", **legend_look(names))
    box = legend.get_window_extent(RendererAgg(1, 1, figure.dpi))
    assert legend_look(names)["ncols"] == 1 or box.width <= figure.bbox.width


def test_more_candidates_than_fit_are_counted():
    rows = [row(f"b{i}", -0.1) for i in range(MOST_LINES + 7)]
    found = forest(report(row("a", verdict="best"), *rows))
    assert (len(found.lines), found.left_out) == (MOST_LINES, 7)
    assert "7 more candidates" in forest_picture(found).caption
    assert "7 more candidates" in list(forest_text(found, 80))[-1]


def test_differences_of_a_metric_say_which_side_is_worse():
    score = Score("frechet-distance", 1.0, "lower", 0.1)
    rows = (row("a", verdict="best", metrics={"frechet-distance": score}), row("b", 3.0, "worse", figure=score.metric))
    found = forest(report(*rows, by="frechet-distance"))
    assert "right of 0 is worse" in forest_picture(found).caption
    assert found.figure == "frechet-distance"


@pytest.mark.parametrize("value", [1e308, -1e308, math.inf, math.nan, 5e-324, 0.0])
def test_any_figure_can_be_drawn(value):
    rows = [row("b", value, bic=value, options={"k": 10**40}), row("c", -1.0, bic=2.0, options={"k": 1})]
    found = report(row("a", verdict="best", bic=1.0, options={"k": 2}), *rows)
    forest_picture(forest(found))
    criterion_picture(criterion_lines(found))
    print_overview(found, Console(width=80, file=io.StringIO()))


def test_a_report_with_nothing_to_draw_has_no_pictures():
    assert forest(report(row("b", -1.0), best="not there")) is None
    assert finding(report(row("b", -1.0), best="not there")) == ("No candidate could be ranked by BIC.",)
    alone = report(row("a", bic=1.0, verdict="best"))
    assert forest(alone) is None
    assert criterion_lines(alone) is None
    assert criterion_lines(report(row("a", bic=1.0, options={"k": 1}), row("b", bic=2.0, options={"k": True}))) is None


def test_lines_of_several_models_and_of_unranked_values_are_named():
    rows = [
        Row(f"{m}{k}", f"zoo/{m}", {"k": k, "n": {"deep": "x"}}, bic=10.0 * k, reasons={"bic": "why"} if k == 2 else {})
        for m in ("p", "q")
        for k in (1, 2)
    ]
    found = criterion_lines(report(*rows, best="p1"))
    assert list(found.lines) == ["p:n.deep=x", "q:n.deep=x"]
    assert [point.ranked for point in found.points] == [True, False, True, False]
    assert "not ranked" in criterion_picture(found).caption


def test_the_ellipse_of_a_component_holds_95_percent_of_it():
    rng = np.random.default_rng(0)
    here = rng.normal(size=(4000, 2)) @ np.array([[2.0, 0.0], [1.0, 0.5]]) + 3
    other = rng.normal(size=(4000, 2)) + 50
    weights = np.r_[np.ones(4000), np.zeros(4000)]
    found = ellipse(np.r_[here, other], weights)
    np.testing.assert_allclose(found.center, here.mean(axis=0), atol=1e-9)
    new = rng.normal(size=(4000, 2)) @ np.array([[2.0, 0.0], [1.0, 0.5]]) + 3 - found.center
    inside = ((new @ np.linalg.inv(found.halves)) ** 2).sum(axis=1) <= 1
    assert inside.mean() == pytest.approx(0.95, abs=0.015)
    assert ellipse(here, np.zeros(4000)) is None


def test_outliers_are_marked_and_rows_with_gaps_are_counted(compared):
    fitted = genzoo.Run(compared / "best").load()
    rows = read_page_samples(compared).all
    assert len(rows) == 151
    picture = components_picture(fitted, rows, 0, "row")
    assert "151 rows on their two principal axes" in picture.caption
    assert "Crosses mark" in picture.caption or picture.caption.count("No row is an outlier") == 1
    rows = rows.copy()
    rows[:3, 0] = np.nan
    assert "3 rows with missing values are not drawn" in components_picture(fitted, rows, 0, "row").caption


@pytest.mark.parametrize("columns", [1, 2, 5])
def test_rows_of_any_width_are_drawn_in_a_plane(columns):
    spec = DataSpec((columns,), "table", tuple(Feature(f"x{i}") for i in range(columns)), storage="float64")
    rows = np.random.default_rng(0).normal(size=(80, columns))
    plane = plane_of(rows, spec)
    assert plane.project(rows).shape == (80, min(columns, 2))
    if columns <= 2:
        np.testing.assert_array_equal(plane.project(rows), rows)
    assert plane.names[0].startswith("x0" if columns <= 2 else "axis 1")
    assert (pairs_picture(rows, rows, spec, "rows") is None) == (columns == 1)
    assert plane_of(np.ones((9, columns)), spec) is None


def test_huge_missing_and_constant_values_are_not_drawn():
    spec = DataSpec((3,), "table", (Feature("a"), Feature("b"), Feature("c", "categorical", ("x", "y"))))
    rows = np.random.default_rng(0).normal(size=(50, 3))
    rows[:, 2] = 0
    rows[0, 0], rows[1, 1] = np.nan, np.inf
    assert plane_of(rows, spec).columns == (0, 1)
    assert len(complete(rows, (0, 1))) == 48
    samples = rows.copy()
    samples[5, 0] = 1e308
    assert pairs_picture(rows, samples, spec, "rows") is not None


def test_pairs_are_drawn_even_if_no_row_is_complete(drawn):
    spec = DataSpec((3,), "table", (Feature("a"), Feature("b"), Feature("c")))
    samples = np.random.default_rng(0).normal(size=(60, 3))
    rows = samples.copy()
    rows[np.arange(60), np.arange(60) % 3] = np.nan
    picture = pairs_picture(rows, samples, spec, "rows")
    assert "60 real rows" in picture.caption
    assert "Missing values are not drawn." in picture.caption
    known = rows[~np.isnan(rows[:, [0, 1]]).any(axis=1)]
    assert [tuple(known[:, 0]), tuple(known[:, 1])] in drawn


def test_the_terminal_shows_the_same_figures(compared, capsys):
    found = read_report(compared / "report.json")
    differences, lines = forest(found), criterion_lines(found)
    shown = "\n".join(forest_text(differences, 120))
    assert all(line.id in shown and line.text in shown for line in differences.lines)
    assert all(len(line) <= 120 for line in shown.splitlines())
    drawn = "\n".join(criterion_text(lines, 80))
    assert drawn.count("A") + drawn.count("B") >= len(lines.points)
    assert f"{min(point.value for point in lines.points):.2f}" in drawn
    assert "├" not in "\n".join(forest_text(differences, 100, plain=True))


def test_the_command_draws_in_the_terminal(tmp_path, cli):
    np.save("x.npy", np.random.default_rng(0).normal(size=(60, 2)))
    words = ("compare", "gaussian", "gmm:n_components=1..2", "--data", "x.npy", "-o", "training.n_init=1")
    code, out, _ = cli(*words, "--plot")
    assert code == 0
    assert out.index("of 3 candidates by BIC") < out.index("Difference in") < out.index("BIC against n_components")
    assert out.index("BIC against") < out.index("candidate  ")
    assert "BIC against" not in cli(*words)[1]
    assert_refused(cli(*words, "--plot", "--json"), 2, "--plot", "--json")
