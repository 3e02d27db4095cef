"""Pages escape all data, load nothing, and can be read in a browser."""

import base64
import dataclasses
import html as markup
import json
import math
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from browser import BROWSER, DESK, PHONE, browse
from PIL import Image
from refusals import assert_refused

import genzoo
from genzoo.errors import ArtifactError
from genzoo.metrics.metric import Score
from genzoo.reports.charts import Histogram, Shares, curves
from genzoo.reports.comparison_page import comparison_page
from genzoo.reports.distributions import marginal, marks
from genzoo.reports.formats import read_report
from genzoo.reports.former import current_report
from genzoo.reports.html import render_page
from genzoo.reports.inside import inside_sections
from genzoo.reports.modalities.marginals import marginal_of, marginals
from genzoo.reports.page import Facts, Heading, Notes, Page, Picture, Pictures, Section, Table, Text
from genzoo.reports.result import SCHEMA, Difference, Report, Row
from genzoo.reports.rounding import with_error
from genzoo.reports.run_page import EvaluationTerms, run_page
from genzoo.reports.samples import PageSamples, read_page_samples, write_page_samples
from genzoo.reports.sections import how_many
from genzoo.spec.events import DataSpec, Feature
from genzoo.storage import json_files
from genzoo.storage.json_files import read_json, write_json
from genzoo.text import printable

EVIL = ("<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{ 7 * 7 }} & $x_1$", "ε 中 \u202e |*_")
VOID = {"meta", "link", "img", "br", "wbr"}
pytestmark = pytest.mark.xdist_group("pages")  # the pages are made once for all tests


