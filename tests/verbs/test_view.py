"""What a notebook and a terminal show of results: tables, pictures, and texts that fit a screen."""

import io
import json
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import genzoo
from genzoo.errors import ConfigError
from genzoo.reports.result import Report, Row
from genzoo.verbs.view import view

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("view")


@pytest.fixture(scope="module")
def report(folder):
    return genzoo.compare(["gaussian", "gmm:n_components=2..3"], data="iris", out=folder / "answer", precision="fp32")


@pytest.fixture(scope="module")
def images(folder):
    return genzoo.train("vae", "digits", steps=4, batch_size=16, out=folder / "vae", precision="fp32")


class Cells(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.texts, self.open = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)

    def handle_data(self, data):
        if data.strip():
            self.texts.append(data.strip())


def fits_a_screen(text):
    return len(text.splitlines()) <= 40 and max(map(len, text.splitlines())) <= 120


def test_a_report_is_a_sentence_and_a_table(report):
    text = repr(report)
    assert fits_a_screen(text)
    assert " ".join(text.split()).startswith(f"{report.best} is the best of 3 candidates by BIC")
    assert all(row.id in text for row in report.rows)
    found = Cells(report._repr_html_())
    shown = "".join(found.texts).replace(" ", "")
    assert all(row.id in shown and f"{row.bic:.2f}" in shown for row in report.rows)
    assert found.tags.count("tr") == 1 + len(report.rows)


def test_a_report_of_many_candidates_fits_a_screen():
    rows = tuple(Row(f"gmm:n_components={k}", "gmm", bic=float(k), verdict="worse") for k in range(1, 80))
    text = repr(Report({"name": "x"}, "bic", rows[0].id, None, rows))
    assert fits_a_screen(text)
    assert "and 64 more" in text


def test_names_with_markup_are_shown_as_they_are():
    row = Row("[bold]<b>&", "gmm", bic=1.0, verdict="best")
    report = Report({"name": "x"}, "bic", row.id, None, (row,))
    assert row.id in repr(report)
    assert "<b>" not in report._repr_html_().partition("</style>")[2]


def test_a_report_leads_to_the_run_of_the_best(report, folder):
    assert report.best_run.path == folder / "answer" / "best"
    assert report.best_run.sample(3).shape == (3, 4)
    with pytest.raises(ConfigError, match="out="):
        _ = genzoo.compare(["gaussian"], data="iris", precision="fp32").best_run
    with pytest.raises(ConfigError, match="no candidate could be ranked"):
        _ = Report({}, "bic", None, None, ()).best_run


def pixels(figure):
    with Image.open(io.BytesIO(figure._repr_png_())) as image:
        return image.size


def test_figures_of_a_report_are_shown_by_a_notebook(report):
    for name in ("differences", "criterion"):
        assert min(pixels(report.figure(name))) > 200
    with pytest.raises(ConfigError, match="criterion, differences"):
        report.figure("nonsense")
    with pytest.raises(ConfigError, match="none to draw"):
        Report({}, "bic", None, None, ()).figure()


def test_a_description_is_shown_with_its_tables_and_drawn(report):
    found = report.best_run.describe()
    assert fits_a_screen(repr(found))
    assert "petal length (cm)" in found._repr_html_()
    assert min(pixels(found.figure())) > 200


def test_an_evaluation_shows_each_score_with_its_error(report, folder):
    run = genzoo.train("gaussian", "iris", out=folder / "gaussian", precision="fp32")
    found = run.evaluate(metrics=["log-likelihood", "coverage", "bits-per-dim"])
    cells = Cells(found._repr_html_()).texts
    assert "log-likelihood" in cells
    assert any("±" in cell for cell in cells)
    assert any(cell.startswith("no bits-per-dim:") for cell in cells)


def test_runs_are_a_table(report, images, folder):
    found = genzoo.runs(folder)
    html = found._repr_html_()
    assert all(name in html for name in ("vae", "finished"))
    assert "No runs." in genzoo.runs(folder / "nowhere")._repr_html_()