class Reader(HTMLParser):
    """Collects elements and texts, and checks that elements are closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def text(self):
        return "".join(self.texts)


def check(text: str) -> Reader:
    """Check that a page loads nothing, runs nothing, and names its parts."""
    page = Reader(text)
    tags = {tag for tag, _ in page.elements}
    assert not tags & {"script", "iframe", "object", "embed", "form", "base", "audio", "video"}
    for tag, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on")], (tag, attributes)
        for name in ("src", "href", "srcset", "action", "poster"):
            if name in attributes:
                assert attributes[name].startswith(("data:", "#")), (tag, attributes)
    style = text[text.index("<style>") : text.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style
    assert all(attributes["alt"] for attributes in page.all("img"))
    assert all(attributes.get("scope") in ("col", "row") for attributes in page.all("th"))
    targets = {attributes.get("id") for _, attributes in page.elements}
    assert {link["href"][1:] for link in page.all("a")} <= targets
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in page.all("meta")
    assert len(page.all("h1")) == 1
    assert page.all("html") == [{"lang": "en"}]
    for attributes in page.all("img"):
        kind, _, content = attributes["src"].partition(";base64,")
        decoded = base64.b64decode(content, validate=True)
        assert decoded.startswith(b"\x89PNG" if kind == "data:image/png" else (b"<?xml", b"<svg xmlns="))
    return page


def test_every_text_of_a_page_is_escaped():
    one, two, three, four = EVIL
    blocks = (
        Text(one),
        Heading(two),
        Notes((three, one)),
        Facts(((one, two),), three),
        Table(one, (two, three), ((four, one),), best=0),
        Pictures((Picture(one, two, "png", b"\x89PNG"),)),
    )
    page = check(render_page(Page(one, two, (Section(three, blocks), *(Section(text, ()) for text in EVIL)), four)))
    for text in EVIL:
        assert printable(text) in page.text
    assert page.all("img")[0]["alt"] == two
    assert page.all("table")[0]["aria-label"] == one


def test_a_page_with_half_a_character_can_be_written(tmp_path):
    from genzoo.reports.html import write_page

    write_page(tmp_path / "p.html", Page("bad \udcff name", "", (), ""))
    assert "bad \ufffd name" in (tmp_path / "p.html").read_text(encoding="utf-8")


def test_characters_that_cannot_be_shown_are_replaced_on_a_page():
    evil = "a\u202eb\x00c\u2066d\x1be"
    blocks = (Text(evil), Facts(((evil, evil),), evil), Table(evil, (evil, evil), ((evil, evil),), best=0))
    page = render_page(Page(evil, evil, (Section(evil, blocks),), evil))
    assert all(letter.isprintable() for letter in page.replace("\n", ""))
    assert page.count("a\ufffdb\ufffdc\ufffdd\ufffde") >= 10


@pytest.fixture(scope="module")
def evil_csv(tmp_path_factory):
    """A table whose names and categories are markup."""
    rng = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("evil") / "<b>evil&.csv"
    rows = [",".join(f'"{name.replace(chr(34), chr(34) * 2)}"' for name in EVIL)]
    for _ in range(120):
        levels = [EVIL[k].replace('"', '""') for k in rng.integers(0, 3, 2)]
        rows.append(f'"{levels[0]}",{rng.normal():.4f},{rng.normal():.4f},"{levels[1]}"')
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def pages(tmp_path_factory, evil_csv):
    """Pages of real runs and comparisons, by name."""
    folder = tmp_path_factory.mktemp("pages")
    small = {"generator_widths": [8, 8, 8], "discriminator_widths": [8, 8], "training": {"steps": 12}}
    genzoo.train("gaussian", data="iris", out=folder / "gaussian", training={"max_iter": 30})
    genzoo.train("dcgan", out=folder / "dcgan", **small)
    genzoo.train("naive-bayes", data=evil_csv, out=folder / "evil", training={"max_iter": 5})
    genzoo.compare(
        ["naive-bayes:n_components=1..2"],
        evil_csv,
        out=folder / "evil-comparison",
        training={"max_iter": 5, "n_init": 1},
    )
    genzoo.compare(
        [{"model": "dcgan", "objective": name, **small} for name in ("relativistic", "hinge")],
        "digits",
        out=folder / "images",
        by="coverage",
    )
    for name in ("gaussian", "dcgan", "evil"):
        write(folder / name)
    return folder


def write(run_folder, seed=0):
    run = genzoo.Run(run_folder)
    metrics = find("coverage")
    text = render_page(run_page(run, run.load(), EvaluationTerms(metrics, seed=seed)))
    (run_folder / "report.html").write_text(text, encoding="utf-8")
    return text


def find(*names):
    from genzoo.metrics.evaluation.choice import find_metrics
    from genzoo.plugins.manager import get_registry

    return find_metrics(get_registry(), names)


ALL = ("gaussian", "dcgan", "evil", "evil-comparison", "images")


@pytest.mark.once
@pytest.mark.parametrize("name", ALL)
def test_pages_load_nothing_run_nothing_and_name_their_parts(pages, name):
    page = check((pages / name / "report.html").read_text(encoding="utf-8"))
    assert page.all("img")
    assert (pages / name / "report.html").stat().st_size < 3e6


@pytest.mark.once
def test_a_table_whose_names_and_levels_are_markup_is_shown_as_it_is(pages):
    for name in ("evil", "evil-comparison"):
        page = check((pages / name / "report.html").read_text(encoding="utf-8"))
        for text in EVIL[:3]:
            assert printable(text) in page.text, name


@pytest.mark.once
def test_the_page_of_a_run_says_what_was_trained_and_how_good_it_is(pages):
    page = check((pages / "gaussian" / "report.html").read_text(encoding="utf-8"))
    titles = ("Scores", "Training", "Samples", "Columns", "Latent space", "Components")
    assert [title for title in titles if title not in page.text] == []
    run = genzoo.Run(pages / "gaussian")
    test_rows = run.open_data().split(run.config.split, run.config.seed).test
    assert f"Evaluated on {len(test_rows)} test rows" in page.text
    for event in run.open_data().events[test_rows][:6]:
        assert all(f"{value:.4g}" in page.text for value in event)
    for wanted in ("±", "How coverage was measured", "seed of training", run.record["torch"], run.config.data_digest):
        assert wanted in page.text
    assert "Reconstructions" not in page.text


@pytest.mark.once
def test_the_page_of_a_model_of_images_shows_grids(pages):
    page = check((pages / "dcgan" / "report.html").read_text(encoding="utf-8"))
    grids = [image for image in page.all("img") if image["src"].startswith("data:image/png")]
    assert len(grids) == 3  # real, sampled, traversed
    assert "Components" not in page.text


@pytest.mark.once
def test_the_same_run_gives_the_same_page(pages):
    first = (pages / "gaussian" / "report.html").read_text(encoding="utf-8")
    assert write(pages / "gaussian") == first
    first = (pages / "evil-comparison" / "report.html").read_text(encoding="utf-8")
    assert render_page(comparison_page(pages / "evil-comparison")) == first


@pytest.mark.once
def test_a_comparison_page_shows_all_figures_and_samples(pages):
    page = check((pages / "images" / "report.html").read_text(encoding="utf-8"))
    content = json.loads((pages / "images" / "report.json").read_text(encoding="utf-8"))
    for row in content["rows"]:
        assert row["id"] in page.text
        for score in row["metrics"].values():
            assert score["metric"] in page.text
        assert f"Samples of {row['id']}" in page.text
        score = row["metrics"]["coverage"]
        assert with_error(score["value"], score["error"]) in page.text
    assert "Real images" in page.text
    best = next(row for row in content["rows"] if row["id"] == content["best"])
    assert best["run"] is not None
    assert "Best candidate: latent space" in page.text


@pytest.mark.once
def test_a_resumed_comparison_finds_its_samples(pages, tmp_path):
    again = tmp_path / "again"
    shutil.copytree(pages / "images", again)
    before = read_page_samples(again)
    for name in ("samples.json", "samples.safetensors", "report.html", "report.json"):
        (again / name).unlink()
    small = {"generator_widths": [8, 8, 8], "discriminator_widths": [8, 8], "training": {"steps": 12}}
    seen = []
    genzoo.compare(
        [{"model": "dcgan", "objective": name, **small} for name in ("relativistic", "hinge")],
        "digits",
        out=again,
        by="coverage",
        callback=lambda *told: seen.append(told),
    )
    after = read_page_samples(again)
    assert not seen  # nothing was fitted again
    assert set(before.samples) == set(after.samples)
    for name, events in before.samples.items():
        assert len(events) == how_many(before.data)
        np.testing.assert_array_equal(after.samples[name], events)
    np.testing.assert_array_equal(before.real, after.real)
    assert (again / "report.html").read_text(encoding="utf-8") == (pages / "images" / "report.html").read_text(
        encoding="utf-8"
    )


def test_events_with_missing_values_are_kept_as_they_are(tmp_path):
    spec = DataSpec((2,), "table", (Feature("a"), Feature("b")), storage="float64", missing=True)
    real = np.array([[1.0, np.nan], [np.nan, 2.0], [3.0, 4.0]])
    write_page_samples(tmp_path, PageSamples(spec, real, {"one": real[2:], "<two>": real[2:] + 1}))
    found = read_page_samples(tmp_path)
    np.testing.assert_array_equal(found.real, real)
    np.testing.assert_array_equal(found.samples["<two>"], [[4.0, 5.0]])
    (tmp_path / "samples.safetensors").write_bytes(b"")
    with pytest.raises(ArtifactError, match="has changed"):
        read_page_samples(tmp_path)


def test_a_report_without_an_error_of_a_difference_reads_back(tmp_path):
    gap = Difference("test", -1.5, float("nan"), float("nan"), float("nan"))
    row = Row("gmm", "genzoo-mixture/gmm", {"n_components": 3}, difference=gap, reasons={"bic": "why"})
    report = Report({"name": "x", "events": 5}, "test", "gmm", None, (row,), ("a note",))
    write_json(tmp_path / "report.json", report.as_dict())
    found = read_report(tmp_path / "report.json")
    assert str(found) == str(report)  # NaN does not equal itself, but has the same text
    assert not found.rows[0].difference.has_interval


def test_a_report_of_thousands_of_candidates_reads_back(tmp_path, monkeypatch):
    monkeypatch.setattr(json_files, "_MOST_MARKS", 400_000)
    parts = {f"column {i}": i / 7 for i in range(40)}
    score = Score("recall", 0.5, "higher", 0.1, {"real": 22}, parts=parts, shared=tuple(np.linspace(0, 1, 96)))
    rows = [
        Row(
            f"gmm:n_components={i}",
            "genzoo-mixture/gmm",
            {"n_components": i},
            metrics={f"m{j}": score for j in range(8)},
        )
        for i in range(1, 1501)
    ]
    report = Report({"name": "x", "events": 5}, "test", rows[0].id, None, tuple(rows), ())
    write_json(tmp_path / "report.json", report.as_dict())
    found = read_report(tmp_path / "report.json")
    assert [row.id for row in found.rows] == [row.id for row in rows]
    assert found.rows[-1].metrics["m7"] == dataclasses.replace(score, metric="m7", shared=())
    with pytest.raises(ArtifactError, match=r"larger than any|holds more values"):
        read_json(tmp_path / "report.json", SCHEMA, "schema")


def test_marginals_are_densities_and_shares_of_what_was_observed():
    spec = DataSpec(
        (3,),
        "table",
        (Feature("n"), Feature("c", "count"), Feature("k", "categorical", ("a", "b", "c"))),
        storage="float64",
        missing=True,
    )
    rng = np.random.default_rng(0)
    real = np.stack([rng.normal(size=400), rng.poisson(3, 400), rng.integers(0, 3, 400)], axis=1)
    real[::7] = np.nan
    known = real[~np.isnan(real[:, 0])]
    pictures, *rest = marginals(real, known, spec)
    assert not rest
    captions = [picture.caption for picture in pictures.pictures]
    assert captions[0] == (
        f"n: real {known[:, 0].mean():.4g} ± {known[:, 0].std():.3g}, "
        f"sampled {known[:, 0].mean():.4g} ± {known[:, 0].std():.3g}"
    )
    values, counts = np.unique(known[:, 2], return_counts=True)
    top = "abc"[int(values[counts.argmax()])]
    assert f"k: real {top} {counts.max() / len(known):.0%}" in captions[2]


def test_components_are_shown_with_share_and_typical_values(tmp_path):
    rng = np.random.default_rng(0)
    events = np.concatenate([rng.normal(0, 1, (70, 2)), rng.normal(1000, 1, (30, 2))])
    run = genzoo.train("gmm", data=events, out=tmp_path / "two", n_components=2, training={"n_init": 5})
    section = inside_sections(run.load(), events, 0)[-1]
    rows = section.blocks[0].rows
    assert [row[1] for row in rows] == ["70.0%", "30.0%"]
    for row, part in zip(rows, (events[:70], events[70:]), strict=True):
        assert row[2:] == tuple(f"{mean:.4g}" for mean in part.mean(axis=0))


def test_the_first_of_many_columns_are_drawn_with_a_note():
    spec = DataSpec((300,), "table", tuple(Feature(f"x{i}") for i in range(300)), storage="float64")
    events = np.random.default_rng(0).normal(size=(50, 300))
    pictures, about = marginals(events, events, spec)
    assert len(pictures.pictures) == 24
    assert about.text == "The first 24 of 300 columns are shown."


def test_constant_and_huge_columns_can_be_drawn():
    spec = DataSpec((3,), "table", (Feature("a"), Feature("b"), Feature("c", "count")), storage="float64")
    events = np.stack([np.full(60, 1e15), np.geomspace(1e-300, 1e300, 60), np.geomspace(1, 1e12, 60).round()], axis=1)
    pictures, *_ = marginals(events, events, spec)
    assert len(pictures.pictures) == 3


@pytest.mark.parametrize("value", [0.0, -7.5, 1e15, 1e17, -1e300])
def test_a_constant_column_is_one_bar_of_area_one(value):
    found = marginal_of(np.full(9, value), np.full(9, value), Feature("a"))
    width = np.diff(found.edges)
    assert np.allclose(found.real * width, [0, 1, 0])
    assert found.edges[0] < value < found.edges[-1]


def test_drawings_hold_names_as_text_and_never_as_mathematics_or_markup():
    steps = np.arange(3)
    drawn = curves({"$\\frac{bad$": (steps, steps), "<b>&\x00": (steps, steps)}, "loss").decode()
    assert "&lt;b&gt;&amp;" in drawn
    assert "$\\frac{bad$" in drawn
    assert "<b>" not in drawn


def test_bars_of_a_distribution_are_as_high_as_its_densities():
    edges, real, sampled = np.linspace(-1, 3, 5), np.array([1, 4, 2, 0.0]), np.array([0, 2, 1, 3.0])
    paths = [path.get("d") for path in drawn_in(marginal(Histogram(edges, real, sampled)), "path")]
    paths = [path for path in paths if path.count("V") > 1]
    tops = [[float(part) for part in re.findall(r"V([\d.]+)", path)] for path in paths]
    bottom, highest = tops[0][-1], min(tops[0])
    for found, densities in zip(tops, (real, sampled), strict=True):
        assert np.allclose((bottom - np.array(found[:4])) / (bottom - highest), densities / 4, atol=1e-3)
    rights = [float(part) for part in re.findall(r"H([\d.]+)", paths[0])]
    assert np.allclose(np.diff(rights), rights[1] - rights[0], atol=0.02)


def test_bars_of_levels_are_as_long_as_their_shares():
    shares = Shares(("<b>&", "k\x00", "$x$"), np.array([0.5, 0.25, 0.25]), np.array([0.1, 0.5, 0.4]))
    drawn = marginal(shares)
    widths = [float(bar.get("width")) for bar in drawn_in(drawn, "rect")[1:7]]
    assert np.allclose(np.array(widths) / widths[0], [1, 0.2, 0.5, 1, 0.5, 0.8], atol=1e-3)
    assert [text.text for text in drawn_in(drawn, "text")][:3] == ["<b>&", "k ", "$x$"]


@pytest.mark.parametrize("length", [60, 240])
@pytest.mark.parametrize(
    ("low", "high"),
    [(-1.3, 2.1), (0, 1e12), (-1.7e308, 1.7e308), (1e15, 1e15 + 1), (0, 1e-320), (-4.07e191, -1.25e191), (0.3, 0.9)],
)
def test_marks_lie_between_the_ends_and_say_where(low, high, length):
    found = marks(low, high, length)
    assert 1 <= len(found) <= 8
    assert len({text for _, text in found}) == len(found)
    for value, text in found:
        assert low <= value <= high
        assert math.isclose(float(text.replace("−", "-")), value, rel_tol=1e-5, abs_tol=1e-9 * (high / 2 - low / 2))


def drawn_in(content, name):
    """Return the elements of a drawing with a name."""
    return [node for node in ElementTree.fromstring(content).iter() if node.tag.rpartition("}")[2] == name]


@pytest.mark.once
def test_an_unfinished_run_is_shown_by_its_last_checkpoint(pages, tmp_path):
    copy = tmp_path / "at-work"
    shutil.copytree(pages / "gaussian", copy)
    shutil.rmtree(copy / "model")
    genzoo.Run(copy).update(status="running")
    with (copy / "metrics.jsonl").open("ab") as log:
        log.write(b'{"step": 31, "lo')  # a line that is being written
    page = check(write(copy))
    last = max(path.name for path in (copy / "checkpoints").iterdir())
    assert f"Training has not finished (running). This page shows its last checkpoint, {last}" in page.text


def test_a_run_whose_data_are_gone_is_shown_without_them(tmp_path):
    events = np.random.default_rng(0).normal(size=(60, 2))
    run = genzoo.train("gaussian", data=events, out=tmp_path / "memory", training={"max_iter": 5})
    page = check(write(run.path))
    assert "The data of this run are not available" in page.text
    assert "Samples of the model" in page.text
    assert "coverage" not in page.text


def test_a_run_without_test_rows_has_no_scores(tmp_path):
    run = genzoo.train("gaussian", data="iris", out=tmp_path / "all", training={"max_iter": 5}, split={"test": 0.0})
    page = check(write(run.path))
    assert "no test rows, so there are no scores. The real data on this page are validation rows" in page.text
    assert "coverage" not in page.text


@pytest.mark.once
def test_the_command_line_writes_pages(pages, cli, tmp_path):
    for name in ("gaussian", "evil-comparison"):
        copy = tmp_path / name
        shutil.copytree(pages / name, copy)
        (copy / "report.html").unlink()
        options = ("--metric", "coverage") if name == "gaussian" else ()
        code, out, _ = cli("report", copy, *options)
        assert code == 0
        assert str(copy / "report.html") in out
        check((copy / "report.html").read_text(encoding="utf-8"))
    code, _, _ = cli("report", pages / "gaussian", "--metric", "recall", "--data", "iris", "--out", "other.html")
    assert code == 0
    page = check((tmp_path / "other.html").read_text(encoding="utf-8"))
    assert "Evaluated on 150 rows of iris" in page.text
    assert "recall" in page.text
    assert "coverage" not in page.text


@pytest.mark.once
def test_the_command_line_reports_what_it_cannot_show(pages, cli, tmp_path):
    (tmp_path / "empty").mkdir()
    assert_refused(cli("report", "empty"), 4, "neither a run directory nor the folder of a comparison")
    assert_refused(cli("report", "nowhere"), 4, "There is no folder 'nowhere'")
    assert_refused(cli("report", pages / "gaussian", "--metric", "coverag"), 2, "coverage")
    assert_refused(cli("report", pages / "gaussian", "--out", "page.pdf"), 2, "page.pdf", ".html")
    assert_refused(cli("report", pages / "gaussian", "--out", "no/page.html"), 2, "does not exist")
    assert_refused(cli("report", pages / "gaussian", "--columns", "a"), 2, "--columns", "--data")
    assert_refused(cli("report", pages / "images", "--metric", "coverage"), 2, "--metric", "run")
    for content in ("{", '{"schema": 1}', '{"schema": 2, "rows": []}', '{"schema": 1, "rows": [5], "data": {}}', "[]"):
        copy = tmp_path / "broken"
        shutil.copytree(pages / "images", copy, dirs_exist_ok=True)
        (copy / "report.json").write_text(content, encoding="utf-8")
        assert_refused(cli("report", copy), 4, "report.json")
    (copy / "report.json").unlink()
    assert_refused(cli("report", copy), 4, "has not finished")


@pytest.mark.once
def test_a_moved_comparison_still_shows_its_best_run(pages, tmp_path):
    shutil.copytree(pages / "images", tmp_path / "moved")
    assert render_page(comparison_page(tmp_path / "moved")) == render_page(comparison_page(pages / "images"))


@pytest.mark.once
def test_a_comparison_from_before_samples_were_kept_says_so(pages, tmp_path):
    shutil.copytree(pages / "images", tmp_path / "old")
    (tmp_path / "old" / "samples.json").unlink()
    assert "No samples of these candidates were kept" in check(render_page(comparison_page(tmp_path / "old"))).text


def test_a_report_of_the_first_format_shows_current_names(tmp_path):
    folder = shutil.copytree(Path(__file__).parent.parent / "data/comparisons/0.1/iris", tmp_path / "old")
    stored = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert [row["id"] for row in stored["rows"]][:2] == ["gmm:components=2", "gmm:components=3"]
    spec, events = DataSpec((4,), "table", tuple(Feature(name) for name in "abcd")), np.random.rand(60, 4)
    write_page_samples(folder, PageSamples(spec, events, {row["id"]: events + 1 for row in stored["rows"]}))
    report = read_report(folder / "report.json")
    assert [row.id for row in report.rows][:2] == ["gmm:n_components=2", "gmm:n_components=3"]
    assert report.best == "gmm:n_components=2"
    assert report.rows[1].options == {"n_components": 3}
    assert "best by cv, gmm:n_components=3: gmm:n_components=2 with" in " ".join(report.notes)
    page = check(render_page(comparison_page(folder))).text
    assert "gmm:components" not in page
    assert "memorisation" not in page
    assert page.count("gmm:n_components=3") > 5
    assert "No samples" not in page


def test_former_names_in_groups_of_options_are_translated():
    options = {"components": 3, "objective": "em", "training": {"passes": 5}}
    row = {"id": "gmm:components=3,objective=em,training.passes=5", "model": "genzoo-mixture/gmm", "options": options}
    found = current_report({"rows": [row, {"id": "x:a=1", "model": "no/x", "options": {"a": 1}}], "notes": ["gmm"]})
    assert found["rows"][0]["id"] == "gmm:n_components=3,objective=em,training.max_iter=5"
    assert found["rows"][1]["id"] == "x:a=1"
    assert found["notes"] == ["gmm"]


def framed(folder: Path, page: str) -> Path:
    """Write a file with the page in two frames, and with a script that measures them. Windows cannot be as narrow."""
    path = folder / "frames.html"
    frames = "".join(
        f'<iframe style="border:0;width:{width}px;height:3000px" srcdoc="{markup.escape(page)}"></iframe>'
        for width in (PHONE, DESK)
    )
    path.write_text(
        f'<!doctype html><body style="margin:0;display:flex">{frames}<p id="told"></p><script>'
        "onload = () => { told.textContent = JSON.stringify([...document.querySelectorAll('iframe')].map(f => { "
        "const d = f.contentDocument, e = d.documentElement, images = [...d.images]; return {inner: e.clientWidth, "
        "scroll: e.scrollWidth, wide: images.filter(i => i.getBoundingClientRect().right > e.clientWidth + 1).length, "
        "blank: images.filter(i => !i.naturalWidth).length, "
        "hidden: [...d.querySelectorAll('tr')].filter(r => { const b = r.closest('.scroll').getBoundingClientRect(), "
        "a = r.firstElementChild.getBoundingClientRect(), z = r.lastElementChild.getBoundingClientRect(); "
        "return a.left < b.left - 1 || z.right > b.right + 1 || (r.children.length > 1 && z.left < a.right - 1); "
        "}).length, "
        "fetched: f.contentWindow.performance.getEntriesByType('resource').filter(r => !r.name.startsWith('data:'))"
        ".length}; })); };</script>",
        encoding="utf-8",
    )
    return path


@pytest.mark.once
@pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")
@pytest.mark.parametrize("name", ["gaussian", "evil-comparison", "images"])
def test_a_browser_shows_pages_on_a_phone_on_a_desk_and_on_paper(pages, name, tmp_path):
    place = pages / name / "report.html"
    frame, picture, paper = framed(tmp_path, place.read_text(encoding="utf-8")), tmp_path / "p.png", tmp_path / "p.pdf"
    window = f"--window-size={PHONE + DESK},3000"
    shown = browse(window, "--virtual-time-budget=5000", "--dump-dom", f"--screenshot={picture}", frame.as_uri())
    text = Reader(shown).text
    told = json.JSONDecoder().raw_decode(text[text.index('[{"inner"') :])[0]
    for width, found in zip((PHONE, DESK), told, strict=True):
        assert found == {"inner": width, "scroll": width, "wide": 0, "blank": 0, "hidden": 0, "fetched": 0}
    with Image.open(picture) as image:
        pixels = np.asarray(image.convert("L"))[:1500]
    for half in (pixels[:, :PHONE], pixels[:, PHONE : PHONE + DESK]):
        written = (half != np.bincount(half.ravel()).argmax()).mean()
        assert 0.01 < written < 0.6  # neither blank nor painted over
    browse(f"--print-to-pdf={paper}", "--no-pdf-header-footer", place.as_uri())
    content = paper.read_bytes()
    assert content.startswith(b"%PDF")
    assert 1 <= content.count(b"/Type /Page\n") <= 40