def test_a_run_shows_its_facts_and_last_samples(images, tmp_path):
    html = images._repr_html_()
    assert "data:image/png;base64," in html
    assert "finished" in html
    assert "is no run" in genzoo.Run(tmp_path)._repr_html_()


def test_images_are_pictures(images):
    assert isinstance(images.picture(4), Image.Image)
    means = np.asarray(images.picture(4, seed=1, mean=True))
    assert means.shape == np.asarray(images.picture(4, seed=1)).shape
    walk = images.traverse(steps=3, most=2)
    assert walk.picture().size[0] > walk.picture().size[1]
    assert "<img" in walk._repr_html_()
    path = images.interpolate((0, 1), steps=4)
    assert path.picture().size[0] > 3 * path.picture().size[1]
    assert "<img" in path._repr_html_()
    with pytest.raises(ConfigError, match="picture"):
        images.describe().figure()


def test_rows_of_a_table_are_no_pictures(folder):
    run = genzoo.train("ppca", "iris", out=folder / "ppca", precision="fp32")
    with pytest.raises(ConfigError, match="not images"):
        run.picture()
    walk = run.traverse(steps=3)
    with pytest.raises(ConfigError, match="to_frame"):
        walk.picture()
    assert "petal length (cm)" in walk._repr_html_()
    assert "petal length (cm)" in run.interpolate((0, 1), steps=3)._repr_html_()


def test_what_is_no_result_has_no_view():
    with pytest.raises(ConfigError, match="this is of type int"):
        view(3)


def test_score_and_cluster_take_what_the_command_takes(report, folder, tmp_path):
    run = report.best_run
    table = run.score("iris")
    assert list(table.columns[:1]) == ["log_likelihood"]
    assert np.allclose(run.score()["log_likelihood"], table["log_likelihood"])
    frame = genzoo.Run(run.path).sample(20, output="pandas")
    frame["id"] = [f"n{row}" for row in range(20)]
    frame.to_csv(tmp_path / "new.csv", index=False)
    for data in (frame, tmp_path / "new.csv", {"source": str(tmp_path / "new.csv")}, {"source": frame}):
        scored = run.score(data, keep=["id"])
        assert list(scored["id"]) == list(frame["id"])
        assert np.allclose(scored["log_likelihood"], run.log_prob(frame.drop(columns="id")), rtol=1e-4)
        clustered = run.cluster(data, keep=["id"])
        assert list(clustered.columns) == ["id", "cluster", "probability"]
    assert isinstance(run.cluster(), pd.DataFrame)
    with pytest.raises(ConfigError, match="Did you mean 'id'"):
        run.score(tmp_path / "new.csv", keep=["idd"])
    with pytest.warns(UserWarning, match="too few"):
        run.score(frame, threshold=0.001)


def test_images_have_no_columns_to_keep(images):
    assert re.fullmatch(r"lower bound \(64 draws\)", images.score("digits").kind)
    with pytest.raises(ConfigError, match="keep names columns"):
        images.score("digits", keep=["label"])


def test_evaluation_takes_the_draws_of_the_training(folder):
    run = genzoo.train("vae", "iris", steps=3, batch_size=16, bound_draws=5, out=folder / "five", precision="fp32")
    assert run.evaluate(metrics="log-likelihood").kind == "lower bound (5 draws)"
    assert run.evaluate(metrics="log-likelihood", draws=3).kind == "lower bound (3 draws)"


def test_a_report_is_a_table_and_plain_values(report):
    frame = report.to_frame()
    assert frame["id"].tolist() == [row.id for row in report.rows]
    assert frame["bic"].tolist() == [row.bic for row in report.rows]
    assert json.loads(json.dumps(report.as_dict()))["best"] == report.best
    assert report.to_frame("pyarrow").column_names == list(frame.columns)


def test_a_report_says_why_candidates_failed():
    failed = Row(id="vae", model="genzoo-vae/vae", status="failed", reasons={"status": "Too <few> rows."})
    found = Report(data={"name": "x"}, by="bic", best=None, simplest=None, rows=(failed,))
    assert "vae failed: Too <few> rows." in repr(found)
    assert "vae failed: Too &lt;few&gt; rows." in found._repr_html_()
